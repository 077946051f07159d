"""Copies: every way leaves a picture of the same shape, within range, another one, and the same each time."""

import pytest
import torch

from tacit.augment.copies import COPIES
from tacit.core import Draws, View

INDEX = torch.arange(4)


def pictures(channels=3, side=24):
    coarse = torch.rand(4, channels, 6, 6, generator=torch.Generator().manual_seed(0))
    return View(torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_a_picture_of_the_same_shape(way, channels):
    view = pictures(channels)
    copy = COPIES[way](view, Draws.of(0, 0, INDEX, 1)).x
    assert copy.shape == view.x.shape
    assert copy.min() >= 0
    assert copy.max() <= 1
    assert torch.equal(copy, COPIES[way](view, Draws.of(0, 0, INDEX, 1)).x)
    if way != "grey" or channels == 3:
        changed = (copy - view.x).flatten(1).abs().amax(1) > 0.02
        assert changed.all()


def test_a_sample_is_copied_alike_whatever_its_batch():
    view = pictures()
    for way in COPIES.values():
        whole = way(view, Draws.of(0, 0, INDEX, 1)).x
        alone = way(view[2:3], Draws.of(0, 0, INDEX[2:3], 1)).x
        torch.testing.assert_close(whole[2:3], alone, atol=1e-5, rtol=0)
