"""The principal axes of features, evened out."""

from __future__ import annotations

import pytest
import torch

from tacit.evaluation.axes import Axes


def features(rows: int = 400, width: int = 30) -> torch.Tensor:
    """Features whose dimensions are ever quieter, turned at random."""
    generator = torch.Generator().manual_seed(0)
    loud = torch.randn(rows, width, generator=generator) * 0.8 ** torch.arange(width)
    turn = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    return loud @ turn + 5


def test_coordinates_are_centred_uncorrelated_and_have_the_root_of_their_spread() -> None:
    x = features()
    found = Axes.of(x, 6)(x)
    covariance = torch.cov(found.T, correction=0)
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)[:6]
    torch.testing.assert_close(found.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(covariance.diagonal(), values.sqrt(), rtol=1e-3, atol=0)
    assert (covariance - covariance.diagonal().diag()).abs().max() < 1e-3


def test_axes_repeat_themselves_and_leave_the_random_numbers_alone() -> None:
    x = features()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(Axes.of(x, 6).directions, Axes.of(x, 6).directions)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("x", [torch.ones(5, 4), torch.ones(1, 4), torch.eye(3)], ids=["constant", "one", "three"])
def test_directions_without_spread_are_left_out(x: torch.Tensor) -> None:
    found = Axes.of(x, 8)(x)
    assert found.isfinite().all()
    assert found.shape[1] <= 4
    assert len(found.round(decimals=4).unique(dim=0)) == len(x.unique(dim=0))
