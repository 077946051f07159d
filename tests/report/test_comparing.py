"""What may stand beside each other: figures of one protocol."""

import json
from pathlib import Path

import numpy as np
import pytest
from baskets import SETTINGS, histories, log

import tacit
from tacit.cli import run
from tacit.proving import outcome
from tacit.proving.forecasting import forecast
from tacit.proving.next_item import next_item
from tacit.report.comparing import Reached, alike, guess, reached_by, terms, unlike


def result(**protocol):
    told = {"content_hash": "a", "split": "last", "layout": {"core": 5, "length": 9}, "C": 3, "values": [1]}
    return {"task": "next-item", "metric": "NDCG@10", "protocol": {**told, **protocol}}


def test_what_is_the_encoder_s_own_does_not_matter_and_all_else_does():
    first = terms(result())
    assert unlike(first, terms(result(C=4, values=[2], weights={}, window=3, layout={"core": 5, "length": 8}))) == []
    for change in (
        {"content_hash": "b"},
        {"split": "by time"},
        {"layout": {"length": 9}},
        {"seen": "offered again"},
        {"something new": 1},
    ):
        (said,) = unlike(first, terms(result(**change)))
        assert said.startswith({"layout": "core: 5 / not said"}.get(*change, next(iter(change))))
    assert unlike(first, {**first, "metric": "HR@10"}) == ["metric: NDCG@10 / HR@10"]
    counted = {"task": "language", "metric": "bits", "protocol": {"counted": "1 token"}}
    assert terms(counted) == {"task": "language", "metric": "bits"}


def test_figures_stand_together_by_their_terms():
    several = [Reached(name, "x", name, {"split": split}) for name, split in (("a", 1), ("b", 2), ("c", 1))]
    assert [[each.run for each in group] for group in alike(several)] == [["a", "c"], ["b"]]


def test_a_proxy_names_the_best_where_labels_say_nothing():
    told, other = {"task": "proxy", "content_hash": "a"}, {"task": "proxy", "content_hash": "b"}
    scores = (("one", 0.2), ("two", 0.4), ("3", 0.3))
    one, two, three = (Reached(name, "proxy", f"{at}", told, at) for name, at in scores)
    assert str(guess([one, two, three])).startswith("best by a proxy, for want of labels: two, 0.4")
    elsewhere = Reached("four", "proxy", "0.9", other, 0.9)
    assert str(guess([one, two, elsewhere])).startswith("best by a proxy, for want of labels: two")
    assert guess([one, elsewhere]) is None
    assert guess([one, two, elsewhere, Reached("five", "proxy", "0.8", other, 0.8)]) is None
    assert guess([one, two, Reached("one", "kNN", "0.3", {"task": "knn"}, 0.3)]) is None


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """Runs on one log: two that leave the last item out, one by time, one judged by an event alone."""
    folder = tmp_path_factory.mktemp("shops")
    text = log(folder / "log.csv", histories(40, 12)).read_text().splitlines()
    rows = [f"{row},{'buy' if number % 5 else 'look'}" for number, row in enumerate(text[1:])]
    (folder / "log.csv").write_text("\n".join([f"{text[0]},event", *rows]) + "\n")
    for name, more in (("one", {}), ("two", {}), ("time", {"split": "time"}), ("buys", {"event": "buy"})):
        settings = {**SETTINGS, "budget": {"steps": 2}, "batch": 20, "modality": {"name": "interactions", **more}}
        settings["seed"] = len(name)
        made = tacit.train(folder / "log.csv", folder / name, settings=settings)
        outcome.write(next_item(made, str(folder / "log.csv")), folder / name)
    return folder


def test_runs_of_one_protocol_are_compared(shops, capfd):
    assert run(["runs", str(shops / "one"), str(shops / "two")]) == 0
    said = capfd.readouterr().out
    assert "next-item, NDCG@10" in said.splitlines()[0]
    assert "not compared" not in said


@pytest.mark.parametrize(("other", "why"), [("time", "split: leave one out"), ("buys", "events: not said / ['buy']")])
def test_runs_of_other_protocols_are_printed_apart_with_the_reason(other, why, shops, capfd):
    assert run(["runs", str(shops / "one"), str(shops / other), str(shops / "two")]) == 0
    table, _, apart = capfd.readouterr().out.partition("next-item, NDCG@10: not compared")
    assert "NDCG" not in table
    assert "measured by 2 protocols" in apart
    assert f"2. differs from 1. in {why}" in apart
    assert f"2. {shops / other}" in apart
    assert f"1. {shops / 'one'}" in apart
    assert f"1. {shops / 'two'}" in apart


def test_forecasts_of_another_test_part_are_not_compared(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)  # short names leave room for the table
    x = np.sin(np.arange(400) / 2) + np.random.default_rng(0).normal(0, 0.1, 400)
    whole, divided, windows = ("whole.csv", "divided.csv", "windows.npy")
    np.save(windows, np.stack([x[start : start + 48] for start in range(0, 352, 8)]))
    Path(whole).write_text("time,a\n" + "".join(f"{step},{value}\n" for step, value in enumerate(x)))
    parts = ["train"] * 240 + ["val"] * 80 + ["test"] * 80
    rows = zip(range(400), x, parts, strict=True)
    Path(divided).write_text("time,a,split\n" + "".join(f"{step},{value},{part}\n" for step, value, part in rows))
    made = {}
    for seed, name in enumerate(("one", "two")):
        settings = {"modality": {"name": "series"}, "encoder": {"width": 16, "out": 32, "causal": True}, "seed": seed}
        settings |= {"budget": {"steps": 2}, "batch": 16}
        made[name] = tacit.train(windows, name, method="ts2vec", settings=settings)
    for name, data in (("one", whole), ("two", whole)):
        outcome.write(forecast(made[name], data, horizons=[6]), Path(name))
    words = ["runs", "one", "two"]
    assert run(words) == 0
    said = capfd.readouterr().out
    assert "forecast, MSE, 6 steps" in said.splitlines()[0], said
    (tmp_path / "two" / "forecast.json").unlink()
    outcome.write(forecast(made["two"], divided, horizons=[6]), Path("two"))
    assert run(words) == 0
    said = capfd.readouterr().out
    assert "forecast, MSE, 6 steps: not compared" in said
    assert "differs from 1. in split:" in said


def test_damaged_files_and_results_of_before_are_passed_over(tmp_path):
    told = {"results": [{**result(), "kind": "encoder", "value": 0.1, "low": 0.0, "high": 0.2}]}
    (tmp_path / "next-item.json").write_text(json.dumps(told))
    (tmp_path / "next-item-1.json").write_text(json.dumps(told))
    (tmp_path / "evaluation.json").write_text("{")
    (tmp_path / "other.json").write_text("[1]")
    (found,) = reached_by(tmp_path)
    assert (found.title, found.text) == ("next-item, NDCG@10", "0.100 [0.000, 0.200]")


def test_an_evaluation_of_other_sizes_than_usual_is_shown_by_its_first_figure(tmp_path):
    each = {"row": "simclr", "kind": "encoder", "value": 0.9, "low": 0.8, "high": 1.0, "protocol": {}}
    usual = [{**each, "task": "few-label", "metric": metric} for metric in ("20 in all", "40 in all")]
    (tmp_path / "evaluation.json").write_text(json.dumps({"results": usual}))
    assert [(found.title, found.text) for found in reached_by(tmp_path)] == [
        ("few-label, 20 in all", "0.900 [0.800, 1.000]")
    ]
    (tmp_path / "evaluation.json").write_text(json.dumps({"results": [*usual, {**usual[0], "metric": "10"}]}))
    assert [found.title for found in reached_by(tmp_path)] == ["10 labels"]
