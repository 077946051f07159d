"""Lists for users, for a history at hand, and like items."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
from baskets import SETTINGS, histories, log

import tacit
from tacit.applying.recommending import recommend, recommend_to, similar
from tacit.cli import run
from tacit.errors import DataError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("recommend")
    log(path / "log.csv", histories(150, 40, longest=14))
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return tacit.train(folder / "log.csv", folder / "run", settings=SETTINGS)


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("mix", [False, True])
def test_every_user_gets_a_list_of_what_they_did_not_take(encoder, folder, mix):
    out = folder / "out" / "lists.csv"
    assert recommend_to(encoder, str(folder / "log.csv"), out, k=5, mix=mix) == 150
    found = rows(out)
    assert len(found) == 5 * 150
    taken = {f"user-{number}": items for number, items in enumerate(histories(150, 40, longest=14))}
    following = 0
    for row in found:
        assert row["item"] not in taken[row["user"]]
        last = int(taken[row["user"]][-1].removeprefix("item-"))
        following += row["item"] == f"item-{(last + 1) % 40}"
    assert following > 75, "after an item mostly comes the next one of the ring"
    ranked = [float(row["score"]) for row in found[:5]]
    assert ranked == sorted(ranked, reverse=True)
    assert [row["rank"] for row in found[:5]] == list("12345")


def test_a_history_at_hand_is_gone_on_with(encoder, capfd):
    found = recommend(encoder, ["item-3", "new", "item-4", "item-5"], k=3)
    assert "item-6" in [item for item, _ in found]
    assert not {"item-3", "item-4", "item-5"} & {item for item, _ in found}
    assert "unknown and passed over: new" in capfd.readouterr().err
    everything = recommend(encoder, ["item-3"], k=100, again=True)
    assert len(everything) == 40
    assert len(recommend(encoder, ["item-3"], k=100)) == 39
    with pytest.raises(DataError, match="did you mean 'item-3'"):
        recommend(encoder, ["itm-3"])


def test_like_items_are_others_with_high_cosines(encoder):
    found = similar(encoder, "item-3", k=5)
    assert len(found) == 5
    assert "item-3" not in [item for item, _ in found]
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True)
    assert all(-1 <= value <= 1 for value in values)
    with pytest.raises(DataError, match="does not know the item"):
        similar(encoder, "nothing")


def test_the_command_takes_one_of_three(folder, encoder, capfd):
    given = ["recommend", str(folder / "run")]
    assert run([*given, "--history", "item-1, item-2", "--k", "2"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 2
    assert run([*given, "--similar", "item-1"]) == 0
    capfd.readouterr()
    for words, said in (
        ([], "one of three"),
        ([str(folder / "log.csv")], "go together"),
        (["--history", "item-1", "--mix"], "name it as DATA"),
        (["--history", "item-1", "--k", "0"], "give 1 or more"),
        ([str(folder / "log.csv"), "--out", "x.txt"], "ending with .csv"),
    ):
        assert run([*given, *words]) == 2
        assert said in capfd.readouterr().err
    assert run([*given, "--history", ","]) == 3


def test_strangers_get_no_list_and_other_encoders_make_none(encoder, tmp_path, capfd):
    log(tmp_path / "log.csv", [["item-1", "item-2"], ["new"]])
    assert recommend_to(encoder, str(tmp_path / "log.csv"), tmp_path / "x.csv") == 1
    assert "1 of 2 users took nothing that the encoder knows" in capfd.readouterr().err
    log(tmp_path / "new.csv", [["new", "newer"]])
    with pytest.raises(DataError, match="knows none of the items"):
        recommend_to(encoder, str(tmp_path / "new.csv"), tmp_path / "y.csv")
    assert not (tmp_path / "y.csv").exists()
    lines = [{"text": f"word{n} and word{n % 7}"} for n in range(60)]
    (tmp_path / "texts.jsonl").write_text("".join(str(line).replace("'", '"') + "\n" for line in lines))
    settings = {"budget": {"steps": 1}, "batch": 8, "evaluations": 0}
    texts = tacit.train(tmp_path / "texts.jsonl", tmp_path / "texts", method="causal-prediction", settings=settings)
    with pytest.raises(UsageError, match="reads texts"):
        similar(texts, "word1")


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
def test_vectors_of_items_are_those_that_like_items_are_told_by(encoder, folder, suffix, capfd):
    out = folder / "vectors" / f"items{suffix}"
    assert run(["embed", str(folder / "run"), "--items", "--out", str(out)]) == 0
    assert "40 vectors of 64 numbers" in capfd.readouterr().out
    if suffix == ".parquet":
        table = pq.read_table(out)
        names, vectors = table["name"].to_pylist(), np.stack(table["vector"].to_numpy())
    else:
        names, vectors = out.with_suffix(".txt").read_text().split(), np.load(out)
    about = vectors - vectors.mean(axis=0)
    about /= np.linalg.norm(about, axis=1, keepdims=True)
    cosine = dict(zip(names, about @ about[names.index("item-3")], strict=True))
    for item, value in similar(encoder, "item-3", k=5):
        assert cosine[item] == pytest.approx(value, abs=1e-5)
    assert len(cosine) == 40


def test_vectors_of_items_are_refused_where_there_are_none(folder, tmp_path, capfd):
    tacit.train("digits", tmp_path / "digits", settings={"budget": {"steps": 1}, "batch": 16})
    for words, said in (
        ([str(tmp_path / "digits"), "--items"], "this encoder reads images"),
        ([str(folder / "run"), str(folder / "log.csv"), "--items"], "in place of data"),
        ([str(folder / "run")], "name the data"),
        ([str(folder / "run"), "--items", "--out", "x.csv"], ".parquet"),
    ):
        out = [] if "--out" in words else ["--out", str(tmp_path / "x.npy")]
        assert run(["embed", *words, *out]) == 2
        assert said in capfd.readouterr().err
