"""Views by themselves."""

import pytest
import torch

from tacit.core import View, concatenate

QUARTER = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 0.5, -0.5]]])
"""The first quarter of an image, from -1 to 0 both ways."""


def test_the_grid_of_a_quarter_on_paper():
    view = View(torch.zeros(1, 3, 4, 8), affine=QUARTER)
    assert view.grid(1, 2).tolist() == [[[[-0.75, -0.5], [-0.25, -0.5]]]]
    assert view.grid(4, 8).shape == (1, 4, 8, 2)


def test_where_images_were_cut_goes_along_with_them():
    whole = torch.eye(3)[None, :2]
    views = [View(torch.zeros(1, 3, 4, 4), affine=each) for each in (QUARTER, whole)]
    both = concatenate(views)
    assert torch.equal(both.affine, torch.cat([QUARTER, whole]))
    assert torch.equal(both[torch.tensor([1])].affine, whole)
    assert torch.equal(both.to("cpu").affine, both.affine)


def test_an_image_that_was_not_cut_has_no_grid():
    with pytest.raises(AssertionError, match="cut from an image"):
        View(torch.zeros(1, 3, 4, 4)).grid(2, 2)
