"""Encoders that learnt from labels: what they say of it, and what an evaluation says of them."""

import json

import pytest
from toys import folder_of_shapes

from tacit.cli import run
from tacit.encoder import load

QUICK = ["--steps", "1", "--batch", "8", "--set", "evaluations=0", "--set", "encoder.width=8"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("schooled")
    folder_of_shapes(home / "shapes")
    assert run(["train", str(home / "shapes"), "--method", "supcon", *QUICK, "--out", str(home / "run")]) == 0
    return home


def test_an_encoder_says_with_how_many_labels_it_was_trained_and_so_do_those_that_learn_from_it(home):
    assert load(home / "run").spec.training["labels_used"] == 45
    assert "45 labels" in (home / "run" / "encoder" / "README.md").read_text()
    for number, of in enumerate((["--init-from"], ["--method", "distillation", "--teacher"])):
        out = home / f"from {number}"
        assert run(["train", str(home / "shapes"), *of, str(home / "run"), *QUICK, "--out", str(out)]) == 0
        assert load(out).spec.labels == 45
        assert load(out).spec.training["method"] != "supcon"


def test_an_evaluation_says_so_beside_its_verdict(home, capfd):
    capfd.readouterr()
    assert run(["evaluate", str(home / "run"), str(home / "shapes"), "--task", "knn"]) == 0
    said = "This encoder was trained with 45 labels: rows of few do not say what few would give, and neighbours"
    out, err = capfd.readouterr()
    assert f"note: {said}" in err
    assert said in " ".join(out.split())
    stored = json.loads((home / "run" / "evaluation.json").read_text())
    assert said in stored["verdict"]["sentence"]
    assert stored["encoder"]["labels"] == 45


def test_it_is_not_judged_by_labels_that_it_learnt(home, capfd):
    assert run(["evaluate", str(home / "run"), str(home / "shapes"), "--task", "knn", "--seed", "1"]) == 2
    assert "--seed 0, or on other data" in capfd.readouterr().err


def test_a_run_goes_on_with_the_labels_that_it_began_with_alone(home, capfd):
    moved, elsewhere = home / "shapes" / "bar" / "019.png", home / "shapes" / "disc" / "!.png"
    moved.rename(elsewhere)  # of the same contents in the same order
    try:
        capfd.readouterr()
        assert run(["train", "--resume", "--out", str(home / "run")]) == 2
        said = capfd.readouterr().err
        assert "labels: " in said
        assert "data: " not in said
    finally:
        elsewhere.rename(moved)
