"""The examination of detection on made-up scenes: rows, floors, budgets, and what is written."""

import json

import pytest
from detection_toys import scene, voc, xml

from tacit.cli import run
from tacit.encoder import load
from tacit.errors import DataError
from tacit.proving.detection import detect
from tacit.proving.exams import judge
from tacit.proving.outcome import write
from tacit.proving.trial import Effort
from tacit.report.table import markdown

PARTS = {"train": range(14), "test": range(14, 24)}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    home = tmp_path_factory.mktemp("detection")
    data = voc(home / "set", 24, PARTS)
    settings = ["encoder.width=12", "modality.size=48", "modality.frame=stretch"]
    words = {"method": "rotation", "steps": 2, "batch": 8}
    return trained(home, data, settings, words), data


def trained(home, data, settings, words):
    options = [text for setting in settings for text in ("--set", setting)]
    given = [text for name, value in words.items() for text in (f"--{name}", str(value))]
    assert run(["train", str(data), *given, *options, "--out", str(home / "run")]) == 0
    return load(home / "run")


def test_rows_budgets_and_floors(encoder, tmp_path):
    loaded, data = encoder
    proof = detect(loaded, str(data), effort=Effort(steps={4: 3, 200: 3}, steps_all=25, draws=2))
    rows = list(dict.fromkeys((result.row, result.kind) for result in proof.evaluation.results))
    assert rows == [("rotation", "encoder"), ("rotation, frozen", "encoder"), ("from scratch", "scratch"),
                    ("untrained, frozen", "untrained"), ("usual boxes", "majority")]  # fmt: skip
    metrics = list(dict.fromkeys(result.metric for result in proof.evaluation.results))
    assert metrics == ["AP50, 4 images", "AP, 4 images", "AP50, all images", "AP, all images"]
    for result in proof.evaluation.results:
        assert result.low <= result.value <= result.high
        assert len(result.protocol["values"]) == 2
    assert proof.evaluation.find("rotation", "detect", "AP50, all images").value > 0.1
    assert {difference.row for difference in proof.evaluation.differences} == {name for name, _ in rows[1:]}
    learnt, frozen = proof.evaluation.verdict.sentence.split("Frozen features: ")
    for sentence in (learnt, frozen):
        assert "With 4 labelled images pre-training reaches AP50 " in sentence
    (path,) = write(proof, tmp_path)
    assert path.name == "detection.json"
    assert len(json.loads(path.read_text())["results"]) == 20
    assert markdown(proof.evaluation).count("\n") == 7


def test_the_same_seed_gives_the_same_figures(encoder, tmp_path, monkeypatch):
    loaded, data = encoder
    found = []
    for cache in ("a", "b"):
        monkeypatch.setenv("TACIT_CACHE", str(tmp_path / cache))
        done = detect(loaded, str(data), seed=3, effort=Effort(steps={}, steps_all=3, draws=1))
        found.append([result.value for result in done.evaluation.results])
    assert found[0] == found[1]


def test_a_class_without_a_box_is_named(encoder, tmp_path, capsys):
    loaded, _ = encoder
    data = voc(tmp_path / "set", 24, PARTS)
    for seed in PARTS["test"]:
        (data / "Annotations" / f"{seed:03}.xml").write_text(xml([box for box in scene(seed)[1] if box[0] == "disc"]))
    detect(loaded, str(data), effort=Effort(steps={}, steps_all=2, draws=1))
    assert "no box of class 'square' in the test part" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_without_boxes_is_refused(part, encoder, tmp_path):
    loaded, _ = encoder
    data = voc(tmp_path / "set", 24, PARTS)
    for seed in PARTS[part]:
        (data / "Annotations" / f"{seed:03}.xml").write_text("")
    with pytest.raises(DataError, match=f"no sample of the {part} part of .* has a box"):
        judge(loaded, str(data), tasks=("detect",))


def test_from_an_encoder_to_boxes_in_a_file(encoder, tmp_path):
    loaded, data = encoder
    model, found = tmp_path / "model", tmp_path / "found.json"
    words = ["--task", "detect", "--steps", "12", "--batch", "8", "--out", str(model)]
    assert run(["finetune", str(loaded.path.parent), str(data), *words]) == 0
    figures = json.loads((model / "finetune.json").read_text())["figures"]
    assert [figure["metric"] for figure in figures][:3] == ["AP", "AP50", "AP75"]
    assert run(["predict", str(model), str(data), "--out", str(found)]) == 0
    content = json.loads(found.read_text())
    assert len(content["images"]) == 24
    assert {entry["image_id"] for entry in content["annotations"]} <= set(range(1, 25))
    assert run(["predict", str(model), str(data / "JPEGImages" / "003.png"), "--out", str(tmp_path / "one.png")]) == 0
    assert (tmp_path / "one.png").stat().st_size > 1000
