"""Which of many ids comes next: the losses of a choice among the vectors of a table, one of which is right.

M places with states `[M, D]`, V ids with vectors `[V, D]`; the score of an id is the product of the two.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.losses.crowd import crowd


def among_all(states: Tensor, table: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of a softmax over all ids, `[M]`; `target`, long `[M]`.

    The M x V scores are never held (`tacit.losses.crowd`).
    """
    right = (states.float() * table[target].float()).sum(dim=1)
    return crowd(states, table) - right


def among_some(states: Tensor, table: Tensor, target: Tensor, drawn: Tensor, count: int) -> Tensor:
    """The same estimated from `drawn` ids, long `[K]`, evenly drawn from `count` and shared by all places: `[M]`.

    Those that are the right one are left out of a place's negatives; the others stand for all but the right one, so
    that with every id drawn once it is the softmax over all (Jean et al. 2015, arXiv 1412.2007, section 3).
    """
    right, wrong, usable = _scores(states, table, target, drawn)
    stands_for = (count - 1) / usable.sum(dim=1, keepdim=True).clamp_min(1)
    wrong = (wrong + stands_for.log()).masked_fill(~usable, -torch.inf)
    return torch.cat([right[:, None], wrong], dim=1).logsumexp(dim=1) - right


def calibrated(states: Tensor, table: Tensor, target: Tensor, drawn: Tensor, count: int, t: float) -> Tensor:
    """gBCE (Petrov and Macdonald 2023, arXiv 2308.07192, equations 9 and 11), `[M]`; arguments as of `among_some`.

    -(beta log s(right) + sum log(1 - s(wrong))) / (K + 1), s being the sigmoid. Binary cross-entropy on few negatives
    believes too much in the right one; the smaller beta, the less (see `calibration`).
    """
    right, wrong, usable = _scores(states, table, target, drawn)
    beta = calibration(len(drawn), count, t)
    repelled = (F.softplus(wrong) * usable).sum(dim=1)
    return (beta * F.softplus(-right) + repelled) / (len(drawn) + 1)


def calibration(drawn: int, count: int, t: float) -> float:
    """beta = a (t (1 - 1 / a) + 1 / a), a being the share of the wrong ids that is drawn: 1 for t = 0, a for t = 1."""
    share = min(1.0, drawn / (count - 1))
    return share * (t * (1 - 1 / share) + 1 / share)


def undecided(drawn: int, count: int, t: float) -> float:
    """`calibrated` where all scores are 0: the line of nothing learnt."""
    return (calibration(drawn, count, t) + drawn) / (drawn + 1) * math.log(2)


def _scores(states: Tensor, table: Tensor, target: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of the right ids `[M]` and of the drawn ones `[M, K]` in float32, and which of these are wrong ones."""
    right = (states.float() * table[target].float()).sum(dim=1)
    wrong = (states @ table[drawn].T.to(states.dtype)).float()
    return right, wrong, target[:, None] != drawn
