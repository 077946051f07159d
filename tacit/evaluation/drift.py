"""How far features have moved from those that training started with, and whether what they could do was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.evaluation.knn import knn, neighbours

K, TEMPERATURE = 20, 0.07
SHARE = 5
"""Of N samples at most N / 5 count as neighbours: with too few of them all are."""
HARDLY, FAR = 0.9, 0.5
"""CKA above which features have hardly moved, and below which they have moved far."""
NOTICED = 2.0
"""A change of accuracy counts if it is larger than so many of its standard errors."""


@dataclass(frozen=True)
class Skill:
    """Accuracy of the nearest neighbours by labels, before and after."""

    before: float
    after: float
    error: float
    """Standard error of the difference, which is paired."""


@dataclass(frozen=True)
class Drift:
    """Two encoders' features of the same samples, compared."""

    cka: float
    cosine: float
    kept: float
    """The share of each sample's nearest neighbours that are the same."""
    samples: int
    neighbours: int
    skill: Skill | None = None
    """None where there are no labels."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def in_words(self) -> str:
        """What has happened, in one or two sentences."""
        moved = "hardly moved" if self.cka >= HARDLY else "moved far" if self.cka < FAR else "moved"
        text = (
            f"drift: features have {moved} from where they started (linear CKA {self.cka:.2f}, where 1 is the same up "
            f"to rotation and scale; mean cosine {self.cosine:.2f}; {self.kept:.0%} of the {self.neighbours} nearest "
            f"neighbours stay; {self.samples:,} samples)"
        )
        if self.skill is None:
            return f"{text}. No labels: whether old skills were lost is not known"
        before, after, error = self.skill.before, self.skill.after, self.skill.error
        gain = after - before
        if abs(gain) <= NOTICED * error:
            judged = "no difference beyond chance"
        else:
            judged = "nothing was lost" if gain > 0 else "old skill was lost"
        return f"{text}. Nearest neighbours name the label of {after:.1%}, {before:.1%} before: {judged}"


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment of `x [N, D]` and `y [N, E]` (Kornblith et al. 2019, arXiv 1905.00414, eq. 4).

    From 0 to 1, blind to rotation and to scale as a whole. The sums of squares are the unbiased ones (Song et al. 2012,
    eq. 5; Nguyen et al. 2021, arXiv 2010.15327): with more dimensions than samples the plain ones make strangers look
    alike. Independent features then lie near 0, on either side.
    """
    grams = [_hollow(x.double()), _hollow(y.double())]
    cross, own, other = _hsic(*grams), _hsic(grams[0], grams[0]), _hsic(grams[1], grams[1])
    if own <= 0 or other <= 0:  # constant features agree with nothing
        return 0.0
    return float(cross / (own * other) ** 0.5)


def _hollow(x: Tensor) -> Tensor:
    """The Gram matrix `[N, N]` of centred rows, with a diagonal of zeros."""
    centred = x - x.mean(0)
    gram = centred @ centred.T
    return gram.fill_diagonal_(0)


def _hsic(k: Tensor, l: Tensor) -> Tensor:  # noqa: E741 - the paper's names
    n = len(k)
    total = (k * l).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(0) @ l.sum(0)) / (n - 2)
    return total / (n * (n - 3))


def mean_cosine(x: Tensor, y: Tensor) -> float:
    """Mean cosine of the rows of `x` and `y`, `[N, D]` each: 1 where every sample kept its direction."""
    return F.cosine_similarity(x.double(), y.double(), dim=1).mean().item()


def near(samples: int) -> int:
    """How many nearest neighbours are compared among so many samples."""
    return max(1, min(K, samples // SHARE))


def neighbours_kept(x: Tensor, y: Tensor, k: int) -> float:
    """The share of the `k` nearest other rows by cosine in `x [N, D]` that are among those in `y [N, E]`."""
    found = []
    for features in (x, y):
        _, which = neighbours(features, features, k + 1)
        own = which == torch.arange(len(x))[:, None]
        own[:, -1] |= ~own.any(1)  # among equal rows a row may miss itself: then drop the farthest
        found.append(which[~own].view(len(x), k))
    same = (found[0][:, :, None] == found[1][:, None, :]).any(2)
    return same.double().mean().item()


def compare(x: Tensor, y: Tensor) -> Mapping[str, float]:
    """All measures of two encoders' features `x [N, D]`, `y [N, E]` of the same at least four samples."""
    cosine = mean_cosine(x, y) if x.shape == y.shape else float("nan")
    return {"cka": linear_cka(x, y), "cosine": cosine, "kept": neighbours_kept(x, y, near(len(x)))}


def skill(
    before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], labels: Tensor, test_labels: Tensor, classes: int
) -> Skill:
    """kNN accuracy before and after, from (train `[N, D]`, test `[M, D]`) features and labels (long `[N]`, `[M]`)."""
    right = [
        (knn(train, labels, test, classes, k=K, temperature=TEMPERATURE) == test_labels).double()
        for train, test in (before, after)
    ]
    error = (right[1] - right[0]).std(correction=0).item() / len(test_labels) ** 0.5
    return Skill(right[0].mean().item(), right[1].mean().item(), error)
