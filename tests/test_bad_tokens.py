"""Bad tags, bad transcripts, wrong encoders: one clear message with the fix, the right exit code, no traceback."""

import csv
import json

import pytest
from token_toys import lines, sentence, tagged, transcribed

from tacit.cli import run

PRE = ["--method", "masked-prediction", "--steps", "2", "--batch", "4"]
SPEECH = ["--set", "modality.name=audio", "--set", "modality.front=features"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    home = tmp_path_factory.mktemp("texts")
    assert run(["train", str(tagged(home / "set", 12, 6)), *PRE, "--out", str(home / "run")]) == 0
    return home


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    home = tmp_path_factory.mktemp("speech")
    assert run(["train", str(transcribed(home / "set", 8, 4)), *PRE, *SPEECH, "--out", str(home / "run")]) == 0
    return home


def told(words, code, capfd, *said):
    """Runs `tacit` and looks at its last message."""
    capfd.readouterr()
    assert run([str(word) for word in words]) == code
    message = capfd.readouterr().err
    assert "Traceback" not in message
    for part in said:
        assert part in message, message
    return message


def untagged(path):
    return lines(path, [{"text": " ".join(sentence(seed)[0])} for seed in range(9)])


def only_outside(path):
    return lines(path, [{"tokens": ["a", "b"], "tags": ["O", "O"]}] * 9)


def mostly_bad(path):
    rows = [{"tokens": words, "tags": tags[seed % 2 :]} for seed, (words, tags) in enumerate(map(sentence, range(9)))]
    return lines(path, rows)


def without_test(path):
    return lines(
        path, [dict(zip(("tokens", "tags"), sentence(seed), strict=True)) | {"split": "train"} for seed in range(9)]
    )


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (untagged, "has no tags of words. They are read from files of sentences (.conll"),
        (only_outside, "all tags of"),
        (mostly_bad, "cannot be read"),
        (without_test, "--task tag takes some in the training and in the test part"),
    ],
)
def test_tags_that_cannot_judge(prepare, said, texts, tmp_path, capfd):
    told(["evaluate", texts / "run", prepare(tmp_path / "x.jsonl"), "--task", "tag"], 3, capfd, said)


def test_a_file_of_no_sentences(texts, tmp_path, capfd):
    for content in ("", "\n\n\n", "-DOCSTART- O\n\n"):
        (tmp_path / "x.conll").write_text(content)
        told(["finetune", texts / "run", tmp_path / "x.conll", "--task", "tag"], 3, capfd, "has no records")


def test_sentences_cut_short_and_odd_bytes_are_left_out_and_named(texts, tmp_path, capfd):
    good = "\n\n".join("\n".join(map("\t".join, zip(*sentence(seed), strict=True))) for seed in range(30))
    (tmp_path / "x.conll").write_bytes(good.encode() + b"\n\ncut\tO\nshort\n\n\xff\xfe\tO\n\n\x00\tB-city\n")
    words = [
        "finetune",
        texts / "run",
        tmp_path / "x.conll",
        "--task",
        "tag",
        "--steps",
        "2",
        "--out",
        tmp_path / "out",
    ]
    told(words, 3, capfd, "2 words and 1 tags")
    told([*words, "--max-bad", "0.2"], 0, capfd)
    assert "is no UTF-8" in (tmp_path / "out" / "skipped.txt").read_text()


def test_an_encoder_that_has_one_vector_a_text(texts, tmp_path, capfd):
    data = texts / "set"
    assert run(["train", str(data), "--steps", "2", "--batch", "4", "--out", str(tmp_path / "bag")]) == 0
    for words in (
        ["evaluate", tmp_path / "bag", data, "--task", "tag"],
        ["finetune", tmp_path / "bag", data, "--task", "tag"],
    ):
        told(words, 2, capfd, "one vector a sample alone: pre-train with --encoder transformer")


def test_tags_learnt_from_a_list_of_labels(texts, tmp_path, capfd):
    message = told(["finetune", texts / "run", texts / "set"], 3, capfd, "no sample of")
    assert "choose --task tag, since it has tags" in message
    told(["evaluate", texts / "run", texts / "set"], 3, capfd, "its tags judge --task tag")


def test_predictions_of_tags_are_json_lines(texts, tmp_path, capfd):
    words = ["--task", "tag", "--steps", "2", "--batch", "4", "--out", tmp_path / "model"]
    told(["finetune", texts / "run", texts / "set", *words], 0, capfd)
    told(["predict", tmp_path / "model", texts / "set", "--out", tmp_path / "x.csv"], 2, capfd, "Valid: .jsonl")
    empty = lines(tmp_path / "empty.jsonl", [{"text": ""}, {"text": "  "}, {"text": "Ada"}, {"tokens": ["x"] * 3000}])
    told(
        ["predict", tmp_path / "model", empty, "--out", tmp_path / "x.jsonl", "--max-bad", "0.5"], 0, capfd, "no words"
    )
    said = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [len(line["tags"]) for line in said] == [0, 1, 3000]


def test_speech_without_transcripts(speech, tmp_path, capfd):
    data = transcribed(tmp_path / "set", 8, 4)
    rows = list(csv.reader(data.read_text().splitlines()))
    for content, code, said in (
        ([["path", "label"], *([row[0], "x"] for row in rows[1:])], 3, "has no transcripts: give a .csv or .tsv"),
        ([["path", "transcript"], *([row[0], ""] for row in rows[1:])], 3, "has no transcripts"),
        ([rows[0], *([*row[:2], "train"] for row in rows[1:])], 3, "--task recognise takes some in the training"),
        ([rows[0], [rows[1][0], "one \x07", "train"], *rows[2:]], 3, "cannot be used"),
    ):
        with data.open("w", newline="") as file:
            csv.writer(file).writerows(content)
        told(["evaluate", speech / "run", data, "--task", "recognise"], code, capfd, said)


def test_a_recogniser_of_little(speech, tmp_path, capfd):
    """Two recordings, one letter: nothing can be learnt, and nothing breaks."""
    data = transcribed(tmp_path / "set", 2, 1)
    rows = list(csv.reader(data.read_text().splitlines()))
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *([row[0], "a", row[2]] for row in rows[1:])])
    words = ["--task", "recognise", "--steps", "2", "--batch", "2", "--out", tmp_path / "out"]
    told(["finetune", speech / "run", data, *words], 0, capfd)
    told(["predict", tmp_path / "out", data, "--out", tmp_path / "x.csv"], 0, capfd)


def test_tasks_meet_data_of_another_kind(texts, speech, capfd):
    told(["finetune", texts / "run", texts / "set", "--task", "recognise"], 3, capfd, "has no transcripts")
    told(["finetune", speech / "run", speech / "set" / "list.csv", "--task", "tag"], 2, capfd, "needs words")
    told(["evaluate", texts / "run", texts / "set", "--task", "tags"], 2, capfd, "did you mean 'tag'")
