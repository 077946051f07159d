"""Trainings are kept: a killed examination goes on, and encoders of one architecture share what is random."""

import json
import signal
import time

import pytest
from detection_toys import voc

from tacit.cli import run
from tacit.encoder import load
from tacit.proving.detection import detect
from tacit.proving.trial import Effort

EFFORT = Effort(steps={4: 3}, steps_all=5, draws=2)
CHILD = """
import sys
from tacit.encoder import load
from tacit.proving.detection import detect
from tacit.proving.trial import Effort
detect(load(sys.argv[1]), sys.argv[2], effort=Effort(steps={4: 3}, steps_all=5, draws=2))
"""


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    home = tmp_path_factory.mktemp("starts")
    data = voc(home / "set", 24, {"train": range(14), "test": range(14, 24)})
    for name, method in (("run", "rotation"), ("other", "autoencoder")):
        options = ["--set", "encoder.width=12", "--set", "modality.size=48", "--set", "modality.frame=stretch"]
        words = ["--method", method, "--steps", "2", "--batch", "8", *options, "--out", str(home / name)]
        assert run(["train", str(data), *words]) == 0
    return home, data


def plain(proof):
    return json.dumps(proof.to_json())


def test_a_killed_examination_ends_in_the_same_figures(exam, tmp_path, monkeypatch, capfd, programs):
    home, data = exam
    torn = tmp_path / "torn"
    monkeypatch.setenv("TACIT_CACHE", str(torn))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    (tmp_path / "child.py").write_text(CHILD)
    child = programs.start([home / "run", data], tmp_path / "said", script=tmp_path / "child.py")
    limit = time.monotonic() + 120
    while len(list(torn.glob("trainings/*.safetensors"))) < 3 and time.monotonic() < limit:
        time.sleep(0.01)
    child.send(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, child.err
    kept = len(list(torn.glob("trainings/*.safetensors")))
    assert 3 <= kept < 16
    capfd.readouterr()
    found = []
    for cache in (torn, tmp_path / "whole"):
        monkeypatch.setenv("TACIT_CACHE", str(cache))
        found.append(plain(detect(load(home / "run"), str(data), effort=EFFORT)))
        assert (f"{kept} of 16 trainings are there already" in capfd.readouterr().err) == (cache == torn)
    assert found[0] == found[1]
    assert plain(detect(load(home / "run"), str(data), effort=EFFORT)) == found[0]
    assert "16 of 16 trainings are there already" in capfd.readouterr().err


def test_encoders_of_one_architecture_share_random_starts_and_floors(exam, tmp_path, monkeypatch, capfd):
    home, data = exam
    monkeypatch.setenv("TACIT_CACHE", str(tmp_path))
    first = detect(load(home / "run"), str(data), effort=EFFORT).evaluation
    capfd.readouterr()
    second = detect(load(home / "other"), str(data), effort=EFFORT).evaluation
    err = capfd.readouterr().err
    assert "8 of 16 trainings are there already" in err
    assert "4 of 4 floors are there already" in err
    for row in ("from scratch", "untrained, frozen", "usual boxes"):
        for size in ("4", "all"):
            pair = [found.find(row, "detect", f"AP50, {size} images").value for found in (first, second)]
            assert pair[0] == pair[1]


def test_numbers_of_labels_and_draws_are_the_users(exam, tmp_path):
    home, data = exam
    words = ["evaluate", str(home / "run"), str(data), "--task", "detect", "--out", str(tmp_path)]
    assert run([*words, "--labels", "1"]) == 2
    done = detect(load(home / "run"), str(data), totals=(6, 9), draws=1, effort=EFFORT)
    metrics = dict.fromkeys(result.metric for result in done.evaluation.results)
    assert list(metrics) == ["AP50, 6 images", "AP, 6 images", "AP50, 9 images", "AP, 9 images"]
    assert {len(result.protocol["values"]) for result in done.evaluation.results} == {1}
