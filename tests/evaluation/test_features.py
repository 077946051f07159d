"""Features of whole data sets."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tacit.core import Encoder, Features, View
from tacit.errors import RunError
from tacit.evaluation.features import extract, extract_floor, must_be_finite, settle


class Rows:
    def __init__(self, count: int) -> None:
        self.x = 4 + 3 * torch.randn(count, 5, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.x)

    def view(self, rows: Tensor) -> View:
        return View(self.x[rows], index=rows)


class Normed(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.dim = 5
        self.norm = nn.BatchNorm1d(5)
        self.drop = nn.Dropout(0.5)

    def forward(self, view: View) -> Features:
        return Features(self.drop(self.norm(view.x)))


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_batches_make_no_difference(batch: int) -> None:
    samples = Rows(23)
    encoder = Normed().train()
    features = extract(encoder, samples, batch=batch)
    torch.testing.assert_close(features, samples.x / (1 + 1e-5) ** 0.5)
    assert encoder.training
    assert not features.requires_grad
    assert extract_floor(lambda view: view.x * 2, samples, batch=batch).equal(samples.x * 2)


def test_bf16_returns_float32() -> None:
    assert extract(Normed(), Rows(9), bf16=True).dtype == torch.float32


def test_settling_gives_batchnorm_the_statistics_of_the_data() -> None:
    samples, encoder = Rows(1000), Normed()
    before = torch.random.get_rng_state()
    settle(encoder, samples, batches=100, batch=100)
    features = extract(encoder, samples)
    torch.testing.assert_close(features.mean(0), torch.zeros(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(features.std(0), torch.ones(5), atol=2e-2, rtol=0)
    assert encoder.norm.momentum == 0.1
    assert encoder.norm.training
    assert torch.equal(torch.random.get_rng_state(), before)


def test_features_that_are_no_numbers_are_named() -> None:
    with pytest.raises(RunError, match=r"mine: 1 of 3 .* lower learning rate"):
        must_be_finite(torch.tensor([[1.0], [float("nan")], [2.0]]), "mine")
