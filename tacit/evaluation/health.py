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
FIRST, LAST = 4, 100
"""The eigenvalues, counted from 1, through which a power law is laid: those before are outliers, those behind noise."""
NEAR = 10
"""How many nearest neighbours are looked at."""
OWN = 1e-4
"""What is added to the variance of views in each direction, as a share of what it is on average."""


def rankme(x: Tensor) -> float:
    """RankMe of `x [N, D]`: exp of the singular values' entropy (Garrido et al. 2023, arXiv 2210.02885, eq. 1).

    1 where all rows point one way, min(N, D) where all directions are used alike. A constant counts as a direction.
    """
    return _spectral(_few(x).double())


def effective_rank(x: Tensor) -> float:
    """The same measure (Roy and Vetterli 2007) of the centred `x [N, D]`: the directions in which samples differ."""
    few = _few(x).double()
    return _spectral(few - few.mean(0))


def alpha_req(x: Tensor) -> float:
    """Alpha, where the covariance of `x [N, D]` has eigenvalues that fall with their rank i as i ** -alpha.

    Agrawal et al. 2022, "alpha-ReQ", who find the best representations near 1: above it few directions say all, below
    it noise fills the rest. Least squares on logarithms from the 4th to the 100th eigenvalue, each weighted by 1 / i,
    as their own program fits it (after Stringer et al. 2019). NaN where fewer than five are above zero.
    """
    few = _few(x).double()
    values = _singular(few - few.mean(0)).square()[FIRST - 1 : LAST]
    if len(values) < 2:
        return math.nan
    rank = torch.arange(FIRST, FIRST + len(values), dtype=torch.float64)
    weight = 1 / rank / (1 / rank).sum()
    across, down = rank.log(), values.log()
    across, down = across - weight @ across, down - weight @ down
    return -(weight @ (across * down) / (weight @ across.square())).item()


def lidar(views: Tensor) -> float:
    """LiDAR of `views [N, Q, D]`, Q > 1 views of each of N samples: in how many directions samples stand out.

    Thilak et al. 2023, arXiv 2312.04000: exp of the entropy of the eigenvalues of W^-1/2 B W^-1/2, where B is the
    covariance of the samples' means and W that of views about the mean of their sample. The paper adds 1e-4 to W's
    diagonal; here it is `OWN` of the diagonal's mean, so that the scale of features says nothing. 0 where all samples
    have the same mean.
    """
    x = views.double()
    means = x.mean(1)
    inner = (x - means[:, None]).flatten(0, 1)
    within = inner.T @ inner / len(inner)
    # where views change nothing at all, all directions are as reliable as each other
    within.diagonal().add_(OWN * within.diagonal().mean().item() or 1.0)
    between = torch.linalg.solve_triangular(torch.linalg.cholesky(within), (means - means.mean(0)).T, upper=False)
    return _over(_singular(between.T).square())


def stability(first: Tensor, second: Tensor, k: int = NEAR) -> float:
    """The share of a sample's `k` nearest neighbours in one view that are so in the other: `[N, D]` each, N > 1.

    By cosine about the mean, as kNN is done here. 1 where views change nobody's neighbours, k / (N - 1) by chance.
    """
    return staying(_few(first), _few(second), k).mean().item()


def staying(first: Tensor, second: Tensor, k: int = NEAR) -> Tensor:
    """The same of each sample, float64 `[N]`."""
    near = [_nearest(x, k) for x in (first, second)]
    return (near[0][:, :, None] == near[1][:, None]).any(2).double().mean(1)


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


def _nearest(x: Tensor, k: int) -> Tensor:
    """Rows, long `[N, k]`, that are nearest to each row of `x [N, D]`, itself left out."""
    unit = F.normalize(x - x.mean(0), dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-math.inf)
    return cosine.topk(min(k, len(x) - 1), dim=1).indices


def _singular(x: Tensor) -> Tensor:
    """The singular values of `x [N, D]` that are not zero, largest first."""
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    values: Tensor = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0).sqrt()
    return values[values > 1e-7 * values.max()]


def _over(values: Tensor) -> float:
    """Over how many of `values [K]` their sum is spread: exp of the entropy of their shares, 0 where there are none."""
    return torch.special.entr(values / values.sum()).sum().exp().item() if len(values) else 0.0


def _spectral(x: Tensor) -> float:
    """exp of the entropy of the singular values of `x [N, D]`, 0 for a matrix of zeros."""
    return _over(_singular(x))
