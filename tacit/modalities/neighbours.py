"""The field's own classifiers of series: the label of the nearest one, as it is, or with time warped."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.console import progress, say
from tacit.core import Classifier, Samples
from tacit.evaluation.warping import cells, dtw
from tacit.modalities.described import of_one_length

BAND = 0.1
"""Width of the band to each side of the diagonal, as a share of the length: the archive's usual one."""
_WORK = 1.5e9
"""Differences that warping computes at most: some ten seconds on a core."""
_PAIRS = 50_000_000
"""Pairs of a test and a training series at most."""
_SHORTEST = 32
"""Steps below which warping compares little; series that would have to be narrowed further are not warped."""
_BLOCK = 2**22


def euclid(train: Samples, test: Samples) -> Classifier | None:
    """One nearest neighbour by the distance of values; None, and a word on it, where there are too many pairs."""
    if len(train) * len(test) > _PAIRS:
        _left_out("1-NN Euclid", train, test)
        return None
    first, second = (_values(samples) for samples in (test, train))
    return _nearest(torch.cdist(first.flatten(1), second.flatten(1)))


def warped(train: Samples, test: Samples) -> Classifier | None:
    """One nearest neighbour by dynamic time warping in a band of a tenth; series are narrowed where it would take long.

    None, and a word on it, where even short ones would.
    """
    pairs = len(train) * len(test)
    first, second = (_values(samples) for samples in (test, train))
    length = first.shape[1]
    while length > _SHORTEST and pairs * cells(length, _band(length)) * first.shape[2] > _WORK:
        length = max(_SHORTEST, int(0.9 * length))
    if pairs * cells(length, _band(length)) * first.shape[2] > _WORK:
        _left_out("1-NN DTW", train, test)
        return None
    if length < first.shape[1]:
        say(f"note: 1-NN DTW compares series narrowed from {first.shape[1]:,} to {length:,} steps, to end in seconds")
        first, second = (_narrowed(x, length) for x in (first, second))
    block = max(1, _BLOCK // (length * first.shape[2]))
    distances = torch.empty(pairs)
    with progress("1-NN DTW", pairs) as tick:
        for part in torch.split(torch.arange(pairs), block):
            rows, columns = part // len(second), part % len(second)
            distances[part] = dtw(first[rows], second[columns], _band(length))
            tick(int(part[-1]) + 1)
    return _nearest(distances.view(len(first), len(second)))


def _band(length: int) -> int:
    return max(1, int(BAND * length))


def _values(samples: Samples) -> Tensor:
    """All series at the length of their set, `[N, L, C]`."""
    parts = [samples.view(rows) for rows in torch.split(torch.arange(len(samples)), 256)]
    return torch.cat([of_one_length(view, view.x.shape[1]) for view in parts])


def _narrowed(x: Tensor, length: int) -> Tensor:
    return torch.nn.functional.interpolate(x.transpose(1, 2), length, mode="linear", align_corners=True).transpose(1, 2)


def _nearest(distances: Tensor) -> Classifier:
    def classify(rows: Tensor, labels: Tensor) -> Tensor:
        return labels[distances[:, rows].argmin(dim=1)]

    return classify


def _left_out(name: str, train: Samples, test: Samples) -> None:
    say(f"note: {name} is left out: {len(test):,} x {len(train):,} pairs would take too long")
