"""Measures of health against values known on paper, and a watch that leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
import torch
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
