"""What comes next: encoders and their floors on series whose law is known."""

import json

import numpy as np
import pytest
import torch
from curves import folder_of_waves

import tacit
from tacit.cli import run
from tacit.data.source import open_source
from tacit.errors import DataError, UsageError
from tacit.modalities.series import SERIES
from tacit.proving.courses import Rows, open_course
from tacit.proving.forecasting import forecast
from tacit.proving.moments import steps_of_a_token, tokens

STEPS = 900


def waves(count=STEPS, noise=0.3, seed=0):
    """Two channels that come again after 12 steps, `[T, 2]`."""
    generator = np.random.default_rng(seed)
    time = np.arange(count)[:, None] + np.array([[0.0, 4.0]])
    return 5 + 2 * (np.sin(2 * np.pi * time / 12) + noise * generator.standard_normal((count, 2)))


def walks(count=STEPS, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 2)).cumsum(axis=0)


def written(path, x, parts=None):
    """A table of a series, with a column `split` where `parts` say where they end."""
    parts = parts and dict(parts)
    lines = ["time,a,b" + (",split" if parts else "")]
    for step, values in enumerate(x):
        cells = ["" if np.isnan(value) else f"{value:.6g}" for value in values]
        name = next((name for name, end in parts.items() if step < end), "") if parts else None
        lines.append(",".join([str(step), *cells, *([name] if parts else [])]))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def trained(folder, x, to="run", **encoder):
    """A few steps on windows of 48 steps."""
    np.save(folder / f"{to}.npy", np.stack([x[start : start + 48] for start in range(0, len(x) - 48, 8)]))
    settings = {
        "method": {"name": "ts2vec"},
        "modality": {"name": "series"},
        "encoder": {"width": 16, "out": 32, "causal": True, **encoder},
        "budget": {"steps": 6},
        "batch": 16,
    }
    if encoder.get("name") == "transformer":
        settings |= {"encoder": {"causal": True, **encoder}}
    return tacit.train(folder / f"{to}.npy", folder / to, settings=settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("forecasts")
    written(path / "waves.csv", waves())
    written(path / "walks.csv", walks())
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return trained(folder, waves())


@pytest.fixture(scope="module")
def judged(encoder, folder):
    return forecast(encoder, str(folder / "waves.csv"), horizons=[6, 24])


def test_on_waves_with_noise_the_ridge_on_lags_wins(judged):
    found = {(result.row, result.metric): result for result in judged.evaluation.results}
    assert list(dict.fromkeys(row for row, _ in found)) == [
        "ts2vec",
        "untrained",
        "ridge on lags",
        "seasonal",
        "last value",
    ]
    mse = {row: found[row, "MSE, 6 steps"].value for row in ("ts2vec", "ridge on lags", "seasonal", "last value")}
    variance = 0.5 + 0.3**2
    assert 0.09 / variance < mse["ridge on lags"] < 0.12 / variance, "little more than the noise"
    assert mse["ridge on lags"] < mse["seasonal"] < mse["last value"]
    assert mse["seasonal"] == pytest.approx(2 * 0.09 / variance, rel=0.15), "the noise of two steps"
    assert mse["ridge on lags"] < mse["ts2vec"] < mse["last value"]
    for result in found.values():
        assert result.low < result.value < result.high


def test_the_verdict_and_the_differences_count_less_as_better(judged):
    assert not judged.evaluation.verdict.helped
    assert "With 6 steps to foretell pre-training reaches MSE ." in judged.evaluation.verdict.sentence
    assert "ridge on lags ." in judged.evaluation.verdict.sentence
    assert "it did not help" in judged.evaluation.verdict.sentence
    assert "trained on other data" in judged.evaluation.verdict.sentence
    gains = {(gain.row, gain.metric): gain.value for gain in judged.evaluation.differences}
    assert gains["ridge on lags", "MSE, 6 steps"] < 0 < gains["last value", "MSE, 6 steps"]


def test_the_protocol_is_told(judged):
    (own,) = (r for r in judged.evaluation.results if (r.row, r.metric) == ("seasonal", "MSE, 24 steps"))
    assert own.protocol["split"] == (
        "each series by time, 60 % train, 20 % val, 20 % test: train 540, val 180, test 180 steps"
    )
    assert own.protocol["windows"] == {"train": 540 - 24, "val": 157, "test": 157}
    assert own.protocol["fitted"] == [{"period": "12 steps, by the variogram of the training part"}]
    assert own.protocol["block"] == 24
    assert own.protocol["blocks"] == 7
    assert len(next(r for r in judged.evaluation.results if r.row == "untrained").protocol["fitted"]) == 3


def test_on_random_walks_nothing_beats_the_last_value(encoder, folder):
    judged = forecast(encoder, str(folder / "walks.csv"), horizons=[5]).evaluation
    found = {result.row: result.value for result in judged.results if result.metric == "MSE, 5 steps"}
    assert list(found) == ["ts2vec", "untrained", "ridge on lags", "last value"]
    assert min(found.values()) > 0.97 * found["last value"]
    assert found["ts2vec"] > 1.2 * found["last value"]


def test_the_figures_are_those_of_a_loop(judged, folder):
    """The last value's mean squared error, forecast by forecast."""
    x = waves()
    train = x[:540]
    z = (x - train.mean(axis=0)) / train.std(axis=0)
    off = [np.square(z[start + 1 : start + 7] - z[start]) for start in range(719, 894)]
    (own,) = (r for r in judged.evaluation.results if (r.row, r.metric) == ("last value", "MSE, 6 steps"))
    assert own.value == pytest.approx(np.mean(off), rel=1e-4)
    assert own.protocol["windows"]["test"] == len(off)


@pytest.mark.parametrize("encoder", [{"patch": 1}, {"patch": 5}, {"name": "transformer", "patch": 4}])
def test_each_step_has_the_token_that_ends_with_it_and_none_sees_the_future(folder, encoder):
    name = f"of-{encoder.get('name', 'tcn')}-{encoder['patch']}"
    own = trained(folder, waves(200), name, **encoder)
    course, _ = open_course(own, str(folder / "waves.csv"), what="forecast", max_bad=0.0)
    assert steps_of_a_token(own) == encoder["patch"]
    found = tokens(own, course, encoder["patch"], "tokens")
    assert found.shape[:2] == (STEPS, 1)
    changed = course.values.clone()
    changed[500:] += 3
    again = tokens(own, type(course)(**{**vars(course), "values": changed}), encoder["patch"], "tokens")
    assert torch.equal(found[:500], again[:500])
    assert (found[500:] != again[500:]).flatten(1).any(dim=1).all(), "each token knows the step that it ends with"
    patch = encoder["patch"]
    row = own.modality.collate(course.values[None, : 48 // patch * patch], own.layout)
    with torch.no_grad():
        alone = own.network(row).tokens[0]
    half = max(1, 48 // patch // 2)
    assert torch.allclose(found[patch - 1 : half * patch : patch, 0], alone[:half], atol=1e-4), "as in a row of its own"


def test_an_encoder_of_one_channel_reads_each_by_itself(folder):
    x = waves()
    own = trained(folder, np.concatenate([x[:300, :1], x[:300, 1:]]), "one")
    course, dataset = open_course(own, str(folder / "waves.csv"), what="forecast", max_bad=0.0)
    assert dataset.layout.channels == 2
    found = tokens(own, course, 1, "tokens")
    assert found.shape == (STEPS, 2, 32)
    changed = course.values.clone()
    changed[:, 1] = 3
    again = tokens(own, type(course)(**{**vars(course), "values": changed}), 1, "tokens")
    assert torch.equal(found[:, 0], again[:, 0])
    assert not torch.equal(found[:, 1], again[:, 1])
    judged = forecast(own, str(folder / "waves.csv"), horizons=[6]).evaluation
    assert judged.results[0].protocol["fitted"][0]["ridge on"] == "the token of each channel by itself, 32 numbers"
    values = {result.row: result.value for result in judged.results if result.metric == "MSE, 6 steps"}
    assert values["ridge on lags"] < values["ts2vec"] < values["last value"]
    three = np.concatenate([x, x[:, :1]], axis=1)
    np.save(folder / "three.npy", three[None])
    with pytest.raises(UsageError, match=r"reads 2 channels, and .* has 3"):
        forecast(trained(folder, x[:200], "two"), str(folder / "three.npy"))


def test_parts_in_the_data_are_kept_and_the_encoder_is_told_from_what_is_tested(folder, encoder):
    parts = {"train": 500, "val": 650, "test": 800}
    data = written(folder / "parts.csv", waves(), parts)
    course, dataset = open_course(encoder, data, what="forecast", max_bad=0.0)
    assert course.spans == {"train": [(0, 500)], "val": [(500, 650)], "test": [(650, 800)]}
    assert course.ends == [900]
    assert course.protocol == "split as the source gives it: train 500, val 150, test 150 steps"
    assert len(Rows.of(course, encoder)) == 11
    assert len(open_source(data, SERIES.suffixes)) == 4
    assert course.origins("test", 10)[0] == 649, "the first forecast starts from the last step of val"
    settings = {
        "method": {"name": "ts2vec"},
        "modality": {"name": "series", "window": 48},
        "encoder": {"width": 8, "out": 8, "causal": True},
        "budget": {"steps": 1},
    }
    own = tacit.train(data, folder / "own", settings=settings)
    assert own.spec.training["samples"] == 20, "windows of the first 500 steps alone"
    assert "without the steps that are tested" in forecast(own, data, horizons=[6]).evaluation.verdict.sentence
    assert dataset.protocol == course.protocol


def test_series_that_are_whole_in_their_parts_are_forecast_within(folder, encoder, tmp_path):
    data = folder_of_waves(tmp_path / "many", each=10, test=3, length=60, channels=2)
    course, _ = open_course(encoder, str(data), what="forecast", max_bad=0.0)
    assert len(course.ends) == 26
    assert sum(len(spans) for spans in course.spans.values()) == 26
    assert len(course.spans["val"]) == 4
    assert course.protocol.startswith("split as the source gives it, val the last fifth of train")
    found = forecast(encoder, str(data))
    assert [result.metric for result in found.evaluation.results[::2][:2]] == ["MSE, 24 steps", "MSE, 48 steps"]


def test_what_is_missing_counts_nowhere(folder, encoder):
    """Gaps change the figures little; filled with zeros they would change them much."""
    x = waves()
    whole = forecast(encoder, written(folder / "whole.csv", x), horizons=[6])
    x[np.random.default_rng(1).random(x.shape) < 0.05] = np.nan
    x[300:310] = np.nan
    gaps = forecast(encoder, written(folder / "gaps.csv", x), horizons=[6])
    values = [
        {result.row: result.value for result in proof.evaluation.results if result.metric == "MSE, 6 steps"}
        for proof in (whole, gaps)
    ]
    assert values[1]["ridge on lags"] == pytest.approx(values[0]["ridge on lags"], rel=0.3)
    assert all(np.isfinite(value) for value in values[1].values())
    assert gaps.evaluation.results[0].protocol["missing"] == int(np.isnan(x).sum())


def test_a_part_without_a_value_is_told(folder, encoder):
    x = waves()
    x[720:, 0] = np.nan
    x[:, 1] = 7
    data = written(folder / "blank.csv", x, {"train": 540, "val": 720, "test": 899})
    with pytest.raises(DataError, match="the test part has no value"):
        forecast(encoder, data)


def test_channels_that_never_change_are_not_foretold(folder, encoder, capfd):
    x = waves()
    x[:, 1] = 7
    found = forecast(encoder, written(folder / "constant.csv", x), horizons=[6]).evaluation
    assert found.results[0].protocol["channels"] == 1
    assert "not foretold: 2 (counted from 1)" in capfd.readouterr().err
    with pytest.raises(DataError, match="no channel changes"):
        forecast(encoder, written(folder / "constant.csv", np.full((100, 2), 3.0)))


def test_encoders_that_see_the_future_are_refused(folder):
    both = trained(folder, waves(200), "both", causal=False)
    with pytest.raises(UsageError, match=r"tokens see no future, .* --set encoder.causal=true"):
        forecast(both, str(folder / "waves.csv"))
    np.save(folder / "level.npy", np.stack([waves(48, seed=seed) for seed in range(20)]))
    settings = {
        "method": {"name": "ts2vec"},
        "modality": {"name": "series", "normalise": "series"},
        "encoder": {"causal": True, "width": 8},
        "budget": {"steps": 1},
    }
    level = tacit.train(folder / "level.npy", folder / "level", settings=settings)
    with pytest.raises(UsageError, match="takes the level from the whole series"):
        forecast(level, str(folder / "waves.csv"))


def test_other_kinds_of_data_and_short_series_are_refused(folder, encoder, tmp_path):
    with pytest.raises(DataError, match=r"--horizons 400: the stretches of .* are too short"):
        forecast(encoder, str(folder / "waves.csv"), horizons=[400])
    with pytest.raises(DataError, match=r"no step is left to learn from \(each series by time, 60 % train"):
        forecast(encoder, written(tmp_path / "one.csv", waves(1)))
    with pytest.raises(DataError, match="too short to foretell anything"):
        forecast(encoder, written(tmp_path / "short.csv", waves(9)))
    (tmp_path / "order.csv").write_text("time,a,b,split\n" + "".join(
        f"{step},{step % 5},{step % 3},{'test' if step < 50 else 'train'}\n" for step in range(100)))  # fmt: skip
    with pytest.raises(DataError, match="in the order test, train"):
        forecast(encoder, str(tmp_path / "order.csv"))
    pictures = tacit.train("digits", tmp_path / "pictures", settings={"budget": {"steps": 1}, "batch": 16})
    with pytest.raises(UsageError, match="this encoder reads images"):
        forecast(pictures, "digits")


def test_short_series_get_the_horizon_that_they_are_long_enough_for(folder, encoder, tmp_path):
    found = forecast(encoder, written(tmp_path / "x.csv", waves(100)))
    assert {result.metric for result in found.evaluation.results} == {"MSE, 5 steps", "MAE, 5 steps"}


def test_the_command_prints_writes_and_fails_under(folder, encoder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    words = ["evaluate", "run", "waves.csv", "--task", "forecast", "--horizons", "6"]
    assert run([*words, "--fail-under", "forecast=1.5"]) == 0
    out = capfd.readouterr()
    assert "MSE, 6 steps" in out.out
    kept = json.loads((folder / "run" / "forecast.json").read_text())
    assert kept["data"]["split"].startswith("each series by time")
    assert run([*words, "--fail-under", "forecast=0.01"]) == 4
    assert "over 0.01" in capfd.readouterr().err
    assert run(["evaluate", "run", "waves.csv", "--task", "forecast", "--horizons", "many"]) == 2
    assert "--horizons: 'many' is no whole number" in capfd.readouterr().err
    assert run(["evaluate", "run", "waves.csv", "--task", "linear", "--horizons", "6"]) == 2
    assert "--horizons are steps to forecast" in capfd.readouterr().err
