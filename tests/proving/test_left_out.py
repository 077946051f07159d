"""Folds and groups left out in turn, and balanced accuracy, on whole encoders and as commands."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from sounds import emodb, esc50
from toys import folder_of_shapes

from tacit.cli import run
from tacit.encoder import load
from tacit.errors import DataError
from tacit.proving import proof
from tacit.proving.labelled import bench_of, crossed_of

QUICK = ["--steps", "2", "--batch", "16", "--set", "encoder.width=12"]
AUDIO = (Path(__file__).parent.parent.parent / "docs" / "audio.md").read_text()


def listed(path, rows, columns="path,label,group,fold"):
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Shapes in six groups and three folds of two groups, and an encoder that was trained on all that is not tested."""
    home = tmp_path_factory.mktemp("left_out")
    folder_of_shapes(home / "shapes", each=24)
    rows = [
        (f"shapes/{path.parent.name}/{path.name}", path.parent.name, f"g{number % 6}", number % 3 + 1)
        for number, path in enumerate(sorted((home / "shapes").rglob("*.png")))
    ]
    listed(home / "list.csv", rows)
    assert run(["train", str(home / "list.csv"), *QUICK, "--out", str(home / "run")]) == 0
    return home, rows


@pytest.fixture(scope="module")
def judged(place):
    home, _ = place
    return proof.prove(
        load(home / "run"), str(home / "list.csv"), leave_out="fold", tasks=("linear", "few-label", "knn")
    )


def test_every_fold_is_tested_once_by_what_learnt_from_the_others(place):
    home, rows = place
    encoder = load(home / "run")
    crossed, kept = crossed_of(encoder.open(str(home / "list.csv")), "fold", seed=0, totals=(), draws=2)
    assert [fold.name for fold in crossed.folds] == ["1", "2", "3"]
    tested = [row for fold in crossed.folds for row in fold.test.tolist()]
    assert sorted(tested) == list(range(len(rows))) == kept.tolist()
    hashes = {fold.bench.protocol["labels_hash"] for fold in crossed.folds}
    assert len(hashes) == 3, "what is kept of one fold is not taken for another"
    for fold in crossed.folds:
        names = set(fold.bench.test.names)
        assert names == {path for path, _, _, own in rows if str(own) == fold.name}
        assert not names & set(fold.bench.train.names)
        groups = {path: group for path, _, group, _ in rows}
        assert [crossed.samples.groups[row].item() for row in fold.train] == fold.bench.groups.tolist()
        assert not {groups[name] for name in names} & {groups[name] for name in fold.bench.train.names}


def test_rows_and_floors_are_those_of_every_evaluation_and_what_was_seen_is_said(judged, place):
    evaluation = judged.evaluation
    assert {result.row for result in evaluation.results} == {
        "simclr",
        "untrained",
        "raw pixels",
        "patches",
        "majority",
    }
    own = evaluation.find("simclr", "linear", "all")
    assert own.protocol["split"] == "each of 3 folds left out in turn: 1 24, 2 24, 3 24"
    assert own.protocol["leave_out"] == "fold"
    assert own.protocol["interval_over"].startswith("3 folds")
    assert list(own.protocol["folds"]) == ["1", "2", "3"]
    assert own.low <= own.value <= own.high
    assert own.protocol["training"]["split"].startswith("20% test by hash of each sample's group")
    count = own.protocol["training"]["samples"]
    assert f"Transductive: it was pre-trained on {count} of the 72 images that are tested" in own.protocol["seen"]
    assert own.protocol["seen"] in evaluation.verdict.sentence
    assert "Alone, the 3 folds reach from" in evaluation.verdict.sentence
    assert judged.to_json()["data"]["split"] == own.protocol["split"]
    assert "whole groups" in own.protocol["tuned_on"]


def test_what_pre_training_saw_is_told_apart(place, tmp_path):
    home, rows = place
    home_rows = [(home / path, label, group, fold) for path, label, group, fold in rows]
    tested = [row for row in home_rows if row[3] == 1]
    only = listed(tmp_path / "only.csv", tested)
    other = proof.prove(load(home / "run"), str(only), leave_out="group", tasks=("knn",)).evaluation
    assert "from other data" in other.verdict.sentence
    split = [(*row, "test" if row[3] == 1 else "train") for row in home_rows]
    given = listed(tmp_path / "given.csv", split, "path,label,group,fold,split")
    known = proof.prove(load(home / "run"), str(given), leave_out="fold", tasks=("knn",)).evaluation
    assert "which ones is not known" in known.verdict.sentence
    assert run(["train", str(given), *QUICK, "--out", str(tmp_path / "run")]) == 0
    rest = [(*row[:3], row[3] if row[3] == 1 else "", "test" if row[3] == 1 else "train") for row in home_rows]
    rest = [(path, label, group, int(group[1]) if fold else "", part) for path, label, group, fold, part in rest]
    unseen = listed(tmp_path / "unseen.csv", rest, "path,label,group,fold,split")
    found = proof.prove(load(tmp_path / "run"), str(unseen), leave_out="fold", tasks=("knn",)).evaluation
    assert "pre-trained on none of the images that are tested" in found.verdict.sentence


def test_an_encoder_that_was_fine_tuned_on_what_is_tested_is_refused(place, tmp_path, capfd):
    home, _ = place
    words = [str(home / "list.csv"), "--out", str(tmp_path / "tuned")]
    assert run(["finetune", str(home / "run"), *words, "--steps", "2", "--batch", "8"]) == 0
    assert run(["evaluate", str(tmp_path / "tuned"), str(home / "list.csv"), "--leave-out", "fold"]) == 2
    assert "learnt from labels of the images" in capfd.readouterr().err


def test_an_evaluation_is_never_mixed_up_with_one_of_a_single_split(place, capfd):
    home, _ = place
    words = [str(home / "run"), str(home / "list.csv"), "--task", "linear,few-label", "--folds", "2"]
    assert run(["evaluate", *words]) == 0
    single = (home / "run" / "evaluation.json").read_text()
    assert run(["evaluate", *words, "--leave-out", "group", "--metric", "balanced", "--fail-under", "linear=0"]) == 0
    assert "accuracies are balanced" in capfd.readouterr().out
    assert (home / "run" / "evaluation.json").read_text() == single
    found = json.loads((home / "run" / "leave-out-group-balanced.json").read_text())
    assert (home / "run" / "leave-out-group-balanced-curve.png").is_file()
    protocols = [result["protocol"] for result in found["results"]]
    assert {protocol["leave_out"] for protocol in protocols} == {"group"}
    assert {protocol["split"] for protocol in protocols} == {found["data"]["split"]}
    assert not {protocol["split"] for protocol in protocols} & {json.loads(single)["data"]["split"]}
    assert run(["evaluate", *words, "--leave-out", "group", "--fail-under", "linear.all=1.01"]) == 4


@pytest.mark.parametrize(
    ("rows", "column", "said"),
    [
        ([("0", "a", "x", ""), ("1", "b", "x", "")], "fold", "says of no sample which fold"),
        ([("0", "a", "x", ""), ("1", "b", "x", "")], "group", "has 0 groups with labels"),
        ([("0", "a", "x", "1"), ("1", "a", "x", "2"), ("2", "b", "", "1")], "fold", "groups have samples in more than"),
        ([("0", "", "x", "1"), ("1", "", "y", "2")], "fold", "has a label"),
        ([(f"{n}", "ab"[n % 2], f"{n // 2}", "") for n in range(220)], "group", "has 110 groups .* from 2 to 100"),
    ],
)
def test_what_cannot_be_left_out_in_turn_is_refused(place, tmp_path, rows, column, said):
    home, known = place
    (tmp_path / "i").mkdir()
    for number, *_ in rows:
        content = (home / known[int(number) % len(known)][0]).read_bytes()
        (tmp_path / "i" / f"{number}.png").write_bytes(content)
    listed(tmp_path / "list.csv", [(f"i/{name}.png", *rest) for name, *rest in rows])
    dataset = load(home / "run").open(str(tmp_path / "list.csv"))
    with pytest.raises(DataError, match=said):
        crossed_of(dataset, column, seed=0, totals=(), draws=2)


def test_usage_is_explained(place, capfd):
    home, _ = place
    words = ["evaluate", str(home / "run"), str(home / "list.csv")]
    assert run([*words, "--leave-out", "speaker"]) == 2
    assert "no such column is left out" in capfd.readouterr().err
    assert run([*words, "--metric", "balance"]) == 2
    assert "did you mean 'balanced'" in capfd.readouterr().err
    assert run([*words, "--task", "copies", "--leave-out", "fold"]) == 2
    assert "a split and figures of its own" in capfd.readouterr().err


def test_classes_of_one_fold_alone_and_samples_without_one_are_left_out(place, tmp_path, capfd):
    home, rows = place
    changed = [
        (home / path, "odd" if number == 0 else label, group, "" if number in (5, 6) else fold)
        for number, (path, label, group, fold) in enumerate(rows)
    ]
    dataset = load(home / "run").open(str(listed(tmp_path / "list.csv", changed)))
    crossed, kept = crossed_of(dataset, "fold", seed=0, totals=(), draws=2)
    assert crossed.protocol["classes_left_out"] == ["odd"]
    assert sorted(set(range(len(rows))) - set(kept.tolist())) == [0, 5, 6]
    said = capfd.readouterr().err
    assert "2 samples with a label but without a fold are left out" in said
    assert "'odd': left out" in said


def test_other_labels_are_another_protocol(place, tmp_path):
    """The contents are the same, and so are the numbers of the parts: floors must not be taken from the shelf."""
    home, rows = place
    encoder, hashes = load(home / "run"), set()
    for turn in range(2):
        labels = np.roll([label for _, label, _, _ in rows], turn)
        changed = [(home / path, label, g, f) for (path, _, g, f), label in zip(rows, labels, strict=True)]
        dataset = encoder.open(str(listed(tmp_path / "list.csv", changed)))
        hashes.add(bench_of(dataset, seed=0, totals=(), draws=2).protocol["labels_hash"])
    assert len(hashes) == 2


def test_groups_are_never_split_anywhere_an_encoder_is_judged(place):
    home, _ = place
    bench = bench_of(load(home / "run").open(str(home / "list.csv")), seed=0, totals=(), draws=2)
    assert not set(bench.groups.tolist()) & set(bench.test.groups.tolist())
    found = proof.prove(load(home / "run"), str(home / "list.csv"), tasks=("linear",)).evaluation
    assert "whole groups" in found.find("simclr", "linear", "all").protocol["tuned_on"]


def test_texts_are_left_out_in_turn_by_the_fields_own_classifier_too(tmp_path, capfd):
    """Lines of JSON; TF-IDF is fitted on the other folds alone, so that words of one fold are worth nothing there."""
    words = ["good", "bad"]
    lines = [
        {"text": f"a {words[n % 2]} film, seen {n} times", "label": words[n % 2], "fold": n % 3} for n in range(60 + 12)
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:60] + lines[66:]))
    assert run(["train", str(tmp_path / "x.jsonl"), "--steps", "2", "--out", str(tmp_path / "run")]) == 0
    assert run(["evaluate", str(tmp_path / "run"), str(tmp_path / "x.jsonl"), "--leave-out", "fold"]) == 0
    found = json.loads((tmp_path / "run" / "leave-out-fold.json").read_text())
    rows = {(each["row"], each["task"], each["metric"]): each for each in found["results"]}
    assert rows["TF-IDF", "linear", "all"]["value"] == 1
    assert rows["TF-IDF", "linear", "all"]["protocol"]["test_samples"] == 66
    assert rows["TF-IDF", "few-label", "10"]["protocol"]["folds"].keys() == {"0", "1", "2"}
    assert "commonest class" not in capfd.readouterr().err


def test_unbalanced_classes_are_pointed_out(place, tmp_path, capfd):
    home, rows = place
    few = [(home / path, *rest) for number, (path, *rest) in enumerate(rows) if rest[0] != "disc" or number % 24 < 8]
    listing = str(listed(tmp_path / "list.csv", few))
    proof.prove(load(home / "run"), listing, tasks=("knn",), leave_out="fold")
    assert "--metric balanced counts all classes alike" in capfd.readouterr().err
    proof.prove(load(home / "run"), listing, tasks=("knn",), leave_out="fold", balanced=True)
    assert "--metric balanced" not in capfd.readouterr().err


def snippets(name):
    return [block for block in re.findall(r"```python\n(.*?)```", AUDIO, re.DOTALL) if name in block]


def test_the_lists_of_esc_50_and_emo_db_are_what_their_files_say(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    esc50(tmp_path / "ESC-50")
    emodb(tmp_path / "emodb")
    for name in ("ESC-50", "emodb"):
        (program,) = snippets(name)
        exec(compile(program, "audio.md", "exec"), {})  # noqa: S102 - our own page
    with Path("esc50.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert {(row["label"], row["fold"]) for row in rows} == {
        (kind, f"{fold}") for kind in ("dog", "rain", "siren") for fold in range(1, 6)
    }
    with Path("emodb.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == {"03", "08", "09", "10"}
    assert sorted({row["label"] for row in rows}) == ["anger", "neutral", "sadness"]
    assert run(["train", "emodb.csv", "--steps", "2", "--batch", "16", "--out", "run"]) == 0
    words = ["--leave-out", "group", "--metric", "balanced", "--task", "linear"]
    assert run(["evaluate", "run", "emodb.csv", *words]) == 0
    found = json.loads(Path("run/leave-out-group-balanced.json").read_text())
    majority = next(each for each in found["results"] if each["row"] == "majority")
    assert majority["value"] == pytest.approx(1 / 3)
    assert list(majority["protocol"]["folds"]) == ["03", "08", "09", "10"]
