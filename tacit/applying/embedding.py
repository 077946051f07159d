"""Vectors of whole data sets, streamed to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from tacit import console, interrupt
from tacit.core import TokenEncoder
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import RunError, UsageError, nearest
from tacit.modalities.histories import HistoryLayout
from tacit.view import FIRST_WORD

FORMATS = (".parquet", ".npy")


def embed_to(
    encoder: TrainedEncoder, data: str, out: Path, *, batch: int = 256, max_bad: float = 0.01
) -> tuple[int, int]:
    """Write the embeddings of all samples of `data` to `out`; memory does not grow with the set.

    `.parquet`: columns `name`, `label` (null where there is none), `part` (train, val, test or null), `vector`.
    `.npy`: float32 `[N, D]`, and the names in `out` with the suffix `.txt`, a line each. The file appears whole or
    not at all. Returns (N, D).
    """
    _must_be_known(out)
    if batch < 1:
        raise UsageError(f"--batch {batch}: give 1 or more")
    with interrupt.listening():
        dataset = encoder.open(data, max_bad=max_bad)
        write = _to_parquet if out.suffix == ".parquet" else _to_npy
        names = (printable(name) for name in dataset.everything().names)
        _whole(out, lambda partial: write(encoder, dataset, partial, batch), names)
    return len(dataset), encoder.dim


def embed_items_to(encoder: TrainedEncoder, out: Path) -> tuple[int, int]:
    """Write the vectors of all items that an encoder of users knows to `out`, in the formats of `embed_to`, a
    `.parquet` with the columns `name` and `vector`; what is known of items is part of them. Returns (N, D).

    Raises `UsageError` for an encoder that has no vectors of items.
    """
    _must_be_known(out)
    if not isinstance(encoder.layout, HistoryLayout):
        raise UsageError(f"--items are of interactions, and this encoder reads {encoder.modality.unit}: leave it out")
    network = encoder.network
    if not isinstance(network, TokenEncoder) or network.table is None:
        raise UsageError(f"--items: an encoder of the kind {encoder.spec.encoder['name']} has no vectors of items")
    vectors = network.table.detach()[FIRST_WORD:].float().numpy()
    names = [printable(name) for name in encoder.layout.items.split("\n")]

    def write(partial: Path) -> None:
        if out.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
            pq.write_table(pa.table({"name": names, "vector": column}), partial)
        else:
            with partial.open("wb") as file:
                np.save(file, vectors, allow_pickle=False)

    _whole(out, write, names)
    return vectors.shape


def _must_be_known(out: Path) -> None:
    if out.suffix not in FORMATS:
        raise UsageError(f"--out {out}: the suffix says what is written; {nearest(out.suffix, FORMATS)}")


def _whole(out: Path, write: Callable[[Path], None], names: Iterable[str]) -> None:
    """Let `write` fill a file that takes the place of `out` at its end; beside an `.npy` stand the names."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(out)
        if out.suffix == ".npy":
            out.with_suffix(".txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _vectors(encoder: TrainedEncoder, dataset: Dataset, batch: int) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    samples = dataset.everything()
    with console.progress("embedding", len(samples)) as tick:
        for rows in torch.split(torch.arange(len(samples)), batch):
            yield rows, encoder.vectors(samples.view(rows)).numpy()
            tick(int(rows[-1]) + 1)


def _to_npy(encoder: TrainedEncoder, dataset: Dataset, path: Path, batch: int) -> None:
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(dataset), encoder.dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for _, vectors in _vectors(encoder, dataset, batch):
            file.write(vectors.astype("<f4").tobytes())


def _to_parquet(encoder: TrainedEncoder, dataset: Dataset, path: Path, batch: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    samples = dataset.everything()
    part_of = dataset.part_of()
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("label", pa.string()),
            ("part", pa.string()),
            ("vector", pa.list_(pa.float32(), encoder.dim)),
        ]
    )
    with pq.ParquetWriter(path, schema, use_dictionary=["label", "part"]) as writer:  # no two vectors are alike
        for rows, vectors in _vectors(encoder, dataset, batch):
            labels = samples.labels[rows].tolist()
            columns = [
                pa.array([printable(name) for name in samples.names.take(rows.numpy())], pa.string()),
                pa.array([dataset.classes[label] if label >= 0 else None for label in labels], pa.string()),
                pa.array(part_of[rows.numpy()].tolist(), pa.string()),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), encoder.dim),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
