"""The examination of tagging on made-up sentences: rows, floors, what is written; from an encoder to tags in a file."""

import json

import pytest
from token_toys import LETTERS, lines, sentence, tagged, transcribed

import tacit
from tacit.cli import run
from tacit.encoder import load
from tacit.errors import UsageError
from tacit.evaluation.direction import sign
from tacit.proving.exams import judge
from tacit.proving.outcome import write
from tacit.proving.recognition import recognise
from tacit.proving.tagging import tag
from tacit.proving.trial import Effort
from tacit.report.table import markdown


def trained(home, data, *words, method="masked-prediction", steps=4):
    given = ["--method", method, "--steps", str(steps), "--batch", "16", *words]
    assert run(["train", str(data), *given, "--out", str(home / "run")]) == 0
    return load(home / "run")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    home = tmp_path_factory.mktemp("tagging")
    data = tagged(home / "set")
    return trained(home, data, "--set", "modality.vocabulary=400"), data


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    home = tmp_path_factory.mktemp("recognition")
    data = transcribed(home / "set")
    words = ["--set", "modality.name=audio", "--set", "modality.front=features", "--set", "encoder.patch=2"]
    return trained(home, data, *words), data


def test_the_rows_of_tagging(tagger, tmp_path):
    loaded, data = tagger
    proof = tag(loaded, str(data), effort=Effort(steps={8: 3, 500: 3}, steps_all=25, draws=2, batch=16, draws_all=1))
    rows = list(dict.fromkeys((result.row, result.kind) for result in proof.evaluation.results))
    assert rows == [("masked-prediction", "encoder"), ("masked-prediction, frozen", "encoder"),
                    ("from scratch", "scratch"), ("untrained, frozen", "untrained"), ("lexicon", "raw")]  # fmt: skip
    metrics = list(dict.fromkeys(result.metric for result in proof.evaluation.results))
    assert metrics == [f"{name}, {size} texts" for size in (8, "all") for name in ("span F1", "precision", "recall")]
    for result in proof.evaluation.results:
        assert result.low <= result.value <= result.high
        assert len(result.protocol["values"]) == (2 if "8 texts" in result.metric else 1)
    assert proof.evaluation.find("masked-prediction", "tag", "span F1, all texts").value > 0.8
    assert proof.evaluation.verdict.sentence.count("pre-training reaches span F1") == 4
    (path,) = write(proof, tmp_path)
    assert path.name == "tagging.json"
    assert markdown(proof.evaluation).count("\n") == 7


def test_the_lexicon_gives_each_word_its_commonest_tag(tmp_path, tagger):
    loaded, _ = tagger
    train = [(["Rome", "is", "Rome"], ["B-x", "O", "B-x"]), (["Rome", "fell"], ["O", "O"])]
    test = [(["is", "Rome", "new"], ["O", "B-x", "B-x"]), (["Rome"], ["O"])]
    rows = [
        {"tokens": words, "tags": tags, "split": part}
        for part, texts in (("train", train), ("test", test))
        for words, tags in texts
    ]
    proof = tag(loaded, str(lines(tmp_path / "x.jsonl", rows)), effort=Effort(steps={}, steps_all=1, draws=1))
    found = [proof.evaluation.find("lexicon", "tag", f"{name}, all texts").value for name in ("precision", "recall")]
    assert found == [0.5, 0.5]


def test_from_an_encoder_to_tags_in_a_file(tagger, tmp_path):
    loaded, data = tagger
    model, said = tmp_path / "model", tmp_path / "said.jsonl"
    words = ["--task", "tag", "--steps", "50", "--batch", "16", "--out", str(model)]
    assert run(["finetune", str(loaded.path.parent), str(data), *words]) == 0
    figures = {figure["metric"]: figure for figure in json.loads((model / "finetune.json").read_text())["figures"]}
    assert list(figures) == ["span F1", "precision", "recall", "F1 city", "F1 person"]
    assert figures["span F1"]["value"] > 0.8
    assert figures["span F1"]["floor"] == 0
    news = tmp_path / "news.txt"
    news.write_text("Ada lives in  Rome .\n")
    assert run(["predict", str(model), str(news), "--out", str(said)]) == 0
    (line,) = map(json.loads, said.read_text().splitlines())
    assert line["tokens"] == ["Ada", "lives", "in", "Rome", "."]
    assert line["tags"] == ["B-person", "O", "O", "B-city", "O"]
    assert line["spans"][1] == {"class": "city", "first": 3, "end": 4, "text": "Rome"}
    both = tmp_path / "both.jsonl"  # what is written can be read, and learnt from once it has been corrected
    assert run(["predict", str(model), str(data), "--out", str(both)]) == 0
    again = ["--task", "tag", "--steps", "2", "--out", str(tmp_path / "again")]
    assert run(["finetune", str(loaded.path.parent), str(both), *again]) == 0
    in_memory = tacit.predict(model, news)
    assert [in_memory[name] for name in ("tokens", "tags")] == [[line["tokens"]], [line["tags"]]]
    assert [json.loads(line)["tokens"] for line in both.read_text().splitlines()][30] == sentence(0)[0]


def test_the_rows_of_recognition(recogniser, tmp_path):
    loaded, data = recogniser
    proof = recognise(loaded, str(data), effort=Effort(steps={8: 1}, steps_all=16, draws=1, batch=20))
    rows = list(dict.fromkeys(result.row for result in proof.evaluation.results))
    assert rows[1:] == ["masked-prediction, frozen", "from scratch", "untrained, frozen", "commonest transcript"]
    metrics = list(dict.fromkeys(result.metric for result in proof.evaluation.results))
    assert metrics == ["CER, 8 recordings", "WER, 8 recordings", "CER, all recordings", "WER, all recordings"]
    assert {sign(metric) for metric in metrics} == {-1}
    own, floor = (proof.evaluation.find(rows[place], "recognise", "CER, all recordings").value for place in (0, 4))
    assert own < 0.6 < floor
    gains = {gain.row: gain for gain in proof.evaluation.differences if gain.metric == "CER, all recordings"}
    assert gains["commonest transcript"].low > 0  # fewer errors are a gain
    (path,) = write(proof, tmp_path)
    assert path.name == "recognition.json"


def test_from_an_encoder_to_texts_in_a_file(recogniser, tmp_path):
    loaded, data = recogniser
    model, said = tmp_path / "model", tmp_path / "said.csv"
    words = ["--task", "recognise", "--steps", "60", "--batch", "16", "--out", str(model)]
    assert run(["finetune", str(loaded.path.parent), str(data), *words]) == 0
    tested = json.loads((model / "finetune.json").read_text())
    assert [figure["metric"] for figure in tested["figures"]] == ["CER", "WER"]
    assert tested["figures"][0]["value"] < 0.5
    assert run(["predict", str(model), str(data), "--out", str(said)]) == 0
    header, *rows = said.read_text().splitlines()
    assert header == "name,transcript"
    assert len(rows) == 60
    assert set("".join(row.partition(",")[2] for row in rows)) <= set(LETTERS)


def test_tasks_are_for_the_data_that_they_are_for(recogniser):
    loaded, data = recogniser
    with pytest.raises(UsageError, match="task tag needs words, which audio data do not have"):
        judge(loaded, str(data), tasks=("tag",))
