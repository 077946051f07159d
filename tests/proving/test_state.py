"""What an encoder knows of the state: rows, floors and what is left out."""

import json

import numpy as np
import pytest
import torch
from toys import folder_of_shapes
from worlds import ball, folder_of

import tacit
from tacit.data.dataset import open_dataset
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.modalities.trajectories import TRAJECTORIES, TrajectoriesConfig
from tacit.proving.exams import judge
from tacit.proving.outcome import write
from tacit.proving.state import TASK
from tacit.truth.states import states_of

QUICK = {"budget": {"steps": 1}, "evaluations": 0}


def told(number, steps=20):
    """A ball that says where it is, on which side a noise lies, and something that never changes."""
    held = ball(number, steps)
    place = held["observations"][:, 0]
    known = {
        "place": place,
        "side": held["observations"][:, 2] > 0,
        "dull": np.full(steps + 1, 3),
        "begun": place * 0,
    }
    lucky = np.random.default_rng(number).integers(0, 3, steps + 1)
    return {**{name: held[name] for name in ("observations", "actions", "rewards")}, **known, "luck": lucky}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    data = folder_of(folder / "set", told, count=16)
    tacit.train(data, folder / "run", settings={**QUICK, "method": {"positive": "next", "name": "moco", "queue": 32}})
    return judge(load(folder / "run"), str(data), tasks=(TASK,)), folder


def values(proof):
    return {(result.row, result.metric): result.value for result in proof.evaluation.results}


def test_all_rows_tell_all_states_that_change(judged):
    found = values(judged[0])
    rows = {"moco", "untrained", "raw values", "PCA", "majority"}
    metrics = {"mean F1", "mean weighted F1", "mean R2", "place, R2", "side, F1", "luck, F1"}
    assert set(found) == {(row, metric) for row in rows for metric in metrics}
    assert "dull" in judged[0].evaluation.results[0].protocol["left_out"]
    assert "begun" in judged[0].evaluation.results[0].protocol["left_out"]


def test_what_is_linear_in_the_observations_is_told_from_them_and_luck_by_nobody(judged):
    found = values(judged[0])
    assert found["raw values", "place, R2"] > 0.999
    assert found["PCA", "place, R2"] > 0.99
    assert found["raw values", "side, F1"] > 0.8
    assert found["majority", "place, R2"] <= 0
    assert all(found[row, "luck, F1"] < 0.5 for row in ("moco", "untrained", "raw values", "PCA", "majority"))
    assert found["raw values", "mean F1"] == pytest.approx(
        (found["raw values", "side, F1"] + found["raw values", "luck, F1"]) / 2
    )


def test_intervals_hold_their_values_and_the_verdict_is_said_of_both_means(judged):
    for result in judged[0].evaluation.results:
        assert result.low <= result.value + 1e-9
    sentence = judged[0].evaluation.verdict.sentence
    assert "mean F1" in sentence
    assert "mean R2" in sentence
    assert "test episodes" in sentence
    (path, *_) = write(judged[0], judged[1] / "run")
    assert path.name == "state.json"
    assert json.loads(path.read_text())["verdict"]["sentence"] == sentence


def test_states_are_those_at_each_moment_in_its_own_episode(tmp_path):
    folder = folder_of(tmp_path / "set", told, count=4, steps=7)
    dataset = open_dataset(str(folder), TRAJECTORIES, TrajectoriesConfig(), cache_dir=tmp_path / "cache")
    found = states_of(dataset)["place"]
    view = dataset.everything().view(torch.arange(len(dataset)))
    assert np.allclose(found, view.x[:, 0].numpy())


def test_test_moments_that_were_learnt_from_are_left_out(tmp_path):
    """All episodes begin alike."""

    def alike(number, steps=6):
        held = told(number, steps)
        held["observations"][0] = 1
        return held

    folder = folder_of(tmp_path / "set", alike, count=8)
    tacit.train(folder, tmp_path / "run", method="inverse-dynamics", settings=QUICK)
    proof = judge(load(tmp_path / "run"), str(folder), tasks=(TASK,))
    known = proof.evaluation.results[0].protocol
    assert known["test_moments_seen_in_training"] == known["test_episodes"]


def test_what_cannot_be_asked_is_refused_with_the_reason(tmp_path):
    bare = folder_of(
        tmp_path / "bare", lambda number: {name: ball(number)[name] for name in ("observations", "actions")}, count=6
    )
    tacit.train(bare, tmp_path / "run", method="inverse-dynamics", settings=QUICK)
    with pytest.raises(DataError, match="nothing is known of states"):
        judge(load(tmp_path / "run"), str(bare), tasks=(TASK,))

    def same(number):
        held = ball(number)
        return {name: held[name] for name in ("observations", "actions")} | {"level": np.full(21, 2)}

    dull = folder_of(tmp_path / "dull", same, count=6)
    with pytest.raises(DataError, match="changes enough to be asked for: level"):
        judge(load(tmp_path / "run"), str(dull), tasks=(TASK,))


def test_images_have_no_state(tmp_path):

    photos = folder_of_shapes(tmp_path / "photos", each=6)
    tacit.train(photos, tmp_path / "run", settings={**QUICK, "encoder": {"width": 8}})
    with pytest.raises(UsageError, match="images are none"):
        judge(load(tmp_path / "run"), str(photos), tasks=(TASK,))
