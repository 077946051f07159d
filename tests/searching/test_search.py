"""An index answers as a loop over all vectors does, stands whole or not at all, and knows its encoder."""

import json
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from toys import folder_of_shapes

from tacit.cli import run
from tacit.encoder import load
from tacit.searching.index import CONFIG, GRAPH, VECTORS, build, identity, open_index

QUICK = ["--steps", "2", "--batch", "4", "--set", "encoder.width=12"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data, two encoders, and an index by the first."""
    home = tmp_path_factory.mktemp("search")
    data = folder_of_shapes(home / "data", each=12)
    for seed in ("0", "1"):
        assert run(["train", str(data), *QUICK, "--seed", seed, "--out", str(home / f"run{seed}")]) == 0
    assert run(["index", str(home / "run0"), str(data), "--out", str(home / "index")]) == 0
    return home


def said(capsys, *words):
    capsys.readouterr()
    code = run([str(word) for word in words])
    return code, capsys.readouterr()


def naive(encoder, data, queries):
    vectors, asked = (torch.from_numpy(encoder.embed(str(x))).double() for x in (data, queries))
    mean = vectors.mean(0)
    vectors, asked = (torch.nn.functional.normalize(x - mean, dim=1) for x in (vectors, asked))
    return asked @ vectors.T


def test_a_search_is_a_loop_over_all_vectors(place, capsys):
    queries = place / "data" / "disc"
    code, out = said(capsys, "search", place / "run0", place / "index", queries, "--k", 5, "--json")
    assert code == 0
    answers = [json.loads(line) for line in out.out.splitlines()]
    cosines = naive(load(place / "run0"), place / "data", queries)
    assert len(answers) == 12
    for answer, expected in zip(answers, cosines, strict=True):
        assert [hit["similarity"] for hit in answer["hits"]] == pytest.approx(
            expected.topk(5).values.tolist(), abs=1e-5
        )
        assert [expected[hit["row"]].item() for hit in answer["hits"]] == pytest.approx(
            [hit["similarity"] for hit in answer["hits"]], abs=1e-5
        )
        best = answer["hits"][0]
        assert best["name"] == f"disc/{answer['query']}", "a sample that was indexed finds itself"
        assert (best["label"], best["part"] in ("train", "test")) == ("disc", True)


def test_one_file_an_archive_and_the_table(place, tmp_path, capsys):
    query = place / "data" / "bar" / "003.png"
    code, out = said(capsys, "search", place / "run0", place / "index", query, "--k", 3)
    assert code == 0
    lines = out.out.splitlines()
    assert lines[0] == "003.png"
    assert lines[1].split() == ["1", "1.000", "bar", "bar/003.png"]
    assert len(lines) == 4
    picture = tmp_path / "hits.png"
    code, out = said(capsys, "search", place / "run0", place / "index", query.parent, "--picture", picture)
    assert code == 0
    with Image.open(picture) as sheet:
        assert sheet.height > sheet.width, "twelve queries, nine columns"


def test_a_graph_proposes_what_the_loop_finds(place, tmp_path):
    encoder = load(place / "run0")
    assert build(encoder, str(place / "data"), tmp_path / "graph", exact=10).files.keys() > {GRAPH}
    exact, approximate = open_index(place / "index"), open_index(tmp_path / "graph")
    asked = torch.from_numpy(encoder.embed(str(place / "data")))
    for k in (1, 4, 36):
        (similar, rows), (proposed, places) = (one.search(asked, k) for one in (exact, approximate))
        assert (proposed <= similar + 1e-6).all()
        found = [len(set(a) & set(b)) / k for a, b in zip(rows.tolist(), places.tolist(), strict=True)]
        assert np.mean(found) > 0.95
        torch.testing.assert_close(proposed[:, 0], similar[:, 0], atol=1e-5, rtol=0)


def test_an_index_of_another_encoder_is_refused(place, capsys):
    code, out = said(capsys, "search", place / "run1", place / "index", place / "data")
    assert code == 2
    assert "another encoder" in out.err
    assert "run0" in out.err
    assert out.out == ""


def test_a_checkpoint_and_its_finished_encoder_are_one(place):
    finished = load(place / "run0")
    newest = max((place / "run0" / "checkpoints").glob("*.safetensors"))
    assert identity(load(newest)) == identity(finished)
    assert identity(load(place / "run1")) != identity(finished)


@pytest.mark.parametrize("name", [VECTORS, "centre.npy", "samples.parquet", CONFIG])
def test_a_damaged_index_is_named(place, tmp_path, capsys, name):
    build(load(place / "run0"), str(place / "data"), tmp_path / "index")
    path = tmp_path / "index" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if name != CONFIG else content[:-10])
    code, out = said(capsys, "search", place / "run0", tmp_path / "index", place / "data")
    assert code == 1
    assert "damaged" in out.err
    assert "again" in out.err


def test_an_index_with_a_missing_file_is_named(place, tmp_path, capsys):
    build(load(place / "run0"), str(place / "data"), tmp_path / "index")
    (tmp_path / "index" / "centre.npy").unlink()
    code, out = said(capsys, "search", place / "run0", tmp_path / "index", place / "data")
    assert code == 1
    assert "centre.npy" in out.err


def test_more_than_there_are_none_and_unreadable_queries(place, tmp_path, capsys):
    code, out = said(capsys, "search", place / "run0", place / "index", place / "data" / "bar" / "000.png", "--k", 99)
    assert code == 0
    assert "fewer than the 99 asked for" in out.err
    assert len(out.out.splitlines()) == 37
    for k in (0, -3):
        code, out = said(capsys, "search", place / "run0", place / "index", place / "data", "--k", k)
        assert (code, "--k" in out.err) == (2, True)
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "bad.png").write_bytes(b"no picture")
    code, out = said(capsys, "search", place / "run0", place / "index", tmp_path / "q")
    assert code == 3
    assert "bad.png" in out.err
    (tmp_path / "q" / "good.png").write_bytes((place / "data" / "bar" / "000.png").read_bytes())
    code, out = said(capsys, "search", place / "run0", place / "index", tmp_path / "q")
    assert code == 0
    assert "bad.png cannot be read" in out.err
    assert out.out.startswith("good.png")
    (tmp_path / "none").mkdir()
    assert said(capsys, "search", place / "run0", place / "index", tmp_path / "none")[0] == 3
    assert said(capsys, "search", place / "run0", tmp_path / "none", place / "data")[0] == 2


def test_an_index_of_one_sample(place, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.png").write_bytes((place / "data" / "bar" / "000.png").read_bytes())
    assert said(capsys, "index", place / "run0", tmp_path / "data", "--out", tmp_path / "one")[0] == 0
    code, out = said(capsys, "search", place / "run0", tmp_path / "one", tmp_path / "data", "--k", 1)
    assert code == 0
    assert out.out.split() == ["0.png", "1", "1.000", "0.png"]


def test_pictures_need_the_data_as_they_were(place, tmp_path, capsys):
    data = folder_of_shapes(tmp_path / "data", each=3)
    assert said(capsys, "index", place / "run0", data, "--out", tmp_path / "index")[0] == 0
    words = ("search", place / "run0", tmp_path / "index", place / "data", "--picture")
    (data / "bar" / "000.png").unlink()
    code, out = said(capsys, *words, tmp_path / "hits.png")
    assert code == 2
    assert "has changed since" in out.err
    assert said(capsys, *words, tmp_path / "hits.tiff")[0] == 2
    data.rename(tmp_path / "moved")
    code, out = said(capsys, *words, tmp_path / "hits.png")
    assert code == 2
    assert "not at hand" in out.err


def test_an_older_index_is_replaced_and_other_folders_are_not(place, tmp_path, capsys):
    out = tmp_path / "index"
    small = folder_of_shapes(tmp_path / "small", each=2)
    for data, count in ((place / "data", 36), (small, 6)):
        assert said(capsys, "index", place / "run0", data, "--out", out)[0] == 0
        assert len(open_index(out)) == count
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "small"], "nothing is left beside it"
    code, told = said(capsys, "index", place / "run0", small, "--out", small)
    assert code == 2
    assert "other things" in told.err
    assert len(list(small.rglob("*.png"))) == 6


def test_a_build_that_is_stopped_leaves_what_was_there(place, tmp_path, programs):
    out = tmp_path / "index"
    build(load(place / "run0"), str(place / "data"), out)
    before = (out / CONFIG).read_bytes()
    rng = np.random.default_rng(0)
    np.save(tmp_path / "much.npy", rng.integers(0, 256, (4_000, 16, 16, 3), dtype=np.uint8))
    words = ["index", str(place / "run0"), str(tmp_path / "much.npy"), "--out", str(out), "--batch", "1"]
    partial = tmp_path / ".index.partial" / "raw"
    begun = lambda: partial.is_file() and partial.stat().st_size  # noqa: E731
    code, error = programs.stopped(words, tmp_path / "said", signal.SIGINT, begun)
    assert code == 130, error
    assert (out / CONFIG).read_bytes() == before
    assert len(open_index(out)) == 36
    assert not partial.parent.exists()
