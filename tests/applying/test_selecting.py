"""`tacit select` on folders of pictures, and the examination of choosing."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from toys import SHAPES, folder_of_shapes

import tacit
from tacit.applying import selecting
from tacit.applying.selecting import coordinates
from tacit.cli import run
from tacit.encoder import TrainedEncoder, load
from tacit.errors import UsageError
from tacit.proving.choosing import choosing
from tacit.proving.few_labels import few_labels_finetuned


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled set, the same pictures in one folder without labels, and an encoder of both."""
    folder = tmp_path_factory.mktemp("selecting")
    folder_of_shapes(folder / "shapes", each=24)
    (folder / "flat").mkdir()
    for path in sorted((folder / "shapes").rglob("*.png")):
        shutil.copy(path, folder / "flat" / f"{path.parent.name}-{path.name}")
    words = ["--steps", "6", "--batch", "16", "--set", "encoder.width=12", "--out", str(folder / "run")]
    assert run(["train", str(folder / "flat"), *words]) == 0
    return folder


@pytest.fixture(scope="module")
def encoder(home: Path) -> TrainedEncoder:
    return load(home / "run")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path) -> None:
    """Label by the shape that stands in the name."""
    rows = read(path)
    for row in rows:
        row["label"] = next(shape for shape in SHAPES if shape in row["path"])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_whole_way_from_a_folder_without_labels(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    data, trained, first, test = str(home / "flat"), str(home / "run"), tmp_path / "first", tmp_path / "test"
    assert run(["select", trained, data, "--budget", "12", "--out", str(first)]) == 0
    assert "12 of " in capfd.readouterr().out
    rows = read(first / "list.csv")
    assert [list(row) for row in rows[:1]] == [["path", "label", "rank", "why"]]
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 13)]
    assert all(not row["label"] and (home / "flat" / row["path"]).is_file() for row in rows)
    assert "in the middle of" in rows[0]["why"]
    with Image.open(first / "sheet.png") as sheet:
        assert sheet.width > 800
    words = ["--part", "test", "--method", "random", "--budget", "9", "--out", str(test)]
    assert run(["select", trained, data, *words]) == 0
    fill(first / "list.csv")
    fill(test / "list.csv")
    both = (first / "list.csv").read_text() + "".join((test / "list.csv").read_text().splitlines(keepends=True)[1:])
    (first / "list.csv").write_text(both)
    out = tmp_path / "tuned"
    words = ["--labels", str(first / "list.csv"), "--steps", "4", "--out", str(out)]
    assert run(["finetune", trained, data, *words]) == 0
    assert "9 images, looked at once" in capfd.readouterr().out
    assert run(["predict", str(out), data, "--out", str(tmp_path / "answers.csv")]) == 0
    assert len(read(tmp_path / "answers.csv")) == 72


def test_a_second_round_does_not_choose_what_is_labelled(home: Path, encoder: TrainedEncoder, tmp_path: Path) -> None:
    data = str(home / "flat")
    first = selecting.select(encoder, data, budget=10)
    selecting.write(first, tmp_path / "first", title="ten")
    fill(tmp_path / "first" / "list.csv")
    assert tacit.select(encoder, data, 10) == list(first.samples.names)
    second = selecting.select(encoder, data, budget=10, labels=tmp_path / "first" / "list.csv")
    assert (first.known, second.known) == (0, 10)
    assert not set(first.samples.names) & set(second.samples.names)


def test_labels_of_the_data_count_as_chosen_unless_they_are_ignored(home: Path, encoder: TrainedEncoder) -> None:
    with pytest.raises(
        UsageError, match="nothing left to choose; to rehearse on data with labels, add --ignore-labels"
    ):
        selecting.select(encoder, str(home / "shapes"), budget=1)
    chosen = selecting.select(encoder, str(home / "shapes"), budget=5, ignore_labels=True)
    assert len(chosen.samples) == 5
    assert chosen.known == 0


def test_identical_files_count_once(home: Path, encoder: TrainedEncoder, tmp_path: Path) -> None:
    data = tmp_path / "twice"
    shutil.copytree(home / "flat", data)
    for path in sorted(data.iterdir()):
        shutil.copy(path, data / f"again-{path.name}")
    once = selecting.select(encoder, str(home / "flat"), budget=10)
    twice = selecting.select(encoder, str(data), budget=once.candidates)
    assert twice.candidates == once.candidates
    assert len({name.removeprefix("again-") for name in twice.samples.names}) == once.candidates
    with pytest.raises(UsageError, match=f"{once.candidates} of them different; give {once.candidates} or less"):
        selecting.select(encoder, str(data), budget=once.candidates + 1)


def test_coordinates_do_not_depend_on_the_batch(home: Path, encoder: TrainedEncoder) -> None:
    from tacit.data.dataset import open_dataset

    modality = encoder.modality
    samples = open_dataset(str(home / "flat"), modality, modality.config(), encoder.layout).everything()
    large, small = (coordinates(encoder, samples, batch=batch) for batch in (256, 7))
    torch.testing.assert_close(large.abs(), small.abs(), rtol=1e-2, atol=1e-3)


def test_choosing_is_examined_beside_random_draws(home: Path, encoder: TrainedEncoder) -> None:
    done = choosing(encoder, str(home / "shapes"), totals=(6, 12), draws=4)
    rows = {result.row: result.kind for result in done.evaluation.results}
    assert rows == {"chosen": "encoder", "chosen, typical": "method", "random": "random", "majority": "majority"}
    own = done.evaluation.find("chosen", "select", "6 in all")
    assert own is not None
    assert own.low is not None
    assert own.protocol["seeds"] == 4
    assert own.protocol["content_hash"]
    assert done.evaluation.verdict is not None
    assert "With 6 labels in all choosing reaches" in done.evaluation.verdict.sentence
    assert json.dumps(done.to_json())


def test_the_examination_draws_its_own_curve(home: Path, tmp_path: Path) -> None:
    words = ["--task", "select", "--labels", "6,12", "--folds", "3", "--fail-under", "select=0.1"]
    assert run(["evaluate", str(home / "run"), str(home / "shapes"), *words, "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "selection.json",
        "selection-curve.svg",
        "selection-curve.png",
    }


def test_fine_tuning_with_few_labels_stands_beside_frozen_features_and_scratch(
    home: Path, encoder: TrainedEncoder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tacit.proving.few_labels.STEPS", 3)
    done = few_labels_finetuned(encoder, str(home / "shapes"), totals=(6,), draws=2)
    assert "training 4 of 4: from scratch, 6 labels in all, draw 2" in capsys.readouterr().err
    again = few_labels_finetuned(encoder, str(home / "shapes"), totals=(6,), draws=3)
    assert "4 of 6 trainings are there already" in capsys.readouterr().err
    first, second = (found.evaluation.correct["simclr", "few-label-finetuned", "6 in all"] for found in (done, again))
    assert torch.equal(first, second[:2])
    assert len(second) == 3
    rows = {result.row: result.kind for result in done.evaluation.results}
    assert rows == {"simclr": "encoder", "from scratch": "scratch", "simclr, frozen": "method", "majority": "majority"}
    frozen = done.evaluation.find("simclr, frozen", "few-label-finetuned", "6 in all")
    few = run_few_labels(home, encoder)
    assert frozen is not None
    assert frozen.value == pytest.approx(few, abs=1e-6), "the same draws, the same probe"
    assert done.evaluation.verdict is not None
    assert "With 6 labels in all" in done.evaluation.verdict.sentence


def run_few_labels(home: Path, encoder: TrainedEncoder) -> float:
    judged = tacit.evaluate(encoder, home / "shapes", tasks=("few-label", "semi"), labels=(6,), folds=2).evaluation
    semi, few = (judged.find("simclr", task, "6 in all") for task in ("semi", "few-label"))
    assert semi is not None
    assert few is not None
    assert semi.protocol["draw_seed"] == few.protocol["draw_seed"]
    assert semi.protocol["unlabelled"] > 40
    return few.value
