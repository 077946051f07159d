"""Samples in several rows: names, labels, groups, parts, annotations and the cache stay right."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from sounds import encoded, long_recordings, tone

from tacit.data import cache, decoding
from tacit.data.dataset import open_dataset
from tacit.data.labelling import with_labels
from tacit.data.pieces import groups
from tacit.data.source import open_source
from tacit.errors import DataError
from tacit.modalities.audio import AUDIO
from tacit.modalities.text import TEXT, TextConfig

HALF = AUDIO.config(seconds=0.5)
LENGTHS = {"a/1.wav": 2.0, "a/2.flac": 0.4, "b/3.ogg": 2.08, "b/4.wav": 2.5, "b/5.wav": 0.3}
FILES = sorted(LENGTHS)
COUNTS = [4, 1, 4, 5, 1]


def opened(folder, wanted=HALF, **others):
    return open_dataset(str(folder), AUDIO, wanted, cache_dir=folder.parent / "cache", **others)


@pytest.fixture
def folder(tmp_path):
    return long_recordings(tmp_path / "set", LENGTHS)


def listed(folder, column, values, name="list.csv"):
    rows = [f"{path},{value}" for path, value in zip(FILES, values, strict=True)]
    (folder / name).write_text("\n".join([f"path,{column}", *rows]) + "\n")
    return folder / name


def test_rows_follow_their_files(folder):
    dataset = opened(folder)
    samples = dataset.everything()
    assert samples.source_rows.tolist() == np.repeat(range(5), COUNTS).tolist()
    names = list(samples.names)
    assert names[:6] == [
        "a/1.wav#t=0,0.5",
        "a/1.wav#t=0.5,1",
        "a/1.wav#t=1,1.5",
        "a/1.wav#t=1.5,2",
        "a/2.flac",
        "b/3.ogg#t=0,0.52",
    ]
    assert len(set(names)) == 15
    assert [dataset.classes[label] for label in samples.labels] == ["a"] * 5 + ["b"] * 10
    assert len(np.unique(dataset.tokens)) == 15
    assert any(
        "3 of 5 recordings are longer than a row holds and are read in 13 pieces" in note for note in dataset.notes
    )
    assert dataset.skipped == ()


def test_the_pieces_of_a_file_are_a_group_on_one_side_of_the_split(folder):
    for seed in range(8):
        dataset = opened(folder, seed=seed)
        rows, part_of = dataset.everything().source_rows, dataset.part_of()
        assert all(len(set(part_of[rows == row])) == 1 for row in range(5))
        assert "whole sample's content" in dataset.protocol
    samples = dataset.everything()
    assert samples.groups.tolist() == [row if COUNTS[row] > 1 else -1 for row in samples.source_rows]
    assert samples.units.tolist() == samples.source_rows.tolist()


def test_given_groups_and_parts_are_those_of_the_file(folder):
    path = listed(folder, "group,split", ["me,train", ",train", "me,train", ",test", "you,test"])
    dataset = open_dataset(str(path), AUDIO, HALF, cache_dir=folder.parent / "cache")
    found = dataset.everything().groups.tolist()
    assert found[:4] == found[5:9]
    assert found[4] == -1
    assert len({found[0], found[9], found[14]}) == 3
    assert {name: len(rows) for name, rows in dataset.parts.items()} == {"train": 9, "test": 6}


def test_a_copy_under_another_name_falls_on_the_same_side(folder):
    shutil.copy(folder / "a" / "1.wav", folder / "b" / "copy.wav")
    for seed in range(6):
        dataset = opened(folder, seed=seed)
        part_of = dict(zip(dataset.everything().names, dataset.part_of(), strict=True))
        assert part_of["a/1.wav#t=0,0.5"] == part_of["b/copy.wav#t=1,1.5"]
    tokens = dict(zip(dataset.everything().names, dataset.tokens, strict=True))
    assert tokens["a/1.wav#t=1,1.5"] == tokens["b/copy.wav#t=1,1.5"] != tokens["a/1.wav#t=0,0.5"]


def test_the_second_start_finds_the_same(folder, monkeypatch):
    first = opened(folder)
    monkeypatch.setattr(decoding, "decoded", None)
    monkeypatch.setattr(cache, "decoded", None)
    again = opened(folder)
    assert list(again.everything().names) == list(first.everything().names)
    assert np.array_equal(again.tokens, first.tokens)
    rows = torch.arange(15)
    assert torch.equal(again.everything().view(rows).x, first.everything().view(rows).x)
    assert again.content_hash == first.content_hash
    monkeypatch.undo()
    assert opened(folder, AUDIO.config(seconds=0.5, pieces=False)).content_hash == first.content_hash


@pytest.mark.parametrize("spoil", ["samples_of.raw", "parts.txt", "tokens.raw"])
def test_a_damaged_cache_is_made_anew(folder, spoil):
    before = list(opened(folder).everything().names)
    (damaged,) = (folder.parent / "cache").rglob(spoil)
    damaged.write_bytes(damaged.read_bytes()[:-8])
    assert list(opened(folder).everything().names) == before


def test_what_cannot_be_read_is_counted_by_file(folder):
    (folder / "a" / "bad.wav").write_bytes(b"hello" * 99)
    with pytest.raises(DataError, match="1 of 6 recordings"):
        opened(folder, max_bad=0.1)
    dataset = opened(folder, max_bad=0.2)
    assert [name for name, _ in dataset.skipped] == ["a/bad.wav"]
    assert len(dataset) == 15
    assert dataset.everything().source_rows.tolist() == np.repeat([0, 1, 3, 4, 5], COUNTS).tolist()


def test_a_single_file_says_that_there_is_nothing_to_test_on(tmp_path):
    folder = long_recordings(tmp_path / "set", {"1.wav": 3.0})
    dataset = opened(folder)
    assert len(dataset.part("train")) > 5
    assert "no test part: all pieces are of one sample or identical" in dataset.notes


def test_what_is_said_of_a_whole_is_not_said_of_its_pieces(folder):
    path = listed(folder, "transcript", ["one", "two", "", "four", "five"])
    dataset = open_dataset(str(path), AUDIO, HALF, cache_dir=folder.parent / "cache")
    assert dataset.annotations.present.tolist() == [False, True, False, False, True]
    note = next(note for note in dataset.notes if "transcripts" in note)
    assert "transcripts of 2 recordings are left out" in note
    assert "--set modality.seconds" in note
    whole = open_dataset(str(path), AUDIO, AUDIO.config(seconds=3), cache_dir=folder.parent / "cache")
    assert whole.annotations.present.sum() == 4


def test_labels_in_a_list_are_of_files_or_of_pieces(folder):
    dataset = opened(folder)
    path = listed(folder.parent, "label", ["x", "y", "x", "", "y"])
    labelled = with_labels(dataset, path)
    told = [labelled.classes[label] if label >= 0 else "" for label in labelled.labels]
    assert told[:9] == ["x"] * 4 + ["y"] + ["x"] * 4
    path.write_text("path,label\na/1.wav,x\n" + '"a/1.wav#t=1,1.5",y\n')
    labelled = with_labels(dataset, path)
    assert [labelled.classes[label] for label in labelled.labels[:4]] == ["x", "x", "y", "x"]
    path.write_text("path,label\na/1.wav,x\na/1.wav,y\n")
    with pytest.raises(DataError, match="two labels"):
        with_labels(dataset, path)
    path.write_text('path,label\n"a/1.wav#t=7,8",x\n')
    with pytest.raises(DataError, match="does not have"):
        with_labels(dataset, path)


@pytest.mark.parametrize("bytes_", [1, 2**20])
def test_rows_come_in_order_however_many_are_made_at_once(folder, bytes_, monkeypatch):
    monkeypatch.setattr(decoding, "_AT_ONCE_BYTES", bytes_)
    source = open_source(str(folder), AUDIO.suffixes)
    layout = AUDIO.survey([encoded(tone(seconds=3.0))], HALF)
    blocks = list(decoding.decoded(source, AUDIO, layout))
    rows = [(row, outcome.number) for block in blocks for row, outcome in block]
    assert rows == [(row, number) for row, count in enumerate(COUNTS) for number in range(count)]
    assert max(map(len, blocks)) <= max(1, bytes_ // decoding.row_bytes(layout))


def test_a_file_that_unpacks_to_much_is_bounded_and_named(folder, monkeypatch):
    monkeypatch.setattr(
        decoding, "MOST_BYTES", 4 * decoding.row_bytes(AUDIO.survey([encoded(tone(seconds=3.0))], HALF))
    )
    dataset = opened(folder)
    assert [int((dataset.everything().source_rows == row).sum()) for row in range(5)] == [4, 1, 4, 4, 1]
    assert any("fill 4 pieces, the most that are kept of one" in note for note in dataset.notes)


def test_a_set_without_long_files_is_as_if_nobody_had_asked(tmp_path):
    folder = long_recordings(tmp_path / "set", {"1.wav": 0.4, "2.wav": 0.3})
    whole, asked = (opened(folder, AUDIO.config(seconds=0.5, pieces=pieces)) for pieces in (False, True))
    assert list(asked.everything().names) == ["1.wav", "2.wav"]
    assert asked.everything().groups is None
    assert asked.everything().units is None
    assert (asked.protocol, asked.notes) == (whole.protocol, whole.notes)
    assert np.array_equal(asked.tokens, whole.tokens)


def test_texts_are_cut_off_unless_pieces_are_asked_for_and_that_is_said(tmp_path):
    (tmp_path / "set").mkdir()
    for number in range(6):
        (tmp_path / "set" / f"{number}.txt").write_text(f"word {number} and more of it " * 100)
    cut, whole, chosen = (
        open_dataset(str(tmp_path / "set"), TEXT, TextConfig(**wishes), cache_dir=tmp_path / "cache")
        for wishes in ({}, {"pieces": True, "length": 64}, {"length": 64})
    )
    assert not any("cut off" in note for note in cut.notes), "they fit"
    assert len(whole) > 50
    assert len(chosen) == 6
    assert list(whole.everything().names)[1].startswith("0.txt#char=")
    long = tmp_path / "long"
    long.mkdir()
    for number in range(3):
        (long / f"{number}.txt").write_text(f"word {number} and more of it " * 400)
    noted = open_dataset(str(long), TEXT, TextConfig(), cache_dir=tmp_path / "cache")
    assert any("--set modality.pieces=true reads all of it" in note for note in noted.notes)


def test_groups_of_files_and_of_the_source_never_meet(folder):
    source = open_source(str(folder), AUDIO.suffixes)
    packed = cache.pack(source, AUDIO, AUDIO.survey([encoded(tone(seconds=3.0))], HALF), cache_dir=folder.parent / "c")
    codes = np.array([7, -1, -1, 7, -1], np.int32)
    given = replace(source, groups=codes, group_names=source.names)
    found = groups(given, packed).tolist()
    assert found[:4] == [7] * 4 == found[9:13]
    assert found[4] == found[14] == -1
    assert len(set(found[5:9])) == 1
    assert found[5] > 7
