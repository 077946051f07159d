"""What an encoder knows of what is coming: which moments are asked about, rows and floors."""

import numpy as np
import pytest
from worlds import ball, folder_of

import tacit
from tacit.data.dataset import open_dataset
from tacit.encoder import load
from tacit.errors import DataError
from tacit.modalities.trajectories import TRAJECTORIES, TrajectoriesConfig
from tacit.proving.exams import judge
from tacit.proving.reward import TASK
from tacit.truth.rewards import coming_of

QUICK = {"budget": {"steps": 1}, "evaluations": 0}


def told(number, steps=30):
    """A ball that is paid while it is fast, and sees how many steps are left; every fourth episode is cut off."""
    steps += number % 5
    held = ball(number, steps)
    held["observations"][:, 2] = np.arange(steps, -1, -1)
    fast = (held["observations"][:-1, 1] > 0.5).astype(np.float32)
    ended = np.arange(steps) == steps - 1
    cut = number % 4 == 3
    return {
        **{name: held[name] for name in ("observations", "actions")},
        "rewards": fast,
        "terminated": ended & (not cut),
        "truncated": ended & cut,
    }


def test_what_comes_is_counted_from_each_moment_and_not_where_the_recording_stops_before(tmp_path):
    folder = folder_of(tmp_path / "set", told, count=4)
    dataset = open_dataset(str(folder), TRAJECTORIES, TrajectoriesConfig(), cache_dir=tmp_path / "cache")
    coming = coming_of(dataset, 10)
    place = 0
    for number in range(4):
        held = told(number)
        rewards, steps = held["rewards"], len(held["rewards"])
        for step in range(steps):
            follow = rewards[step : step + 10]
            assert coming.events["a reward next"][place] == (rewards[step] != 0)
            assert coming.events["a reward within 10 steps"][place] == follow.any()
            assert np.isclose(coming.returns["return of 10 steps"][place], follow.sum())
            assert coming.events["the end within 10 steps"][place] == (number != 3 and step + 10 >= steps)
            assert coming.told[place] == (number != 3 or step + 10 <= steps)
            place += 1
    assert place == len(dataset)


def test_what_observations_tell_is_foretold_from_them_and_not_by_saying_the_same(tmp_path):
    data = folder_of(tmp_path / "set", told, count=24)
    tacit.train(data, tmp_path / "run", method="inverse-dynamics", settings=QUICK)
    proof = judge(load(tmp_path / "run"), str(data), tasks=(TASK,))
    found = {(result.row, result.metric): result for result in proof.evaluation.results}
    assert {row for row, _ in found} == {"inverse-dynamics", "untrained", "raw values", "PCA", "majority"}
    assert found["raw values", "a reward next, AUC"].value > 0.99
    assert found["raw values", "the end within 10 steps, AUC"].value > 0.99
    assert found["raw values", "return of 10 steps, R2"].value > 0.2
    assert found["majority", "mean AUC"].value == 0.5
    one = found["majority", "a reward next, average precision"]
    assert one.value == pytest.approx(one.protocol["rates"]["a reward next"])
    assert found["majority", "mean R2"].value <= 0
    sentence = proof.evaluation.verdict.sentence
    assert "mean AUC" in sentence
    assert "mean R2" in sentence


def test_what_cannot_be_foretold_is_refused_with_the_reason(tmp_path):
    bare = folder_of(tmp_path / "bare", lambda number: {"observations": ball(number)["observations"]}, count=6)
    settings = {**QUICK, "method": {"name": "moco", "queue": 16}}
    tacit.train(bare, tmp_path / "run", settings=settings)
    with pytest.raises(DataError, match="an array `rewards`"):
        judge(load(tmp_path / "run"), str(bare), tasks=(TASK,))

    def same(number):
        return {name: ball(number)[name] for name in ("observations", "rewards")}

    dull = folder_of(tmp_path / "dull", same, count=6)
    with pytest.raises(DataError, match="nothing to foretell: a reward next"):
        judge(load(tmp_path / "run"), str(dull), tasks=(TASK,))
