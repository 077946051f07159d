"""Items that nobody took before: ranked by what is known of them, kept out of all that training sees."""

import csv
import json

import numpy as np
import pytest
import torch
from baskets import SETTINGS, histories, log, shelves

import tacit
from tacit.applying.recommending import recommend, recommend_to, similar, with_items
from tacit.cli import run
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.modalities.histories import numbers_of
from tacit.proving.cold_start import cold_start
from tacit.proving.next_item import next_item
from tacit.ranker import grown
from tacit.view import FIRST_WORD


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cold")
    taken, table = shelves()
    log(path / "log.csv", taken)
    (path / "items.csv").write_text(table)
    return path


def trained(folder, out, **wishes):
    wishes = {"name": "interactions", "features": str(folder / "items.csv"), **wishes}
    return tacit.train(folder / "log.csv", out, settings={**SETTINGS, "modality": wishes})


@pytest.fixture(scope="module")
def encoder(folder):
    return trained(folder, folder / "run", cold=0.25)


def test_items_kept_out_have_no_id_and_are_found_by_what_is_known_of_them(encoder, folder):
    out = encoder.layout.cold.split("\n")
    assert 4 <= len(out) <= 20
    assert not set(out) & set(numbers_of(encoder.layout.items))
    assert len(encoder.layout.catalogue.lines) == 48
    proof = cold_start(encoder, str(folder / "log.csv"))
    found = {each.row: each for each in proof.evaluation.results if each.metric == "NDCG@10"}
    assert list(found) == ["causal-prediction", "untrained", "popular features", "feature-kNN"]
    own = found.pop("causal-prediction")
    assert all(own.value > each.value for each in found.values()), "the next shelf is known, and nothing else says it"
    protocol = json.loads(json.dumps(proof.to_json()))["results"][0]["protocol"]
    assert protocol["candidates"] == f"{len(out)} items that were kept out"
    assert protocol["features"] == ["shelf", "price"]


def test_the_other_items_are_judged_as_ever_and_others_are_refused(encoder, folder, tmp_path, capfd):
    protocol = next_item(encoder, str(folder / "log.csv")).evaluation.results[0].protocol
    assert protocol["items"] == encoder.layout.count < 48
    assert "items that the encoder does not know" in capfd.readouterr().err
    log(tmp_path / "log.csv", histories(60, 12))
    plain = tacit.train(tmp_path / "log.csv", tmp_path / "run", settings={**SETTINGS, "budget": {"steps": 1}})
    with pytest.raises(UsageError, match=r"modality\.cold=0\.1"):
        cold_start(plain, str(tmp_path / "log.csv"))
    with pytest.raises(UsageError, match="by their names alone"):
        with_items(plain, str(folder / "items.csv"))
    log(tmp_path / "few.csv", [list(numbers_of(encoder.layout.items))[:4]] * 3)
    with pytest.raises(DataError, match="Keep more out"):
        cold_start(encoder, str(tmp_path / "few.csv"))


def test_what_is_known_travels_with_the_encoder(encoder, folder, tmp_path):
    encoder.save(tmp_path / "alone")
    again = load(tmp_path / "alone")
    assert again.layout == encoder.layout
    assert torch.equal(again.network.table, encoder.network.table)
    known = encoder.network.stem.known
    line = encoder.layout.catalogue.lines[0].split()
    own = encoder.network.stem.vectors.weight[FIRST_WORD]
    summed = sum(float(term.partition(":")[2]) * known.vectors.weight[int(term.partition(":")[0])] for term in line)
    assert torch.allclose(encoder.network.table[FIRST_WORD], own + summed, atol=1e-6)
    assert torch.equal(encoder.network.table[:FIRST_WORD], encoder.network.stem.vectors.weight[:FIRST_WORD])


def test_more_items_change_nothing_for_those_there_were(encoder):
    wide = grown(encoder, ["new"], ["0:1"])
    count = encoder.layout.vocabulary
    assert torch.equal(wide.network.table[:count], encoder.network.table)
    assert torch.equal(wide.network.table[count], encoder.network.stem.known.vectors.weight[0])
    assert wide.layout.count == encoder.layout.count + 1


def test_new_items_are_recommended_and_gone_on_from(encoder, folder, tmp_path, capfd):
    lines = [f"new-{shelf},{shelf},1" for shelf in ("tea", "cups", "books", "lamps", "rugs", "toys")]
    (tmp_path / "new.csv").write_text("item,shelf,colour\n" + "\n".join([*lines, "odd,cellar,2"]) + "\n")
    wide = with_items(encoder, str(tmp_path / "new.csv"))
    assert "6 of 7 items" in capfd.readouterr().err
    teas = [name for name in encoder.layout.items.split("\n") if int(name[5:]) < 8]
    ranked = [item for item, _ in recommend(wide, teas[:1], k=100) if item.startswith("new-")]
    assert ranked[0] == "new-cups"
    assert next(item for item, _ in recommend(wide, ["new-tea"], k=100) if item.startswith("new-")) == "new-cups"
    near = [item for item, _ in similar(wide, "new-tea", k=8)]
    assert len(set(near) & set(teas)) >= 3
    assert recommend_to(wide, str(folder / "log.csv"), tmp_path / "lists.csv", k=40) == 150
    with (tmp_path / "lists.csv").open() as file:
        assert "new-tea" in {row["item"] for row in csv.DictReader(file)}
    words = ["recommend", str(folder / "run"), "--history", teas[0], "--items", str(tmp_path / "new.csv")]
    assert run([*words, "--k", "100"]) == 0
    assert "new-cups" in capfd.readouterr().out
    (tmp_path / "other.csv").write_text("item,weight\nx,3\n")
    assert run([*words[:-1], str(tmp_path / "other.csv")]) == 3
    assert "none of the columns" in capfd.readouterr().err


def test_one_that_fills_gaps_ranks_new_items_too(folder, tmp_path):
    wishes = {"name": "interactions", "features": str(folder / "items.csv"), "cold": 0.25}
    settings = {**SETTINGS, "budget": {"steps": 60}, "modality": wishes}
    made = tacit.train(folder / "log.csv", tmp_path / "run", method="masked-prediction", settings=settings)
    found = {r.row: r.value for r in cold_start(made, str(folder / "log.csv")).evaluation.results[::3]}
    assert np.isfinite(found["masked-prediction"])


def test_a_table_that_changes_is_read_anew_and_refuses_to_go_on(folder, tmp_path):
    taken, table = shelves()
    log(tmp_path / "log.csv", taken)
    (tmp_path / "items.csv").write_text(table)
    wishes = {"name": "interactions", "features": str(tmp_path / "items.csv")}
    settings = {**SETTINGS, "budget": {"steps": 2}, "modality": wishes}
    first = tacit.train(tmp_path / "log.csv", tmp_path / "run", settings=settings)
    (tmp_path / "items.csv").write_text(table.replace("item-1,tea", "item-1,cups"))
    with pytest.raises(UsageError, match="layout"):
        tacit.train(tmp_path / "log.csv", tmp_path / "run", settings=settings, resume=True)
    second = tacit.train(tmp_path / "log.csv", tmp_path / "other", settings=settings)
    assert first.layout != second.layout
