import json

import numpy as np
import pytest

from tacit.data import listed, records
from tacit.data.records import open_records


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Two files that count as large, and how often they are parsed."""
    monkeypatch.setattr(listed, "WORTH", 0)
    parsed = []
    monkeypatch.setattr(records, "reader", lambda path, column: parsed.append(path) or _reader(path, column))
    paths = [tmp_path / "train.jsonl", tmp_path / "test.jsonl"]
    for number, path in enumerate(paths):
        lines = [
            {"text": f"words {number} {row}", "label": "ab"[row % 2], "group": f"g{row}-{number}"} for row in range(5)
        ]
        path.write_text("\n".join([*map(json.dumps, lines), "{"]))
    return paths, tmp_path / "cache", parsed


_reader = records.reader


def summary(source):
    names = [source.name(row) for row in range(len(source))]
    groups = [source.group_names[group] if group >= 0 else "" for group in source.groups]
    return names, source.labels.tolist(), source.classes, source.splits.tolist(), groups, dict(source.refused)


def test_a_second_start_parses_nothing_and_finds_the_same(large):
    paths, cache, parsed = large
    first = open_records("two", paths, "text", cache_dir=cache)
    assert len(parsed) == 2
    second = open_records("two", paths, "text", cache_dir=cache)
    assert len(parsed) == 2
    assert summary(first) == summary(second)
    assert first.fingerprint == second.fingerprint
    assert [second.raw(row) for row in (0, 4, 6)] == [b"words 0 0", b"words 0 4", b"words 1 0"]
    assert set(first.refused) == {5, 11}


def test_another_column_or_a_changed_file_is_listed_anew(large):
    paths, cache, parsed = large
    open_records("two", paths, "text", cache_dir=cache)
    open_records("two", paths, "group", cache_dir=cache)
    assert len(parsed) == 4
    paths[0].write_text('{"text": "one", "label": "c", "group": "h"}\n')
    assert open_records("two", paths, "text", cache_dir=cache).classes == ("a", "b", "c")


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_memory_is_no_memory(large, damage):
    paths, cache, _ = large
    first = open_records("two", paths, "text", cache_dir=cache)
    (kept,) = cache.glob("*.listing.npz")
    if damage is None:
        np.savez(kept, names=np.zeros(3))
    else:
        kept.write_bytes(damage)
    assert summary(open_records("two", paths, "text", cache_dir=cache)) == summary(first)


def test_a_cache_that_cannot_be_written_costs_time_alone(large, tmp_path):
    paths, _, parsed = large
    (tmp_path / "file").write_text("")
    for _ in range(2):
        assert len(open_records("two", paths, "text", cache_dir=tmp_path / "file" / "cache")) == 12
    assert len(parsed) == 4
