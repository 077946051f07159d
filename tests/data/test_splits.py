"""Splits: by hash of groups and contents, stored once; given ones are checked."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.data.cache import Packed
from tacit.data.listing import NamesBuilder, Source
from tacit.data.splits import assign
from tacit.errors import DataError


def names(texts):
    builder = NamesBuilder(0)
    for text in texts:
        builder.add(text.encode())
    return builder.finish()[0]


def coded(column):
    """The numbers of a column's texts, and the texts; nothing where there are none."""
    known = sorted({text for text in column or [] if text})
    if not known:
        return None, None
    return np.array([known.index(text) if text else -1 for text in column], np.int32), names(known)


def made(folder, contents, splits=None, groups=None, kept=None, folds=None):
    """A source and its packed form; `contents[i]` says which samples are identical."""
    count = len(contents)
    (groups, group_names), (folds, fold_names) = coded(groups), coded(folds)
    source = Source(
        title="toy",
        names=names(f"{row}.png" for row in range(count)),
        read=lambda row: b"",
        fingerprint="",
        labels=np.full(count, -1, np.int32),
        splits=None if splits is None else np.array(splits, np.int8),
        groups=groups,
        group_names=group_names,
        folds=folds,
        fold_names=fold_names,
    )
    kept = np.arange(count) if kept is None else np.array(kept)
    tokens = np.random.default_rng(1).integers(0, 2**64, 10**4, dtype=np.uint64)[np.array(contents)[kept]]
    content_hash = str(tokens.sum())
    return source, Packed(Path(folder), content_hash, np.zeros((len(kept), 1)), tokens, kept, ())


def test_a_fifth_is_tested_and_the_rest_trains(tmp_path):
    split = assign(*made(tmp_path, range(5000)), seed=0)
    assert set(split.parts) == {"train", "test"}
    assert 900 < len(split.parts["test"]) < 1100
    assert sorted([*split.parts["train"], *split.parts["test"]]) == list(range(5000))
    assert split.protocol.startswith("20% test by hash of each sample's content, seed 0: train ")
    assert split.notes == ()


def test_the_seed_draws_another_fifth(tmp_path):
    first, second = (assign(*made(tmp_path, range(5000)), seed=seed).parts["test"] for seed in (0, 1))
    assert 100 < len(np.intersect1d(first, second)) < 300


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, *"abcdefgh"])), min_size=2, max_size=60),
    st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_groups_and_identical_samples_stay_together(tmp_path_factory, samples, seed):
    contents, groups = [content for content, _ in samples], [group for _, group in samples]
    split = assign(*made(tmp_path_factory.mktemp("split"), contents, groups=groups), seed=seed)
    side = np.zeros(len(samples), int)
    side[split.parts.get("test", np.zeros(0, int))] = 1
    for first in range(len(samples)):
        for second in range(first):
            if contents[first] == contents[second] or (groups[first] and groups[first] == groups[second]):
                assert side[first] == side[second]


@given(st.lists(st.integers(0, 5), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_both_sides_get_some_where_that_is_possible(tmp_path_factory, contents):
    split = assign(*made(tmp_path_factory.mktemp("split"), contents), seed=0)
    if len(set(contents)) > 1:
        assert set(split.parts) == {"train", "test"}
    else:
        assert set(split.parts) == {"train"}
        assert split.notes == ("no test part: all samples are identical",)


def test_one_sample(tmp_path):
    split = assign(*made(tmp_path, [0]), seed=0)
    assert set(split.parts) == {"train"}
    assert split.notes == ("no test part: there is one sample",)


def test_no_sample_changes_sides_when_others_come(tmp_path):
    small = assign(*made(tmp_path, range(1000)), seed=0)
    large = assign(*made(tmp_path, range(2000)), seed=0)
    assert set(small.parts["test"]) <= set(large.parts["test"])
    assert set(small.parts["train"]) <= set(large.parts["train"])


def test_the_split_is_stored_and_the_stored_one_counts(tmp_path):
    toy = made(tmp_path, range(50))
    first = assign(*toy, seed=0)
    (stored,) = tmp_path.glob("splits-*.json")
    record = json.loads(stored.read_text())
    assert record["test"] == first.parts["test"].tolist()
    assert record["seed"] == 0
    assert record["content_hash"] == toy[1].content_hash
    assert "by hash" in record["protocol"]
    stored.write_text(json.dumps({**record, "test": [7]}))
    assert assign(*toy, seed=0).parts["test"].tolist() == [7]
    for damaged in ("{", json.dumps({**record, "samples": 49}), json.dumps({**record, "test": [50]})):
        stored.write_text(damaged)
        assert assign(*toy, seed=0).parts["test"].tolist() == first.parts["test"].tolist()


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, *"12345"])), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_without_groups_folds_stay_together(tmp_path_factory, samples):
    contents, folds = [content for content, _ in samples], [fold for _, fold in samples]
    split = assign(*made(tmp_path_factory.mktemp("split"), contents, folds=folds), seed=0)
    tested = set(split.parts.get("test", np.zeros(0, int)).tolist())
    for fold in "12345":
        members = {row for row, own in enumerate(folds) if own == fold}
        assert members <= tested or not members & tested
    assert not any(folds) or "by hash of each sample's fold" in split.protocol


def test_groups_come_before_folds(tmp_path):
    groups, folds = [f"g{row % 10}" for row in range(40)], [str(row % 2) for row in range(40)]
    with_both = assign(*made(tmp_path, range(40), groups=groups, folds=folds), seed=0)
    assert (
        with_both.parts["test"].tolist()
        == assign(*made(tmp_path, range(40), groups=groups), seed=0).parts["test"].tolist()
    )
    assert "each sample's group" in with_both.protocol


def test_a_given_split_is_kept(tmp_path):
    split = assign(*made(tmp_path, range(6), splits=[0, 0, 1, 2, -1, 2]), seed=0)
    assert {name: rows.tolist() for name, rows in split.parts.items()} == {"train": [0, 1], "val": [2], "test": [3, 5]}
    assert split.protocol == "split as the source gives it: train 2, val 1, test 2"
    assert "1 of 6 samples are in no part" in split.notes[0]
    assert not list(tmp_path.iterdir())


def test_val_serves_as_test_where_there_is_no_other(tmp_path):
    split = assign(*made(tmp_path, range(3), splits=[0, 0, 1]), seed=0)
    assert {name: rows.tolist() for name, rows in split.parts.items()} == {"train": [0, 1], "test": [2]}
    assert "its val part serving as test" in split.protocol


def test_train_alone_is_split_by_hash(tmp_path):
    split = assign(*made(tmp_path, range(200), splits=[0] * 100 + [-1] * 100), seed=0)
    assert sorted([*split.parts["train"], *split.parts["test"]]) == list(range(100))


def test_skipped_samples_shift_the_rows(tmp_path):
    split = assign(*made(tmp_path, range(4), splits=[0, 0, 2, 0], kept=[1, 2, 3]), seed=0)
    assert {name: rows.tolist() for name, rows in split.parts.items()} == {"train": [0, 2], "test": [1]}


def test_a_group_in_two_parts_is_refused(tmp_path):
    groups = ["ann", "ann", "bob", "bob", None, None]
    with pytest.raises(DataError, match=r"1 groups have samples in more than one part of the split .'bob'"):
        assign(*made(tmp_path, range(6), splits=[0, 0, 0, 2, 0, 2], groups=groups), seed=0)
    assign(*made(tmp_path, range(6), splits=[0, 0, 2, -1, 0, 2], groups=groups), seed=0)


def test_identical_samples_in_two_parts_are_pointed_out(tmp_path):
    split = assign(*made(tmp_path, [0, 1, 1, 2, 2, 3, 3], splits=[0, 0, 2, 0, 0, 2, -1]), seed=0)
    (note,) = [note for note in split.notes if "identical" in note]
    assert note.startswith("1 samples stand in two parts of the split with identical contents, such as 1.png and 2.png")
