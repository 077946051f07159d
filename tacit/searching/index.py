"""An index over a data set: plain files that answer which of its samples are nearest to a vector."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit import atomic, console, interrupt
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.mapped import MappedRows
from tacit.encoder import TrainedEncoder
from tacit.engine import checkpoint
from tacit.errors import RunError, UsageError
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.retrieval import centred, nearest

FORMAT = 1
CONFIG, VECTORS, CENTRE, SAMPLES, GRAPH = "config.json", "vectors.npy", "centre.npy", "samples.parquet", "graph.usearch"
EXACT = 1_000_000
"""Up to so many vectors every one of them is looked at; above, a graph proposes candidates."""
CANDIDATES = 4
"""How many times k candidates the graph proposes; their similarities are then computed exactly."""
PROPOSED = 100
"""The largest k that the graph is asked for; more are found by looking at every vector."""
_BLOCK = 2**24
"""Numbers in a block of vectors."""


@dataclass(frozen=True)
class IndexConfig:
    """`config.json`: what the index is of and what its files must be. Plain values only."""

    encoder: str
    """SHA-256 of weights, architecture and layout: an index answers its own encoder alone."""
    encoder_name: str
    data: str
    content_hash: str
    """Of the indexed data."""
    count: int
    """N."""
    dim: int
    """D."""
    files: dict[str, str]
    """Name -> SHA-256 of each file."""
    metric: str = "cosine of features centred on the mean of the indexed set"
    centre: str = CENTRE
    format: int = FORMAT


@dataclass(frozen=True)
class Hit:
    """One sample that was found."""

    row: int
    """Its row in the indexed set."""
    name: str
    label: str | None
    part: str | None
    similarity: float


class Index:
    """An index that was opened: vectors stay on disk, mapped."""

    def __init__(self, path: Path, config: IndexConfig) -> None:
        import pyarrow.parquet as pq

        self.path, self.config = path, config
        shape = (config.count, config.dim)
        size = np.dtype("<f4").itemsize * config.count * config.dim
        offset = (path / VECTORS).stat().st_size - size
        self._vectors = MappedRows(path / VECTORS, "<f4", shape, offset)
        self._centre = torch.from_numpy(np.load(path / CENTRE, allow_pickle=False))
        self._samples = pq.read_table(path / SAMPLES, memory_map=True)
        self._graph: Any = None
        if GRAPH in config.files:
            from usearch.index import Index as Graph

            self._graph = Graph.restore(path / GRAPH, view=True)

    def __len__(self) -> int:
        return self.config.count

    def search(self, features: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Similarities `[M, k]`, largest first, and rows `[M, k]` for an encoder's `features [M, D]`; k at most N."""
        queries = centred(features, self._centre)
        found = self._proposed(queries, k) if self._graph is not None and k <= PROPOSED else None
        similarity, rows = nearest(self._blocks(), queries, k) if found is None else found
        return similarity.clamp(-1, 1), rows

    def _proposed(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor] | None:
        """The best of the graph's candidates by their exact similarities; None where it has too few for a query."""
        wanted = min(CANDIDATES * k, len(self))
        found = self._graph.search(queries.numpy(), wanted)
        keys, counts = found.keys.reshape(-1, wanted), np.reshape(found.counts, -1)
        if counts.min() < k:
            return None
        there = torch.arange(wanted) < torch.from_numpy(counts.astype(np.int64))[:, None]
        rows = torch.from_numpy(keys.astype(np.int64)).where(there, torch.zeros(1, dtype=torch.long))
        vectors = torch.from_numpy(self._vectors.take(rows.flatten().numpy())).view(*rows.shape, -1)
        similarity = torch.einsum("mcd,md->mc", vectors, queries).where(there, torch.full((1,), -torch.inf))
        ordered, order = similarity.sort(dim=1, descending=True)
        return ordered[:, :k], rows.gather(1, order)[:, :k]

    def hits(self, rows: Tensor, similarities: Tensor) -> tuple[Hit, ...]:
        """What stands at `rows` (long `[k]`)."""
        found = self._samples.take(rows.numpy()).to_pylist()
        return tuple(
            Hit(row, str(one["name"]), one["label"], one["part"], similarity)
            for row, one, similarity in zip(rows.tolist(), found, similarities.tolist(), strict=True)
        )

    def _blocks(self) -> Iterator[Tensor]:
        step = max(1, _BLOCK // self.config.dim)
        for start in range(0, len(self), step):
            yield torch.from_numpy(self._vectors.take(np.arange(start, min(start + step, len(self)))))


def identity(encoder: TrainedEncoder) -> str:
    """SHA-256 over all that an embedding depends on: weights, architecture, layout."""
    weights = encoder.spec.sha256
    if weights is None:  # of a checkpoint
        state = checkpoint.serialise(checkpoint.State(encoder.network.state_dict()))
        weights = hashlib.sha256(state).hexdigest()
    facts = [weights, dict(encoder.spec.encoder), encoder.layout.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def build(
    encoder: TrainedEncoder, data: str, out: Path, *, batch: int = 256, max_bad: float = 0.01, exact: int = EXACT
) -> IndexConfig:
    """Index all samples of `data` in the folder `out`, which appears whole or not at all; an older index is replaced.

    Vectors are streamed, so memory does not grow with the set. With more than `exact` samples a graph is built as
    well. Raises `UsageError` where `out` holds anything but an index.
    """
    if out.exists() and not _described(out) and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out} holds other things than an index: name a folder that is new or empty")
    if batch < 1:
        raise UsageError(f"--batch {batch}: give 1 or more")
    with interrupt.listening():
        dataset = encoder.open(data, max_bad=max_bad)
        partial = out.with_name(f".{out.name}.partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)  # a process was killed here before
            partial.mkdir(parents=True)
            config = _write(encoder, dataset, partial, batch, exact)
            _replace(partial, out)
        except OSError as error:
            raise RunError(f"cannot write {out}: {error.strerror or error}") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return config


def _replace(partial: Path, out: Path) -> None:
    """Give the finished folder its name; what stood there goes only then."""
    before = out.with_name(f".{out.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        out.rename(before)
    partial.rename(out)
    atomic.sync_folder(out.absolute().parent)
    shutil.rmtree(before, ignore_errors=True)


def _write(encoder: TrainedEncoder, dataset: Dataset, folder: Path, batch: int, exact: int) -> IndexConfig:
    """All files of the index, `config.json` last."""
    raw = folder / "raw"
    total = _embed(encoder, dataset, raw, batch)
    # one sample alone is its own mean, and would have no direction left
    mean = total / len(dataset) if len(dataset) > 1 else torch.zeros_like(total)
    np.save(folder / CENTRE, mean.float().numpy(), allow_pickle=False)
    _centre(raw, folder, len(dataset), mean.float(), graph=len(dataset) > exact)
    raw.unlink()
    _write_samples(dataset, folder / SAMPLES)
    written = sorted(folder.iterdir())
    for path in written:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    config = IndexConfig(
        encoder=identity(encoder),
        encoder_name=f"{encoder.path}: {encoder.spec.encoder['name']}, {encoder.spec.training.get('method')}",
        data=dataset.name,
        content_hash=dataset.content_hash,
        count=len(dataset),
        dim=encoder.dim,
        files={path.name: _digest(path) for path in written},
    )
    atomic.write(folder / CONFIG, json.dumps(asdict(config), indent=1).encode(), folder / "config.partial")
    return config


def _embed(encoder: TrainedEncoder, dataset: Dataset, path: Path, batch: int) -> Tensor:
    """Write the features of all samples; returns their sum, float64 `[D]`."""
    samples = dataset.everything()
    total = torch.zeros(encoder.dim, dtype=torch.float64)
    with path.open("wb") as file, console.progress("embedding", len(samples)) as tick:
        for rows in torch.split(torch.arange(len(samples)), batch):
            features = must_be_finite(encoder.vectors(samples.view(rows)), "the encoder")
            total += features.double().sum(0)
            file.write(features.numpy().astype("<f4").tobytes())
            tick(int(rows[-1]) + 1)
    return total


def _centre(raw: Path, folder: Path, count: int, mean: Tensor, *, graph: bool) -> None:
    """Write the vectors, centred and of length one, and the graph over them where one is wanted."""
    index: Any = None
    if graph:
        from usearch.index import Index as Graph

        index = Graph(ndim=len(mean), metric="ip", dtype="f16")
    step = max(1, _BLOCK // len(mean) // 16)
    with raw.open("rb") as source, (folder / VECTORS).open("wb") as file, console.progress("indexing", count) as tick:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, len(mean))}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, step):
            interrupt.check()
            some = np.fromfile(source, "<f4", min(step, count - start) * len(mean)).reshape(-1, len(mean))
            vectors = centred(torch.from_numpy(some), mean).numpy()
            file.write(vectors.astype("<f4").tobytes())
            if index is not None:
                index.add(np.arange(start, start + len(vectors)), vectors, threads=torch.get_num_threads())
            tick(start + len(some))
    if index is not None:
        index.save(folder / GRAPH)


def _write_samples(dataset: Dataset, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    samples, part_of = dataset.everything(), dataset.part_of()
    schema = pa.schema([("name", pa.string()), ("label", pa.string()), ("part", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for rows in torch.split(torch.arange(len(samples)), 65_536):
            names = samples.names.take(rows.numpy())
            labels = samples.labels[rows].tolist()
            columns = [
                pa.array([printable(name) for name in names], pa.string()),
                pa.array([dataset.classes[label] if label >= 0 else None for label in labels], pa.string()),
                pa.array(part_of[rows.numpy()].tolist(), pa.string()),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _described(path: Path) -> dict[str, Any] | None:
    """What `config.json` in the folder `path` says, None where it is not that of an index: encoders have one, too."""
    try:
        values = json.loads((path / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and {"centre", "metric", "files"} <= values.keys() else None


def open_index(path: Path) -> Index:
    """The index in the folder `path`. Raises `UsageError` where there is none, `RunError` where it is damaged."""
    again = "Make it again with tacit index."
    values = _described(path)
    if values is None and (path / VECTORS).is_file():
        raise RunError(f"{path / CONFIG} is missing or damaged. {again}")
    if values is None:
        raise UsageError(f"{path} holds no index: make one with tacit index ENCODER DATA --out {path}")
    if values.get("format") != FORMAT:
        raise RunError(f"{path} was written by another version of tacit (format {values.get('format')}). {again}")
    try:
        config = IndexConfig(**{field.name: values[field.name] for field in fields(IndexConfig)})
        damaged = [name for name, digest in config.files.items() if _digest(path / name) != digest]
    except (KeyError, AttributeError, OSError) as error:
        raise RunError(f"{path} is damaged: {error}. {again}") from None
    if damaged:
        raise RunError(f"{path / damaged[0]} is damaged: it does not match its SHA-256 in {CONFIG}. {again}")
    return Index(path, config)
