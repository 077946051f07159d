"""Spans of words, such as names: how tags say them, and how many of them are right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

OUTSIDE = 0
"""The number of a word in no span; the first word of a span of class k is numbered 2 k + 1, the others 2 k + 2."""
_NOTHING = frozenset({"", "O", "_", "-"})
_MARKS = frozenset("BIESLUO")
Kind = TypeVar("Kind")


def parsed(tag: str) -> tuple[str, str]:
    """(mark, class) of a tag such as `B-person`; a tag without mark stands for a span of one word, as `S` does."""
    if tag in _NOTHING:
        return "O", ""
    mark, dash, kind = tag.partition("-")
    return (mark, kind) if dash and kind and mark in _MARKS else ("S", tag)


def spans(marks: Iterable[tuple[str, Kind]]) -> list[tuple[Kind, int, int]]:
    """(class, first word, behind the last word) of each span, by the rules of `conlleval` (Tjong Kim Sang 2002).

    A span begins at B, S and U, behind E, S, L and O, and where the class changes: so both kinds of BIO, BIOES, BILOU
    and tags that fit no scheme all mean something.
    """
    found, begun = [], None
    place = 0
    for place, (mark, kind) in enumerate(marks):
        if begun is not None and (mark in "OBSU" or kind != begun[0]):
            found.append((*begun, place))
            begun = None
        if mark != "O" and begun is None:
            begun = (kind, place)
        if begun is not None and mark in "ESLU":
            found.append((*begun, place + 1))
            begun = None
    return found if begun is None else [*found, (*begun, place + 1)]


def of_numbers(numbers: Sequence[int]) -> list[tuple[int, int, int]]:
    """The spans that numbers say (see `OUTSIDE`), each with the number of its class."""
    return spans(("O" if n == OUTSIDE else "IB"[n % 2], (n - 1) // 2) for n in map(int, numbers))


def numbered(tags: Sequence[str], classes: Mapping[str, int]) -> npt.NDArray[np.int16]:
    """Tags of any scheme as numbers (see `OUTSIDE`), `[W]`; `classes`: name -> number."""
    numbers = np.full(len(tags), OUTSIDE, np.int16)
    for kind, first, end in spans(map(parsed, tags)):
        numbers[first:end] = 2 * classes[kind] + 2
        numbers[first] -= 1
    return numbers


def spelled(numbers: Sequence[int], classes: Sequence[str]) -> list[str]:
    """Numbers as tags: `O`, `B-person`, `I-person`."""
    return ["O" if n == OUTSIDE else f"{'IB'[n % 2]}-{classes[(n - 1) // 2]}" for n in numbers]


def tally(truth: Sequence[int], said: Sequence[int], classes: int) -> Tensor:
    """By class how many spans are right (class and both ends), said, and true: float64 `[K, 3]`."""
    true, told = set(of_numbers(truth)), set(of_numbers(said))
    counts = torch.zeros(classes, 3, dtype=torch.float64)
    for column, some in enumerate((true & told, told, true)):
        for kind, _, _ in some:
            counts[kind, column] += 1
    return counts


def f1(counts: Tensor) -> Tensor:
    """F1 `[...]` of counts `[..., 3]`: 2 right / (said + true); 0 where there is nothing."""
    return 2 * counts[..., 0] / (counts[..., 1] + counts[..., 2]).clamp_min(1)


def precision(counts: Tensor) -> Tensor:
    """The share of the said spans that are right, `[...]` of `[..., 3]`; 0 where none is said."""
    return counts[..., 0] / counts[..., 1].clamp_min(1)


def recall(counts: Tensor) -> Tensor:
    """The share of the true spans that are said, `[...]` of `[..., 3]`."""
    return counts[..., 0] / counts[..., 2].clamp_min(1)
