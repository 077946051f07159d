"""Learning to act as a whole: what a run leaves, that it goes on to the same bits, and what is refused."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from corridors import CORRIDOR

import tacit
from tacit.acting.learning import Apprentice, learn
from tacit.acting.settings import configure
from tacit.agent import load_agent
from tacit.cli import run
from tacit.collecting.collect import Wish, collect
from tacit.errors import Interrupted, RunError, UsageError

SMALL = {"encoder": {"name": "nature", "width": 4, "out": 16}, "pixels": 40}
QUICK = {"steps": 120, "judged": 3, "dqn": {"begin": 40, "batch": 4, "every": 4, "hidden": 16, "replay": 100}}


def configured(**told):
    return configure([{"env": CORRIDOR}, QUICK, told])


def weights(folder):
    return (folder / "agent" / "model.safetensors").read_bytes()


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "agent"
    learn(configured(**SMALL), folder)
    return folder


def test_a_run_leaves_an_agent_its_encoder_its_episodes_and_what_it_got(played):
    lines = records(played)
    assert lines[-1]["step"] >= 120 > lines[-2]["step"]
    assert len(list((played / "episodes").glob("episode-*.npz"))) == len(lines)
    judged = json.loads((played / "agent.json").read_text())
    assert len(judged["returns"]) == 3
    assert judged["agent"]["low"] <= judged["agent"]["value"] <= judged["agent"]["high"]
    by_chance = [line["return"] for line in lines if line["step"] <= 40]
    assert judged["chance"]["value"] == pytest.approx(np.mean(by_chance))
    assert tacit.load(played).dim == 16
    with pytest.raises(UsageError, match="holds an agent"):
        tacit.load(played / "agent")
    agent = load_agent(played)
    frame = np.zeros((40, 40), np.uint8)
    assert agent.of([frame]).shape == (2,)
    assert agent.best([frame] * 9) == agent.best([frame] * 4), "it sees the last four frames"


def test_an_agent_plays_for_a_collection_and_sees_what_it_learnt_on(played, tmp_path, capsys):
    assert run(["collect", CORRIDOR, "--policy", str(played), "--steps", "20", "--out", str(tmp_path / "set")]) == 0
    agent = load_agent(played)
    with np.load(tmp_path / "set" / "episode-000000.npz") as held:
        observed, actions = held["observations"], held["actions"]
    assert observed.shape[1:] == (40, 40)
    assert actions.tolist() == [agent.best(list(observed[: step + 1])) for step in range(len(actions))]
    capsys.readouterr()
    words = ["collect", CORRIDOR, "--policy", str(played), "--pixels", "36", "--out", str(tmp_path / "other")]
    assert run(words) == 2
    assert "learnt with pixels 40" in capsys.readouterr().err
    assert run(["collect", "Acrobot-v1", "--policy", str(played), "--out", str(tmp_path / "other")]) == 2
    assert "chooses among 2 actions" in capsys.readouterr().err


@pytest.mark.parametrize("method", [None, "moco"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(method, tmp_path, monkeypatch):
    """A checkpoint at every episode's end; the signal arrives in the middle of a later one."""
    told = {**SMALL, "checkpoint_seconds": 0.0, "judged": 0}
    told |= {"method": {"name": method, "queue": 32}} if method else {}
    learn(configured(**told), tmp_path / "whole")
    see, seen = Apprentice._see, []

    def stop(self, turn):
        seen.append(turn)
        if len(seen) == 90:
            os.kill(os.getpid(), signal.SIGTERM)
        see(self, turn)

    monkeypatch.setattr(Apprentice, "_see", stop)
    with pytest.raises(Interrupted):
        learn(configured(**told), tmp_path / "parts")
    assert len(records(tmp_path / "parts")) < len(records(tmp_path / "whole"))
    monkeypatch.setattr(Apprentice, "_see", see)
    monkeypatch.chdir(tmp_path)
    assert run(["play", "--resume", "--out", "parts"]) == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert records(tmp_path / "parts") == records(tmp_path / "whole")


def test_a_run_that_was_stopped_before_it_learnt_begins_anew(tmp_path, monkeypatch):
    keep = Apprentice._keep

    def stop(self, episode):
        os.kill(os.getpid(), signal.SIGINT)
        return keep(self, episode)

    monkeypatch.setattr(Apprentice, "_keep", stop)
    with pytest.raises(Interrupted):
        learn(configured(**SMALL), tmp_path / "run")
    monkeypatch.setattr(Apprentice, "_keep", keep)
    with pytest.raises(UsageError, match="holds no agent"):
        load_agent(tmp_path / "run")
    learn(configured(**SMALL), tmp_path / "run", resume=True)
    assert records(tmp_path / "run")[0]["episode"] == 1
    (tmp_path / "run" / "episodes" / "episode-000000.npz").write_bytes(b"no archive")
    with pytest.raises(RunError, match="missing or damaged"):
        learn(configured(**SMALL), tmp_path / "run", resume=True)


def test_weights_bring_their_encoder_and_what_it_sees(tmp_path, monkeypatch):
    collect(Wish(CORRIDOR, steps=60, pixels=36), tmp_path / "set")
    settings = {"encoder": {"width": 4, "out": 8}, "budget": {"steps": 2}, "modality": {"frames": 2}}
    encoder = tacit.train(tmp_path / "set", tmp_path / "run", method="st-dim", settings=settings)
    config = configured(init_from=str(tmp_path / "run"), dqn={**QUICK["dqn"], "detach": True})
    assert (config.pixels, config.encoder.out, config.modality.frames) == (36, 8, 2)
    agent, _ = learn(config, tmp_path / "agent")
    own, theirs = agent.values.encoder.state_dict(), encoder.network.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in theirs), "detached, it stays as it is"
    with pytest.raises(UsageError, match="do not fit samples"):
        learn(configured(init_from=str(tmp_path / "run"), pixels=64), tmp_path / "other")


def test_vectors_are_read_by_the_encoder_that_suits_them(tmp_path, capsys):
    words = ["play", CORRIDOR, "--steps", "60", "--set", "dqn.begin=30", "--set", "judged=2"]
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    assert "mean return" in said.out
    assert "of chance" in said.out
    assert "encoder:\n  name: mlp" in (tmp_path / "run" / "config.yaml").read_text()
    assert run(["runs", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say where to play"),
        (["CartPol-v1"], "did you mean 'CartPole-v1'?"),
        (["Pendulum-v1"], "learns to choose among a few"),
        ([CORRIDOR, "--repeat", "0"], "greater than or equal to 1"),
        ([CORRIDOR, "--set", "dqn.rate=1"], "no such setting"),
        ([CORRIDOR, "--set", "step=1"], "did you mean 'steps'?"),
        ([CORRIDOR, "--method", "moko"], "did you mean 'moco'?"),
        ([CORRIDOR, "--method", "colorization"], "which trajectories data do not have"),
        ([CORRIDOR, "--preset", "atc"], "is one of a method"),
        ([CORRIDOR, "--view", "next"], "'plain', 'weak' or 'strong'"),
        ([CORRIDOR, "--encoder", "nature"], "encoder nature reads frames"),
        ([CORRIDOR, "--init-from", "nowhere"], "does not exist"),
        ([CORRIDOR, "--steps", "20"], "more steps than"),
        ([CORRIDOR, "--resume"], "--resume needs --out"),
    ],
)
def test_wishes_that_cannot_be_are_refused_with_what_to_do(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = ["--set", "dqn.begin=40"] if "--encoder" in words or "20" in words else []
    assert run(["play", *words, *quick]) == 2
    assert said in capsys.readouterr().err
