"""Where something is wrong: encoders and their floors on series whose anomalies are known."""

import json

import numpy as np
import pytest
import torch
from curves import watched

import tacit
from tacit import desk
from tacit.cli import run
from tacit.errors import DataError
from tacit.evaluation.anomalies import volumes
from tacit.proving import scores
from tacit.proving.anomalies import anomaly

SETTINGS = {
    "method": {"name": "ts2vec"},
    "modality": {"name": "series", "window": 24},
    "encoder": {"width": 8, "out": 16},
    "budget": {"steps": 4},
    "batch": 16,
    "evaluations": 0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("anomalies")
    watched(path / "pumps.csv")
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return tacit.train(folder / "pumps.csv", folder / "run", settings=SETTINGS)


@pytest.fixture(scope="module")
def judged(encoder, folder):
    return anomaly(encoder, str(folder / "pumps.csv"))


def values(proof, metric="VUS-PR"):
    return {result.row: result.value for result in proof.evaluation.results if result.metric == metric}


def test_waves_that_stop_are_told_by_their_form_and_not_by_their_level(judged):
    found = values(judged)
    assert list(found) == ["ts2vec", "untrained", "raw values", "level", "differences", "random"]
    assert found["raw values"] > 0.7
    assert found["ts2vec"] > 0.5
    assert found["level"] < found["random"] < 0.5, "what stops at the mean is not far from it"
    for result in judged.evaluation.results:
        assert result.low < result.value < result.high
        assert len(result.protocol["each"]) == 8
    assert judged.evaluation.results[0].protocol["share"] == pytest.approx(20 / 160)
    assert "without the steps that are tested" in judged.evaluation.verdict.sentence
    assert "8 series to watch pre-training reaches VUS-PR" in judged.evaluation.verdict.sentence


def test_the_figures_are_those_of_a_loop_over_series(encoder, folder, judged):
    course, _ = scores.open_watched(encoder, str(folder / "pumps.csv"), what="anomaly", max_bad=0)
    by = scores.by_encoder(encoder.network, encoder)
    each = []
    for number in range(8):
        x = course.values[240 * number : 240 * (number + 1)]
        normal = by(torch.stack([x[start : start + 24] for start in range(57)]))
        total, count = np.zeros(240), np.zeros(240)
        for start in (*range(0, 216, 6), 216):
            own = by(x[None, start : start + 24])
            total[start : start + 24] += (own - normal).norm(dim=1).min().item()
            count[start : start + 24] += 1
        marks = course.marks[240 * number : 240 * (number + 1)].numpy()
        each.append(volumes((total / count)[None, 80:], marks[80:])[0, 0])
    assert values(judged)["ts2vec"] == pytest.approx(np.mean(each), abs=1e-3)


def test_a_level_that_moves_is_told_by_all(encoder, folder, tmp_path):
    x = np.random.default_rng(0).normal(50, 1, (7, 120))
    x[:, 80:100] += 8
    lines = [f"m{n},{t},{v:.4f},{int(80 <= t < 100)}" for n, own in enumerate(x) for t, v in enumerate(own)]
    (tmp_path / "levels.csv").write_text("id,date,load,anomaly\n" + "\n".join(lines) + "\n")
    found = anomaly(encoder, str(tmp_path / "levels.csv"))
    assert found.dataset.protocol == "each series by time, 15 % train, 85 % test: train 126, test 714 steps"
    assert min(values(found)[row] for row in ("ts2vec", "raw values", "level")) > 0.8
    assert "trained on other data" in found.evaluation.verdict.sentence


def test_random_scores_gain_nothing_from_windows(judged):
    share = 20 / 160
    assert values(judged, "average precision")["random"] == pytest.approx(share, abs=0.05)


def test_of_few_series_nothing_is_said_beyond_chance(encoder, tmp_path, capfd):
    watched(tmp_path / "few.csv", count=3)
    found = anomaly(encoder, str(tmp_path / "few.csv")).evaluation
    assert not found.verdict.helped
    assert "It takes 7 series" in found.verdict.sentence
    assert "intervals over so few are too narrow" in capfd.readouterr().err
    watched(tmp_path / "one.csv", count=1)
    one = anomaly(encoder, str(tmp_path / "one.csv"))
    assert {result.low for result in one.evaluation.results} == {None}
    assert "On one series pre-training reaches VUS-PR" in one.evaluation.verdict.sentence
    assert "[" not in one.evaluation.verdict.sentence
    desk.show(one.evaluation)
    assert "ts2vec" in capfd.readouterr().out


def test_series_without_a_training_part_are_held_against_those_of_others(encoder, tmp_path):
    watched(tmp_path / "x.csv", split=False)
    lines = (tmp_path / "x.csv").read_text().splitlines()
    parts = ["split", *(("train" if int(line.split(",")[0][5:]) < 4 else "test") for line in lines[1:])]
    kept = [line + "," + part for line, part in zip(lines, parts, strict=True)]
    (tmp_path / "whole.csv").write_text("\n".join(kept) + "\n")
    found = anomaly(encoder, str(tmp_path / "whole.csv"))
    assert found.evaluation.results[0].protocol["series"] == 4
    assert values(found)["raw values"] > 0.5


def test_what_cannot_be_judged_is_refused(encoder, folder, tmp_path):
    text = (folder / "pumps.csv").read_text().splitlines()
    cut = [",".join(cell for place, cell in enumerate(line.split(",")) if place != 3) for line in text]
    (tmp_path / "unmarked.csv").write_text("\n".join(cut) + "\n")
    with pytest.raises(DataError, match="does not say where anomalies are"):
        anomaly(encoder, str(tmp_path / "unmarked.csv"))
    calm = [text[0], *(",".join([*line.split(",")[:3], "0", line.split(",")[4]]) for line in text[1:])]
    (tmp_path / "calm.csv").write_text("\n".join(calm) + "\n")
    with pytest.raises(DataError, match="no series has both"):
        anomaly(encoder, str(tmp_path / "calm.csv"))
    (tmp_path / "late.csv").write_text("\n".join(line.replace("train", "val") for line in text) + "\n")
    with pytest.raises(DataError, match="no value is taken for normal"):
        anomaly(encoder, str(tmp_path / "late.csv"))


def test_gaps_constant_channels_and_short_series_are_scored(encoder, tmp_path, capfd):
    """Nothing is filled in, and every step has a finite score or none."""
    x = np.random.default_rng(0).normal(size=(3, 200))
    x[0, 60:150] = np.nan
    x[1] = 7.0
    rows = [f"{n},{t},{'' if np.isnan(v) else v}" for n, own in enumerate(x) for t, v in enumerate(own)][:500]
    (tmp_path / "odd.csv").write_text("id,time,x\n" + "\n".join([*rows, "3,0,1.5", "4,0,1", "4,1,2", "4,2,5"]) + "\n")
    course, _ = scores.open_watched(encoder, str(tmp_path / "odd.csv"), what="anomalies", max_bad=0.5)
    found = scores.distances(course, scores.by_encoder(encoder.network, encoder), 24, "windows")
    assert "shorter than a window of 24 steps in 1 of 5 series" in capfd.readouterr().err
    assert not found.isinf().any()
    assert found[:200].isnan().nonzero().flatten().tolist() == [*range(78, 132)], "no window around them has a value"
    assert found[200:400].max() < 1e-2 < found[400:500].min(), "what never changes is as ever"
    assert found[-4:].isfinite().all()
    plain = scores.standardised(course)
    assert scores.level(plain, 24).isfinite().all()
    assert scores.changes(plain, 24).isfinite().all()


def test_the_command_prints_writes_and_fails_under(folder, encoder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    words = ["evaluate", "run", "pumps.csv", "--task", "anomaly"]
    assert run([*words, "--fail-under", "anomaly=1"]) == 4
    assert "VUS-PR" in capfd.readouterr().out
    kept = json.loads((folder / "run" / "anomaly.json").read_text())
    assert kept["results"][0]["protocol"]["adjusted"] == "no"
    assert run([*words, "--labels", "5"]) == 2
