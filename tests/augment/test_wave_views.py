import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment.audio import Recipe
from tacit.augment.wave import wave_view
from tacit.core import Draws, View

SIZE = 40
EVERYTHING = Recipe(crop=(0.5, 0.9), speed=(0.8, 1.25), mix=0.4, noise=0.5, gain=6, fade=6, masks=2)


def clips(lengths=(30, 17, 24, 5), seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), max(lengths), SIZE, generator=generator) * 0.1
    place = torch.arange(max(lengths)).expand(len(lengths), -1)
    return View(torch.where(valid[..., None], x, 0), valid, place, torch.arange(len(lengths)), rate=50 * SIZE)


def draws(view, number=0, seed=0):
    return Draws.of(seed, 0, view.index, number)


def power(view):
    return view.x.square().sum((1, 2)) / (view.valid.sum(1) * SIZE)


def test_a_recipe_that_changes_nothing_changes_nothing():
    view = clips()
    seen = wave_view(view, Recipe(crop=(1.0, 1.0)), draws(view))
    assert torch.equal(seen.x, view.x)
    assert torch.equal(seen.valid, view.valid)
    assert torch.equal(seen.where[seen.valid], view.where[view.valid].float())
    assert seen.rate == view.rate


def test_a_cut_is_a_piece_of_the_wave_as_it_is_and_where_says_which():
    view = clips()
    seen = wave_view(view, Recipe(crop=(0.3, 0.8)), draws(view))
    for row in range(len(view)):
        piece = seen.x[row, seen.valid[row]].flatten()
        start = round(float(seen.where[row, 0]) * SIZE)
        assert torch.equal(piece, view.x[row].flatten()[start : start + len(piece)])
        assert 0.3 * float(view.valid[row].sum()) - 1 <= len(piece) / SIZE <= 0.8 * float(view.valid[row].sum())
    starts = (seen.where[:, 0] * SIZE).round()
    assert (starts % SIZE != 0).any()  # not at a frame alone


def test_speed_is_that_of_a_tape():
    """A sine of 100 Hz that is played 1.25 times as fast is one of 125 Hz, and ends sooner."""
    view = clips((40,) * 4)
    time = torch.arange(40 * SIZE) / (50 * SIZE)
    view = view.with_x(torch.sin(2 * math.pi * 100 * time).view(1, 40, SIZE).expand(4, -1, -1).clone())
    seen = wave_view(view, Recipe(crop=(1, 1), speed=(1.25, 1.25)), draws(view))
    assert seen.valid.sum(dim=1).tolist() == [32] * 4
    loudest = torch.fft.rfft(seen.x.flatten(1)).abs().argmax(dim=1) * 50 / seen.x.shape[1]
    assert loudest.tolist() == pytest.approx([125] * 4, abs=2)


def test_a_late_view_ends_where_the_clip_does():
    view = clips()
    seen = wave_view(view, Recipe(crop=(0.4, 0.4), late=True), draws(view))
    for row in range(4):
        assert torch.equal(seen.x[row, seen.valid[row]][-1], view.x[row, view.valid[row]][-1])


def test_gain_and_fade_multiply_by_decibels():
    view = clips()
    gain = wave_view(view, Recipe(crop=(1, 1), gain=6), draws(view))
    change = 20 * (gain.x / view.x)[view.valid].log10()
    each = change.split(view.valid.sum(1).tolist())
    assert all(part.max() - part.min() < 1e-3 for part in each)
    assert change.abs().max() <= 6 + 1e-3
    assert change.abs().max() > 0.5
    fade = wave_view(view, Recipe(crop=(1, 1), fade=6), draws(view))
    line = 20 * (fade.x / view.x)[0].flatten().log10()
    assert line.diff(n=2).abs().max() < 1e-3
    assert abs(float(line[0] + line[-1])) < 0.02
    assert 0.1 < float((line[-1] - line[0]).abs()) <= 6


def test_noise_is_5_to_30_decibels_below():
    view = clips((200,) * 8)
    seen = wave_view(view, Recipe(crop=(1, 1), noise=1.0), draws(view))
    below = 10 * (power(view.with_x(seen.x - view.x)) / power(view)).log10()
    assert ((below > -31) & (below < -4)).all()
    assert below.max() - below.min() > 3


def test_a_mixture_keeps_the_power_and_knows_no_other_loudness():
    view = clips((300, 300))
    loud = view.with_x(view.x * torch.tensor([1.0, 50.0])[:, None, None])
    seen = wave_view(loud, Recipe(crop=(1, 1), mix=0.4), draws(view))
    assert (power(seen) / power(loud)).tolist() == pytest.approx([1, 1], abs=0.1)
    share = ((seen.x[0] * view.x[1]).sum() / view.x[1].square().sum()) ** 2
    assert 0.01 < share <= 0.41


def test_masks_are_silence_over_whole_frames():
    view = clips((30,) * 4)
    seen = wave_view(view, Recipe(crop=(1, 1), masks=1, mask=(0.4, 0.0)), draws(view))
    hidden = (seen.x == 0).all(dim=2)
    assert torch.equal(seen.x[~hidden], view.x[~hidden])
    assert 0 < hidden.float().mean() <= 0.4
    assert ((hidden.int().diff(dim=1) == 1).sum(1) <= 1).all()


def test_what_takes_spectra_is_off():
    view = clips()
    recipe = Recipe(crop=(1, 1), pitch=(0.5, 2), reverb=30, tilt=20, colour=9)
    assert torch.equal(wave_view(view, recipe, draws(view)).x, view.x)


def test_views_differ_from_view_to_view_and_repeat_themselves():
    view = clips()
    first, again, second = (wave_view(view, EVERYTHING, draws(view, number)).x for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 1000))
def test_whatever_the_clips_views_are_finite_real_first_and_zero_behind(lengths, seed):
    view = clips(tuple(lengths))
    seen = wave_view(view, EVERYTHING, draws(view, seed=seed))
    count = seen.valid.sum(dim=1)
    assert seen.x.isfinite().all()
    assert (count >= 1).all()
    assert torch.equal(seen.valid, torch.arange(seen.valid.shape[1]) < count[:, None])
    assert (seen.x[~seen.valid] == 0).all()
    assert (seen.where >= 0).all()
    assert (seen.where <= view.valid.sum(dim=1, keepdim=True) - 1 + 1e-4).all()


def test_a_view_does_not_depend_on_its_batch_but_for_the_clip_that_is_mixed_in():
    alone = EVERYTHING.model_copy(update={"mix": 0.0, "noise": 1.0})
    view = clips()
    whole = wave_view(view, alone, draws(view))
    for row in range(len(view)):
        one, count = view[row : row + 1], int(view.valid[row].sum())
        one = replace(one, x=one.x[:, :count], valid=one.valid[:, :count])
        part = wave_view(one, alone, draws(one))
        assert torch.allclose(part.x[0, part.valid[0]], whole.x[row, whole.valid[row]], atol=1e-6)
    assert not torch.allclose(wave_view(view, EVERYTHING, draws(view)).x, whole.x)


def test_a_clip_without_a_real_frame_is_no_error():
    view = clips()
    view = View(view.x, view.valid & (torch.arange(4)[:, None] != 1), view.where, view.index, rate=view.rate)
    seen = wave_view(view, EVERYTHING, draws(view))
    assert seen.x.isfinite().all()
    assert not seen.valid[1].any()
