"""Boxes follow the view."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment.image import Recipe, image_view
from tacit.core import Draws, View
from tacit.errors import UsageError
from tacit.heads.boxes import NONE, Truth, into_view, padded

H, W = 24, 32


def part(left, upper, right, lower, mirrored=False):
    """The map of a view that shows this part of the sample, in fractions: `[1, 2, 3]`."""
    half = -(right - left) if mirrored else right - left
    return torch.tensor([[[half, 0, left + right - 1], [0, lower - upper, upper + lower - 1]]], dtype=torch.float32)


def one(*corners):
    return Truth(torch.tensor([[corners]], dtype=torch.float32), torch.zeros(1, 1).long())


fractions = st.floats(0, 0.375)


inner = st.lists(st.floats(0.42, 0.58), min_size=4, max_size=4)


@given(fractions, fractions, fractions, fractions, st.booleans(), inner)
def test_into_a_view_and_back(left, upper, right, lower, mirrored, corners):
    """A box that the view shows wholly is back in its place after the inverse map."""
    x, y = sorted(corners[:2]), sorted(corners[2:])
    if min(x[1] - x[0], y[1] - y[0]) < 1e-3:
        return
    box = one(x[0] * W, y[0] * H, x[1] * W, y[1] * H)
    shown = into_view(box, part(left, upper, 1 - right, 1 - lower, mirrored), (H, W))
    assert shown.labels.item() == 0
    wide, high = 1 - left - right, 1 - upper - lower
    a, b = (shown.corners[0, 0, ::2] / W).tolist()
    across = (1 - b, 1 - a) if mirrored else (a, b)
    back = [left + wide * across[0], left + wide * across[1]]
    assert back == pytest.approx(x, abs=1e-4)
    down = (shown.corners[0, 0, 1::2] / H * high + upper).tolist()
    assert down == pytest.approx(y, abs=1e-4)


@given(st.integers(0, 2**31), st.integers(0, 20), st.integers(0, 14), st.integers(6, 11), st.integers(6, 9))
def test_the_box_is_where_the_view_shows_the_thing(seed, left, upper, wide, high):
    """The cells of a bright rectangle, cropped, resized and mirrored as images are, lie in the moved box."""
    x = torch.zeros(1, 3, H, W)
    x[..., upper : upper + high, left : left + wide] = 1
    view = image_view(View(x, index=torch.zeros(1).long()), Recipe(crop=(0.4, 1.0), outside="zeros"),
                      Draws(torch.tensor([seed])))  # fmt: skip
    targets = padded([torch.tensor([[left, upper, left + wide, upper + high]]).float()], [torch.zeros(1).long()],
                     ("thing",), (H, W))  # fmt: skip
    truth = targets.of(view)
    bright = (view.x[0, 0] > 0.5).nonzero()
    if truth.labels.item() == NONE:
        return
    seen = torch.cat([bright.amin(0).flip(0), bright.amax(0).flip(0) + 1]).float()
    assert (truth.corners[0, 0] - seen).abs().max() <= 1.0


def test_what_a_view_hardly_shows_is_no_box():
    half_outside = into_view(one(-0.0, 0, 16, 12), part(0.25, 0, 0.75, 1), (H, W))
    assert half_outside.labels.item() == 0
    assert half_outside.corners.flatten().tolist() == pytest.approx([0, 0, 16, 12], abs=1e-4)
    almost_gone = into_view(one(0, 0, 16, 12), part(0.4, 0, 0.9, 1), (H, W))
    assert almost_gone.labels.item() == NONE
    gone = into_view(one(0, 0, 8, 12), part(0.5, 0, 1, 1), (H, W))
    assert gone.labels.item() == NONE


@pytest.mark.parametrize("recipe", [Recipe(rotate=30), Recipe(shear=20)])
def test_views_that_turn_are_refused(recipe):
    view = View(torch.rand(4, 3, H, W), index=torch.arange(4))
    targets = padded([torch.tensor([[1.0, 1, 9, 9]])] * 4, [torch.zeros(1).long()] * 4, ("thing",), (H, W))
    with pytest.raises(UsageError, match="rotate=0"):
        targets.of(image_view(view, recipe, Draws(torch.arange(4))))


def test_views_of_another_size_are_refused():
    targets = padded([torch.zeros(0, 4)], [torch.zeros(0).long()], ("thing",), (H, W))
    with pytest.raises(UsageError, match="scale=1"):
        targets.of(View(torch.rand(1, 3, H // 2, W // 2), index=torch.zeros(1).long()))


def test_samples_with_different_numbers_of_boxes():
    corners = [torch.rand(count, 4) for count in (2, 0, 3)]
    labels = [torch.arange(count) for count in (2, 0, 3)]
    targets = padded(corners, labels, ("a", "b", "c"), (H, W))
    assert len(targets) == 3
    assert targets.labels.tolist() == [[0, 1, NONE], [NONE] * 3, [0, 1, 2]]
    some = targets.select(torch.tensor([1, 0]))
    assert some.labels.tolist() == [[NONE, NONE], [0, 1]]
    assert torch.equal(some.corners[1], corners[0])
    assert padded([], [], ("a",), (H, W)).labels.shape == (0, 1)
