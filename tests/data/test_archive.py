"""Archives in place: the same as the folder inside them, and members that are refused."""

import io
import os
import struct
import tarfile
import zipfile

import pytest
from data_toys import fill, png

from tacit.data import archive, listing
from tacit.data.archive import open_tar, open_zip
from tacit.data.folder import open_folder
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})
NAMES = ["set/train/cat/1.png", "set/train/dog/2.png", "set/test/cat/Grüße 猫.png", "set/readme.txt"]


def make_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, contents in members.items():
            file.writestr(name, contents)
    return path


def make_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as file:
        for name, contents in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            file.addfile(info, io.BytesIO(contents))
    return path


@pytest.mark.parametrize("kind", ["tar", "zip", "stored"])
def test_an_archive_is_the_folder_in_it(tmp_path, kind):
    root = fill(tmp_path / "folder", NAMES)
    folder = open_folder(root, PNG)
    members = {name: (root / name).read_bytes() for name in NAMES}
    if kind == "tar":
        source = open_tar(make_tar(tmp_path / "x.tar", members), PNG)
    else:
        method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
        source = open_zip(make_zip(tmp_path / "x.zip", members, method), PNG)
    assert list(source.names) == list(folder.names)
    assert [source.raw(row) for row in range(3)] == [folder.raw(row) for row in range(3)]
    assert source.classes == folder.classes == ("cat", "dog")
    assert source.labels.tolist() == folder.labels.tolist()
    assert source.splits.tolist() == folder.splits.tolist() == [2, 0, 0]
    assert source.others == {".txt": 1}


def test_tar_names_of_every_kind(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as file:
        for name in ("./a.png", "d" * 200 + "/b.png", os.fsdecode(b"c\xff.png")):
            info = tarfile.TarInfo(name)
            info.size = 3
            file.addfile(info, io.BytesIO(b"abc"))
    source = open_tar(tmp_path / "x.tar", PNG)
    assert list(source.names) == ["a.png", os.fsdecode(b"c\xff.png"), "d" * 200 + "/b.png"]
    assert source.raw(2) == b"abc"


def refusal(source, row=0):
    with pytest.raises(Unreadable) as caught:
        source.raw(row)
    return str(caught.value)


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "..\\x.png"])
def test_members_that_lead_out_are_never_read(tmp_path, name):
    for source in (
        open_zip(make_zip(tmp_path / "x.zip", {name: png()}), PNG),
        open_tar(make_tar(tmp_path / "x.tar", {name: png()}), PNG),
    ):
        assert list(source.names) == [name]
        assert refusal(source) == "its name leads out of the archive"


def test_links_in_a_tar_are_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        for name, kind in (("a.png", tarfile.SYMTYPE), ("b.png", tarfile.LNKTYPE), ("c.png", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
    source = open_tar(tmp_path / "x.tar", PNG)
    assert "a link" in refusal(source, 0)
    assert "a link" in refusal(source, 1)
    assert refusal(source, 2) == "not an ordinary file"


def test_large_members_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    monkeypatch.setattr(listing, "MAX_BYTES", 1000)
    members = {"a.png": bytes(2000)}
    assert "more than the limit" in refusal(open_tar(make_tar(tmp_path / "x.tar", members), PNG))
    assert "more than the limit" in refusal(open_zip(make_zip(tmp_path / "x.zip", members), PNG))


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path):
    source = open_zip(make_zip(tmp_path / "x.zip", {"a.png": bytes(20 * 2**20)}), PNG)
    assert refusal(source) == "it unpacks to more than 200 times its size"


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.png": bytes(5000)})
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\1\2")
    raw[entry + 24 : entry + 28] = struct.pack("<I", 100)
    path.write_bytes(raw)
    assert "wrong length or checksum" in refusal(open_zip(path, PNG))


def test_encrypted_and_unknown_members_are_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.png": png()})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(raw)
    assert refusal(open_zip(path, PNG)) == "encrypted"
    path = make_zip(tmp_path / "y.zip", {"a.png": png()}, zipfile.ZIP_BZIP2)
    assert "compression method 12" in refusal(open_zip(path, PNG))


def test_damage_in_a_member_is_noticed(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.png": png()}, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    assert "checksum" in refusal(open_zip(path, PNG))


def test_a_tar_that_was_cut_off(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"a.png": png(0), "b.png": png(1, side=64)})
    path.write_bytes(path.read_bytes()[:3000])
    try:
        source = open_tar(path, PNG)
    except DataError as error:
        assert "pack it again" in str(error)  # noqa: PT017 - either is right
    else:
        assert "cut off" in refusal(source, 1)


@pytest.mark.parametrize("contents", [b"", b"no archive at all" * 100])
def test_what_is_no_archive(tmp_path, contents):
    path = tmp_path / "x"
    path.write_bytes(contents)
    with pytest.raises(DataError, match="no readable zip"):
        open_zip(path, PNG)
    with pytest.raises(DataError, match="no readable tar"):
        open_tar(path, PNG)


def test_a_compressed_tar_by_another_name(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"a.png": png()}, "w:gz")
    with pytest.raises(DataError, match=r"compressed.*store it as an uncompressed .tar"):
        open_tar(path, PNG)
