import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment import image
from tacit.augment.image import Recipe, image_view, quarter_turns
from tacit.core import Draws, View

STILL = Recipe(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)
BUSY = Recipe(crop=(0.2, 1.0), rotate=15, shear=10, jitter=0.8, strength=0.4, grey=0.2, blur=0.5, noise=0.05)


def smooth(count=6, channels=3, side=32, seed=0):
    noise = torch.rand(count, channels, side + 8, side + 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.avg_pool2d(noise, 9, 1).contiguous()


def draws(count=6, seed=0, epoch=0):
    return Draws.of(seed, epoch, torch.arange(count), 0)


@given(
    recipe=st.builds(
        Recipe,
        crop=st.sampled_from([(0.1, 0.5), (0.2, 1.0), (0.5, 1.5), (1.0, 1.0)]),
        rotate=st.sampled_from([0.0, 30.0]),
        shear=st.sampled_from([0.0, 15.0]),
        jitter=st.sampled_from([0.0, 1.0]),
        strength=st.sampled_from([0.2, 1.0]),
        grey=st.sampled_from([0.0, 0.5]),
        blur=st.sampled_from([0.0, 0.5]),
        solarise=st.sampled_from([0.0, 0.5]),
        noise=st.sampled_from([0.0, 0.2]),
        scale=st.sampled_from([1.0, 0.5]),
        outside=st.sampled_from(["reflection", "zeros", "border"]),
    ),
    channels=st.sampled_from([1, 3, 4]),
    side=st.sampled_from([8, 16, 33]),
)
def test_any_recipe_gives_finite_values_in_range_and_the_promised_shape(recipe, channels, side):
    out = image_view(View(smooth(4, channels, side)), recipe, draws(4)).x
    assert out.shape == (4, channels, round(side * recipe.scale), round(side * recipe.scale))
    assert out.isfinite().all()
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_samples_view_does_not_depend_on_its_batch():
    x = smooth()
    together = image_view(View(x), BUSY, draws()).x
    alone = image_view(View(x[2:4]), BUSY, Draws.of(0, 0, torch.tensor([2, 3]), 0)).x
    assert torch.allclose(together[2:4], alone, atol=1e-6)


@pytest.mark.parametrize("recipe", [BUSY, Recipe(jitter=0.8, blur=0.5, solarise=0.5, scale=0.5)])
def test_a_view_does_not_depend_on_how_many_are_made_at_once(recipe, monkeypatch):
    x = smooth()
    together = image_view(View(x), recipe, draws()).x
    monkeypatch.setattr(image, "CACHED", 1)
    assert torch.equal(image_view(View(x), recipe, draws()).x, together)


@pytest.mark.parametrize("outside", ["reflection", "zeros", "border"])
def test_a_crop_that_is_not_shrunk_is_sampled_at_its_places(outside):
    x = torch.rand(16, 3, 20, 32, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(crop=(0.1, 1.0), outside=outside)
    view = image_view(View(x), recipe, draws(16))
    expected = F.grid_sample(x, view.grid(20, 32), align_corners=False, padding_mode=outside)
    assert torch.allclose(view.x, expected, atol=1e-5)


def test_what_shrinks_is_antialiased():
    """Inside, as torch's own antialiased resize; a checkerboard becomes grey instead of a pattern of accident."""
    x = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    recipe = STILL.model_copy(update={"scale": 0.5})
    out = image_view(View(x), recipe, draws(2)).x
    expected = F.interpolate(x, (12, 16), mode="bilinear", antialias=True, align_corners=False)
    assert torch.allclose(out[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-5)
    board = ((torch.arange(33) + torch.arange(33)[:, None]) % 2).float().expand(4, 1, 33, 33)
    shrunk = image_view(View(board.contiguous()), recipe.model_copy(update={"scale": 0.3}), draws(4)).x
    assert (shrunk[:, :, 1:-1, 1:-1] - 0.5).abs().max() < 0.1


def test_outside_is_black_where_it_is_to_be():
    recipe = STILL.model_copy(update={"crop": (4.0, 4.0), "outside": "zeros"})
    out = image_view(View(torch.ones(1, 1, 32, 32)), recipe, draws(1)).x[0, 0]
    assert out.mean().item() == pytest.approx(0.25, abs=0.02)
    assert out.max() == 1
    assert out.min() == 0


def test_views_change_with_the_epoch_and_repeat_with_the_seed():
    x = smooth()
    first, again, later = (image_view(View(x), BUSY, draws(epoch=epoch)).x for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, later)


def test_a_recipe_that_does_nothing_is_the_identity():
    x = smooth()
    assert torch.allclose(image_view(View(x), STILL, draws()).x, x, atol=1e-5)


def test_a_certain_flip_mirrors_left_and_right():
    x = smooth()
    out = image_view(View(x), STILL.model_copy(update={"flip": 1.0}), draws()).x
    assert torch.allclose(out, x.flip(3), atol=1e-5)


def test_rotation_turns_by_the_drawn_angle():
    """A bright spot on the right moves along a circle."""
    x = torch.zeros(200, 1, 65, 65)
    x[:, :, 31:34, 52:55] = 1
    recipe = STILL.model_copy(update={"rotate": 30.0, "outside": "zeros"})
    out = image_view(View(x), recipe, draws(200)).x[:, 0]
    grid = torch.arange(65.0) - 32
    down = (out * grid[:, None]).sum((1, 2)) / out.sum((1, 2))
    right = (out * grid).sum((1, 2)) / out.sum((1, 2))
    assert torch.allclose(torch.hypot(down, right), torch.full((200,), 21.0), atol=0.5)
    angles = torch.atan2(down, right).rad2deg()
    assert angles.abs().max() <= 30.5
    assert angles.max() > 24
    assert angles.min() < -24


def test_crops_cover_the_promised_area():
    """On a ramp from 0 to 1 the range of a crop is its width."""
    ramp = (torch.arange(64) + 0.5).div(64).expand(500, 1, 64, 64)
    recipe = Recipe(crop=(0.25, 0.64), ratio=(1.0, 1.0), flip=0.0)
    out = image_view(View(ramp.contiguous()), recipe, draws(500)).x[:, 0, 32]
    width = (out[:, -1] - out[:, 0]) * 64 / 63
    assert 0.49 < width.min() < 0.53
    assert 0.77 < width.max() < 0.81
    assert ((width**2).mean() - (0.25 + 0.64) / 2).abs() < 0.02


def test_grey_makes_the_channels_equal_and_keeps_the_luma():
    x = smooth()
    out = image_view(View(x), STILL.model_copy(update={"grey": 1.0}), draws()).x
    luma = torch.einsum("c,bchw->bhw", torch.tensor([0.299, 0.587, 0.114]), x)
    for channel in range(3):
        assert torch.allclose(out[:, channel], luma, atol=1e-3)


def test_jitter_of_no_strength_changes_no_colour():
    x = smooth()
    out = image_view(View(x), STILL.model_copy(update={"jitter": 1.0, "strength": 0.0}), draws()).x
    assert torch.allclose(out, x, atol=1e-4)


def test_brightness_contrast_saturation_and_hue_follow_their_definitions():
    """The matrix is the composition of the four steps as torchvision does them, hue as a turn in YIQ."""
    x = 0.3 + 0.3 * smooth(1)
    stream = draws(1)
    recipe = STILL.model_copy(update={"jitter": 1.0, "strength": 0.2})
    out = image_view(View(x), recipe, stream).x[0]
    again = draws(1)
    for _ in range(8):  # area, aspect, across, down, flip, angle, slant, and whether there is jitter
        again.uniform()
    bright, contrast, saturation = (1 + 0.2 * float(again.uniform(-1, 1)) for _ in range(3))
    hue = 0.05 * float(again.uniform(-1, 1)) * 2 * math.pi
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turn = torch.tensor(
        [[1, 0, 0], [0, math.cos(hue), -math.sin(hue)], [0, math.sin(hue), math.cos(hue)]]
    ) @ torch.diag(torch.tensor([1, saturation, saturation]))
    turned = torch.einsum("dc,chw->dhw", torch.linalg.inv(yiq) @ turn @ yiq, x[0])
    mean = torch.einsum("c,chw->hw", yiq[0], x[0]).mean()
    expected = bright * (contrast * turned + (1 - contrast) * mean)
    assert torch.allclose(out, expected, atol=1e-4)


def test_blur_smooths_and_keeps_the_mean():
    x = torch.rand(64, 1, 64, 64)
    out = image_view(View(x), STILL.model_copy(update={"blur": 1.0}), draws(64)).x
    assert (out.std((2, 3)) <= x.std((2, 3)) + 1e-5).all()
    assert out.std() < 0.95 * x.std()
    assert torch.allclose(out.mean((2, 3)), x.mean((2, 3)), atol=0.01)


def test_blur_is_the_gaussian_of_the_drawn_width():
    """Beside one convolution with the whole kernel an image, its borders mirrored."""
    x = torch.rand(4, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    out = image_view(View(x), STILL.model_copy(update={"blur": 1.0}), draws(4)).x
    again = draws(4)
    again.uniform(shape=(8,))  # the place, and whether there is a blur
    for one, blurred, sigma in zip(x, out, (again.uniform(0.1, 2.0) * 56 / 224).tolist(), strict=True):
        line = torch.exp(-0.5 * (torch.arange(-2, 3) / sigma) ** 2)
        kernel = line[:, None] * line / line.sum() ** 2
        expected = F.conv2d(F.pad(one[:, None], (2,) * 4, mode="reflect"), kernel[None, None])[:, 0]
        assert torch.allclose(blurred, expected, atol=1e-4)


def test_solarise_inverts_what_is_bright_in_the_share_of_views_that_is_asked_for():
    x = smooth(400, 1, 8)
    out = image_view(View(x), STILL.model_copy(update={"solarise": 0.3}), draws(400)).x
    inverted = torch.where(x >= 0.5, 1 - x, x)
    is_, is_not = ((out - each).abs().amax((1, 2, 3)) < 1e-4 for each in (inverted, x))
    bright = (x > 0.51).flatten(1).any(1)
    assert (is_ | is_not).all()
    assert 0.2 < is_[bright].float().mean() < 0.4


def test_quarter_turns_are_exact_and_each_image_has_its_own():
    x = smooth()
    turns = torch.tensor([0, 1, 2, 3, -1, 6])
    out = quarter_turns(View(x), turns).x
    for number, turn in enumerate(turns.tolist()):
        assert torch.equal(out[number], torch.rot90(x[number], turn, (1, 2)))
    assert torch.equal(quarter_turns(View(out), -turns).x, x)


def test_where_says_which_pixels_a_view_shows():
    ramp = torch.linspace(-1, 1, 33)
    centres = (ramp[1:] + ramp[:-1]) / 2
    x = torch.stack([centres.expand(32, 32), centres[:, None].expand(32, 32)])[None] / 2 + 0.5
    recipe = Recipe(crop=(0.3, 0.9), flip=0.5, rotate=20)
    view = image_view(View(x.repeat(8, 1, 1, 1)), recipe, Draws.of(0, 0, torch.arange(8), 0))
    where = view.grid(32, 32).flatten(1, 2)
    inside = (where.abs() < 0.95).all(2)
    seen = (view.x.flatten(2).transpose(1, 2) - 0.5) * 2
    assert inside.float().mean() > 0.5
    assert torch.allclose(seen[inside], where[inside], atol=1e-3)
