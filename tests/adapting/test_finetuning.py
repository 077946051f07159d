"""From an encoder and labels to a model and its answers, as a user goes."""

import csv
import json
import signal
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from toys import SHAPES, folder_of_shapes, shape

import tacit
from tacit.adapting import finetuning
from tacit.cli import run
from tacit.errors import DataError, UsageError
from tacit.model import load_model

SMALL = ["--set", "encoder.width=12", "--set", "precision=fp32"]
FAST = ["--batch", "16", "--set", "evaluations=3", "--set", "precision=fp32", "--set", "checkpoint_seconds=0"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return str(folder_of_shapes(tmp_path_factory.mktemp("shapes"), 40))


@pytest.fixture(scope="module")
def encoder(shapes, tmp_path_factory):
    out = tmp_path_factory.mktemp("encoder") / "run"
    assert run(["train", shapes, *SMALL, "--batch", "16", "--steps", "30", "--out", str(out)]) == 0
    return str(out)


@pytest.fixture(scope="module")
def tuned(encoder, shapes, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "run"
    assert run(["finetune", encoder, shapes, *FAST, "--steps", "60", "--out", str(out)]) == 0
    return out


def weights(folder, name="model"):
    return load_file(folder / name / "model.safetensors")


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_is_better_than_who_never_looks_and_says_so(tuned, capfd):
    found = json.loads((tuned / "finetune.json").read_text())
    best = found["figures"][0]
    assert best["metric"] == "accuracy"
    assert best["floor"] < best["low"] < best["value"] <= best["high"]
    assert found["protocol"]["validation"] == "20% of the training part, drawn by class"
    card = (tuned / "model" / "README.md").read_text()
    for part in ("bar", "disc", "ring", "accuracy", "tacit predict", "majority class"):
        assert part in card
    drift = json.loads((tuned / "drift.json").read_text())
    assert drift["cka"] < 1
    assert drift["skill"]["after"] > 0
    assert run(["runs", str(tuned)]) == 0
    assert "finetune" in capfd.readouterr().out


def test_a_run_killed_by_a_signal_and_resumed_ends_in_the_same_bits(encoder, shapes, tuned, tmp_path, programs):
    words = ["finetune", encoder, shapes, *FAST, "--steps", "60", "--out", str(tmp_path / "cut")]
    manifests = tmp_path / "cut" / "checkpoints"
    begun = lambda: len(list(manifests.glob("step-*.json"))) >= 2  # noqa: E731
    code, said = programs.stopped(words, tmp_path / "said", signal.SIGTERM, begun)
    if code != 0:  # a run of milliseconds may have ended before the signal came
        assert code == 143, said
        assert "--resume" in said
        early = load_model(tmp_path / "cut")
        assert early.classes == SHAPES
    assert run(["finetune", "--resume", "--out", str(tmp_path / "cut")]) == 0
    for name in ("model", "encoder"):
        assert equal(weights(tmp_path / "cut", name), weights(tuned, name))
    first, second = (json.loads((at / "finetune.json").read_text()) for at in (tmp_path / "cut", tuned))
    assert first["figures"] == second["figures"]


def test_the_head_alone_leaves_the_encoder_as_it_was(encoder, shapes, tmp_path):
    out = tmp_path / "run"
    assert run(["finetune", encoder, shapes, *FAST, "--freeze", "all", "--steps", "20", "--out", str(out)]) == 0
    assert equal(weights(out, "encoder"), weights(Path(encoder), "encoder"))
    drift = json.loads((out / "drift.json").read_text())
    assert drift["cka"] == pytest.approx(1)
    assert drift["kept"] == 1


def test_the_run_ends_when_nothing_better_comes(encoder, shapes, tmp_path):
    out = tmp_path / "run"
    patient = ["--set", "method.patience=1", "--set", "evaluations=20", "--lr", "1e-9", "--set", "method.linear=0"]
    assert run(["finetune", encoder, shapes, *FAST, *patient, "--steps", "100", "--out", str(out)]) == 0
    spec = load_model(out).spec.training
    assert spec["steps"] < 30
    assert run(["finetune", "--resume", "--out", str(out)]) == 0, "an ended run stays ended"
    assert load_model(out).spec.training["steps"] == spec["steps"]


def test_a_budget_of_time_counts_the_later_dearer_steps(encoder, shapes, tmp_path):
    out = tmp_path / "run"
    assert run(["finetune", encoder, shapes, "--time", "4s", "--set", "method.patience=99", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] > 20


def test_answers_are_the_same_from_folders_archives_files_and_memory(tuned, shapes, tmp_path):
    with zipfile.ZipFile(tmp_path / "shapes.zip", "w") as archive:
        for path in sorted(Path(shapes).rglob("*.png")):
            archive.write(path, path.relative_to(shapes))
    assert run(["predict", str(tuned), shapes, "--out", str(tmp_path / "a.csv"), "--batch", "7"]) == 0
    zipped = str(tmp_path / "shapes.zip")
    assert run(["predict", str(tuned / "model"), zipped, "--out", str(tmp_path / "b.parquet")]) == 0
    rows = read(tmp_path / "a.csv")
    table = pq.read_table(tmp_path / "b.parquet")
    assert [row["name"] for row in rows] == table["name"].to_pylist()
    assert [row["class"] for row in rows] == table["class"].to_pylist()
    assert table["probability_bar"].to_numpy() == pytest.approx(
        np.array([float(r["probability_bar"]) for r in rows]), abs=1e-5
    )
    assert sum(float(rows[0][f"probability_{name}"]) for name in SHAPES) == pytest.approx(1, abs=1e-4)
    right = np.mean([row["name"].startswith(row["class"]) for row in rows])
    assert right > 0.5
    one = Path(shapes) / rows[3]["name"]
    assert run(["predict", str(tuned), str(one), "--out", str(tmp_path / "one.csv")]) == 0
    (single,) = read(tmp_path / "one.csv")
    assert float(single["probability_bar"]) == pytest.approx(float(rows[3]["probability_bar"]), abs=1e-5)
    said = tacit.load_model(tuned).predict([one])["probabilities"]
    assert said[0, 0] == pytest.approx(float(single["probability_bar"]), abs=1e-5)


def test_the_same_from_python(encoder, shapes, tmp_path):
    settings = {"budget": {"steps": 4}, "batch": 16, "evaluations": 1}
    model = tacit.finetune(encoder, shapes, tmp_path / "run", settings=settings)
    answers = tacit.predict(model, shapes)
    assert answers["probabilities"].shape == (120, 3)
    assert len(answers["name"]) == 120
    assert tacit.predict(tmp_path / "run", shapes, tmp_path / "p.csv") == {}
    assert (tmp_path / "p.csv").is_file()
    assert tacit.load(tmp_path / "run").embed(shapes).shape[0] == 120, "a fine-tuned run holds its encoder"


def listed(tmp_path, labels, header="path,label"):
    """A list of shapes of several brightnesses, with `labels(number)`."""
    (tmp_path / "files").mkdir(exist_ok=True)
    rows = []
    for number in range(60):
        shape(SHAPES[number % 3], number).point(lambda v, n=number: v * (n + 20) // 80).save(
            tmp_path / "files" / f"{number}.png"
        )
        rows.append(f"files/{number}.png,{labels(number)}")
    (tmp_path / "list.csv").write_text("\n".join([header, *rows]) + "\n")
    return str(tmp_path / "list.csv")


def test_brightness_is_learnt_as_a_number(encoder, tmp_path):
    data = listed(tmp_path, lambda n: (n + 20) / 80 if n % 10 else "")
    out = tmp_path / "run"
    words = ["finetune", encoder, data, "--task", "regress", *FAST, "--steps", "80", "--out", str(out)]
    assert run(words) == 0
    found = json.loads((out / "finetune.json").read_text())
    assert [figure["metric"] for figure in found["figures"]] == ["R2", "MAE"]
    assert found["figures"][0]["value"] > 0.3
    assert run(["predict", str(out), data, "--out", str(tmp_path / "p.csv")]) == 0
    rows = read(tmp_path / "p.csv")
    assert len(rows) == 60, "what has no label is answered about, too"
    assert list(rows[0]) == ["name", "label"]


def test_measurements_are_no_names_of_classes(encoder, tmp_path, capfd):
    data = listed(tmp_path, lambda number: number / 7)
    assert run(["finetune", encoder, data, "--dry-run"]) == 0
    assert "--task regress" in capfd.readouterr().err


def test_several_labels_a_sample(encoder, tmp_path):
    data = listed(tmp_path, lambda n: ";".join([SHAPES[n % 3], *(["bright"] if n > 30 else [])]))
    out = tmp_path / "run"
    options = ["--task", "multilabel", "--mixup", "--class-weights"]
    assert run(["finetune", encoder, data, *options, *FAST, "--steps", "60", "--out", str(out)]) == 0
    best = json.loads((out / "finetune.json").read_text())["figures"][0]
    assert best["value"] > best["floor"]
    assert run(["predict", str(out), data, "--out", str(tmp_path / "p.csv")]) == 0
    row = read(tmp_path / "p.csv")[0]
    assert set(row) == {"name", "labels", *(f"probability_{name}" for name in ("bar", "bright", "disc", "ring"))}


def test_a_list_of_labels_beside_the_data_says_what_is_learnt_from(encoder, shapes, tmp_path, capfd):
    names = sorted(path.relative_to(shapes) for path in Path(shapes).rglob("*.png"))
    chosen = names[::4]
    (tmp_path / "chosen.csv").write_text("path,label\n" + "".join(f"{name},{name.parts[0]}\n" for name in chosen))
    out = tmp_path / "run"
    words = ["--labels", str(tmp_path / "chosen.csv"), *FAST, "--steps", "4", "--out", str(out)]
    assert run(["finetune", encoder, shapes, *words]) == 0
    assert "left out: no label" in capfd.readouterr().err
    spec = load_model(out).spec.training
    assert spec["samples"] < len(chosen)
    everything = json.loads((out / "finetune.json").read_text())["samples"]
    assert everything > len(chosen) // 4, "the test part keeps its own labels"


def test_other_sizes_and_published_weights(encoder, shapes, tmp_path):
    import torchvision

    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "net.pth")
    out = tmp_path / "run"
    words = ["--architecture", "resnet18", "--size", "72", "--batch", "4", "--set", "evaluations=1", "--freeze", "3"]
    assert run(["finetune", str(tmp_path / "net.pth"), shapes, *words, "--steps", "1", "--out", str(out)]) == 0
    assert load_model(out).base.layout.size == 72
    own = tmp_path / "own"
    assert run(["finetune", encoder, shapes, "--size", "24", *FAST, "--steps", "2", "--out", str(own)]) == 0
    assert load_model(own).base.layout.size == 24


def test_a_fifth_is_held_out_by_whole_groups(tmp_path):
    from tacit.data.dataset import open_dataset
    from tacit.modalities import MODALITIES
    from tacit.truth.parts import split

    data = listed(tmp_path, lambda n: f"{SHAPES[n % 3]},{n // 4}", "path,label,group")
    image = MODALITIES["image"]
    parts = split(open_dataset(data, image, image.config()), "classify")
    train, val = (set(part.samples.groups.tolist()) for part in (parts.train, parts.val))
    assert val
    assert not train & val
    assert "by group" in parts.protocol


def test_settings_that_cannot_be_meant_are_refused(encoder, shapes, tmp_path):
    base = {"init_from": encoder, "data": shapes}
    with pytest.raises(UsageError, match="mix-up makes no sense"):
        finetuning.configure([base, {"head": {"name": "regress"}, "method": {"mixup": 0.2}}])
    with pytest.raises(UsageError, match="did you mean 'classify'"):
        finetuning.configure([base, {"head": {"name": "clasify"}}])
    with pytest.raises(UsageError, match="greater than or equal to 2"):
        finetuning.configure([base, {"batch": 1}])
    (tmp_path / "net.safetensors").write_bytes(b"published")
    with pytest.raises(UsageError, match="--architecture"):
        finetuning.configure([{"data": shapes, "init_from": str(tmp_path / "net.safetensors")}])


def test_a_list_that_contradicts_itself_is_refused(encoder, shapes, tmp_path):
    from tacit.data.dataset import open_dataset
    from tacit.data.labelling import with_labels
    from tacit.modalities import MODALITIES

    image = MODALITIES["image"]
    dataset = open_dataset(shapes, image, image.config())
    (tmp_path / "l.csv").write_text("path,label\nbar/000.png,a\nbar/000.png,b\n")
    with pytest.raises(DataError, match="two labels"):
        with_labels(dataset, tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text("path,label\nbar/000.png,\n")
    with pytest.raises(DataError, match="labels no sample"):
        with_labels(dataset, tmp_path / "l.csv")
