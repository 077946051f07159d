"""The page of trajectories: from folders of episodes to an encoder, and what is asked of both."""

import numpy as np
import pytest
import torch
from worlds import ball, folder_of, walk

import tacit
from tacit.data.dataset import open_dataset
from tacit.data.kind import kind_of
from tacit.encoder import load
from tacit.errors import DataError
from tacit.modalities import MODALITIES
from tacit.modalities.trajectories import TRAJECTORIES, TrajectoriesConfig
from tacit.training import configure

QUICK = {"budget": {"steps": 2}, "evaluations": 0}


def opened(folder, **wishes):
    wanted = TrajectoriesConfig(**wishes)
    return open_dataset(str(folder), TRAJECTORIES, wanted, cache_dir=folder.parent / "cache")


def test_the_split_is_by_episode_and_names_say_which_step(tmp_path):
    dataset = opened(folder_of(tmp_path / "set", count=8, steps=5))
    everything = dataset.everything()
    assert len(everything) == 40
    assert everything.names[7] == "episode-001.npz#step=2"
    train, test = (set(dataset.part(part).source_rows.tolist()) for part in ("train", "test"))
    assert train | test == set(range(8))
    assert not train & test
    assert torch.equal(everything.groups, torch.arange(8).repeat_interleave(5) + everything.groups[0])
    assert "8 episodes: 40 moments, each a sample" in dataset.notes


def test_episodes_that_cannot_be_read_are_skipped_with_the_reason(tmp_path):
    folder = folder_of(tmp_path / "set", count=8, steps=5)
    np.savez(folder / "other.npz", **walk(steps=5, side=44))
    np.savez(folder / "short.npz", **{name: value[:1] for name, value in walk(steps=1).items()})
    with pytest.raises(DataError, match="2 of 10 episodes"):
        opened(folder)
    found = open_dataset(str(folder), TRAJECTORIES, TrajectoriesConfig(), max_bad=0.3, cache_dir=tmp_path / "cache")
    reasons = dict(found.skipped)
    assert "modality.size=84" in reasons["other.npz"]
    assert "another one 1 step later" in reasons["short.npz"]


def test_the_kind_of_data_is_known_by_what_files_hold(tmp_path):
    folder_of(tmp_path / "set", count=2)
    np.savez(tmp_path / "pictures.npz", x=np.zeros((3, 8, 8), np.uint8))
    assert kind_of(str(tmp_path / "set"), MODALITIES) == "trajectories"
    assert kind_of(str(tmp_path / "set" / "episode-000.npz"), MODALITIES) == "trajectories"
    assert kind_of(str(tmp_path / "pictures.npz"), MODALITIES) is None


@pytest.mark.parametrize(("world", "encoder"), [(walk, "nature"), (ball, "mlp")])
def test_the_encoder_that_suits_is_taken_where_none_is_named(world, encoder, tmp_path):
    folder = folder_of(tmp_path / "set", world, count=2)
    assert configure([{"data": str(folder)}]).encoder.name == encoder
    assert configure([{"data": str(folder), "modality": {"name": "trajectories"}}]).encoder.name == encoder
    asked = configure([{"data": str(folder), "encoder": {"name": "convnet"}}])
    assert asked.encoder.name == "convnet"


@pytest.mark.parametrize("world", [walk, ball])
def test_the_whole_way_from_episodes_to_vectors(world, tmp_path):
    folder = folder_of(tmp_path / "set", world, count=8, steps=6)
    tacit.train(folder, tmp_path / "run", settings=QUICK)
    encoder = load(tmp_path / "run")
    assert encoder.embed(folder).shape == (48, encoder.dim)
    alone = encoder.embed([world(0, steps=6)["observations"][:6]])
    assert np.allclose(alone[0], encoder.embed(folder)[5], atol=1e-4), "an array is read as its last moment"


@pytest.mark.parametrize("method", ["moco", "byol", "masked-prediction"])
def test_methods_of_other_data_run_as_they_stand(method, tmp_path):
    folder = folder_of(tmp_path / "set", count=8, steps=6)
    small = {"encoder": {"width": 16}} if method != "masked-prediction" else {}
    own = {"method": {"queue": 32}} if method == "moco" else {}
    tacit.train(folder, tmp_path / "run", method=method, settings={**QUICK, **small, **own})
    assert load(tmp_path / "run").embed(folder).shape[0] == 48


def test_without_labels_the_task_on_states_is_named(tmp_path):
    folder = folder_of(tmp_path / "set", ball, count=6, steps=6)
    tacit.train(folder, tmp_path / "run", settings=QUICK)
    with pytest.raises(DataError, match="--task state"):
        tacit.evaluate(tmp_path / "run", folder)
