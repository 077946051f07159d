"""What stands in gaps: encoders and their floors on series whose law is known."""

import json

import numpy as np
import pytest
import torch

import tacit
from tacit.cli import run
from tacit.errors import DataError, UsageError
from tacit.evaluation.imputation import hidden
from tacit.proving.courses import open_course
from tacit.proving.gaps import tokens_in_gaps
from tacit.proving.imputation import imputation


def written(path, x):
    lines = ["time,a,b", *(f"{step},{a},{b}".replace("nan", "") for step, (a, b) in enumerate(x.tolist()))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def waves(count=700, seed=0):
    """Two channels, each of which says what the other one is: a sine of 10 steps and its cosine, with noise."""
    noise = np.random.default_rng(seed).standard_normal((count, 2))
    angle = 2 * np.pi * np.arange(count)[:, None] / 10 + np.array([0, np.pi / 2])
    return 5 + 2 * np.sin(angle) + 0.2 * noise


def trained(folder, x, to, name="tcn", window=24):
    np.save(folder / f"{to}.npy", np.stack([x[start : start + window] for start in range(0, len(x) - window, 8)]))
    settings = {
        "method": {"name": "masked-prediction" if name == "transformer" else "ts2vec"},
        "modality": {"name": "series"},
        "encoder": {"name": name, **({"width": 16, "out": 32} if name == "tcn" else {})},
        "budget": {"steps": 4},
        "batch": 16,
        "evaluations": 0,
    }
    return tacit.train(folder / f"{to}.npy", folder / to, settings=settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("imputation")
    written(path / "waves.csv", waves())
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return trained(folder, waves(), "run")


@pytest.fixture(scope="module")
def judged(encoder, folder):
    return imputation(encoder, str(folder / "waves.csv"))


def values(proof, metric="MSE, 25 % hidden"):
    return {result.row: result.value for result in proof.evaluation.results if result.metric == metric}


def test_of_waves_both_ridges_say_most_and_the_mean_nothing(judged):
    found = values(judged)
    assert list(found) == ["ts2vec", "untrained", "ridge on neighbours", "straight line", "last value", "mean"]
    assert found["mean"] == pytest.approx(1, abs=0.15)
    assert found["ridge on neighbours"] < found["straight line"] < found["last value"]
    assert found["ts2vec"] < 0.5 * found["last value"]
    for result in judged.evaluation.results:
        assert result.low < result.value < result.high
    assert values(judged, "MSE, 50 % hidden")["straight line"] > values(judged, "MSE, 12.5 % hidden")["straight line"]
    assert "12.5 % of the values hidden pre-training reaches MSE" in judged.evaluation.verdict.sentence


def test_the_figures_are_those_of_a_loop(judged):
    """The last value's absolute error, value by value."""
    x = waves()
    z = (x - x[:420].mean(axis=0)) / x[:420].std(axis=0)
    hide = hidden(torch.ones(700, 2, dtype=torch.bool), 0.25).numpy()
    off = []
    for channel in range(2):
        last = 0.0
        for step in range(700):
            if not hide[step, channel]:
                last = z[step, channel]
            elif step >= 560:
                off.append(abs(last - z[step, channel]))
    assert values(judged, "MAE, 25 % hidden")["last value"] == pytest.approx(np.mean(off), rel=1e-4)
    (own,) = (r for r in judged.evaluation.results if (r.row, r.metric) == ("mean", "MAE, 25 % hidden"))
    assert own.protocol["asked"] == len(off)


@pytest.mark.parametrize("name", ["tcn", "transformer"])
def test_no_token_knows_what_is_hidden(folder, name):
    one = waves(200)[:, :1]
    own = trained(folder, one, f"blind-{name}", name)
    course, _ = open_course(own, written(folder / "x.csv", waves(200)), what="imputation", max_bad=0)
    hide = hidden(torch.ones(200, 2, dtype=torch.bool), 0.5)
    steps = 4 if name == "transformer" else 1
    found = tokens_in_gaps(own, course, hide, steps, "tokens")
    assert found.shape[:2] == (200, 2)
    other = type(course)(**{**vars(course), "values": course.values.where(~hide, 100.0)})
    assert torch.equal(tokens_in_gaps(own, other, hide, steps, "tokens"), found)
    seen = type(course)(**{**vars(course), "values": course.values.where(hide, 100.0)})
    assert not torch.equal(tokens_in_gaps(own, seen, hide, steps, "tokens"), found)
    gone = hide.all(dim=1)
    assert (found[gone].abs().amax(2) > 0).all(), "the token of a step without a value stands"


def test_what_is_missing_stays_missing(encoder, tmp_path):
    x = waves()
    x[::7, 0] = np.nan
    x[600:620] = np.nan
    found = imputation(encoder, written(tmp_path / "gaps.csv", x))
    assert all(np.isfinite(value) for value in values(found).values())
    counted = next(r for r in found.evaluation.results if r.metric == "MSE, 50 % hidden").protocol["asked"]
    known = ~np.isnan(x)
    assert counted == int(hidden(torch.from_numpy(known), 0.5)[560:].sum())


def test_what_cannot_be_judged_is_refused(folder, encoder, tmp_path):
    with pytest.raises(DataError, match="no channel changes"):
        imputation(encoder, written(tmp_path / "still.csv", np.full((90, 2), 3.0)))
    np.save(tmp_path / "three.npy", np.ones((1, 90, 3)))
    with pytest.raises(UsageError, match=r"reads 2 channels, and .* has 3"):
        imputation(encoder, str(tmp_path / "three.npy"))


def test_the_command_prints_and_writes(folder, encoder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    assert run(["evaluate", "run", "waves.csv", "--task", "imputation", "--fail-under", "imputation=0.9"]) == 0
    assert "hidden" in capfd.readouterr().out
    assert json.loads((folder / "run" / "imputation.json").read_text())["verdict"]["sentence"]
