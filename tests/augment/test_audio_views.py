import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment.audio import Recipe, audio_view
from tacit.core import Draws, View

STILL = Recipe(crop=(1.0, 1.0))
EVERYTHING = Recipe(
    crop=(0.5, 0.9),
    speed=(0.8, 1.25),
    pitch=(0.8, 1.2),
    mix=0.4,
    reverb=20,
    noise=0.5,
    gain=6,
    fade=6,
    tilt=9,
    colour=6,
    masks=2,
)


def clips(lengths=(30, 17, 24, 5), bands=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), max(lengths), bands, generator=generator) * 2 - 5
    place = torch.arange(max(lengths)).expand(len(lengths), -1)
    return View(torch.where(valid[..., None], x, 0), valid, place, torch.arange(len(lengths)))


def draws(view, number=0, seed=0):
    return Draws.of(seed, 0, view.index, number)


def test_a_recipe_that_changes_nothing_changes_nothing():
    view = clips()
    seen = audio_view(view, STILL, draws(view))
    assert torch.allclose(seen.x, view.x, atol=1e-4)
    assert torch.equal(seen.valid, view.valid)
    assert torch.allclose(seen.where[seen.valid], view.where[view.valid].float(), atol=1e-4)


def test_where_says_which_frame_is_shown():
    """Values that are their own frame's number must equal `where`, whatever the crop and the speed."""
    view = clips()
    view = view.with_x((view.where[..., None] * view.valid[..., None]).float().expand(-1, -1, 16).clone())
    seen = audio_view(view, Recipe(crop=(0.3, 0.8), speed=(0.7, 1.4)), draws(view))
    assert torch.allclose(seen.x[..., 3][seen.valid], seen.where[seen.valid], atol=1e-3)


def test_speed_and_crop_say_how_long_a_view_is():
    view = clips((30, 30, 30, 30))
    seen = audio_view(view, Recipe(crop=(0.5, 0.5), speed=(1.5, 1.5)), draws(view))
    assert seen.valid.sum(dim=1).tolist() == [10] * 4
    assert seen.x.shape[1] == 10


def test_a_late_view_ends_where_the_clip_does():
    view = clips()
    seen = audio_view(view, Recipe(crop=(0.4, 0.4), late=True), draws(view))
    last = torch.where(seen.valid, seen.where, 0).amax(dim=1)
    assert torch.allclose(last, view.valid.sum(dim=1) - 1.0, atol=1.0)


def test_pitch_moves_a_band():
    view = clips((20,) * 4, bands=32)
    x = torch.full_like(view.x, -9.0)
    x[..., 10] = 0
    seen = audio_view(view.with_x(x), Recipe(crop=(1, 1), pitch=(1.5, 1.5)), draws(view))
    assert (seen.x.argmax(dim=2) == 15).all()  # (10 + 1/2) 1.5


def test_mixing_adds_powers_and_never_another_loudness():
    """Where both clips are the same, their mixture is the clip."""
    view = clips((20, 20), bands=8)
    same = view.with_x(view.x[:1].expand(2, -1, -1).clone())
    seen = audio_view(same, Recipe(crop=(1, 1), mix=0.4), draws(view))
    assert torch.allclose(seen.x, same.x, atol=1e-3)


def test_a_mixture_lies_between_its_clips():
    view = clips((20, 20), bands=8)
    loud = view.x.flatten(1).logsumexp(1)[:, None, None]
    seen = audio_view(view, Recipe(crop=(1, 1), mix=0.4), draws(view))
    high = torch.maximum(view.x - loud, (view.x - loud).flip(0)) + loud
    low = torch.minimum(view.x - loud, (view.x - loud).flip(0)) + loud
    assert ((seen.x <= high + 1e-3) & (seen.x >= low - 1e-3)).all()


def test_a_room_lets_a_click_die_away_and_is_never_heard_before_it():
    view = clips((40, 40), bands=8)
    x = torch.full_like(view.x, -18.0)
    x[:, 10] = 0
    seen = audio_view(view.with_x(x), Recipe(crop=(1, 1), reverb=30), draws(view)).x[:, :, 0]
    assert (seen[:, :10] < -17).all()  # the hum of before echoes, the click does not
    steps = seen[:, 11:30].diff(dim=1)
    assert (steps < 1e-3).all()
    heard = seen[:, 11:13].exp().amin(dim=1) > 1e-6
    slope = (seen[:, 12] - seen[:, 11])[heard]
    assert (slope <= -6 / 30 * math.log(10) + 1e-2).all()  # 60 dB in 30 frames at most


def test_gain_fade_and_tilt_are_straight_lines():
    view = clips((30,) * 4)
    for recipe, along in (
        (Recipe(crop=(1, 1), gain=6), None),
        (Recipe(crop=(1, 1), fade=6), 1),
        (Recipe(crop=(1, 1), tilt=6), 2),
    ):
        change = audio_view(view, recipe, draws(view)).x - view.x
        limit = 6 * math.log(10) / 10
        assert change.abs().max() <= limit + 1e-3
        assert change.abs().max() > 0.05
        if along is None:
            assert torch.allclose(change, change[:, :1, :1].expand_as(change), atol=1e-3)
        else:
            assert change.diff(n=2, dim=along).abs().max() < 1e-3


def test_noise_only_adds():
    view = clips((30,) * 4)
    change = audio_view(view, Recipe(crop=(1, 1), noise=1.0), draws(view)).x - view.x
    assert (change > -1e-3).all()
    assert (change > 0.01).any()


def test_masks_hide_no_more_than_they_say():
    view = clips((30,) * 4)
    seen = audio_view(view, Recipe(crop=(1, 1), masks=1, mask=(0.2, 0.2)), draws(view))
    hidden = (seen.x - view.x).abs() > 1e-3
    assert 0 < hidden.float().mean() <= 0.2 + 0.2 + 0.05


def test_views_differ_from_view_to_view_and_repeat_themselves():
    view = clips()
    first, again, second = (audio_view(view, EVERYTHING, draws(view, number)).x for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 1000))
def test_whatever_the_clips_views_are_finite_real_first_and_zero_behind(lengths, seed):
    view = clips(tuple(lengths))
    seen = audio_view(view, EVERYTHING, draws(view, seed=seed))
    count = seen.valid.sum(dim=1)
    assert seen.x.isfinite().all()
    assert (count >= 1).all()
    assert torch.equal(seen.valid, torch.arange(seen.valid.shape[1]) < count[:, None])
    assert (seen.x[~seen.valid] == 0).all()
    assert (seen.where[seen.valid] >= 0).all()
    assert (seen.where <= view.valid.sum(dim=1, keepdim=True) - 1 + 1e-4).all()


def test_a_view_does_not_depend_on_its_batch_but_for_the_clip_that_is_mixed_in():
    alone = EVERYTHING.model_copy(update={"mix": 0.0})
    view = clips()
    whole = audio_view(view, alone, draws(view))
    for row in range(len(view)):
        one, count = view[row : row + 1], int(view.valid[row].sum())
        one = replace(one, x=one.x[:, :count], valid=one.valid[:, :count])
        part = audio_view(one, alone, draws(one))
        assert torch.equal(part.valid[0].nonzero(), whole.valid[row].nonzero())
        assert torch.allclose(part.x[0, part.valid[0]], whole.x[row, whole.valid[row]], atol=1e-4)
    assert not torch.allclose(audio_view(view, EVERYTHING, draws(view)).x, whole.x)


def test_frames_that_are_no_spectra_are_cut_and_masked_alone():
    left = EVERYTHING.without_spectra()
    assert (left.crop, left.speed, left.masks) == (EVERYTHING.crop, EVERYTHING.speed, EVERYTHING.masks)
    assert (left.pitch, left.mix, left.reverb, left.noise, left.gain) == ((1, 1), 0, 0, 0, 0)
    view = clips()
    still = left.model_copy(update={"crop": (1.0, 1.0), "speed": (1.0, 1.0), "masks": 0})
    assert torch.allclose(audio_view(view, still, draws(view)).x, view.x, atol=1e-4)


@pytest.mark.parametrize("kept", [0, 3])
def test_a_clip_without_a_real_frame_is_no_error(kept):
    view = clips()
    view = View(view.x, view.valid & (torch.arange(4)[:, None] != kept), view.where, view.index)
    seen = audio_view(view, EVERYTHING, draws(view))
    assert seen.x.isfinite().all()
    assert not seen.valid[kept].any()
