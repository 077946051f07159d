"""Data sets of Minari become the same files as what is played here."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple

from tacit.cli import run
from tacit.modalities.episodes import decode, states

minari = pytest.importorskip("minari")
EpisodeBuffer = pytest.importorskip("minari.data_collector").EpisodeBuffer


FRAME = Box(0, 255, (8, 8), np.uint8)


class Scripted(gymnasium.Env):
    """Three steps and an end; observations as its space says."""

    def __init__(self, space, actions):
        self.observation_space, self.action_space = space, actions
        self.observation_space.seed(0)
        self.turn = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.turn = 0
        return self.observation_space.sample(), {"turn": 0, "inner": {"half": 0.0}, "name": "start"}

    def step(self, action):
        self.turn += 1
        told = {"turn": self.turn, "inner": {"half": self.turn / 2}, "name": "on"}
        return self.observation_space.sample(), float(self.turn), self.turn == 3, False, told


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def recorded(name, env, episodes=3):
    """A data set of random play, as its authors would make it; returns what was observed and done."""
    env.action_space.seed(0)
    buffers, seen, done = [], [], []
    for number in range(episodes):
        observation, info = env.reset(seed=number)
        observed, told, acted, came = [observation], [info], [], []
        while not (came and came[-1][1]):
            acted.append(env.action_space.sample())
            observation, *came_now, info = env.step(acted[-1])
            observed, told, came = [*observed, observation], [*told, info], [*came, came_now]
        rewards, ends, cuts = (list(each) for each in zip(*came, strict=True))
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=stacked(env.observation_space, observed),
                actions=stacked(env.action_space, acted),
                rewards=rewards,
                terminations=ends,
                truncations=cuts,
                infos={
                    "turn": [each["turn"] for each in told],
                    "inner": {"half": [each["inner"]["half"] for each in told]},
                    "name": [each["name"] for each in told],
                },
            )
        )
        seen, done = [*seen, observed], [*done, acted]
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    about = dict.fromkeys(("algorithm_name", "author", "author_email", "code_permalink", "description"), "toy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there is no environment to judge in
        minari.create_dataset_from_buffers(name, buffers, **spaces, **about, jpeg_encoding=False)
    return seen, done


def stacked(space, values):
    """Values of one space over time, as Minari takes them."""
    if isinstance(space, Dict):
        return {name: stacked(inner, [each[name] for each in values]) for name, inner in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(stacked(inner, [each[n] for each in values]) for n, inner in enumerate(space.spaces))
    return list(values)


def arrays(folder):
    held = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            held.append({name: file[name] for name in file.files})
    return held


def collected(name, out, *words):
    return run(["collect", f"minari:{name}", "--out", str(out), *words])


def test_episodes_are_those_that_were_recorded(tmp_path, capsys):
    seen, done = recorded("toy/vectors-v0", Scripted(Box(-1, 1, (5,)), Box(-1, 1, (2,))))
    assert collected("toy/vectors-v0", tmp_path / "set") == 0
    assert "3 episodes, 9 steps" in capsys.readouterr().err
    held = arrays(tmp_path / "set")
    for episode, observed, acted in zip(held, seen, done, strict=True):
        assert np.array_equal(episode["observations"], np.stack(observed).astype(np.float32))
        assert np.array_equal(episode["actions"], np.stack(acted))
        assert episode["rewards"].tolist() == [1, 2, 3]
        assert episode["terminated"].tolist() == [False, False, True]
        assert not episode["truncated"].any()
        assert episode["info_turn"].tolist() == [0, 1, 2, 3]
        assert episode["info_inner.half"].tolist() == [0, 0.5, 1, 1.5]
        assert "info_name" not in episode
    raw = (tmp_path / "set" / "episode-000000.npz").read_bytes()
    assert len(decode(raw).observations) == 4
    assert sorted(states(raw, 3)) == ["info_inner.half", "info_turn"]


def test_a_frame_is_observed_and_numbers_beside_it_are_states(tmp_path, capsys):
    parts = {"image": Box(0, 255, (7, 7, 3), np.uint8), "direction": Discrete(4), "mission": Text(9)}
    seen, done = recorded("toy/rooms-v0", Scripted(Dict(parts), Discrete(3, start=2)))
    assert collected("toy/rooms-v0", tmp_path / "set") == 0
    assert "not kept: mission" in capsys.readouterr().err
    for episode, observed, acted in zip(arrays(tmp_path / "set"), seen, done, strict=True):
        assert np.array_equal(episode["observations"], np.stack([each["image"] for each in observed]))
        assert episode["actions"].tolist() == [action - 2 for action in acted]
        assert episode["direction"].argmax(axis=1).tolist() == [each["direction"] for each in observed]


def test_numbers_of_all_parts_stand_in_one_vector_in_the_order_of_the_space(tmp_path):
    space = Dict({"goal": Box(-1, 1, (2,)), "at": Tuple((Box(-1, 1, (1,)), Discrete(2)))})
    seen, _ = recorded("toy/goals-v0", Scripted(space, Discrete(2)))
    assert collected("toy/goals-v0", tmp_path / "set") == 0
    for episode, observed in zip(arrays(tmp_path / "set"), seen, strict=True):
        expected = np.stack([gymnasium.spaces.flatten(space, each) for each in observed])
        assert np.allclose(episode["observations"], expected)


def test_some_of_it_and_then_the_rest(tmp_path, capsys):
    recorded("toy/vectors-v0", Scripted(Box(-1, 1, (5,)), Discrete(2)), episodes=4)
    out = tmp_path / "set"
    assert collected("toy/vectors-v0", out, "--steps", "4") == 0
    assert len(arrays(out)) == 2, "whole episodes"
    first = {path.name: path.read_bytes() for path in out.glob("*.npz")}
    assert collected("toy/vectors-v0", out) == 2
    assert "there already" in capsys.readouterr().err
    assert collected("toy/vectors-v0", out, "--resume") == 0
    assert len(arrays(out)) == 4
    assert {name: (out / name).read_bytes() for name in first} == first


@pytest.mark.parametrize(
    ("space", "actions", "words"),
    [
        (Dict({"a": FRAME, "b": FRAME}), Discrete(2), ("2 frames", "a, b")),
        (Text(5), Discrete(2), ("nothing to observe",)),
        (Box(-1, 1, (2,)), Dict({"left": Discrete(2)}), ("actions of toy/odd-v0", "can be stored")),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, capsys, space, actions, words):
    recorded("toy/odd-v0", Scripted(space, actions), episodes=1)
    assert collected("toy/odd-v0", tmp_path / "set") == 3
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert "Traceback" not in said


def test_wrong_names_and_words_for_playing_are_refused(tmp_path, capsys):
    assert collected("toy/vektors-v0", tmp_path / "a") == 2
    assert "minari download" in capsys.readouterr().err
    recorded("toy/vectors-v0", Scripted(Box(-1, 1, (5,)), Discrete(2)), episodes=1)
    assert collected("toy/vektors-v0", tmp_path / "a") == 2
    assert "toy/vectors-v0" in capsys.readouterr().err
    assert collected("no name", tmp_path / "a") == 2
    assert collected("toy/vectors-v0", tmp_path / "a", "--pixels", "40") == 2
    assert "played by others" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
