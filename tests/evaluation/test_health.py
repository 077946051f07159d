"""Measures of health against values known on paper, and a watch that leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Draws, Encoder, Features, Learner, Progress, View
from tacit.evaluation import health


def test_rank_of_orthogonal_directions_is_their_number() -> None:
    assert health.rankme(torch.eye(6)) == pytest.approx(6)
    assert health.rankme(torch.ones(9, 4)) == pytest.approx(1)
    assert health.rankme(torch.cat([torch.eye(3), torch.zeros(3, 5)], 1)) == pytest.approx(3)
    two = torch.diag(torch.tensor([3.0, 1.0]))
    assert health.rankme(two) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_effective_rank_ignores_the_mean() -> None:
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert health.effective_rank(x + 100) == pytest.approx(2)
    assert health.effective_rank(torch.ones(5, 3)) == 0


def _falling(alpha: float, count: int = 60) -> Tensor:
    """Rows about 0 whose covariance has the eigenvalues i ** -alpha, up to a factor."""
    half = torch.diag(torch.arange(1, count + 1.0, dtype=torch.float64) ** (-alpha / 2))
    return torch.cat([half, -half])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.5])
def test_alpha_is_the_power_by_which_eigenvalues_fall(alpha: float) -> None:
    x = _falling(alpha)
    turned = x @ torch.linalg.qr(torch.sin(torch.arange(3600.0, dtype=torch.float64)).view(60, 60)).Q
    assert health.alpha_req(x) == pytest.approx(alpha, abs=1e-9)
    assert health.alpha_req(7 * turned + 100) == pytest.approx(alpha, abs=1e-6)


def test_alpha_of_anything_is_a_weighted_fit_of_the_4th_to_the_100th_eigenvalue() -> None:
    x = torch.randn(300, 120, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 3, 120)
    values = np.linalg.eigvalsh(np.cov(x.double().numpy().T))[::-1]
    ranks = range(4, 101)
    rows = np.array([[math.log(i), 1.0] for i in ranks]) * np.array([[i**-0.5] for i in ranks])
    wanted = np.array([math.log(values[i - 1]) * i**-0.5 for i in ranks])
    assert health.alpha_req(x) == pytest.approx(-np.linalg.lstsq(rows, wanted)[0][0])
    assert math.isnan(health.alpha_req(x[:5]))  # four directions; the line begins at the fourth
    assert math.isfinite(health.alpha_req(x[:6]))


def _samples(means: Tensor, noise: Tensor) -> Tensor:
    """Each of `means [N, D]` with views on both sides of it along each axis, as far as `noise [D]` says."""
    steps = torch.cat([torch.diag(noise), -torch.diag(noise)])
    return means[:, None] + steps


def test_lidar_counts_the_directions_in_which_samples_differ_more_than_views() -> None:
    means = torch.tensor([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    assert health.lidar(_samples(means, torch.ones(3))) == pytest.approx(math.exp(entropy))
    assert health.lidar(_samples(means, torch.tensor([2.0, 1.0, 1.0]))) == pytest.approx(2, abs=1e-3)
    assert health.lidar(_samples(means, torch.tensor([2e3, 1.0, 1.0]))) < 1.01
    assert health.lidar(means[:, None].expand(4, 2, 3)) == pytest.approx(math.exp(entropy))
    assert health.lidar(torch.ones(4, 2, 3)) == 0


def test_lidar_beside_the_papers_formula_and_at_every_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    views = torch.randn(30, 1, 5, generator=generator) + 0.5 * torch.randn(30, 4, 5, generator=generator)
    views = views.double() @ mixing
    between, within = torch.zeros(5, 5, dtype=torch.float64), torch.zeros(5, 5, dtype=torch.float64)
    middle = views.mean((0, 1))
    for sample in views:
        between += torch.outer(sample.mean(0) - middle, sample.mean(0) - middle) / 30
        for view in sample:
            within += torch.outer(view - sample.mean(0), view - sample.mean(0)) / 120
    within += 1e-4 * within.trace() / 5 * torch.eye(5)
    values, vectors = torch.linalg.eigh(within)
    root = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    found = torch.linalg.eigvalsh(root @ between @ root)
    wanted = math.exp(-sum(float(each) * math.log(each) for each in found / found.sum()))
    assert health.lidar(views) == pytest.approx(wanted)
    assert health.lidar(1000 * views + 3) == pytest.approx(wanted)


def test_stability_is_the_share_of_neighbours_that_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 20, 4, generator=generator)
    second = first + second
    near = [F.normalize(x - x.mean(0), dim=1) for x in (first, second)]
    kept = 0
    for row in range(20):
        others = [other for other in range(20) if other != row]
        nearest = [sorted(others, key=lambda other: -float(x[row] @ x[other]))[:3] for x in near]
        kept += len(set(nearest[0]) & set(nearest[1]))
    assert health.stability(first, second, 3) == pytest.approx(kept / 60)
    assert health.stability(first, first) == 1
    assert health.stability(first, second, 100) == 1


def test_alignment_of_equal_orthogonal_and_opposite_pairs() -> None:
    x = torch.eye(4)
    assert health.alignment(x, 3 * x) == pytest.approx(0)
    assert health.alignment(x, x.roll(1, 0)) == pytest.approx(2)
    assert health.alignment(x, -x) == pytest.approx(4)


def test_uniformity_of_a_point_a_pair_and_orthogonal_rows() -> None:
    assert health.uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-6)
    assert health.uniformity(torch.tensor([[2.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
    assert health.uniformity(torch.eye(7)) == pytest.approx(-4)


def test_spread_and_dead_dimensions() -> None:
    x = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    assert health.spread(x) == pytest.approx(1, abs=0.02)
    assert health.spread(torch.ones(9, 4)) == pytest.approx(0, abs=1e-6)
    x[:, :3] = 5
    assert health.dead_dimensions(x) == 3
    assert health.dead_dimensions(torch.ones(9, 4)) == 4


class Noisy(Encoder):
    """Everything that could leave a trace: BatchNorm, dropout, a part that is frozen in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.dim = 8
        self.frozen = nn.BatchNorm1d(6)
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))

    def forward(self, view: View) -> Features:
        return Features(self.layers(self.frozen(view.x)))


class Holder(Learner):
    paper, formula, presets = "", "", {}

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.inner = Noisy()

    @classmethod
    def needs(cls, config: object) -> frozenset[str]:
        return frozenset()

    @property
    def encoder(self) -> Encoder:
        return self.inner


class Rows:
    def __len__(self) -> int:
        return 700

    def view(self, rows: Tensor) -> View:
        return View(torch.sin(rows[:, None] * torch.arange(1, 7.0)), index=rows)


def jitter(view: View, draws: Draws) -> View:
    return view.with_x(view.x + 0.1 * draws.normal(view.x.shape[1:]))


def test_watching_leaves_no_trace_and_repeats_itself() -> None:
    torch.manual_seed(0)
    learner = Holder().train()
    learner.inner.frozen.eval()
    state = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    modes = [part.training for part in learner.modules()]
    before = torch.random.get_rng_state()
    watch = health.watch_evaluator(Rows(), {"strong": jitter, "weak": jitter}, ("strong", "weak"))
    first = dict(watch(learner, Progress(0, 1)))
    assert dict(watch(learner, Progress(1, 1))) == first
    assert list(first) == ["std", "rank", "alignment", "uniformity"]
    assert 0 < first["alignment"] < 1
    assert first["uniformity"] < -0.5
    assert torch.equal(torch.random.get_rng_state(), before)
    assert modes == [part.training for part in learner.modules()]
    _same(state, learner.state_dict())


def _same(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    names: Sequence[str] = list(before)
    assert names == list(after)
    assert all(torch.equal(before[name], after[name]) for name in names)
