"""Views of moments: what moves together, what is kept, and what `next` shows."""

import numpy as np
import pytest
import torch
from worlds import ball, file, walk

from tacit.augment.moments import Recipe, moment_view, next_view
from tacit.core import Draws
from tacit.modalities.moments import MomentLayout, collate, cut
from tacit.modalities.trajectories import TRAJECTORIES, TrajectoriesConfig


def view_of(world=walk, **shape):
    held = world(steps=12)
    layout = MomentLayout(observed=(1, 40, 40) if world is walk else (3,), stack=4, **shape)
    rows = [row for row, _ in cut(file(held), layout)]
    return collate(torch.from_numpy(np.stack(rows)), layout)


def draws(count, first=0):
    return Draws.of(0, 0, torch.arange(first, first + count), 0)


def test_all_frames_of_a_moment_move_together_by_whole_pixels():
    view = view_of(choices=4)
    moved = moment_view(view, Recipe(shift=0.1), draws(len(view)))
    found = set()
    for before, after in zip(view.x, moved.x, strict=True):
        fits = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if torch.equal(after[:, 4:-4, 4:-4], before[:, 4 + down : 36 + down, 4 + right : 36 + right])
        ]
        assert fits, "one shift explains all four frames"
        found |= set(fits)
    assert len(found) > 3
    assert torch.equal(moved.actions, view.actions)


def test_what_is_observed_later_is_shown_as_the_moment_is():
    view = view_of(choices=4, ahead=3)
    recipe = Recipe(shift=0.1, light=0.05)
    shown = moment_view(view, recipe, draws(len(view)))
    alone = moment_view(view.after(2), recipe, draws(len(view)))
    assert torch.equal(shown.after(2).x, alone.x)
    assert torch.equal(shown.after(2).x[:, :2], shown.x[:, 2:])
    assert torch.equal(shown.after(2).x[:, 2:], shown.later[:, :2, 0])
    ball_view = view_of(ball, numbers=1)
    scaled = moment_view(ball_view, Recipe(scale=(0.5, 2.0)), draws(len(ball_view)))
    crossed = scaled.x[:, -3:] * ball_view.later[:, 0], scaled.later[:, 0] * ball_view.x[:, -3:]
    assert torch.allclose(*crossed, atol=1e-5)


def test_light_is_one_factor_a_moment():
    view = view_of(choices=4)
    view = view.with_x(view.x.clamp(0.1, 0.5))
    factor = moment_view(view, Recipe(light=0.05), draws(len(view))).x / view.x
    assert (factor.flatten(1).std(dim=1) < 1e-5).all()
    assert (factor.flatten(1).mean(dim=1) - 1).abs().max() < 0.11
    assert factor.flatten(1).mean(dim=1).std() > 0.01


def test_numbers_of_vectors_are_scaled_alike_in_all_observations():
    view = view_of(ball, numbers=1)
    factor = (moment_view(view, Recipe(scale=(0.5, 2.0)), draws(len(view))).x / view.x).view(-1, 4, 3)
    assert torch.allclose(factor, factor[:, :1].expand_as(factor), atol=1e-5)
    assert factor.min() >= 0.49
    assert factor.max() <= 2.01
    assert factor[:, 0].std(dim=1).min() > 0.001


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("world", [walk, ball])
def test_next_is_the_moment_that_many_steps_later(world, ahead):
    view = view_of(world, ahead=ahead, **({"choices": 4} if world is walk else {"numbers": 1}))
    later = next_view(view, Recipe(), draws(len(view)))
    assert torch.equal(later.x[:-ahead], view.x[ahead:])


@pytest.mark.parametrize("kind", ["plain", "weak", "strong", "next"])
@pytest.mark.parametrize("world", [walk, ball])
def test_a_view_does_not_depend_on_its_batch(kind, world):
    view = view_of(world, **({"choices": 4} if world is walk else {"numbers": 1}))
    augment = TRAJECTORIES.augment(TrajectoriesConfig())[kind]
    whole = augment(view, draws(len(view)))
    part = augment(view[4:8], draws(4, first=4))
    assert torch.equal(whole.x[4:8], part.x)
    assert (whole.later is None) == (kind == "next")
