"""Views of series: what each keeps, what each loses, and that what is missing stays missing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment.series import Recipe, series_view
from tacit.core import Draws, View
from tacit.errors import UsageError

WHOLE = (1.0, 1.0)
EVERYTHING = Recipe(
    crop=(0.3, 0.9),
    speed=(0.6, 1.6),
    jitter=0.1,
    scale=(0.7, 1.4),
    apart=True,
    warp=0.3,
    shift=0.5,
    masks=2,
    mask=0.4,
    drop=0.5,
    permute=True,
    rotate=90,
)


def series(lengths=(30, 17, 24, 5), channels=3, missing=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths), channels)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = torch.randn(shape, generator=generator).cumsum(1) * 3 + 50
    lost = (torch.rand(shape, generator=generator) < missing) & (torch.rand(shape, generator=generator) < 0.9)
    lost[:, 0, 0] = False
    x = x.masked_fill(lost, torch.nan)
    valid = valid & ~x.isnan().all(dim=2)
    place = torch.arange(max(lengths)).expand(len(lengths), -1)
    return View(torch.where(valid[..., None], x, 0), valid, place, torch.arange(len(lengths)))


def seen(view, number=0, seed=0, **recipe):
    return series_view(view, Recipe(**{"crop": WHOLE, **recipe}), Draws.of(seed, 0, view.index, number))


def same(first, second, **how):
    return torch.allclose(first, second, equal_nan=True, **how)


def test_a_recipe_that_changes_nothing_changes_nothing():
    view = series(missing=0.3)
    found = seen(view)
    assert same(found.x, view.x, atol=1e-4)
    assert torch.equal(found.valid, view.valid)
    assert torch.allclose(found.where[found.valid], view.where[view.valid].float(), atol=1e-4)


def test_where_says_which_step_is_shown():
    """Values that are their own step's number must equal `where`, whatever the crop and the speed."""
    view = series()
    view = view.with_x((view.where * view.valid)[..., None].float().expand(-1, -1, 3).clone())
    found = seen(view, crop=(0.3, 0.8), speed=(0.7, 1.4))
    assert torch.allclose(found.x[..., 1][found.valid], found.where[found.valid], atol=1e-3)


def test_speed_and_crop_say_how_long_a_view_is():
    found = seen(series((30,) * 4), crop=(0.5, 0.5), speed=(1.5, 1.5))
    assert found.valid.sum(dim=1).tolist() == [10] * 4
    assert found.x.shape[1] == 10


def test_a_late_view_ends_where_the_series_does():
    view = series()
    found = seen(view, crop=(0.4, 0.4), late=True)
    last = torch.where(found.valid, found.where, 0).amax(dim=1)
    assert torch.allclose(last, view.valid.sum(dim=1) - 1.0, atol=1.0)


def test_gaps_neither_grow_nor_close():
    """A lone gap of five steps stays one of about five, at about its place, when time is stretched a little."""
    view = series((40,), channels=1)
    x = view.x.clone()
    x[0, 10:15] = torch.nan
    gap = View(torch.where(x.isnan(), 0, x), ~x[..., 0].isnan(), view.where, view.index)
    found = seen(gap, crop=(0.8, 0.8), speed=(0.8, 0.8))  # 32 steps shown as 40
    inside = (~found.valid[0]).nonzero().flatten()
    assert len(inside) in (6, 7)
    assert (found.where[0, inside] > 9).all()
    assert (found.where[0, inside] < 15).all()


def test_a_single_missing_value_is_nan_and_its_neighbours_are_not():
    view = series((20,), channels=2)
    x = view.x.clone()
    x[0, 7, 1] = torch.nan
    found = seen(view.with_x(x), jitter=0.1, scale=(0.5, 2.0), shift=1.0, warp=0.2)
    assert found.x.isnan().nonzero().tolist() == [[0, 7, 1]]
    assert found.valid.all()


def test_jitter_is_relative_to_each_channels_spread():
    view = series((400,), channels=3)
    scaled = view.with_x(view.x * torch.tensor([1.0, 100.0, 1e-4]))
    noise = (seen(scaled, jitter=0.1).x - scaled.x)[0]
    assert torch.allclose(noise.std(dim=0) / scaled.x[0].std(dim=0), torch.tensor(0.1), atol=0.02)
    constant = view.with_x(torch.full_like(view.x, 7.0))
    assert torch.equal(seen(constant, jitter=0.1, scale=(0.5, 2), shift=1, warp=0.5).x, constant.x)


@pytest.mark.parametrize("apart", [True, False])
def test_scale_keeps_the_level_and_one_factor_a_series_or_a_channel(apart):
    view = series((30,) * 4)
    found = seen(view, scale=(0.5, 2.0), apart=apart)
    level = view.x.mean(dim=1, keepdim=True)
    assert torch.allclose(found.x.mean(dim=1, keepdim=True), level, atol=1e-3)
    factor = (found.x.std(dim=1) / view.x.std(dim=1)).log()
    assert factor.abs().max() <= math.log(2) + 1e-3
    assert torch.allclose((found.x - level) / (view.x - level), factor.exp()[:, None], rtol=1e-2, atol=1e-2)
    assert (factor.std(dim=1) > 0.05).any() == apart


def test_shift_moves_the_level_and_nothing_else():
    view = series((30,) * 4)
    moved = seen(view, shift=0.5).x - view.x
    assert torch.allclose(moved, moved.mean(dim=1, keepdim=True).expand_as(moved), atol=1e-4)
    assert (moved.abs() <= 0.5 * view.x.std(dim=1, keepdim=True, correction=0) + 1e-4).all()
    assert moved.abs().max() > 0.01


def test_warp_is_a_smooth_factor_for_all_channels():
    view = series((60,) * 4)
    level = view.x.mean(dim=1, keepdim=True)
    factor = (seen(view, warp=0.2).x - level) / (view.x - level)
    clear = (view.x - level).abs() > 0.5
    spread = torch.where(clear, factor, torch.nan)
    middle = spread.nanmedian(dim=2, keepdim=True).values
    assert (spread - middle)[clear].abs().max() < 1e-2
    smooth = middle[..., 0].diff(dim=1).abs()
    assert smooth[~smooth.isnan()].max() < 0.2
    assert (middle[~middle.isnan()] - 1).abs().max() > 0.05


def test_masks_hide_no_more_than_they_say_and_hidden_is_missing():
    view = series((40,) * 8)
    found = seen(view, masks=1, mask=0.3)
    hidden = ~found.valid
    assert 0 < hidden.float().mean() <= 0.3
    assert (hidden.sum(dim=1) <= 12).all()
    assert (found.x[hidden] == 0).all()
    assert torch.equal(found.x[found.valid], view.x[found.valid])


def test_dropped_channels_are_missing_as_a_whole_and_one_always_stays():
    view = series((20,) * 16, channels=4)
    lost = seen(view, drop=0.6).x.isnan()
    assert torch.equal(lost.all(dim=1), lost.any(dim=1))
    assert (lost.all(dim=1).sum(dim=1) <= 3).all()
    assert 0.2 < lost.float().mean() < 0.7
    assert seen(series(channels=1), drop=0.9).valid.any(dim=1).all()


def test_channels_change_places_as_a_whole():
    view = series((20,) * 8, channels=4)
    found = seen(view, permute=True)
    places = (found.x[:, 0, :, None] == view.x[:, 0, None, :]).float().argmax(dim=2)
    assert torch.equal(places.sort(dim=1).values, torch.arange(4).expand(8, -1))
    assert torch.equal(found.x, view.x.gather(2, places[:, None].expand(-1, 20, -1)))
    assert len(places.unique(dim=0)) > 1


def test_rotation_keeps_lengths_and_angles_and_turns_threes_alike():
    view = series((20,) * 6, channels=6)
    found = seen(view, rotate=90)
    first, second = view.x.view(6, 20, 2, 3), found.x.view(6, 20, 2, 3)
    assert torch.allclose(first.norm(dim=3), second.norm(dim=3), rtol=1e-4)
    assert torch.allclose(
        (first[:, :, 0] * first[:, :, 1]).sum(2), (second[:, :, 0] * second[:, :, 1]).sum(2), rtol=1e-3
    )
    assert (first - second).abs().max() > 1
    assert same(seen(view, rotate=1e-6).x, view.x, atol=1e-2)


def test_rotation_loses_what_lacks_an_axis_unless_all_would_be_lost():
    view = series((20, 20), channels=3)
    x = view.x.clone()
    x[0, 4, 1] = torch.nan
    x[1, :, 2] = torch.nan
    found = seen(view.with_x(x), rotate=90)
    assert found.valid[0].logical_not().nonzero().flatten().tolist() == [4]
    assert same(found.x[1], x[1])
    with pytest.raises(UsageError, match="4 channels"):
        seen(series(channels=4), rotate=90)


def test_views_differ_from_view_to_view_and_repeat_themselves():
    view = series()
    first, again, second = (series_view(view, EVERYTHING, Draws.of(0, 0, view.index, n)).x for n in (0, 0, 1))
    assert same(first, again)
    assert not same(first, second)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.sampled_from([0.0, 0.4, 0.95]), st.integers(0, 1000))
def test_whatever_the_series_views_hold_nothing_that_was_missing(lengths, missing, seed):
    """All parts at once: numbers are finite where they are there, 0 where a step has none, and something is left."""
    view = series(tuple(lengths), missing=missing, seed=seed)
    found = series_view(view, EVERYTHING, Draws.of(seed, 0, view.index, 0))
    inside = found.x[found.valid]
    assert found.valid.any(dim=1).all()
    assert (found.x[~found.valid] == 0).all()
    assert not inside.isnan().all(dim=1).any()
    assert inside[~inside.isnan()].isfinite().all()
    ends = torch.where(view.valid, view.where + 1, 0).amax(dim=1, keepdim=True)
    assert (found.where >= 0).all()
    assert (found.where <= ends - 1 + 1e-4).all()


def test_a_view_does_not_depend_on_its_batch():
    view = series(missing=0.4)
    whole = series_view(view, EVERYTHING, Draws.of(0, 0, view.index, 0))
    for row in range(len(view)):
        one, count = view[row : row + 1], int(view.valid[row].nonzero().max()) + 1
        one = View(one.x[:, :count], one.valid[:, :count], one.where, one.index)  # as short as it is
        part = series_view(one, EVERYTHING, Draws.of(0, 0, one.index, 0))
        count = part.x.shape[1]
        assert torch.equal(part.valid[0], whole.valid[row, :count])
        assert not whole.valid[row, count:].any()
        assert same(part.x[0], whole.x[row, :count], atol=1e-3)


def test_a_series_without_a_step_is_no_error():
    view = series()
    none = View(torch.zeros_like(view.x), torch.zeros_like(view.valid), view.where, view.index)
    found = series_view(none, EVERYTHING, Draws.of(0, 0, view.index, 0))
    assert not found.valid.any()
    assert (found.x == 0).all()


def test_a_crop_alone_shows_steps_as_they_are():
    """Nothing is read between two steps, which would smooth them."""
    view = series(missing=0.3)
    for late in (False, True):
        found = seen(view, crop=(0.3, 0.9), late=late)
        assert torch.equal(found.where, found.where.round())
        for row in range(len(view)):
            inside = found.valid[row]
            assert same(found.x[row, inside], view.x[row, found.where[row, inside].long()])
