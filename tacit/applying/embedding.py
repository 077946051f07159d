"""Vectors of whole data sets, streamed to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tacit import console, interrupt
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import RunError, UsageError, nearest

FORMATS = (".parquet", ".npy")


def embed_to(
    encoder: TrainedEncoder, data: str, out: Path, *, batch: int = 256, max_bad: float = 0.01
) -> tuple[int, int]:
    """Write the embeddings of all samples of `data` to `out`; memory does not grow with the set.

    `.parquet`: columns `name`, `label` (null where there is none), `part` (train, val, test or null), `vector`.
    `.npy`: float32 `[N, D]`, and the names in `out` with the suffix `.txt`, a line each. The file appears whole or
    not at all. Returns (N, D).
    """
    if out.suffix not in FORMATS:
        raise UsageError(f"--out {out}: the suffix says what is written; {nearest(out.suffix, FORMATS)}")
    if batch < 1:
        raise UsageError(f"--batch {batch}: give 1 or more")
    with interrupt.listening():
        dataset = encoder.open(data, max_bad=max_bad)
        partial = out.with_name(f".{out.name}.partial")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            (_to_parquet if out.suffix == ".parquet" else _to_npy)(encoder, dataset, partial, batch)
            partial.replace(out)
            if out.suffix == ".npy":
                names = (printable(name) for name in dataset.everything().names)
                out.with_suffix(".txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        except OSError as error:
            raise RunError(f"cannot write {out}: {error.strerror or error}") from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    return len(dataset), encoder.dim


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
    with pq.ParquetWriter(path, schema) as writer:
        for rows, vectors in _vectors(encoder, dataset, batch):
            labels = samples.labels[rows].tolist()
            columns = [
                pa.array([printable(name) for name in samples.names.take(rows.numpy())], pa.string()),
                pa.array([dataset.classes[label] if label >= 0 else None for label in labels], pa.string()),
                pa.array(part_of[rows.numpy()].tolist(), pa.string()),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), encoder.dim),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
