"""Even features of `convnet` come when steps have ended, and last; until then quadrants learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

import tacit
from tacit.core import View
from tacit.encoder import TrainedEncoder
from tacit.nn.convnet import ConvNet

SHAPES = [(3, 32, 32), (1, 8, 8), (3, 64, 40)]


def view_of(shape: tuple[int, ...], count: int = 64) -> View:
    return View(torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("shape", SHAPES)
def test_even_features_are_as_wide_as_the_quadrants_that_learn_and_unlike_only_behind_the_maps(
    shape: tuple[int, ...],
) -> None:
    view = view_of(shape)
    torch.manual_seed(0)
    plain = ConvNet(ConvNet.Config(width=6), view).eval()
    torch.manual_seed(0)
    even = ConvNet(ConvNet.Config(width=6, evened=0.5), view).eval()
    with torch.no_grad():
        last = plain(view).maps[8 if shape[1] > 16 else 4]
        learning = even(view).pooled
        assert torch.equal(learning, F.adaptive_avg_pool2d(last, 2).flatten(1)), "not solved yet"
        even.conclude([view])
        before, after = plain(view), even(view)
    assert after.pooled.shape == learning.shape == (64, even.dim)
    assert before.tokens is not None
    assert after.tokens is not None
    assert torch.equal(before.tokens, after.tokens)
    covariance = torch.cov(after.pooled.T)
    kept = covariance.diagonal() > 0
    assert kept.sum() == min(64 // 4, even.dim, even.grid[0] * even.grid[1] * (6 + 16))
    assert (covariance - covariance.diagonal().diag()).abs().max() < 1e-3 * covariance.diagonal().max()


def test_with_mirror_an_image_and_its_mirror_image_are_one() -> None:
    view = view_of((3, 32, 32))
    encoder = ConvNet(ConvNet.Config(width=6, evened=0.5, mirror=True), view).eval()
    turned = View(view.x.flip(-1))
    with torch.no_grad():
        assert not torch.allclose(encoder(view).pooled, encoder(turned).pooled), "what is learnt sees sides"
        encoder.conclude([view])
        torch.testing.assert_close(encoder(view).pooled, encoder(turned).pooled)


def test_mirror_is_of_even_features_alone() -> None:
    with pytest.raises(ValidationError, match=r"set encoder\.evened, too"):
        ConvNet.Config(mirror=True)


def test_a_run_ends_with_even_features_and_its_weights_go_on_elsewhere(tmp_path: Path) -> None:
    images = torch.rand(48, 16, 16, 3, generator=torch.Generator().manual_seed(0)).mul(255).byte().numpy()
    data = tmp_path / "images.npy"
    np.save(data, images)
    quick = {"budget": {"steps": 2}, "batch": 16, "optimiser": {"name": "muon"}}
    settings = {**quick, "encoder": {"name": "convnet", "width": 6, "evened": 0.5}}
    run = tacit.train(data, tmp_path / "run", method="simclr", settings=settings)
    assert solved(run)
    assert tacit.load(tmp_path / "run").embed(data).shape == (48, run.dim)
    settings = {**quick, "init_from": str(tmp_path / "run")}
    again = tacit.train(data, tmp_path / "again", method="moco", settings=settings)
    assert solved(again)
    assert again.spec.encoder["evened"] == 0.5


def solved(encoder: TrainedEncoder) -> bool:
    assert isinstance(encoder.network, ConvNet)
    assert encoder.network.even is not None
    return encoder.network.even.solved
