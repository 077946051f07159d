"""Numbers of labels and steps; what trainings depend on."""

import csv

import pytest
from token_toys import transcribed

from tacit.cli import run
from tacit.encoder import load
from tacit.errors import UsageError
from tacit.proving.recognition import METRICS
from tacit.proving.trial import Effort, Recipe, parts_of, trial_of

EFFORT = Effort(steps={50: 300, 100: 400}, steps_all=1500, draws=2, draws_all=1)


@pytest.mark.parametrize(
    ("totals", "count", "sizes"),
    [((), 948, [50, 100, 948]), ((), 100, [50, 100]), ((), 30, [30]), ((75, 2, 75), 948, [2, 75]), ((9,), 9, [9])],
)
def test_numbers_of_labels(totals, count, sizes):
    assert EFFORT.sizes(totals, count, "labelled recordings") == sizes


@pytest.mark.parametrize("totals", [(1,), (0, 5), (949,)])
def test_numbers_that_there_are_not_are_refused(totals):
    with pytest.raises(UsageError, match="from 2 to 948, the labelled recordings there are"):
        EFFORT.sizes(totals, 948, "labelled recordings")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    home = tmp_path_factory.mktemp("trial")
    words = ["--set", "modality.name=audio", "--set", "modality.front=features", "--set", "encoder.patch=2"]
    data = transcribed(home / "set")
    assert (
        run(["train", str(data), "--method", "masked-prediction", "--steps", "2", *words, "--out", str(home / "run")])
        == 0
    )
    return load(home / "run"), data


def trial(encoder, data, **options):
    dataset = encoder.open(str(data))
    parts = parts_of(encoder, dataset, "recognise", what="a transcript", max_bad=0.01)
    return trial_of(encoder, dataset, "recognise", parts, EFFORT, METRICS, **{"seed": 0, **options})


def test_other_numbers_take_the_steps_of_the_next_larger_one(encoder):
    made = trial(*encoder, totals=(20, 30, 40), draws=3)
    assert [made.steps(size) for size in (20, 30, 40)] == [300, 300, 1500]
    assert [made.draws(size) for size in (20, 30, 40)] == [3, 3, 1]
    assert [made.metric("CER", size) for size in (20, 40)] == ["CER, 20 recordings", "CER, all recordings"]
    assert [made.words(size) for size in (20, 40)] == ["20 labelled recordings", "all 40 labelled recordings"]


def test_what_is_known_of_the_samples_is_part_of_what_trainings_depend_on(encoder, tmp_path):
    loaded, data = encoder
    rows = list(csv.reader(data.read_text().splitlines()))
    transcripts, parts = ([list(row) for row in rows] for _ in range(2))
    transcripts[1][1] += " a"
    for row in (1, 2):
        parts[row][2] = "test"
    facts = [trial(loaded, data).facts]
    for changed in (transcripts, parts):
        path = data.with_name("changed.csv")
        path.write_text("".join(",".join(row) + "\n" for row in changed))
        facts.append(trial(loaded, path).facts)
        path.unlink()
    assert {each["content_hash"] for each in facts} == {facts[0]["content_hash"]}
    assert len({str(each["truth"]) for each in facts}) == 3
    assert trial(loaded, data).facts == facts[0]
    assert trial(loaded, data, seed=1).facts != facts[0]


def test_views_that_nothing_is_trained_on_change_no_training(encoder):
    loaded, data = encoder
    made = trial(loaded, data)
    assert "weak" in made.training["views"]
    assert "strong" not in made.training["views"]
    assert made.recipe == Recipe.of(loaded, "recognise")


def test_data_of_another_kind_are_refused(encoder, tmp_path):
    loaded, _ = encoder
    with pytest.raises(UsageError, match="task tag needs words"):
        parts_of(loaded, loaded.open(str(encoder[1])), "tag", what="tags", max_bad=0.01)
