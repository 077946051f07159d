"""Data sets that Hugging Face's `datasets` saved to disk, written by the library itself."""

import json

import numpy as np
import pytest
from data_toys import png

from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})


@pytest.fixture(scope="module")
def datasets():
    """The library; its import alone takes a second."""
    return pytest.importorskip("datasets")


def some(datasets, count, first=0, **columns):
    features = datasets.Features(
        {
            "photo": datasets.Image(),
            "species": datasets.ClassLabel(names=["cat", "dog", "fox"]),
            **{name: datasets.Value("string") for name in columns},
        }
    )
    values = {
        "photo": [{"bytes": png(first + row), "path": f"{row}.png"} for row in range(count)],
        "species": [row % 2 for row in range(count)],
        **columns,
    }
    return datasets.Dataset.from_dict(values, features=features)


@pytest.fixture
def saved(datasets, tmp_path):
    datasets.disable_progress_bars()
    some(datasets, 7, group=list("aabbccd")).save_to_disk(tmp_path / "set", num_shards=3)
    return tmp_path / "set"


def test_a_set_is_read_where_it_lies(saved):
    source = open_source(str(saved), PNG)
    assert [source.raw(row) for row in range(7)] == [png(row) for row in range(7)]
    assert list(source.names) == [f"{row}.png" for row in range(7)]
    assert source.classes == ("cat", "dog", "fox"), "also those without a sample, in the features' order"
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert source.groups.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert source.splits is None
    assert source.fingerprint == open_source(str(saved), PNG).fingerprint


def test_a_dictionary_brings_its_split(datasets, tmp_path):
    parts = {"train": some(datasets, 3), "validation": some(datasets, 1, 3), "extra": some(datasets, 1, 4)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "set")
    source = open_source(f"{tmp_path}/set#photo", PNG)
    assert [source.raw(row) for row in range(5)] == [png(row) for row in range(5)]
    assert source.splits.tolist() == [0, 0, 0, 1, -1]


def test_pages_are_handed_back(saved, monkeypatch):
    from tacit.data import saved as module

    monkeypatch.setattr(module, "_RELEASE_BYTES", 100)
    source = open_source(str(saved), PNG)
    rng = np.random.default_rng(0)
    for row in rng.integers(0, 7, 50).tolist():
        assert source.raw(row) == png(row)


def test_a_damaged_file_is_listed(saved):
    path = saved / "data-00001-of-00003.arrow"
    path.write_bytes(path.read_bytes()[:100])
    source = open_source(str(saved), PNG)
    assert len(source) == 6, "three, two, and the file that is damaged"
    assert "1 of 3 shards cannot be read" in source.notes[-1]
    with pytest.raises(Unreadable, match="damaged file"):
        source.raw(5)


def test_nothing_is_read_from_outside_the_folder(saved):
    state = json.loads((saved / "state.json").read_text())
    state["_data_files"][0]["filename"] = "../../secret.arrow"
    (saved / "state.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match="leads out of the data set's folder"):
        open_source(str(saved), PNG)


@pytest.mark.parametrize(("name", "text"), [("state.json", "{}"), ("state.json", "no"), ("dataset_info.json", "[]")])
def test_damaged_descriptions(saved, name, text):
    (saved / name).write_text(text)
    with pytest.raises(DataError, match=rf"{name}.*ave the data set again"):
        open_source(str(saved), PNG)


def test_all_files_gone(saved):
    for path in saved.glob("*.arrow"):
        path.unlink()
    with pytest.raises(DataError, match=r"nothing in .*set can be read"):
        open_source(str(saved), PNG)
