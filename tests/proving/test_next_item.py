"""What comes next: an encoder beside the closed forms, what is held out, and what is refused."""

import json

import numpy as np
import pytest
import torch
from baskets import SETTINGS, histories, log, sequences

import tacit
from tacit.cli import run
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.evaluation.chains import Chains
from tacit.proving.next_item import held_of, next_item
from tacit.ranker import ranker
from tacit.view import FIRST_WORD

ROWS = ["popularity", "transitions", "transitions, 3 hops", "item-kNN", "EASE", "mix", "mix without it"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("next")
    log(path / "log.csv", histories(150, 40, longest=14))
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return tacit.train(folder / "log.csv", folder / "run", settings=SETTINGS)


@pytest.fixture(scope="module")
def proof(encoder, folder):
    return next_item(encoder, str(folder / "log.csv"))


def test_the_method_of_these_data_is_taken_by_itself(encoder):
    assert encoder.spec.training["method"] == "causal-prediction"
    assert encoder.spec.modality["hold_out"] == 2
    assert encoder.spec.modality["name"] == "interactions"


def test_on_a_ring_an_encoder_learns_what_comes_next(proof):
    found = {result.row: result for result in proof.evaluation.results if result.metric == "NDCG@10"}
    assert list(found) == ["causal-prediction", "untrained", *ROWS]
    own = found["causal-prediction"]
    assert own.value > 0.5
    assert own.value > 3 * found["untrained"].value
    assert own.low < own.value < own.high
    assert found["mix"].value > 0.9 * found["transitions"].value
    assert len(found["untrained"].protocol["values"]) == 3


def test_the_protocol_is_stored(proof):
    protocol = json.loads(json.dumps(proof.to_json()))["results"][0]["protocol"]
    assert protocol["users"] == 150
    assert protocol["items"] == 40
    assert protocol["candidates"] == "all items"
    assert protocol["split"].startswith("leave one out")
    assert protocol["penalty"] in (10, 30, 100, 300, 1000)
    assert set(protocol["weights"]["mix"]) == {"causal-prediction", *ROWS[:-2]}
    assert "repeats" in protocol["seen"]


@pytest.mark.parametrize("positive", [None, "view", "same-target"])
def test_training_is_the_same_whatever_is_held_out(positive, tmp_path):
    """The last two items of every user change, and not a bit of what is learnt does."""
    method = {"contrast": 0.5, "positive": positive} if positive else {}
    taken = histories(40, 12)
    others = [[*items[:-2], *items[-2:][::-1]] for items in taken]
    states = []
    for name, some in (("one", taken), ("other", others)):
        sequences(tmp_path / f"{name}.txt", some)
        settings = {**SETTINGS, "budget": {"steps": 4}, "batch": 20, "modality": {"name": "interactions"}}
        made = tacit.train(tmp_path / f"{name}.txt", tmp_path / name, settings={**settings, "method": method})
        states.append(made.network.state_dict())
    assert any(a != b for a, b in zip(taken, others, strict=True))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_contrast_of_weight_0_changes_no_bit_of_a_training_and_any_other_does(tmp_path):
    path, states = sequences(tmp_path / "x.txt", histories(40, 12)), []
    for number, method in enumerate(({}, {"positive": "same-target"}, {"positive": "same-target", "contrast": 0.1})):
        settings = {**SETTINGS, "budget": {"steps": 4}, "batch": 20, "modality": {"name": "interactions"}}
        settings["encoder"] = {"dropout": 0.2}
        made = tacit.train(path, tmp_path / f"{number}", settings={**settings, "method": method})
        states.append(made.network.state_dict())
    first, none, some = states
    assert all(torch.equal(first[name], none[name]) for name in first)
    assert not all(torch.equal(first[name], some[name]) for name in first)


def test_scores_see_the_past_alone_and_not_the_neighbours_in_the_batch(encoder):
    lists = ranker(encoder, "this")
    count = encoder.layout.count
    users = [np.array([3, 4, 5]), np.array([7]), np.arange(60) % count]
    together = lists(Chains.of(users, count))
    assert together.shape == (3, count)
    for number, user in enumerate(users):
        assert np.allclose(lists(Chains.of([user], count))[0], together[number], atol=1e-5)
    latest = lists(Chains.of([users[2][-lists.window :]], count))
    assert np.allclose(latest[0], together[2], atol=1e-5)
    network = encoder.network
    ids = torch.from_numpy(users[0] + FIRST_WORD)[None]
    states = network(tacit.core.View(ids, ids > 0, vocabulary=len(network.table))).tokens[0, -1]
    assert np.allclose(together[0], (states @ network.table.T)[FIRST_WORD:].detach().numpy(), atol=1e-4)


def test_one_that_fills_gaps_answers_by_the_layer_in_its_run(folder, tmp_path):
    settings = {**SETTINGS, "budget": {"steps": 200}}
    made = tacit.train(folder / "log.csv", tmp_path / "run", method="masked-prediction", settings=settings)
    found = {result.row: result.value for result in next_item(made, str(folder / "log.csv")).evaluation.results[::3]}
    assert found["masked-prediction"] > 2 * found["untrained"]
    made.save(tmp_path / "alone")
    with pytest.raises(UsageError, match="stays in its run"):
        next_item(load(tmp_path / "alone"), str(folder / "log.csv"))


def test_who_has_seen_what_is_asked_or_makes_no_lists_is_refused(folder, tmp_path):
    settings = {**SETTINGS, "budget": {"steps": 2}}
    all_of_it = {**settings, "modality": {"name": "interactions", "hold_out": 0}}
    whole = tacit.train(folder / "log.csv", tmp_path / "whole", settings=all_of_it)
    with pytest.raises(UsageError, match="hold_out=2"):
        next_item(whole, str(folder / "log.csv"))
    bag = tacit.train(folder / "log.csv", tmp_path / "bag", method="simclr", settings={**settings, "encoder": {}})
    with pytest.raises(UsageError, match="--method causal-prediction"):
        next_item(bag, str(folder / "log.csv"))


def test_unknown_items_and_short_users_are_counted_and_left_out(encoder, tmp_path, capfd):
    taken = [["item-1", "new", "item-2", "item-3"], ["item-4", "item-5", "item-6"], ["item-7"], ["new"]]
    log(tmp_path / "few.csv", taken)
    proof = next_item(encoder, str(tmp_path / "few.csv"))
    said = capfd.readouterr().err
    assert "2 of 9 interactions are with items that the encoder does not know" in said
    assert "2 of 4 users have too few items" in said
    assert proof.evaluation.results[0].protocol["users"] == 2
    log(tmp_path / "none.csv", taken[2:])
    with pytest.raises(DataError, match="judging takes 2"):
        next_item(encoder, str(tmp_path / "none.csv"))


def test_repeats_are_offered_where_users_come_back(folder, tmp_path):
    taken = [["item-1", "item-2"] * 4 for _ in range(12)]
    log(tmp_path / "again.csv", taken)
    proof = next_item(load(folder / "run"), str(tmp_path / "again.csv"))
    assert proof.evaluation.results[0].protocol["seen"].startswith("offered again: 100.0%")
    assert {r.row: r.value for r in proof.evaluation.results}["transitions"] == 1


def test_the_command_asks_for_it_by_itself_and_holds_the_gate(folder, encoder, tmp_path, capfd):
    words = ["evaluate", str(folder / "run"), str(folder / "log.csv"), "--out", str(tmp_path)]
    assert run([*words, "--fail-under", "next-item=0.99"]) == 4
    shown = capfd.readouterr()
    assert "EASE" in shown.out
    assert "With the last items of 150 users to find pre-training reaches NDCG@10" in shown.out
    assert (tmp_path / "next-item.json").is_file()


def when(number, place):
    """Users who come one after the other, and stay for a while."""
    return 3 * number + 5 * place


def timed(path, change=lambda number, place, item: item):
    rows = [
        f"user-{number},{change(number, place, item)},{when(number, place)}"
        for number, items in enumerate(histories(60, 12, shortest=8, longest=9))
        for place, item in enumerate(items)
    ]
    path.write_text("user,item,time\n" + "\n".join(rows) + "\n")
    return path


def test_by_time_nothing_later_is_learnt_from_by_anybody(tmp_path):
    """All that comes from the moment on changes, and what users took last before it; no bit of what is learnt does."""
    moment = 100

    def other(number, place, item):
        early = sum(when(number, each) < moment for each in range(8))
        return f"item-{(int(item[5:]) + 5) % 12}" if place >= early - 1 else item

    states = []
    for name, change in (("one", lambda number, place, item: item), ("other", other)):
        path = timed(tmp_path / f"{name}.csv", change)
        wishes = {"name": "interactions", "split": str(moment)}
        settings = {**SETTINGS, "budget": {"steps": 4}, "batch": 20, "modality": wishes}
        made = tacit.train(path, tmp_path / name, settings=settings)
        states.append(made.network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_by_time_the_first_item_from_then_on_tests_and_closed_forms_see_nothing_later(tmp_path):
    path = timed(tmp_path / "log.csv")
    wishes = {"name": "interactions", "split": "time"}
    made = tacit.train(path, tmp_path / "run", settings={**SETTINGS, "budget": {"steps": 4}, "modality": wishes})
    held = held_of(made, made.open(str(path)))
    names, tested = made.layout.items.split("\n"), 0
    for user, items in enumerate(histories(60, 12, shortest=8, longest=9)):
        early = sum(when(user, place) < made.layout.moment for place in range(8))
        assert len(held.before(1).user(user)) == early, "who comes later is not there yet"
        assert len(held.before(2).user(user)) == (early - 1 if early > 1 else early)
        tested += 2 <= early < 8
        if user in held.users:
            assert names[held.chains.at(1)[user]] == items[early]
            assert names[held.chains.at(2)[user]] == items[early - 1]
    assert 5 < len(held.users) == tested < 20
    protocol = next_item(made, str(path)).evaluation.results[0].protocol
    assert protocol["split"].startswith("by time")
    assert protocol["layout"]["tests from"] == made.layout.moment


def divided(path, change=lambda number, place, item: item):
    """A log that says itself what is judged: of each user the items from the seventh on, and one or two before."""
    rows = [
        f"user-{number},{change(number, place, item)},{place},{PART[max(0, place - 4 + number % 2)]}"
        for number, items in enumerate(histories(60, 12, shortest=8, longest=9))
        for place, item in enumerate(items)
    ]
    path.write_text("user,item,time,split\n" + "\n".join(rows) + "\n")
    return path


PART = ("train", "val", "val", "test", "test", "test")


def test_where_the_log_says_what_is_judged_that_is_asked_and_nothing_of_it_learnt(tmp_path, capfd):
    """All that the log does not give to training changes, and no bit of what is learnt does."""

    def other(number, place, item):
        return f"item-{(int(item[5:]) + 5) % 12}" if place > 4 - number % 2 else item

    made = []
    for name, change in (("one", lambda number, place, item: item), ("other", other)):
        settings = {
            **SETTINGS,
            "budget": {"steps": 4},
            "batch": 20,
            "method": {"contrast": 0.1, "positive": "same-target"},
        }
        made.append(tacit.train(divided(tmp_path / f"{name}.csv", change), tmp_path / name, settings=settings))
    states = [each.network.state_dict() for each in made]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    first, names = made[0], made[0].layout.items.split("\n")
    held = held_of(first, first.open(str(tmp_path / "one.csv")))
    assert len(held.users) == len(held.choosing) == 60
    for user, items in enumerate(histories(60, 12, shortest=8, longest=9)):
        tested = 7 - user % 2
        assert names[held.chains.at(1)[user]] == items[tested]
        assert names[held.chains.at(2)[user]] == items[tested - 1], "the last of the part val"
        assert len(held.before(1).user(user)) == tested
    proof = next_item(first, str(tmp_path / "one.csv"))
    protocol = proof.evaluation.results[0].protocol
    assert protocol["split"].startswith("as the log's column split says")
    assert protocol["layout"]["tests by the column split"] == ["val", "test"]
    assert "items behind the one that tests are not asked for" in capfd.readouterr().err
    log(tmp_path / "none.csv", histories(20, 12))
    with pytest.raises(DataError, match="one of them of the part test"):
        next_item(first, str(tmp_path / "none.csv"))


def test_users_whom_the_log_gives_nothing_to_choose_by_are_judged_all_the_same(tmp_path):
    path = divided(tmp_path / "log.csv")
    text = path.read_text().splitlines()
    path.write_text("\n".join(row for row in text if not ("user-7," in row and row.endswith("val"))) + "\n")
    made = tacit.train(path, tmp_path / "run", settings={**SETTINGS, "budget": {"steps": 2}})
    held = held_of(made, made.open(str(path)))
    assert set(held.users) - set(held.choosing) == {7}
    assert len(held.users) == 60


def test_weights_bring_the_moment_along_and_none_is_put_upon_others(tmp_path):
    path, settings = timed(tmp_path / "log.csv"), {**SETTINGS, "budget": {"steps": 2}, "batch": 20}
    by_time, plain = {"name": "interactions", "split": "100"}, {"name": "interactions"}
    first = tacit.train(path, tmp_path / "one", settings={**settings, "modality": by_time})
    again = tacit.train(path, tmp_path / "two", settings={**settings, "init_from": str(tmp_path / "one")})
    assert again.layout.moment == first.layout.moment == 100
    views = again.modality.augment(again.modality.config.parse(again.spec.modality))
    rows = torch.arange(20)
    seen = views["weak"](again.open(str(path)).everything().view(rows), tacit.core.Draws.of(0, 0, rows, 0))
    assert all(int(seen.valid[user].sum()) < sum(when(user, place) < 100 for place in range(8)) for user in range(20))
    tacit.train(path, tmp_path / "three", settings={**settings, "modality": plain})
    asked = {**settings, "modality": by_time, "init_from": str(tmp_path / "three")}
    with pytest.raises(UsageError, match="was divided otherwise"):
        tacit.train(path, tmp_path / "four", settings=asked)
