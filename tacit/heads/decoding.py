"""From what a recogniser says of every moment to a text: connectionist temporal classification, read out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from torch import Tensor

BLANK = 0
"""The number of no letter; the letters are numbered from 1."""
LEAST = 1e-3
"""The probability below which a letter is not tried at a moment."""


def greedy(probabilities: Tensor) -> list[int]:
    """The letters of the likeliest path through `[L, 1 + K]`: repeats are one, blanks are none."""
    path = probabilities.argmax(1).tolist()
    return [letter for place, letter in enumerate(path) if letter != BLANK and [letter] != path[place - 1 : place]]


def prefix_beam(probabilities: Tensor, beam: int, least: float = LEAST) -> list[int]:
    """The likeliest letters, all their paths through `[L, 1 + K]` together, among the `beam` best beginnings.

    Graves 2012, Supervised Sequence Labelling, section 7.5.3, as in Hannun et al. 2014, arXiv 1408.2873, algorithm 1,
    without words. With a beam that holds everything and `least` 0 it is exact.
    """
    best: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for moment in probabilities.double().tolist():
        tried = [letter for letter, p in enumerate(moment) if letter != BLANK and p > least]
        grown: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])  # ends in a blank, a letter
        for prefix, (blank, letter) in best.items():
            both = blank + letter
            stays = grown[prefix]
            stays[0] += both * moment[BLANK]
            if prefix:
                stays[1] += letter * moment[prefix[-1]]
            for new in tried:
                # after the same letter only a blank lets it count anew
                grown[*prefix, new][1] += moment[new] * (blank if prefix[-1:] == (new,) else both)
        kept = sorted(grown.items(), key=lambda item: -sum(item[1]))[:beam]
        total = sum(map(sum, (each for _, each in kept))) or 1.0
        best = {prefix: (blank / total, letter / total) for prefix, (blank, letter) in kept}
    likeliest, _ = max(best.items(), key=lambda item: sum(item[1]))
    return list(likeliest)


def spelled(letters: Sequence[int], alphabet: Sequence[str]) -> str:
    """Numbers as a text; spaces at its ends are left out, and those that follow each other are one."""
    return " ".join("".join(alphabet[letter - 1] for letter in letters).split())
