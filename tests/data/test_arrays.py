"""Arrays on disk: mapped, labelled, and never unpickled."""

import numpy as np
import pytest

from tacit.data.arrays import open_npy, open_npz
from tacit.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


def rows(source):
    return np.stack([source.raw(row) for row in range(len(source))])


@pytest.mark.parametrize("array", [X, X[..., 0], np.asfortranarray(X), X.astype(">u2"), X / 255])
def test_npy(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    source = open_npy(tmp_path / "x.npy")
    assert (rows(source) == array).all()
    assert source.raw(0).dtype == array.dtype
    assert list(source.names) == ["0", "1", "2", "3", "4", "5"]
    assert source.labels.tolist() == [-1] * 6


def test_labels_that_are_numbers_keep_their_text(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, y=[0.5, 2.25, np.nan, 0.5, -1e-3, 7.0])
    source = open_npz(tmp_path / "x.npz")
    read = [float(source.classes[label]) if label >= 0 else None for label in source.labels]
    assert read == [0.5, 2.25, None, 0.5, -1e-3, 7.0]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["x", "images", "arr_0"])
def test_npz(tmp_path, save, name):
    splits = np.array(["train", "train", "val", "test", "test", ""])
    save(
        tmp_path / "x.npz",
        **{name: X, "y": np.array([[3], [-1], [20], [3], [3], [20]]), "split": splits, "group": [5, 5, 7, 8, 8, 9]},
    )
    source = open_npz(tmp_path / "x.npz")
    assert (rows(source) == X).all()
    assert source.classes == ("3", "20")
    assert source.labels.tolist() == [0, -1, 1, 0, 0, 1]
    assert source.splits.tolist() == [0, 0, 1, 2, 2, -1]
    assert source.groups.tolist() == [0, 0, 1, 2, 2, 3]
    assert list(source.group_names) == ["5", "7", "8", "9"]


def test_npz_of_parts(tmp_path):
    np.savez(
        tmp_path / "x.npz", x_train=X[:4], y_train=[1, 0, 1, 0], x_test=X[4:], y_test=[0, 1], classes=["cat", "dog"]
    )
    source = open_npz(tmp_path / "x.npz")
    assert (rows(source) == X).all()
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [1, 0, 1, 0, 0, 1]
    assert source.splits.tolist() == [0, 0, 0, 0, 2, 2]


def test_labels_may_be_texts(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, labels=["b", "a", "", "b", "b", "a"])
    source = open_npz(tmp_path / "x.npz")
    assert source.classes == ("a", "b")
    assert source.labels.tolist() == [1, 0, -1, 1, 1, 0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": X}, "holds z; the samples are looked for under x, images, arr_0"),
        ({"x": X, "y": [1, 2]}, r"6 samples, but labels of shape \[2\]"),
        ({"x": X, "y": [1j] * 6}, "labels of type complex128"),
        ({"x": X, "split": ["tset"] * 6}, "did you mean 'test'"),
        ({"x": X, "y": [5] * 6, "classes": ["a"]}, "label 5, but only 1 classes"),
        ({"x": np.arange(6)}, r"shape \[6\]; expected samples along the first axis"),
        ({"x": X[:0]}, r"shape \[0, 5, 4, 3\]"),
        ({"x": np.array([{}, 1], object)}, "Python objects"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=message):
        open_npz(tmp_path / "x.npz")


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}, None], object))
    with pytest.raises(DataError, match="Python objects, which would have to be unpickled"):
        open_npy(tmp_path / "x.npy")


def test_damaged_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-1])
    with pytest.raises(DataError, match="cut off"):
        open_npy(tmp_path / "x.npy")
    for rubbish in (b"", b"rubbish", whole[:20]):
        (tmp_path / "x.npy").write_bytes(rubbish)
        (tmp_path / "x.npz").write_bytes(rubbish)
        with pytest.raises(DataError, match="no readable NumPy array"):
            open_npy(tmp_path / "x.npy")
        with pytest.raises(DataError, match=r"no readable .npz"):
            open_npz(tmp_path / "x.npz")
