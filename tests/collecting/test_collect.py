"""Episodes that are played: what stands in their files, and that a stop loses none."""

import os
import signal
import sys

import gymnasium
import numpy as np
import pytest

from tacit.cli import run
from tacit.collecting.collect import Wish, collect, play
from tacit.collecting.worlds import World, open_world
from tacit.errors import Interrupted, UsageError
from tacit.modalities.episodes import decode, states

EPISODE = "episode-000000.npz"


def arrays(path):
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def episodes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.npz"))}


def test_whole_episodes_are_written_until_there_are_enough_steps(tmp_path):
    number, steps = collect(Wish("CartPole-v1", steps=60), tmp_path / "set")
    files = sorted((tmp_path / "set").glob("*.npz"))
    held = [arrays(path) for path in files]
    assert [path.name for path in files] == [f"episode-{n:06}.npz" for n in range(number)]
    assert sum(len(each["rewards"]) for each in held) == steps >= 60
    assert steps - len(held[-1]["rewards"]) < 60
    for each in held:
        count = len(each["actions"])
        assert each["observations"].shape == (count + 1, 4)
        assert each["terminated"].tolist() == [False] * (count - 1) + [True]
        assert not each["truncated"].any()
        assert set(each["actions"].tolist()) <= {0, 1}
    moved = held[0]["observations"]
    assert np.allclose(moved[1:, 0], moved[:-1, 0] + 0.02 * moved[:-1, 1], atol=1e-5), "the cart's own equation"


def test_frames_are_rendered_and_the_environments_vector_is_the_state(tmp_path):
    collect(Wish("CartPole-v1", steps=5, pixels=36), tmp_path / "frames")
    collect(Wish("CartPole-v1", steps=5), tmp_path / "vectors")
    (frames, vectors) = (arrays(tmp_path / each / "episode-000000.npz") for each in ("frames", "vectors"))
    assert frames["observations"].shape == (len(frames["actions"]) + 1, 36, 36)
    assert frames["observations"].dtype == np.uint8
    assert np.array_equal(frames["state"], vectors["observations"]), "what is observed changes nothing that happens"
    raw = (tmp_path / "frames" / "episode-000000.npz").read_bytes()
    assert decode(raw).frames
    assert sorted(states(raw, 2)) == [f"state.{number}" for number in range(4)]
    collect(Wish("CartPole-v1", steps=1, pixels=36, colour=True), tmp_path / "colour")
    assert arrays(tmp_path / "colour" / "episode-000000.npz")["observations"].shape[1:] == (36, 36, 3)


def test_actions_that_are_numbers_and_episodes_that_are_cut(tmp_path):
    collect(Wish("Pendulum-v1", steps=1), tmp_path / "set")
    held = arrays(tmp_path / "set" / "episode-000000.npz")
    assert held["actions"].shape == (200, 1)
    assert held["truncated"].tolist() == [False] * 199 + [True]
    assert not held["terminated"].any()


def test_an_action_may_be_repeated_before_something_is_stored(tmp_path):
    (tmp_path / "right.py").write_text("def act(observation, generator):\n    return 1\n")
    once, twice = (
        arrays(collected(tmp_path / f"by-{count}", policy=str(tmp_path / "right.py"), repeat=count) / EPISODE)
        for count in (1, 2)
    )
    steps = len(once["actions"])
    assert len(twice["actions"]) == -(-steps // 2)
    assert np.array_equal(
        twice["observations"][:-1], once["observations"][:-1][: steps + 1 : 2][: len(twice["actions"])]
    )
    assert np.array_equal(twice["observations"][-1], once["observations"][-1]), "an end cuts the repetition short"
    assert twice["rewards"].sum() == once["rewards"].sum()
    with pytest.raises(UsageError, match="repeat 2 then and 3 now"):
        collected(tmp_path / "by-2", policy=str(tmp_path / "right.py"), repeat=3, steps=99, resume=True)
    with pytest.raises(UsageError, match="give 1 or more"):
        collected(tmp_path / "by-0", repeat=0)


def test_a_collection_that_was_stopped_goes_on_to_the_same_files(tmp_path):
    collect(Wish("CartPole-v1", steps=90, seed=3), tmp_path / "whole")
    collect(Wish("CartPole-v1", steps=20, seed=3), tmp_path / "parts")
    assert len(episodes(tmp_path / "parts")) < len(episodes(tmp_path / "whole"))
    collect(Wish("CartPole-v1", steps=90, seed=3), tmp_path / "parts", resume=True)
    whole = [arrays(path) for path in sorted((tmp_path / "whole").glob("*.npz"))]
    parts = [arrays(path) for path in sorted((tmp_path / "parts").glob("*.npz"))]
    assert len(whole) == len(parts)
    for first, second in zip(whole, parts, strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in first)
    other = arrays(collected(tmp_path / "other", seed=4) / "episode-000000.npz")
    assert not np.array_equal(other["observations"][0], whole[0]["observations"][0])


def collected(folder, resume=False, **wishes):
    collect(Wish("CartPole-v1", **{"steps": 1, **wishes}), folder, resume=resume)
    return folder


def test_a_signal_keeps_whole_episodes(tmp_path, monkeypatch):
    """The signal arrives in the middle of the third episode."""
    whole = World.reset
    begun = []

    def reset(self, seed):
        begun.append(seed)
        if len(begun) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return whole(self, seed)

    monkeypatch.setattr(World, "reset", reset)
    with pytest.raises(Interrupted):
        collect(Wish("CartPole-v1", steps=10_000), tmp_path / "set")
    assert len(episodes(tmp_path / "set")) == 2
    assert {path.name for path in (tmp_path / "set").iterdir()} == {
        ".collection.json",
        "episode-000000.npz",
        "episode-000001.npz",
    }


def test_a_policy_is_a_function_in_a_file(tmp_path):
    program = "def act(observation, generator):\n    return int(observation[2] > 0)\n"
    (tmp_path / "steady.py").write_text(program)
    collect(Wish("CartPole-v1", policy=str(tmp_path / "steady.py"), steps=1), tmp_path / "set")
    held = arrays(tmp_path / "set" / "episode-000000.npz")
    assert held["actions"].tolist() == (held["observations"][:-1, 2] > 0).astype(int).tolist()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("def act(", "cannot be run: SyntaxError"),
        ("act = 3", "defines no function act"),
        ("def act(observation, generator):\n    return 7", "returns 7, and an action here is one of Discrete"),
        ("def act(observation, generator):\n    return observation.nothing", "fails: AttributeError"),
    ],
)
def test_policies_that_do_not_act_are_refused(program, said, tmp_path, capsys):
    (tmp_path / "own.py").write_text(program)
    words = ["collect", "CartPole-v1", "--policy", str(tmp_path / "own.py"), "--out", str(tmp_path / "set")]
    assert run(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CartPol-v1"], "did you mean 'CartPole-v1'?"),
        (["CartPole-v1", "--steps", "0"], "give 1 or more"),
        (["CartPole-v1", "--pixels", "0"], "give a side"),
        (["CartPole-v1", "--colour"], "give --pixels"),
        (["CartPole-v1", "--policy", "good"], "give random, the run of an agent"),
        (["CartPole-v1", "--resume"], "no collection to go on with"),
    ],
)
def test_wishes_that_cannot_be_are_refused_with_what_to_do(words, said, tmp_path, capsys):
    assert run(["collect", *words, "--out", str(tmp_path / "set")]) == 2
    assert said in capsys.readouterr().err


def test_episodes_that_are_there_are_never_written_over(tmp_path):
    folder = collected(tmp_path / "set")
    before = episodes(folder)
    with pytest.raises(UsageError, match="--resume goes on"):
        collect(Wish("CartPole-v1", steps=1), folder)
    with pytest.raises(UsageError, match="seed 0 then and 1 now"):
        collect(Wish("CartPole-v1", steps=100, seed=1), folder, resume=True)
    assert episodes(folder) == before


@pytest.mark.parametrize(
    ("missing", "env", "extra"),
    [("gymnasium", "CartPole-v1", "rl"), ("ale_py", "ALE/Pong-v5", "atari"), ("minari", "minari:toy-v0", "minari")],
)
def test_a_missing_library_is_named_with_how_to_install_it(missing, env, extra, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(["collect", env, "--out", str(tmp_path / "set")]) == 2
    assert f"pip install 'tacit[{extra}]'" in capsys.readouterr().err


def test_the_memory_of_a_game_is_stored_by_name(tmp_path):
    pytest.importorskip("ale_py")
    world = open_world("ALE/Pong-v5", pixels=36, colour=False)
    noop = lambda observation, observed, generator: 0  # noqa: E731
    monkey = {"cut": 0}

    class Short:
        """The game, cut after a few steps."""

        def __init__(self, env):
            self.env = env

        def __getattr__(self, name):
            return getattr(self.env, name)

        def step(self, action):
            observation, reward, terminated, _, info = self.env.step(action)
            monkey["cut"] += 1
            return observation, reward, terminated, monkey["cut"] == 5, info

    episode = play(World(Short(world.env), 36, False, "x"), noop, seed=0, number=0)
    world.env.close()
    assert episode["observations"].shape == (6, 36, 36)
    assert episode["ball_x"].dtype == np.uint8
    assert len(episode["player_y"]) == 6
    assert "info_lives" in episode


class Bare(gymnasium.Env):
    """An environment that knows nothing of rendering."""

    observation_space, action_space = gymnasium.spaces.Box(0, 1, (2,)), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.ones(2, np.float32), 1.0, True, False, {}


def test_an_environment_needs_not_know_how_to_render(tmp_path):
    gymnasium.register("Bare-v0", Bare)
    assert collect(Wish("Bare-v0", steps=2), tmp_path / "set") == (2, 2)
    with pytest.warns(UserWarning, match="render_mode"), pytest.raises(UsageError, match="cannot be rendered"):
        collect(Wish("Bare-v0", steps=2, pixels=40), tmp_path / "frames")
