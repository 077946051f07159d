"""The built-in sets, and CIFAR's pickles read without running them."""

import io
import pickle
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from data_toys import png

from tacit.data import cifar
from tacit.data.builtin import open_builtin
from tacit.errors import DataError

PUBLISHED = SimpleNamespace(
    base_folder="batches",
    train_list=[["one", ""], ["two", ""]],
    test_list=[["three", ""]],
    meta={"filename": "meta", "key": "label_names"},
)


def make_archive(path, batches, folder="batches"):
    """The published form; its pickles are of the time when numpy's core had no underscore."""
    with tarfile.open(path, "w:gz") as file:
        for name, contents in batches.items():
            raw = contents if isinstance(contents, bytes) else pickle.dumps(contents, protocol=2)
            raw = raw.replace(b"numpy._core", b"numpy.core")
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(raw)
            file.addfile(info, io.BytesIO(raw))
    return path


def batch(seed, labels, key="labels"):
    data = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    return {"data": data, key: labels}


def test_digits():
    source = open_builtin("digits")
    assert len(source) == 1797
    assert source.classes == tuple("0123456789")
    assert (source.splits == 2).sum() == 500
    assert (source.splits == 0).sum() == 1297
    assert source.raw(0).shape == (8, 8)
    assert source.raw(0).dtype == np.uint8
    assert max(int(source.raw(row).max()) for row in range(100)) == 255
    assert (
        np.flatnonzero(source.splits == 2)[:5].tolist()
        == np.flatnonzero(open_builtin("digits").splits == 2)[:5].tolist()
    )
    counts = np.bincount(source.labels[source.splits == 2])
    assert counts.min() > 30


def test_cifar_is_looked_up_as_a_zip(tmp_path, monkeypatch):
    import zipfile

    (tmp_path / "images").mkdir()
    with zipfile.ZipFile(tmp_path / "images" / "cifar10.zip", "w") as file:
        for part in ("train", "test"):
            file.writestr(f"cifar10/{part}/cat/1.png", png(len(part)))
    monkeypatch.setenv("TACIT_DATA", str(tmp_path))
    source = open_builtin("cifar10", tmp_path / "cache")
    assert source.title == "cifar10"
    assert source.splits.tolist() == [2, 0]
    assert source.classes == ("cat",)


def test_offline_the_error_says_which_file_to_put_where(tmp_path, monkeypatch):
    monkeypatch.delenv("TACIT_DATA", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers
    with pytest.raises(
        DataError, match=r"cannot be fetched .* Put cifar-100-python.tar.gz .from https.*MD5 eb9058"
    ) as caught:
        open_builtin("cifar100", tmp_path / "cache")
    assert str(tmp_path / "cache") in str(caught.value)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["cifar100.lock"]


def test_a_damaged_download_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("TACIT_DATA", str(tmp_path))
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    with pytest.raises(DataError, match="is damaged: its MD5 is not c58f30"):
        open_builtin("cifar10", tmp_path / "cache")


@pytest.mark.parametrize("key", ["labels", "fine_labels"])
def test_the_published_form(tmp_path, key):
    batches = {"one": batch(1, [0, 1], key), "two": batch(2, [1], key), "three": batch(3, [0], key)}
    archive = make_archive(tmp_path / "x.tar.gz", {**batches, "meta": {"label_names": ["cat", "dog"]}})
    arrays = cifar.read_archive(archive, PUBLISHED)
    assert arrays["x_train"].shape == (3, 32, 32, 3)
    assert arrays["y_train"].tolist() == [0, 1, 1]
    assert arrays["classes"].tolist() == ["cat", "dog"]
    plane = batches["three"]["data"][0, 1024:2048].reshape(32, 32)
    assert (arrays["x_test"][0, :, :, 1] == plane).all()


def test_an_archive_put_there_is_converted_once(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    batches = {f"data_batch_{number}": batch(number, [0, 1]) for number in range(1, 6)}
    batches |= {"test_batch": batch(6, [1]), "batches.meta": {"label_names": ["cat", "dog"]}}
    archive = make_archive(tmp_path / CIFAR10.filename, batches, CIFAR10.base_folder)
    monkeypatch.setattr(CIFAR10, "tgz_md5", cifar._md5(archive))
    monkeypatch.setenv("TACIT_DATA", str(tmp_path))
    first = open_builtin("cifar10", tmp_path / "cache")
    archive.unlink()
    for source in (first, open_builtin("cifar10", tmp_path / "cache")):
        assert source.classes == ("cat", "dog")
        assert source.splits.tolist() == [0] * 10 + [2]
        assert source.raw(10).shape == (32, 32, 3)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["cifar10.lock", "cifar10.npz"]


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


@pytest.mark.parametrize("evil", [Evil(), {"data": [Evil()]}, np.array([Evil()], object)])
def test_pickles_that_ask_for_code_are_refused(tmp_path, evil):
    archive = make_archive(tmp_path / "x.tar.gz", {"one": evil})
    with pytest.raises(DataError, match=r"asks for builtins.exec|asks for __builtin__.exec"):
        cifar.read_archive(archive, PUBLISHED)


@pytest.mark.parametrize("contents", [b"", b"rubbish", pickle.dumps(7), pickle.dumps({"data": 3})])
def test_rubbish_is_no_cifar(tmp_path, contents):
    archive = make_archive(tmp_path / "x.tar.gz", dict.fromkeys(("one", "two", "three", "meta"), contents))
    with pytest.raises(DataError, match="is not CIFAR as published"):
        cifar.read_archive(archive, PUBLISHED)
