"""Each row predicted from all others at once, against as many fits as there are rows."""

import pytest
import torch
from torch import Tensor

from tacit.evaluation import glance
from tacit.evaluation.glance import left_out
from tacit.evaluation.scaler import Scaler


def clouds(rows: int, dim: int, classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(rows) % classes
    centres = torch.randn(classes, dim, generator=generator)
    return (0.6 * centres[y] + torch.randn(rows, dim, generator=generator)) * 3 + 5, y


def one_by_one(x: Tensor, y: Tensor, classes: int, penalty: float) -> float:
    z, target = Scaler.of(x)(x).double(), torch.nn.functional.one_hot(y, classes).double()
    right = 0
    for row in range(len(x)):
        kept = torch.arange(len(x)) != row
        middle, share = z[kept].mean(0), target[kept].mean(0)
        about = z[kept] - middle
        gram = about.T @ about + penalty * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(gram, about.T @ (target[kept] - share))
        right += int(((z[row] - middle) @ weights + share).argmax() == y[row])
    return right / len(x)


@pytest.mark.parametrize(("rows", "dim"), [(60, 8), (30, 50)])
@pytest.mark.parametrize("penalty", [1e-1, 1e-3])
def test_is_as_exact_as_a_fit_for_each_row(
    rows: int, dim: int, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = clouds(rows, dim, 3)
    monkeypatch.setattr(glance, "PENALTIES", (penalty,))
    expected = one_by_one(x, y, 3, penalty)
    assert 0.4 < expected < 1
    assert left_out(x, y, 3) == pytest.approx(expected)


def test_labels_of_chance_are_told_by_chance_however_many_dimensions_there_are() -> None:
    x = torch.randn(200, 400, generator=torch.Generator().manual_seed(1))
    assert left_out(x, torch.randint(4, (200,), generator=torch.Generator().manual_seed(2)), 4) < 0.36


def test_features_that_are_all_the_same_tell_the_commonest() -> None:
    y = torch.tensor([0] * 7 + [1] * 3)
    assert left_out(torch.ones(10, 4), y, 2) == 0.7
