"""Recordings of minutes and documents of thousands of words, as their users run them: all of it is used."""

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sounds import calls, encoded, long_recordings, tone

import tacit
from tacit.cli import run
from tacit.encoder import load
from tacit.proving.similarity import similarity

QUICK = ["--steps", "2", "--batch", "4", "--set", "encoder.width=8"]
LENGTHS = {
    f"{kind}/{number}.{suffix}": 21.0 + 2 * number
    for kind in "ab"
    for number, suffix in enumerate(("wav", "flac", "ogg"))
}


def called(words, capfd, code=0):
    """What a command prints to stdout, and what it says beside."""
    ended = run([str(word) for word in words])
    out, err = capfd.readouterr()
    assert ended == code, err
    assert "Traceback" not in err
    return out, err


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Recordings of 21 to 25 s in a list with a split, and a run on them with no setting that speaks of pieces."""
    folder = tmp_path_factory.mktemp("long")
    long_recordings(folder / "calls", LENGTHS)
    rows = [f"calls/{name},{name[0]},{'test' if '0' in name else 'train'}" for name in LENGTHS]
    (folder / "calls.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    assert run(["train", str(folder / "calls.csv"), *QUICK, "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.chdir(place)


def test_how_it_is_packed_travels_with_the_encoder(place):
    layout = json.loads((place / "run" / "encoder" / "config.json").read_text())["layout"]
    assert layout["pieces"] is True
    vectors = load(place / "run").embed(str(place / "calls"))
    assert vectors.shape[0] == 18
    alone = load(place / "run").embed([(place / "calls" / name).read_bytes() for name in LENGTHS])
    assert alone.shape[0] == 6, "samples that are given one by one have a vector each"


def test_inspect_counts_files_and_pieces(capfd):
    said, _ = called(["inspect", "calls.csv"], capfd)
    assert "6 recordings in 18 pieces" in said
    assert "never heard" not in said
    told = json.loads(called(["inspect", "calls.csv", "--json"], capfd)[0])
    assert (told["wholes"], told["samples"], told["looked_at"]) == (6, 18, 6)
    assert "never heard" in called(["inspect", "calls.csv", "--set", "modality.pieces=false"], capfd)[0]


def test_embed_search_and_select_name_the_moment(capfd):
    called(["embed", "run", "calls.csv", "--out", "vectors.parquet"], capfd)
    table = pq.read_table("vectors.parquet").to_pydict()
    assert table["name"][:3] == [f"calls/a/0.wav#t={span}" for span in ("0,7", "7,14", "14,21")]
    assert table["part"][:3] == ["test"] * 3
    assert table["label"][:3] == ["a"] * 3
    called(["index", "run", "calls.csv", "--out", "an-index"], capfd)
    told, _ = called(["search", "run", "an-index", "calls/a/0.wav", "--k", "1", "--json"], capfd)
    found = [json.loads(line) for line in told.splitlines()]
    assert [one["query"] for one in found] == ["0.wav#t=0,7", "0.wav#t=7,14", "0.wav#t=14,21"]
    assert [one["hits"][0]["name"] for one in found] == table["name"][:3]
    called(["select", "run", "calls.csv", "--budget", "2", "--ignore-labels", "--out", "selection"], capfd)
    chosen = [row["path"] for row in csv.DictReader(Path("selection/list.csv").read_text().splitlines())]
    assert len(chosen) == 2
    assert all("#t=" in name for name in chosen)


def test_intervals_are_over_recordings(capfd):
    called(["evaluate", "run", "calls.csv", "--task", "linear"], capfd)
    told = json.loads(Path("run/evaluation.json").read_text())["results"]
    assert {result["protocol"]["test_samples"] for result in told} == {6}
    assert all(result["protocol"]["resampled"].startswith("2 whole samples") for result in told)


def test_finetune_takes_labels_of_files_and_predict_answers_by_piece(capfd):
    said, _ = called(["finetune", "run", "calls.csv", "--steps", "2", "--batch", "4", "--out", "tuned"], capfd)
    assert "6 recordings, looked at once" in said
    called(["predict", "tuned", "calls/a", "--out", "predictions.csv"], capfd)
    names = [row["name"] for row in csv.DictReader(Path("predictions.csv").read_text().splitlines())]
    assert len(names) == 9
    assert names[0] == "0.wav#t=0,7"


def test_a_run_that_is_stopped_goes_on(capfd, place):
    shutil.copytree("run", "again")
    last = sorted((place / "again" / "checkpoints").glob("*2.*"))
    assert len(last) == 2, "of the second step, which is lost"
    for path in last:
        path.unlink()
    shutil.rmtree("again/encoder")
    called(["train", place / "calls.csv", *QUICK, "--out", "again", "--resume"], capfd)
    assert np.array_equal(load("again").embed("calls"), load("run").embed("calls"))


def test_transcripts_of_whole_recordings_teach_no_pieces(capfd):
    rows = [f"calls/{name},said,{'test' if '0' in name else 'train'}" for name in LENGTHS]
    Path("said.csv").write_text("\n".join(["path,transcript,split", *rows]) + "\n")
    _, said = called(
        ["finetune", "run", "said.csv", "--task", "recognise", "--steps", "2", "--out", "no"], capfd, code=3
    )
    assert "transcripts of 6 recordings are left out" in said
    assert "larger --set modality.seconds" in said


def test_pairs_are_judged_by_the_mean_of_pieces(place):
    names = list(LENGTHS)
    rows = [f"calls/{one}\tcalls/{other}\t{number}" for number, (one, other) in enumerate(pairwise(names))]
    (place / "pairs.tsv").write_text("\n".join(["path1\tpath2\tscore", *rows]) + "\n")
    encoder = load(place / "run")
    proof = similarity(encoder, str(place / "pairs.tsv"))
    own = next(result for result in proof.evaluation.results if result.row == "simclr" and result.metric == "Spearman")
    means = torch.stack([torch.from_numpy(encoder.embed(str(place / "calls" / name))).mean(0) for name in names])
    cosines = torch.cosine_similarity(means[:-1], means[1:])
    ranks = cosines.argsort().argsort().double()
    assert own.value == pytest.approx(float(np.corrcoef(ranks, np.arange(5))[0, 1]), abs=1e-6)


def test_an_encoder_without_pieces_goes_on_reading_beginnings(capfd):
    called(["train", "calls.csv", *QUICK, "--set", "modality.pieces=false", "--out", "first"], capfd)
    assert len(load("first").embed("calls")) == 6


def test_documents_are_taken_to_passages_where_that_is_asked_for(tmp_path, capfd):
    for number in range(4):
        words = " ".join(f"word{(7 * place * (number + 1)) % 50}" for place in range(900))
        (tmp_path / f"{number}.txt").write_text(words)
    settings = ["--set", "modality.pieces=true", "--set", "modality.length=64", "--set", "encoder.width=8"]
    called(["train", tmp_path, "--steps", "2", "--batch", "4", *settings, "--out", "texts"], capfd)
    called(["embed", "texts", tmp_path, "--out", "texts.npy"], capfd)
    names = Path("texts.txt").read_text().splitlines()
    assert len(names) == 4 * 15
    assert names[0].startswith("0.txt#char=0,")


def test_a_writer_is_judged_by_documents(tmp_path, capfd):
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"once there was number {number} and it was good " * 30)
    settings = ["--set", "modality.pieces=true", "--set", "modality.length=64", "--method", "causal-prediction"]
    called(["train", tmp_path, "--steps", "1", "--batch", "4", *settings, "--out", "writer"], capfd)
    out, err = called(["evaluate", "writer", tmp_path, "--task", "language"], capfd)
    assert "bits per byte" in out
    assert "6 of 6 texts are longer than a row holds" in err
    told = json.loads(Path("writer/language.json").read_text())["results"][0]["protocol"]
    read = load("writer").open(str(tmp_path)).part("test")
    assert told["texts"] == len(read)
    assert told["bytes"] == pytest.approx(
        sum(len((tmp_path / f"{row}.txt").read_text()) for row in set(read.source_rows.tolist())), rel=0.02
    )


def test_a_tagger_answers_about_whole_texts_alone(tmp_path, capfd):
    from token_toys import conll

    conll(tmp_path / "sentences.conll", range(30))
    settings = ["--set", "modality.pieces=true", "--set", "modality.length=32", "--method", "masked-prediction"]
    called(
        ["train", tmp_path / "sentences.conll", "--steps", "1", "--batch", "4", *settings, "--out", "gaps"],
        capfd,
    )
    called(
        [
            "finetune",
            "gaps",
            tmp_path / "sentences.conll",
            "--task",
            "tag",
            "--steps",
            "1",
            "--batch",
            "4",
            "--out",
            "names",
        ],
        capfd,
    )
    (tmp_path / "short.txt").write_text("Ada lives in Rome .\n")
    called(["predict", "names", tmp_path / "short.txt", "--out", "short.jsonl"], capfd)
    (tmp_path / "long.txt").write_text("Ada lives in Rome . " * 40 + "\n")
    _, said = called(["predict", "names", tmp_path / "long.txt", "--out", "long.jsonl"], capfd, code=3)
    assert "a model for tag answers about whole ones" in said


def test_calls_of_speakers_who_are_tested_on_other_calls(real_data, place, tmp_path, capfd):
    """Spoken digits one after the other in files of a minute: six speakers, one file each for testing."""
    fsdd = real_data / "audio" / "fsdd"
    if not fsdd.is_dir():
        pytest.skip("fsdd is not at hand")
    path = calls(fsdd, tmp_path / "fsdd")
    called(["train", path, *QUICK, "--out", "speakers"], capfd)
    called(["evaluate", "speakers", path, "--task", "linear"], capfd)
    told = json.loads((place / "speakers" / "evaluation.json").read_text())
    own = next(result for result in told["results"] if result["task"] == "linear" and result["kind"] == "raw")
    assert own["protocol"]["resampled"].startswith("6 whole samples")
    assert own["value"] > 0.8, "a speaker is known by the cepstra"


def test_a_small_file_that_unpacks_to_hours_is_read_in_pieces(tmp_path, capfd):
    for number in range(3):
        (tmp_path / f"{number}.wav").write_bytes(encoded(tone(seconds=1.0)))
    (tmp_path / "hours.flac").write_bytes(encoded(np.zeros(1_000 * 3_600 * 3, np.int16), 1_000, "FLAC"))
    said, _ = called(["inspect", tmp_path, "--set", "modality.rate=1000"], capfd)
    assert "4 recordings in 1,0" in said


def test_the_library_does_the_same(place):
    encoder = tacit.train(
        place / "calls", place / "library", settings={"budget": {"steps": 1}, "batch": 4, "encoder": {"width": 8}}
    )
    assert encoder.layout.in_pieces
