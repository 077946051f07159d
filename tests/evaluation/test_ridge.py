"""Ridge regression against scikit-learn, tall and wide."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from tacit.evaluation.linear import held_out, walk
from tacit.evaluation.ridge import PENALTIES, ridge_probe
from tacit.evaluation.scaler import Scaler


def clouds(rows: int, dim: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (rows,), generator=generator)
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99))
    return 0.3 * centres[y] + torch.randn(rows, dim, generator=generator) * 3 + 5, y


@pytest.mark.parametrize(("rows", "dim"), [(600, 40), (90, 300)])
def test_equals_scikit_learn_with_the_penalty_it_chose(rows: int, dim: int) -> None:
    x, y = clouds(rows, dim, 5)
    test, _ = clouds(400, dim, 5, seed=1)
    probe = ridge_probe(x, y, test, 5)
    scaler = Scaler.of(x)
    target = torch.nn.functional.one_hot(y, 5).double()
    other = Ridge(alpha=probe.c * rows).fit(scaler(x).double().numpy(), target.numpy())
    expected = torch.tensor(other.predict(scaler(test).double().numpy())).argmax(1)
    assert (probe.predictions == expected).float().mean() > 0.99


def test_the_penalty_is_the_best_on_the_part_held_out() -> None:
    x, y = clouds(500, 30, 4)
    left_out = held_out(y, 0)
    kept = torch.ones(500, dtype=torch.bool)
    kept[left_out] = False
    scaler = Scaler.of(x)
    z, target = scaler(x).double().numpy(), torch.nn.functional.one_hot(y, 4).double()
    right = []
    for penalty in PENALTIES:
        model = Ridge(alpha=penalty * int(kept.sum())).fit(z[kept.numpy()], target[kept].numpy())
        found = torch.tensor(model.predict(z[left_out.numpy()])).argmax(1)
        right.append(int((found == y[left_out]).sum()))
    chosen = ridge_probe(x, y, x[:5], 4).c
    assert right[PENALTIES.index(chosen)] >= max(right) - 1


@pytest.mark.parametrize("valley", range(7))
def test_walking_finds_the_valley(valley: int) -> None:
    tried = []

    def solve(place: int, start: int | None) -> tuple[float, int]:
        tried.append(place)
        return abs(place - valley), place

    assert walk(solve, 7, 3) == (valley, valley)
    assert len(tried) == len(set(tried))
