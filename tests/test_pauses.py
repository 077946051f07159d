"""Time gaps from end to end: where the next item depends on how long a user paused, who reads that finds it."""

import csv
import shutil

import numpy as np
import pytest
import torch
from baskets import PAUSES, SETTINGS, histories, log, paced, sequences

import tacit
from tacit.applying.recommending import recommend, recommend_to
from tacit.core import View
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.modalities.histories import octaves
from tacit.nn.bag import Bag
from tacit.proving.next_item import held_of, next_item
from tacit.ranker import ranker
from tacit.view import FIRST_WORD

LESS = (1 + 1 / np.log2(3) + 1 / 2) / 3
"""NDCG@10 of who knows which three items may follow, and not which of them does: without the times there is no more."""


def trained(folder, name, method, steps=100, batch=50, **wishes):
    wishes = {"name": "interactions", **wishes}
    settings = {**SETTINGS, "budget": {"steps": steps}, "batch": batch, "modality": wishes}
    return tacit.train(folder / "log.csv", folder / name, method=method, settings=settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pauses")
    paced(path / "log.csv")
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return trained(folder, "run", "causal-prediction", pauses=True)


def judged(encoder, folder):
    results = next_item(encoder, str(folder / "log.csv")).evaluation.results
    return {result.row: result for result in results if result.metric == "NDCG@10"}


def test_what_depends_on_pauses_is_found_by_who_reads_them_and_by_nobody_else(encoder, folder):
    found = judged(encoder, folder)
    own = found.pop("causal-prediction")
    assert own.value > 0.95
    assert found.pop("mix").value > 0.95
    assert all(other.value < LESS + 0.03 for other in found.values()), "counts know which three may follow"
    without = judged(trained(folder, "without", "causal-prediction"), folder)["causal-prediction"]
    assert without.value < LESS + 0.03 < own.low
    assert without.protocol["users"] == own.protocol["users"] == 200


def test_one_that_fills_gaps_from_both_sides_reads_them_as_well(folder):
    made = trained(folder, "masked", "masked-prediction", steps=200, pauses=True)
    assert judged(made, folder)["masked-prediction"].low > LESS + 0.01


def test_lists_are_made_by_the_pauses_that_the_log_says_and_what_was_saved_makes_the_same(encoder, folder):
    lists = []
    shutil.copytree(folder / "run" / "encoder", folder / "alone")
    for number, some in enumerate((encoder, load(folder / "alone"))):
        recommend_to(some, str(folder / "log.csv"), folder / f"{number}.csv", k=1)
        lists.append((folder / f"{number}.csv").read_text())
    assert lists[0] == lists[1]
    first = {row["user"]: int(row["item"][5:]) for row in csv.DictReader(lists[0].splitlines())}
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()[1:]]
    right = 0
    for before, (user, item, time) in zip(rows[8::10], rows[9::10], strict=True):
        paused = PAUSES.index(float(time) - float(before[2]))
        right += first[user] == (int(item[5:]) + 1 + paused) % 30
    assert right > 190


def test_users_are_read_in_lists_as_in_views(encoder, folder):
    """The same history, packed and read by the encoder, or as a chain by what makes lists."""
    dataset = encoder.open(str(folder / "log.csv"))
    rows = torch.arange(5)
    view = dataset.everything().view(rows)
    assert view.pauses.shape == view.x.shape
    assert set(view.pauses[:, 1:].flatten().tolist()) == {octaves(np.array([0.0, pause]))[1] for pause in PAUSES}
    network, lists = encoder.network, ranker(encoder, "this")
    ids, pauses = view.x[:, -lists.window :], view.pauses[:, -lists.window :]
    with torch.no_grad():
        latest = network(View(ids, ids > 0, vocabulary=view.vocabulary, pauses=pauses)).tokens[:, -1]
        scores = (latest @ network.table.T)[:, FIRST_WORD:].numpy()
    assert np.allclose(lists(held_of(encoder, dataset).chains.select(rows.numpy())), scores, atol=1e-4)


def test_a_history_at_hand_says_no_times_and_is_gone_on_with_without(encoder, capfd):
    found = recommend(encoder, ["item-3", "item-5", "item-6"], k=3)
    assert "how long users paused, which this history does not say" in capfd.readouterr().err
    assert len({item for item, _ in found} & {"item-7", "item-8", "item-9"}) > 1, "without, any of three may follow"


def test_not_a_bit_of_what_is_learnt_depends_on_when_what_is_held_out_was_taken(tmp_path):
    states = []
    for name, late in (("one", 0), ("other", 1_000_000)):
        rows = [
            f"user-{number},{item},{100 * number + place**2 + (late if place >= len(items) - 2 else 0)}"
            for number, items in enumerate(histories(40, 12))
            for place, item in enumerate(items)
        ]
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
        states.append(trained(tmp_path / name, "run", None, steps=4, batch=20, pauses=True).network.state_dict())
    assert states[0]["stem.pauses.vectors.weight"].any()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_says_no_times_is_refused_and_so_are_encoders_that_cannot_read_them(encoder, folder, tmp_path):
    lines = sequences(tmp_path / "x.txt", histories(30, 30))
    wishes = {"name": "interactions", "pauses": True}
    settings = {**SETTINGS, "budget": {"steps": 1}, "modality": wishes}
    with pytest.raises(DataError, match="say the order alone: give a log with times"):
        tacit.train(lines, tmp_path / "lines", settings=settings)
    with pytest.raises(DataError, match="how long users paused is read"):
        next_item(encoder, str(lines))
    with pytest.raises(UsageError, match="in no order"):
        Bag(Bag.Config(), encoder.open(str(folder / "log.csv")).everything().view(torch.arange(2)))
    settings["batch"] = 20
    plain = {**settings, "modality": {"name": "interactions"}}
    data = log(tmp_path / "log.csv", histories(30, 30))
    tacit.train(data, tmp_path / "plain", settings=plain)
    with pytest.raises(UsageError, match="were learnt without"):
        tacit.train(data, tmp_path / "more", settings={**settings, "init_from": str(tmp_path / "plain")})
    again = tacit.train(data, tmp_path / "again", settings={**plain, "init_from": str(folder / "run")})
    assert again.layout.pauses, "weights bring along what they read"
