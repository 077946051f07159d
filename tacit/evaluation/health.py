"""The health of a representation, without labels: how many directions it uses, and what it does to pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Augmentation, Evaluator, Learner, Method, Progress, Samples
from tacit.evaluation.features import extract_pairs

ROWS = 2048
"""Measures that compare all pairs of rows or take singular values read at most this many, evenly spread."""
DEAD = 0.01


def rankme(x: Tensor) -> float:
    """RankMe of `x [N, D]`: exp of the singular values' entropy (Garrido et al. 2023, arXiv 2210.02885, eq. 1).

    1 where all rows point one way, min(N, D) where all directions are used alike. A constant counts as a direction.
    """
    return _spectral(_few(x).double())


def effective_rank(x: Tensor) -> float:
    """The same measure (Roy and Vetterli 2007) of the centred `x [N, D]`: the directions in which samples differ."""
    few = _few(x).double()
    return _spectral(few - few.mean(0))


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance on the sphere of pairs that should agree, `[N, D]` each (Wang and Isola 2020, eq. 8).

    0 where two views of a sample have the same direction, 2 where they have nothing in common.
    """
    return (F.normalize(first, dim=1) - F.normalize(second, dim=1)).square().sum(1).mean().item()


def uniformity(x: Tensor) -> float:
    """log E exp(-2 |u - v|^2) over pairs of rows of `x [N, D]` on the sphere (Wang and Isola 2020, eq. 9).

    0 where all rows are one point, near -4 in the best case.
    """
    unit = F.normalize(_few(x).double(), dim=1)
    return torch.pdist(unit).square().mul(-2).exp().mean().log().item()


def spread(x: Tensor) -> float:
    """Mean standard deviation of the dimensions of `x [N, D]` on the sphere, times the root of D.

    The measure of Chen and He 2021, arXiv 2011.10566, fig. 2: near 1 for directions of all kinds, 0 at collapse.
    """
    return (F.normalize(x, dim=1).std(0, correction=0).mean() * math.sqrt(x.shape[1])).item()


def dead_dimensions(x: Tensor) -> int:
    """How many of the D dimensions of `x [N, D]` vary less than a hundredth of what the dimensions do on average."""
    deviation = x.std(0, correction=0)
    return int((deviation <= DEAD * deviation.square().mean().sqrt()).sum())


def watch_evaluator(samples: Samples, augment: Mapping[str, Augmentation], kinds: tuple[str, str]) -> Evaluator:
    """The health of a learner's features on at most 512 fixed samples in two fixed views of the given `kinds`.

    Yields `std` (`spread`), `rank` (`effective_rank`), `alignment` and `uniformity`. Training goes on as if nobody had
    looked: modes are restored, and the views' random numbers are hashes. Features are centred where the method says so.
    """

    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        device = next((tensor.device for tensor in learner.state_dict().values()), torch.device("cpu"))
        first, second = extract_pairs(learner.encoder, samples, (augment[kinds[0]], augment[kinds[1]]), device=device)
        if isinstance(learner, Method) and learner.centred:
            first, second = first - first.mean(dim=0), second - first.mean(dim=0)
        yield "std", spread(first)
        yield "rank", effective_rank(first)
        yield "alignment", alignment(first, second)
        yield "uniformity", uniformity(first)

    return evaluate


def _few(x: Tensor) -> Tensor:
    return x if len(x) <= ROWS else x[torch.linspace(0, len(x) - 1, ROWS).long()]


def _spectral(x: Tensor) -> float:
    """exp of the entropy of the singular values of `x [N, D]`, 0 for a matrix of zeros."""
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    values = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    values = values[values > 1e-7 * values.max()]
    share = values / values.sum()
    return torch.special.entr(share).sum().exp().item() if len(values) else 0.0
