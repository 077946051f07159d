"""Duplicates in a data set: the same bytes, the same values, nearly the same to a hash or to an encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.listing import Longs
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, UsageError
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.retrieval import TILE, pairs
from tacit.settings import modality_of

Way = Literal["bytes", "values", "hash", "features"]
"""How two samples are the same, strictest first: raw contents; what an encoder reads; nearly, to a perceptual hash;
nearly, in an encoder's feature space."""
NEAR: dict[Way, float] = {"hash": 0.9, "features": 0.95}
"""Least similarity by default: the share of equal bits, the cosine of centred features.

Chosen on copies planted among 3,000 images, of CIFAR-10 and of flowers. At .9 of the bits at least 98 in 100 were found
of those compressed (JPEG 30), halved, lightened, made grey or noisy, 31 to 40 in 100 of those cropped by a twentieth,
and no stranger among 4.5 million pairs; at .85 the crops rise to 78 to 84 in 100. Pictures of 8 x 8 pixels are too
small for it: it takes 12 groups of the 1,797 digits for duplicates, and 75 at .85. At a cosine of .95, for SimCLR's
features of CIFAR-10, 62 in 100 of the same crops were found and 31 in 100 of those by a tenth (the hash: 4), but 8 in
100 of the grey ones, and one pair of strangers."""
_BATCH = 512
_LINKS = 2**22
"""Links that are held before they are merged into groups."""


@dataclass(frozen=True, eq=False)
class Group:
    """Samples of which each is a duplicate of another one. R is their number."""

    rows: Longs
    """`[R]`, rows of the whole set, in order."""
    way: Way
    """The strictest way in which they all hang together."""
    similarity: npt.NDArray[np.float32]
    """`[R]`, of each to the member that is nearest to it."""
    parts: tuple[str, ...]
    """The parts of the split it has members in."""
    classes: tuple[str, ...]
    """The classes its members stand under."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def leak(self) -> bool:
        """Whether what is learnt of one member is tested on another."""
        return len(self.parts) > 1

    @property
    def conflict(self) -> bool:
        """Whether its members stand under different classes."""
        return len(self.classes) > 1


@dataclass(frozen=True, eq=False)
class Duplicates:
    """What `find` found."""

    dataset: Dataset
    measure: Way
    """How near duplicates were sought: `hash` or `features`; `values` where only exact ones could be."""
    near: float
    """Least similarity of near duplicates."""
    groups: tuple[Group, ...]
    """Leaks first, then members of different classes, then the rest; the strictest way first among equals."""

    @property
    def leaks(self) -> tuple[Group, ...]:
        """The groups that have members in more than one part of the split."""
        return tuple(group for group in self.groups if group.leak)

    @property
    def conflicts(self) -> tuple[Group, ...]:
        """The groups whose members stand under different classes."""
        return tuple(group for group in self.groups if group.conflict)

    def surplus(self, *ways: Way) -> int:
        """How many samples could go without loss: all but one of each group, of all ways or of some."""
        return sum(len(group) - 1 for group in self.groups if not ways or group.way in ways)


def find(dataset: Dataset, *, encoder: TrainedEncoder | None = None, near: float | None = None) -> Duplicates:
    """Groups of duplicates among all samples of `dataset`, whatever its split.

    Near ones are sought by the modality's perceptual hash, or in the feature space of `encoder`, in whose layout the
    data must have been opened. `near`: least similarity, the share of equal bits or the cosine of centred features.
    All pairs are compared, in blocks: memory grows with the number of samples, time with its square.
    """
    if near is not None and not 0.5 <= near <= 1:
        raise UsageError(f"--near {near:g}: give a similarity from 0.5 to 1, such as 0.95")
    measure: Way = "features" if encoder else "hash" if dataset.modality.fingerprint else "values"
    least = near if near is not None else NEAR.get(measure, 1.0)
    values, vectors = _read(dataset, encoder)
    count = len(dataset)
    best = np.zeros(count, np.float32)
    roots: dict[Way, Longs] = {}
    roots["bytes"] = _equal(dataset.tokens)
    roots["values"] = _merge(roots["bytes"], [(np.arange(count), _equal(values))])
    exact = np.bincount(roots["values"], minlength=count)[roots["values"]] > 1
    best[exact] = 1
    last: Way = "values"
    if vectors is not None:
        unique = np.flatnonzero(roots["values"] == np.arange(count))
        roots[measure] = _merge(roots["values"], _near(vectors, unique, measure, least, best))
        last = measure
    return Duplicates(dataset, measure, least, tuple(_groups(dataset, roots, last, best)))


def find_in(
    data: str, *, encoder: TrainedEncoder | None = None, near: float | None = None, max_bad: float = 0.01
) -> Duplicates:
    """The same for DATA as the user names it, in the layout that training would choose, or the encoder's own."""
    modality = encoder.modality if encoder else modality_of(data)
    with interrupt.listening():
        layout = encoder.layout if encoder else None
        dataset = open_dataset(data, modality, modality.config(), layout, max_bad=max_bad)
        dataset.say_notes()
        return find(dataset, encoder=encoder, near=near)


def _read(dataset: Dataset, encoder: TrainedEncoder | None) -> tuple[npt.NDArray[np.uint64], Tensor | None]:
    """One pass over the data: a hash of each sample's values `[N]`, and what near ones are compared by, `[N, D]`."""
    if encoder is not None and encoder.layout != dataset.layout:
        raise DataError(f"{dataset.name} was opened in another layout than the encoder's: {dataset.layout}")
    samples, fingerprint = dataset.everything(), dataset.modality.fingerprint
    values = np.empty(len(samples), np.uint64)
    vectors: Tensor | None = None
    with console.progress("reading", len(samples)) as tick:
        for rows in torch.split(torch.arange(len(samples)), _BATCH):
            interrupt.check()
            view = samples.view(rows)
            for row, sample in zip(rows.tolist(), view.x.numpy(), strict=True):
                digest = hashlib.blake2b(np.ascontiguousarray(sample).data, digest_size=8).digest()
                values[row] = int.from_bytes(digest, "little")
            some = encoder.vectors(view) if encoder else fingerprint(view) if fingerprint else None
            if some is not None:
                if vectors is None:
                    vectors = torch.empty(len(samples), some.shape[1], dtype=some.dtype)
                vectors[rows] = some
            tick(int(rows[-1]) + 1)
    if encoder is not None and vectors is not None:
        must_be_finite(vectors, "the encoder").sub_(vectors.mean(0))
        vectors.div_(vectors.norm(dim=1, keepdim=True).clamp_min(1e-12))
    return values, vectors


def _equal(keys: npt.NDArray[np.uint64]) -> Longs:
    """`[N]`: the first row with the same key."""
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return first[which].astype(np.int64)


def _near(
    vectors: Tensor, unique: Longs, measure: Way, least: float, best: npt.NDArray[np.float32]
) -> Iterator[tuple[Longs, Longs]]:
    """Links between near rows among `unique`; raises each row's similarity in `best [N]` to the largest it has."""
    some = vectors[torch.from_numpy(unique)]
    width = some.shape[1]
    bits = measure == "hash"
    limit = width * (2 * least - 1) if bits else least
    across = -(-len(some) // TILE)
    with console.progress("comparing", across * (across + 1) // 2) as tick:
        for number, (first, second, products) in enumerate(pairs(some, limit - 1e-6), 1):
            similarity = ((products / width + 1) / 2 if bits else products).clamp(max=1).numpy()
            ends = unique[first.numpy()], unique[second.numpy()]
            for end in ends:
                np.maximum.at(best, end, similarity)
            yield ends
            tick(number)


def _merge(roots: Longs, links: Iterable[tuple[Longs, Longs]]) -> Longs:
    """`[N]`, the lowest row of each sample's group, once `links` have joined the groups that `roots [N]` names."""
    waiting: list[tuple[Longs, Longs]] = []
    for link in links:
        waiting.append(link)
        if sum(len(first) for first, _ in waiting) > _LINKS:
            roots, waiting = _joined(roots, waiting), []
    return _joined(roots, waiting)


def _joined(roots: Longs, links: list[tuple[Longs, Longs]]) -> Longs:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(roots)
    first = np.concatenate([np.arange(count), *(first for first, _ in links)])
    second = np.concatenate([roots, *(second for _, second in links)])
    graph = coo_array((np.ones(len(first), np.bool_), (first, second)), shape=(count, count))
    _, names = connected_components(graph, directed=False)
    return _equal(names)


def _groups(dataset: Dataset, roots: dict[Way, Longs], last: Way, best: npt.NDArray[np.float32]) -> list[Group]:
    final = roots[last]
    order = np.argsort(final, kind="stable")
    starts = np.flatnonzero(np.diff(final[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    part_of, labels = dataset.part_of(), dataset.labels.numpy()
    groups = []
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        rows = order[start : start + size]
        way = next(way for way, names in roots.items() if (names[rows] == names[rows[0]]).all())
        parts = tuple(part for part in dataset.parts if (part_of[rows] == part).any())
        classes = tuple(dataset.classes[label] for label in np.unique(labels[rows]).tolist() if label >= 0)
        groups.append(Group(rows, way, best[rows], parts, classes))
    strict = list(roots)
    return sorted(groups, key=lambda group: (not group.leak, not group.conflict, strict.index(group.way)))
