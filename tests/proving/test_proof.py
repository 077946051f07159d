"""The verdict on whole encoders, not only on made-up features."""

import json
from dataclasses import replace

import pytest
import torch
from toys import shape

from tacit.cli import run
from tacit.data.dataset import open_dataset
from tacit.encoder import Spec, TrainedEncoder, load
from tacit.errors import GateError, UsageError
from tacit.modalities.image import IMAGE, ImageConfig
from tacit.proving import outcome, proof
from tacit.proving.fitting import untrained
from tacit.proving.labelled import bench_of

SMALL = ["--set", "encoder.width=24", "--set", "evaluations=0"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("digits") / "run"
    assert run(["train", "digits", "--preset", "strokes", "--epochs", "12", *SMALL, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def judged(trained):
    return proof.prove(load(trained), "digits")


def test_pre_training_on_digits_helps_and_all_floors_are_shown(judged):
    evaluation = judged.evaluation
    assert evaluation.verdict.helped
    assert "10 labels per class" in evaluation.verdict.sentence
    rows = {result.row: result.kind for result in evaluation.results}
    assert rows == {
        "simclr": "encoder",
        "untrained": "untrained",
        "raw pixels": "raw",
        "patches": "method",
        "majority": "majority",
    }
    raw = evaluation.find("raw pixels", "few-label", "10")
    assert raw.value == pytest.approx(0.90, abs=0.02), "a floor must be a strong floor"
    assert raw.low < raw.value < raw.high
    assert len(evaluation.find("untrained", "linear", "all").protocol["members"]) == proof.UNTRAINED


def test_every_number_carries_its_protocol(judged):
    for result in judged.to_json()["results"]:
        protocol = result["protocol"]
        assert protocol["split"]
        assert protocol["content_hash"]
        if result["kind"] == "encoder":
            assert protocol["layer"] == "pooled"
            assert protocol["crops"]
            assert protocol["last_or_best"] == "last"
            assert protocol["dimension"] > 0


def test_the_demo_runs_and_proves(judged, tmp_path, monkeypatch, capfd):
    """With fewer epochs than the real one; the figures in the README are of the whole. `judged`: what does not depend
    on the encoder is measured by now."""
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    code = run(["demo", "--epochs", "8", "--out", "runs/demo"])
    out, said = capfd.readouterr()
    assert code == 0, said
    assert "it helped" in out
    assert out.count("  tacit ") == 3
    run_folder = tmp_path / "runs" / "demo"
    for name in ("config.yaml", "metrics.jsonl", "run.log", "evaluation.json", "curve.svg", "curve.png", "encoder"):
        assert (run_folder / name).exists(), name


def test_an_untrained_encoder_passed_off_as_trained_does_not_help(trained):
    encoder = load(trained)
    samples = encoder.open("digits").part("train")
    for seed in (50, 51):
        fake = TrainedEncoder(untrained(encoder, samples, seed), encoder.spec)
        assert not proof.prove(fake, "digits", tasks=("linear", "few-label")).evaluation.verdict.helped


def test_the_network_from_scratch_is_a_floor_on_the_same_labels(tmp_path, capfd):
    """Three draws and few steps: the point is the row, paired with the others."""
    out = tmp_path / "run"
    assert run(["train", "digits", "--preset", "strokes", "--steps", "20", *SMALL, "--out", str(out)]) == 0
    done = proof.prove(load(out), "digits", tasks=("few-label", "linear", "scratch"), draws=3)
    few = done.evaluation.find("from scratch", "few-label", "10")
    everything = done.evaluation.find("from scratch", "linear", "all")
    assert 0.5 < few.value < everything.value
    assert {d.row for d in done.evaluation.differences} >= {"from scratch"}
    assert "from scratch" in done.evaluation.verdict.sentence
    again = proof.prove(load(out), "digits", tasks=("scratch",), draws=3)
    assert "4 of 4 trainings are there already" in capfd.readouterr().err
    assert again.evaluation.find("from scratch", "few-label", "10").value == few.value


def test_labels_that_were_corrected_are_part_of_what_floors_are_remembered_by(trained):
    dataset = load(trained).open("digits")
    labels = dataset.labels.clone()
    labels[0] = (labels[0] + 1) % 10
    corrected = dataset.relabelled(labels, dataset.classes)
    first, second, third = (
        bench_of(each, seed=0, totals=(), draws=2).protocol for each in (dataset, corrected, dataset)
    )
    assert first == third
    assert first["content_hash"] == second["content_hash"]
    assert first["labels_hash"] != second["labels_hash"]


def test_evaluation_and_curve_are_written_into_the_run(trained, capfd):
    assert run(["evaluate", str(trained), "digits", "--task", "few-label,linear", "--fail-under", "linear=0.9"]) == 0
    assert "it helped" in capfd.readouterr().out
    stored = json.loads((trained / "evaluation.json").read_text())
    assert stored["verdict"]["helped"]
    assert (trained / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (trained / "curve.svg").read_text()


def test_a_gate_is_named_by_task_or_by_metric(judged):
    outcome.gate(judged.evaluation, {"linear": 0.5, "few-label.10": 0.5})
    with pytest.raises(GateError, match=r"few-label\.10 is \.?0?"):
        outcome.gate(judged.evaluation, {"few-label.10": 1.01})
    with pytest.raises(UsageError, match="did you mean 'linear'"):
        outcome.gate(judged.evaluation, {"liner": 0.5})


def test_a_checkpoint_and_a_run_are_judged_alike(trained):
    newest = max((trained / "checkpoints").glob("*.safetensors"))
    first, second = (proof.prove(load(path), "digits", tasks=("knn",)).evaluation for path in (trained, newest))
    assert first.find("simclr", "knn", "k=20").value == second.find("simclr", "knn", "k=20").value


def test_an_encoder_without_a_run_is_judged_too(trained, tmp_path):
    encoder = load(trained)
    alone = TrainedEncoder(encoder.network, Spec(**{**vars(encoder.spec), "training": {}}))
    alone.save(tmp_path / "alone")
    done = proof.prove(load(tmp_path / "alone"), "digits", tasks=("knn",))
    assert done.evaluation.find("convnet", "knn", "k=20").value > 0.8
    assert torch.equal(next(alone.network.parameters()), next(encoder.network.parameters()))


def test_an_evaluation_by_other_tasks_keeps_the_earlier_one(judged, tmp_path):
    found = judged.evaluation
    short = replace(judged, evaluation=replace(found, results=[each for each in found.results if each.task == "knn"]))
    outcome.write(judged, tmp_path)
    outcome.write(judged, tmp_path)
    assert not list(tmp_path.glob("evaluation-*.json"))
    outcome.write(short, tmp_path)
    kept = json.loads((tmp_path / "evaluation-1.json").read_text())
    assert len(kept["results"]) == len(found.results)
    (tmp_path / "evaluation.json").write_text("a note of the user's")
    outcome.write(short, tmp_path)
    assert (tmp_path / "evaluation-2.json").read_text() == "a note of the user's"


def test_a_class_that_no_test_sample_has_is_left_out_and_the_others_are_numbered_anew(tmp_path, capfd):
    for kind in ("bar", "disc", "ring"):
        for part, count in (("train", 5), ("test", 0 if kind == "disc" else 3)):
            for number in range(count):
                path = tmp_path / part / kind / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                shape(kind, number + (100 if part == "test" else 0)).save(path)
    bench = bench_of(open_dataset(str(tmp_path), IMAGE, ImageConfig()), seed=0, totals=(), draws=2)
    assert bench.classes == ["bar", "ring"]
    assert bench.train_labels.bincount().tolist() == [5, 5]
    assert bench.test_labels.bincount().tolist() == [3, 3]
    assert (len(bench.train), len(bench.test)) == (10, 6)
    assert bench.protocol["classes_left_out"] == ["disc"]
    assert "'disc': left out" in capfd.readouterr().err
