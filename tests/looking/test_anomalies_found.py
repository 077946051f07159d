"""Where to look: moments that stand out, and scores of all steps."""

import csv

import numpy as np
import pyarrow.parquet
import pytest
from curves import watched

import tacit
from tacit.cli import run

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
    path = tmp_path_factory.mktemp("found")
    watched(path / "pumps.csv")
    tacit.train(path / "pumps.csv", path / "run", settings=SETTINGS)
    return path


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_the_moments_that_stand_out_are_those_that_were_made(folder, capfd):
    assert run(["anomalies", "run", "pumps.csv", "--k", "8", "--out", "scores.parquet"]) == 0
    marks = watched(folder / "again.csv")
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [str(rank) for rank in range(1, 9)]
    near = [marks[int(name[5]), int(time) - 12 : int(time) + 12].any() for _, name, _, time, _ in lines]
    assert sum(near) >= 6
    assert {name for _, name, *_ in lines} == {f"pump-{number}:test" for number in range(8)}
    assert all(int(step) + 80 == int(time) for _, _, step, time, _ in lines)
    assert [float(line[4]) for line in lines] == sorted((float(line[4]) for line in lines), reverse=True)
    table = pyarrow.parquet.read_table("scores.parquet").to_pydict()
    assert list(table) == ["name", "step", "time", "score"]
    assert len(table["score"]) == 8 * 240
    normal = [score is None for name, score in zip(table["name"], table["score"], strict=True) if "train" in name]
    assert all(normal)
    assert len(normal) == 8 * 80
    told = [(score, name, step) for name, step, score in zip(
        table["name"], table["step"], table["score"], strict=True) if score is not None]  # fmt: skip
    best = max(told)[0]
    assert (best, lines[0][1], int(lines[0][2])) in told
    assert float(lines[0][4]) == pytest.approx(best, abs=1e-4)


def test_a_table_of_one_series_and_one_of_text(folder, capfd):
    x = np.sin(np.arange(200) / 2)
    x[150:160] += 4
    rows = [f"2024-05-01 {step // 60:02}:{step % 60:02},{value:.4f}" for step, value in enumerate(x)]
    (folder / "one.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    assert run(["anomalies", "run", "one.csv", "--k", "1", "--out", "one-scores.csv"]) == 0
    _, name, step, time, _ = capfd.readouterr().out.split("\t")
    assert (name, 140 <= int(step) <= 170) == ("one.csv", True)
    assert time.startswith("2024-05-01 02:")
    with (folder / "one-scores.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 200
    assert written[0] == {"name": "one.csv", "step": "0", "time": "2024-05-01 00:00", "score": ""}
    assert float(written[int(step)]["score"]) == max(float(row["score"]) for row in written if row["score"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pumps.csv", "--out", "x.txt"], 2, "the suffix says what is written"),
        (["pumps.csv", "--k", "-1"], 2, "give 0 or more"),
        (["nothing.csv"], 3, "no file or folder"),
        (["short.csv"], 3, "no value is taken for normal"),
        (["empty.csv"], 3, "no step has a value"),
        (["late.csv", "--max-bad", "1"], 3, "behind what is taken for normal"),
    ],
)
def test_what_cannot_be_is_said(folder, words, code, said, capfd):
    (folder / "short.csv").write_text("time,x\n1,5\n")
    late = [f"{t},{t if t < 60 else ''},{'train' if t < 60 else 'test'}\n" for t in range(90)]
    (folder / "late.csv").write_text("time,x,split\n" + "".join(late))
    (folder / "empty.csv").write_text("time,x\n" + "".join(f"{t},\n" for t in range(90)))
    assert run(["anomalies", "run", *words]) == code
    assert said in capfd.readouterr().err
