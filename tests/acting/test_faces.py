"""An encoder in the libraries of the field, with the libraries themselves."""

import sys

import numpy as np
import pytest
import torch
from corridors import CORRIDOR
from gymnasium.utils.env_checker import check_env

import tacit
from tacit.cli import run
from tacit.collecting.collect import Wish, collect
from tacit.core import View
from tacit.errors import UsageError


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An encoder of frames."""
    folder = tmp_path_factory.mktemp("encoder")
    collect(Wish(CORRIDOR, steps=60, pixels=40), folder / "set")
    settings = {"encoder": {"width": 4, "out": 8}, "budget": {"steps": 1}, "modality": {"frames": 2}}
    tacit.train(folder / "set", folder / "run", method="st-dim", settings=settings)
    return folder


def test_an_environment_shows_what_the_encoder_reads(trained):
    env = tacit.environment(CORRIDOR, trained / "run")
    check_env(env, skip_render_check=True)
    assert env.observation_space.shape == (2, 40, 40)
    first, _ = env.reset(seed=3)
    second, reward, *_ = env.step(1)
    assert np.array_equal(first[0], first[1])
    assert np.array_equal(second[0], first[1])
    assert reward in (0.0, 1.0)
    env.close()


def test_an_environment_that_shows_something_else_is_refused(trained, tmp_path):
    collect(Wish(CORRIDOR, steps=40), tmp_path / "set")
    told = {"method": "inverse-dynamics", "encoder": "mlp", "settings": {"budget": {"steps": 1}}}
    vectors = tacit.train(tmp_path / "set", tmp_path / "run", **told)
    with pytest.raises(UsageError, match="cannot read what CartPole-v1 shows"):
        tacit.environment("CartPole-v1", vectors)


def test_agents_of_stable_baselines3_read_through_the_encoder(trained, tmp_path):
    sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed: tacit[sb3]")
    env = tacit.environment(CORRIDOR, trained / "run")
    own = tacit.load(trained / "run").network.state_dict()
    for frozen in (False, True):
        kwargs = tacit.features_extractor(trained / "run", frozen=frozen)
        agent = sb3.DQN(
            "CnnPolicy", env, policy_kwargs=kwargs, learning_starts=20, buffer_size=100, device="cpu", seed=0
        )
        extractor = agent.q_net.features_extractor
        assert all(torch.equal(own[name], value) for name, value in extractor.encoder.state_dict().items())
        agent.learn(40)
        stayed = all(torch.equal(own[name], value) for name, value in extractor.encoder.state_dict().items())
        assert stayed == frozen
        moment = torch.from_numpy(env.reset(seed=0)[0])[None]
        with torch.no_grad():
            features = agent.q_net.extract_features(moment, extractor)
            assert torch.equal(features, extractor.encoder(View(moment / 255)).pooled)
        agent.save(tmp_path / "agent")
        again = sb3.DQN.load(tmp_path / "agent", device="cpu")
        assert agent.predict(moment.numpy())[0] == again.predict(moment.numpy())[0]
    env.close()


def test_what_agents_cannot_read_is_refused(trained):
    sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed: tacit[sb3]")
    with pytest.raises(UsageError, match=r"tacit\.environment shows it"):
        sb3.PPO("MlpPolicy", CORRIDOR, policy_kwargs=tacit.features_extractor(trained / "run"), device="cpu")


def test_a_missing_library_is_named_with_how_to_install_it(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.torch_layers", None)
    monkeypatch.delitem(sys.modules, "tacit.acting.sb3", raising=False)
    with pytest.raises(UsageError, match=r"tacit\[sb3\]"):
        tacit.features_extractor(trained / "run")


def test_an_encoder_of_other_data_is_refused(tmp_path, capsys):
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).integers(0, 255, (20, 16, 16, 3), dtype=np.uint8))
    settings = {"budget": {"steps": 1}, "encoder": {"width": 12}, "batch": 4}
    tacit.train(tmp_path / "pictures.npy", tmp_path / "run", settings=settings)
    with pytest.raises(UsageError, match="reads images, and an agent sees moments"):
        tacit.features_extractor(tmp_path / "run")
    assert run(["play", CORRIDOR, "--init-from", str(tmp_path / "run")]) == 2
    assert "reads images, and an agent sees moments" in capsys.readouterr().err
