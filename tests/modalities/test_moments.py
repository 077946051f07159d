"""Moments of episodes: what a row holds, and where an episode ends."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from worlds import ball, file, walk

from tacit.errors import DataError, Unreadable
from tacit.modalities import acting
from tacit.modalities.moments import MomentLayout, collate, cut, read
from tacit.modalities.trajectories import TRAJECTORIES, TrajectoriesConfig


def moments(raw, **wishes):
    """All moments of an episode as one view, and their names."""
    layout = TRAJECTORIES.survey([raw], TrajectoriesConfig(**wishes))
    rows = list(cut(raw, layout))
    return collate(torch.from_numpy(np.stack([row for row, _ in rows])), layout), [name for _, name in rows], layout


def test_a_moment_holds_the_last_frames_the_next_one_and_what_was_done_between():
    held = walk(steps=6)
    view, names, layout = moments(file(held))
    frames = torch.from_numpy(held["observations"]).float() / 255
    assert layout.brief() == {
        "observed": "frames [1, 40, 40]",
        "stack": 4,
        "ahead": 1,
        "actions": f"{held['actions'].max() + 1} choices",
    }
    assert view.x.shape == (6, 4, 40, 40)
    assert names == [f"step={step}" for step in range(6)]
    assert torch.equal(view.x[5], frames[2:6])
    assert torch.equal(view.x[1], frames[[0, 0, 0, 1]]), "before the first frame stands the first one"
    assert torch.equal(view.later[:, 0, 0], frames[1:])
    assert view.actions[:, 0].int().argmax(dim=1).tolist() == held["actions"].tolist()
    assert (view.actions.sum(dim=2) == 1).all()


def test_vectors_are_stacked_on_wish_and_their_actions_are_numbers():
    held = ball(steps=5)
    view, _, _ = moments(file(held), frames=2, ahead=2)
    x = torch.from_numpy(held["observations"])
    assert torch.equal(view.x[3], x[2:4].flatten())
    assert torch.equal(view.later[3], x[4:6])
    assert torch.equal(view.actions[3], torch.from_numpy(held["actions"][3:5]))
    assert len(view) == 4


@given(st.integers(2, 12), st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_every_moment_with_a_later_one_is_a_row_and_none_crosses_an_end(observed, stack, ahead, last):
    """Vectors that say their own place: all of them must be found where they are expected."""
    actions = np.arange(observed - 1 if last else observed) % 3
    raw = file({"observations": np.arange(observed, dtype=np.float32), "actions": actions})
    if observed <= ahead:
        with pytest.raises(Unreadable, match="later"):
            moments(raw, frames=stack, ahead=ahead)
        return
    view, names, _ = moments(raw, frames=stack, ahead=ahead)
    assert len(names) == observed - ahead
    for step in range(len(names)):
        assert view.x[step].tolist() == [max(0, step + back) for back in range(1 - stack, 1)]
        assert view.later[step, :, 0].tolist() == [step + more for more in range(1, ahead + 1)]
        assert view.actions[step].int().argmax(dim=1).tolist() == actions[step : step + ahead].tolist()


def test_the_last_moment_is_what_a_sample_alone_shows():
    held = walk(steps=6)
    view, _, layout = moments(file(held))
    now = collate(torch.from_numpy(read(held["observations"][:6], layout))[None], layout)
    assert torch.equal(now.x[0], view.x[5])
    assert not now.actions.any(), "nobody knows what will be done"


def test_observations_alone_are_enough():
    view, _, layout = moments(file({"observations": walk(steps=6)["observations"]}))
    assert view.actions is None
    assert layout.width == 0
    assert len(view) == 6


def test_frames_are_made_smaller_on_wish():
    held = walk(steps=3, side=48)
    view, _, _ = moments(file(held), size=24)
    assert view.x.shape == (3, 4, 24, 24)
    mean = held["observations"][0].reshape(24, 2, 24, 2).mean(axis=(1, 3)) / 255
    assert np.abs(view.x[0, 0].numpy() - mean).max() < 1.01 / 255, "rounded once a direction"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"observations": walk(side=44)["observations"]}, "where those of the set are"),
        ({"observations": ball()["observations"]}, "where those of the set are"),
        ({"actions": np.full(20, 9)}, r"action 9, .* 0 to 3: --set modality\.actions"),
        ({"actions": np.full(20, -1)}, "action -1"),
        ({"actions": np.zeros((20, 2))}, "an action is 2 numbers"),
        ({"observations": walk()["observations"][:1], "actions": walk()["actions"][:1]}, "1 observation: a moment"),
    ],
)
def test_what_does_not_fit_the_set_is_refused(other, said):
    layout = MomentLayout(observed=(1, 40, 40), stack=4, choices=4)
    with pytest.raises(Unreadable, match=said):
        list(cut(file({"observations": walk()["observations"], "actions": walk()["actions"], **other}), layout))


def test_a_set_with_actions_takes_no_episode_without():
    with pytest.raises(Unreadable, match="no array actions"):
        list(
            cut(file({"observations": walk()["observations"]}), MomentLayout(observed=(1, 40, 40), stack=4, choices=4))
        )
    with pytest.raises(DataError, match="no episode can be read"):
        TRAJECTORIES.survey([b"none"], TrajectoriesConfig())


def test_principal_components_are_those_of_the_values():
    view, _, _ = moments(file(ball(steps=40)), frames=2)

    class Held:
        def __len__(self):
            return len(view)

        def view(self, rows):
            return view[rows]

    found = acting.principal(Held())(view)
    centred = view.x - view.x.mean(dim=0)
    assert found.shape == (40, 6)
    assert torch.allclose(found @ found.T, centred @ centred.T, atol=1e-3), "all components keep all distances"
    assert found.var(dim=0).diff().max() <= 1e-5, "the largest first"
    assert acting.raw_values(view) is not None
    assert torch.equal(acting.raw_values(view), view.x)


def test_pictures_show_the_last_frame():
    held = walk(steps=3)
    view, _, _ = moments(file(held))
    shown = acting.picture(view)
    assert shown.shape == (3, 40, 40, 3)
    assert np.array_equal(shown[2, ..., 0], held["observations"][2])


def test_facts_are_told_of_files():
    assert acting.facts(file(walk(steps=9))) == {
        "observed": "frames of 1 x 40 x 40",
        "actions": "choices",
        "length": 10.0,
        "return": float((walk(steps=9)["actions"] == 1).sum()),
    }
    assert acting.suited(file(ball())) == "mlp"
    assert acting.suited(file(walk())) == "nature"
