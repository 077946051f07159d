"""Episodes in files: what is read, and what is refused with the reason."""

import io
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import ball, walk

from tacit.errors import Unreadable
from tacit.modalities.episodes import decode, is_episode, outcome, states


def file(arrays, save=np.savez_compressed):
    held = io.BytesIO()
    save(held, **arrays)
    return held.getvalue()


def changed(world=walk, **arrays):
    return file({name: value for name, value in {**world(), **arrays}.items() if value is not None})


def test_frames_are_read_channels_first_and_actions_as_choices():
    held = walk(steps=5)
    episode = decode(file(held, np.savez))
    assert episode.frames
    assert episode.observations.shape == (6, 1, 40, 40)
    assert np.array_equal(episode.observations[:, 0], held["observations"])
    assert np.array_equal(episode.actions, held["actions"])
    assert episode.rewards.tolist() == held["rewards"].tolist()
    colour = np.stack([held["observations"]] * 3, axis=-1)
    assert decode(changed(observations=colour, actions=None, rewards=None, terminated=None, truncated=None)).frames


def test_vectors_are_read_and_actions_as_numbers():
    episode = decode(file(ball(steps=5)))
    assert not episode.frames
    assert episode.observations.shape == (6, 3)
    assert episode.actions.shape == (5, 1)
    assert episode.actions.dtype == np.float32


def test_an_array_is_its_observations():
    episode = decode(np.arange(6.0))
    assert episode.observations.shape == (6, 1)
    assert episode.actions is None


def test_states_are_all_further_arrays_of_the_episodes_length():
    known = states(changed(other=np.arange(3), pair=np.arange(42).reshape(21, 2), name=np.array(["a"] * 21)), 20)
    assert sorted(known) == ["pair.0", "pair.1", "place.0", "row"]
    assert known["pair.1"].tolist() == list(range(1, 41, 2))
    assert all(len(values) == 20 for values in known.values())
    assert states(file(ball(steps=4)), 4)["right"].dtype == bool


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "an empty file"),
        (b"PK not really", "no .npz"),
        (file({"x": np.zeros(3)}), "no array called observations; it holds x"),
        (file({"observations": np.zeros((0, 3))}), "there is none"),
        (changed(observations=np.array([{}] * 21, dtype=object)), "Python objects"),
        (changed(observations=np.zeros((21, 40, 40))), "frames are"),
        (changed(observations=np.zeros((21, 3, 40, 40), np.uint8)), "channels come last"),
        (changed(observations=np.array(["a"] * 21)), "vectors are numbers"),
        (changed(ball, observations=np.full((21, 3), np.nan)), "NaN or infinity"),
        (changed(ball, actions=np.full((20, 1), np.inf)), "NaN or infinity"),
        (changed(actions=np.zeros(12, int)), "12 actions, 20 rewards"),
        (changed(observations=walk(steps=30)["observations"]), "31 observations and 20 actions"),
        (changed(actions=np.zeros((20, 2, 2))), "expected"),
        (changed(rewards=np.zeros((20, 2))), "rewards of shape"),
        (changed()[:-40], "no .npz"),
    ],
)
def test_what_is_no_episode_is_refused_with_the_reason(raw, said):
    with pytest.raises(Unreadable, match=said):
        decode(raw)


def test_too_many_columns_of_a_state_are_refused():
    with pytest.raises(Unreadable, match="2,000 columns"):
        states(changed(many=np.zeros((20, 2000), np.uint8)), 20)


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken():
    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        held, {"shape": (2**40, 4), "fortran_order": False, "descr": np.dtype("<f8").str}
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("observations.npy", held.getvalue())
    with pytest.raises(Unreadable, match="cut off"):
        decode(packed.getvalue())


@given(st.integers(0, 3000), st.integers(0, 255))
def test_damage_anywhere_is_unreadable_or_harmless(place, value):
    raw = bytearray(file(ball(steps=3)))
    raw[place % len(raw)] = value
    with suppress(Unreadable):
        decode(bytes(raw))
        states(bytes(raw), 3)
        outcome(bytes(raw))


def test_what_came_of_an_episode_is_read_where_it_stands():
    came = outcome(file(walk(steps=3)))
    assert came.steps == 3
    assert came.terminated.tolist() == [False, False, True]
    assert came.rewards.shape == (3,)
    held = {name: walk(steps=3)[name] for name in ("observations", "actions")}
    for ended, known in ((None, None), (np.array(True), None), (np.array([0, 0, 1]), [False, False, True])):
        came = outcome(file(held if ended is None else held | {"terminated": ended}))
        assert (None if came.terminated is None else came.terminated.tolist()) == known
        assert came.rewards is None
        assert came.steps == 3
    with pytest.raises(Unreadable, match="terminated of shape"):
        outcome(file(held | {"terminated": np.zeros((3, 2))}))


def test_an_episode_is_known_by_what_it_holds(tmp_path):
    np.savez(tmp_path / "a.npz", **walk(steps=2))
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 8, 8)))
    (tmp_path / "c.npz").write_bytes(b"none")
    assert [is_episode(tmp_path / name) for name in ("a.npz", "b.npz", "c.npz", "d.npz")] == [True, False, False, False]
