import pytest
import torch

from tacit.augment.corrupt import HOLE, NOISE, grey, holed, noisy
from tacit.core import Draws, View


def fresh(count, seed=0):
    return Draws.of(seed, 0, torch.arange(count), 0)


@pytest.mark.parametrize("corrupt", [noisy, holed, grey])
def test_what_becomes_of_a_sample_does_not_depend_on_its_batch(corrupt):
    x = torch.rand(6, 3, 16, 16)
    together = corrupt(View(x), fresh(6))
    alone = corrupt(View(x[2:4]), Draws.of(0, 0, torch.tensor([2, 3]), 0))
    assert torch.allclose(together.x[2:4], alone.x, atol=1e-6)
    assert (together.valid is None) == (alone.valid is None)


def test_noise_has_its_deviation():
    x = torch.full((20, 3, 32, 32), 0.5)
    assert abs(float((noisy(View(x), fresh(20)).x - x).std()) - NOISE) < 0.01


@pytest.mark.parametrize("size", [8, 28, 33])
def test_a_hole_is_a_block_of_the_rest_s_mean_and_lost_in_valid(size):
    x = torch.rand(30, 2, size, size)
    view = holed(View(x), fresh(30))
    kept = view.valid.view(30, size, size)
    side = round(HOLE * size)
    for sample in range(30):
        lost = (~kept[sample]).nonzero()
        (top, left), (bottom, right) = lost.amin(0).tolist(), lost.amax(0).tolist()
        assert (bottom - top + 1, right - left + 1) == (side, side)
        assert len(lost) == side**2, "one whole block"
        for channel in range(2):
            mean = x[sample, channel][kept[sample]].mean()
            assert torch.allclose(view.x[sample, channel][~kept[sample]], mean, atol=1e-5)
        assert torch.equal(view.x[sample][:, kept[sample]], x[sample][:, kept[sample]])


def test_holes_are_everywhere():
    kept = holed(View(torch.rand(300, 1, 16, 16)), fresh(300)).valid
    assert (kept.float().mean(0) < 1).all()


def test_grey_has_one_value_a_cell_and_leaves_other_channels_alone():
    x = torch.rand(4, 3, 8, 8)
    out = grey(View(x), fresh(4)).x
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])
    single = torch.rand(4, 1, 8, 8)
    assert torch.equal(grey(View(single), fresh(4)).x, single)
