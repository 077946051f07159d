"""Uneven series from end to end: what is advised is trained with, and whoever reads later reads alike."""

import csv
import json
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from curves import watched

from tacit.cli import run

SAID = ["--set", "modality.name=series"]
START = datetime(2024, 5, 1, 13)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same pumps twice, some rows being lost: at full ten minutes, and each moved to somewhere in them."""
    folder = tmp_path_factory.mktemp("uneven")
    watched(folder / "steps.csv")
    header, *lines = (folder / "steps.csv").read_text().splitlines()
    generator = np.random.default_rng(0)
    tables = {"even.csv": [header], "uneven.csv": [header]}
    for line in lines:
        pump, step, *rest = line.split(",")
        if generator.random() < 0.9:
            for rows, moved in zip(tables.values(), (0, generator.uniform(0, 599)), strict=True):
                rows.append(",".join([pump, str(START + timedelta(minutes=10 * int(step), seconds=moved)), *rest]))
    for name, rows in tables.items():
        (folder / name).write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def trained(folder):
    words = ["--set", "modality.every=10m", "--set", "modality.window=24", "--method", "ts2vec", "--steps", "3"]
    quick = ["--set", "encoder.width=8", "--set", "evaluations=0", "--set", "encoder.causal=true", "--batch", "16"]
    data = str(folder / "uneven.csv")
    assert run(["train", data, *SAID, *words, *quick, "--out", str(folder / "run")]) == 0
    return str(folder / "run")


def test_inspect_tells_the_rhythm_and_the_setting(capfd):
    assert run(["inspect", "uneven.csv", *SAID, "--json"]) == 0
    seen = json.loads(capfd.readouterr().out)
    assert 500 < seen["facts"]["step, s"]["median"] < 700
    assert set(seen["facts"]["uneven steps"]) == {"yes"}
    assert any("modality.every=10m brings rows to even steps" in said for said in seen["advice"])
    assert run(["inspect", "uneven.csv", *SAID, "--set", "modality.every=10m"]) == 0
    told = capfd.readouterr().out
    assert "a step every 10m" in told
    assert "brings rows" not in told


def test_later_data_are_read_alike(trained, capfd):
    for name in ("even", "uneven"):
        assert run(["embed", trained, f"{name}.csv", "--out", f"{name}.npy"]) == 0
    assert np.array_equal(np.load("even.npy"), np.load("uneven.npy")), "a row a step, whenever in it"
    assert (np.load("even.npy") != 0).any()
    capfd.readouterr()
    assert run(["embed", trained, "steps.csv", "--out", "steps.npy"]) == 3
    assert "its times are numbers, and modality.every=10m is a duration" in capfd.readouterr().err


def test_examinations_read_alike(trained, capfd):
    for task in (["forecast", "--horizons", "2"], ["imputation"], ["anomaly"]):
        found = []
        for name in ("even", "uneven"):
            assert run(["evaluate", trained, f"{name}.csv", "--task", *task, "--json"]) == 0, capfd.readouterr().err
            results = json.loads(capfd.readouterr().out)["results"]
            found.append([(result["row"], result["metric"], result["value"]) for result in results])
        assert found[0] == found[1], task


def test_anomalies_are_told_at_the_time_of_their_step(trained, capfd):
    assert run(["anomalies", trained, "uneven.csv", "--k", "3", "--out", "scores.csv"]) == 0
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    for _, name, step, time, _ in lines:
        assert name.endswith(":test")
        assert abs(datetime.fromisoformat(time) - START - timedelta(minutes=10 * (80 + int(step)))) <= timedelta(
            hours=1
        )
        assert datetime.fromisoformat(time).minute % 10 == 0
    with open("scores.csv", newline="") as file:  # noqa: PTH123 - in the folder of the test
        rows = [row for row in csv.DictReader(file) if row["name"] == "pump-0:test"]
    moments = [datetime.fromisoformat(row["time"]) for row in rows]
    assert {after - before for before, after in pairwise(moments)} == {timedelta(minutes=10)}


def test_samples_in_hand_are_read_alike(trained, folder):
    import tacit

    encoder = tacit.load(trained)
    minutes = [(3, 1.0), (7, 3.0), (25, 5.0)]
    uneven = "time,x\n" + "".join(f"2024-05-01 13:{minute:02},{value}\n" for minute, value in minutes)
    (folder / "one.csv").write_text(uneven)
    even = "time,x\n2024-05-01 13:00,2\n2024-05-01 13:20,5\n"
    found = encoder.embed([folder / "one.csv", even.encode(), np.array([2.0, np.nan, 5.0])])
    assert np.array_equal(found[0], found[1])
    # alike, not equal: the last of three rows of a batch is summed in another order
    assert np.allclose(found[0], found[2], atol=1e-5), "an array is at even steps already"
