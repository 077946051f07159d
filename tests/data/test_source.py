"""What DATA may be, and what is said when it is nothing of that kind."""

import os
import tarfile

import numpy as np
import pytest
from data_toys import fill, png

from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})


def test_every_kind_is_told_by_its_name(tmp_path):
    root = fill(tmp_path / "set", ["a.png", "b.png"])
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4)))
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 4, 4)))
    (tmp_path / "x.CSV").write_text("path\nset/a.png\nset/b.png\n")
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        file.add(root, "set")
    for name in ("set", "set/", "x.npy", "x.npz", "x.CSV", "x.tar"):
        assert len(open_source(f"{tmp_path}/{name}", PNG)) == 2
    assert open_source(str(root / "a.png"), PNG).raw(0) == png(0)


@pytest.mark.parametrize("data", ["nosuch", "no/such/place", "", "x" * 5000, "nul\0byte", "sp\udcffecial"])
def test_nothing_of_this_name(data):
    with pytest.raises(DataError, match=r"DATA is a folder, a .tar or .zip"):
        open_source(data, PNG)


def test_the_nearest_built_in_name():
    with pytest.raises(DataError, match="did you mean 'cifar10'"):
        open_source("cifar-10", PNG)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.TAR.XZ", "x.7z"])
def test_compressed_archives(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"store it as an uncompressed .tar, or .zip"):
        open_source(str(tmp_path / name), PNG)


def test_other_files(tmp_path):
    (tmp_path / "x.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"\.heic is none of the formats that are read \(\.png\)"):
        open_source(str(tmp_path / "x.heic"), PNG)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="neither a folder nor an ordinary file"):
        open_source(str(tmp_path / "pipe.png"), PNG)


def test_a_folder_with_the_name_of_a_built_in_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "digits", ["a.png"])
    source = open_source("digits", PNG)
    assert len(source) == 1797
    assert "write ./digits" in source.notes[0]
    assert len(open_source("./digits", PNG)) == 1


def test_a_very_large_file_is_refused_unread(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(Unreadable, match="300 MiB, more than the limit of 256 MiB"):
        open_source(str(tmp_path / "x.png"), PNG).raw(0)
