import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from tacit.augment.lab import GRID, gamut, to_lab, to_rgb

channel = st.floats(0, 1, width=32)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_known_colours(rgb, lab):
    found = to_lab(torch.tensor([rgb], dtype=torch.float32))[0]
    assert torch.allclose(found, torch.tensor(lab, dtype=torch.float32), atol=0.02)


def test_it_is_what_scikit_image_computes():
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x[0, :, 0] *= 0.01  # the straight part near black
    expected = torch.from_numpy(rgb2lab(x.double().numpy(), channel_axis=1)).float()
    assert torch.allclose(to_lab(x), expected, atol=0.01)


@given(st.tuples(channel, channel, channel))
def test_there_and_back_again(rgb):
    x = torch.tensor([rgb], dtype=torch.float32)
    assert torch.allclose(to_rgb(to_lab(x)), x, atol=2e-3)


def test_grey_has_no_colour():
    grey = torch.linspace(0, 1, 20)[:, None].expand(-1, 3)
    assert to_lab(grey)[:, 1:].abs().max() < 0.01


def test_every_colour_has_a_point_of_the_gamut_nearby():
    colours = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    distance = torch.cdist(to_lab(colours)[:, 1:], gamut()).amin(dim=1)
    assert distance.max() <= GRID / 2**0.5 + 1e-3
    assert len(gamut()) == len(torch.unique(gamut(), dim=0))
