"""WebDataset shards: neighbours of one key are one sample."""

import json
import tarfile
from io import BytesIO

import pytest
from data_toys import fill, png

from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})


def shard(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, contents in members:
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            file.addfile(info, BytesIO(contents))
    return str(path)


def test_labels_stand_beside_the_samples(tmp_path):
    members = [
        ("b.cls", b"10\n"), ("b.png", png(0)), ("b.txt", b"a caption"),
        ("a.png", png(1)), ("a.json", json.dumps({"label": 9, "width": 16}).encode()),
        ("c.json", b'{"label": 9}'), ("c.png", png(2)), ("c.cls", b"10"),
        ("d.png", png(3)),
    ]  # fmt: skip
    source = open_source(shard(tmp_path / "x.tar", members), PNG)
    assert list(source.names) == ["b.png", "a.png", "c.png", "d.png"], "in the order of the archive"
    assert [source.raw(row) for row in range(4)] == [png(row) for row in range(4)]
    assert source.classes == ("9", "10")
    assert source.labels.tolist() == [1, 0, 1, -1]
    assert source.others == {".txt": 1}
    assert source.groups is None
    assert source.notes == ()


def test_the_first_dot_ends_the_key_and_pictures_of_one_key_are_a_group(tmp_path):
    members = [
        ("v.1/a.left.png", png(0)), ("v.1/a.right.png", png(1)), ("v.1/a.cls", b"cat"),
        ("v.1/b.left.png", png(2)), ("v.1/b.cls", b"dog"),
    ]  # fmt: skip
    source = open_source(shard(tmp_path / "x.tar", members), PNG)
    assert source.labels.tolist() == [0, 0, 1]
    assert source.groups.tolist() == [0, 0, -1]


def test_keys_that_stand_twice_are_two_samples(tmp_path):
    members = [("a.cls", b"1"), ("a.png", png(0)), ("b.png", png(1)), ("a.png", png(2)), ("a.cls", b"2")]
    source = open_source(shard(tmp_path / "x.tar", members), PNG)
    assert list(source.names) == ["a.png", "b.png", "a.png"]
    assert [source.raw(row) for row in range(3)] == [png(row) for row in range(3)]
    assert source.labels.tolist() == [0, -1, 1]


def test_shards_follow_each_other(tmp_path):
    for name, seed in (("train-000", 0), ("train-001", 1), ("val-000", 2)):
        shard(tmp_path / f"{name}.tar", [("0.cls", b"%d" % seed), ("0.png", png(seed))])
    source = open_source(str(tmp_path), PNG)
    assert list(source.names) == ["train-000.tar/0.png", "train-001.tar/0.png", "val-000.tar/0.png"]
    assert [source.raw(row) for row in range(3)] == [png(row) for row in range(3)]
    assert source.splits.tolist() == [0, 0, 1]
    assert source.groups is None, "one key in two shards is two samples"
    assert open_source(f"{tmp_path}/{{train,val}}-{{000..000}}.tar", PNG).splits.tolist() == [0, 1]
    assert len(open_source(f"{tmp_path}/train-{{000..001}}.tar", PNG)) == 2


def test_without_labels_folders_name_classes(tmp_path):
    for number in range(2):
        shard(tmp_path / "set" / f"{number}.tar", [("cat/1.png", png(number)), ("dog/2.png", png(10 + number))])
    source = open_source(str(tmp_path / "set"), PNG)
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [0, 1, 0, 1]


def test_a_plain_tar_is_no_webdataset(tmp_path):
    """Numbers behind a dot are no keys: all of these would be one group, and none would be left for testing."""
    members = [(f"DSC.{number:04}.png", png(number)) for number in range(100)] + [("info.json", b"{}")]
    source = open_source(shard(tmp_path / "x.tar", members), PNG)
    assert source.groups is None
    assert source.others == {".json": 1}


def test_labels_that_cannot_be_read_are_noted(tmp_path):
    members = [
        ("a.png", png(0)), ("a.cls", b"\xff\xfe"),
        ("b.png", png(1)), ("b.json", b"{"),
        ("c.png", png(2)), ("c.json", b'{"label": [1]}'),
        ("d.png", png(3)), ("d.json", b'["x"]'),
        ("e.png", png(4)), ("e.cls", b"x"),
    ]  # fmt: skip
    source = open_source(shard(tmp_path / "x.tar", members), PNG)
    assert source.labels.tolist() == [-1, -1, -1, -1, 0]
    assert source.notes[0].startswith("3 labels beside samples cannot be read, such as a.cls in")


def test_what_is_damaged_is_listed_and_the_rest_is_read(tmp_path):
    whole = shard(tmp_path / "0.tar", [("a.png", png(0)), ("../evil.png", png(1)), (".hidden.png", png(2))])
    (tmp_path / "1.tar").write_bytes(b"no tar" * 1000)
    cut = tmp_path / "2.tar"
    shard(cut, [("b.png", png(3)), ("c.png", png(4, side=64))])
    cut.write_bytes(cut.read_bytes()[:3000])
    (tmp_path / "3.tar").write_bytes(b"\x1f\x8b compressed")
    assert len(open_source(whole, PNG)) == 2
    source = open_source(str(tmp_path), PNG)
    read, refused = {}, {}
    for row, name in enumerate(source.names):
        try:
            read[name] = source.raw(row)
        except Unreadable as error:
            refused[name.rpartition("/")[2]] = str(error)
    assert read == {"0.tar/a.png": png(0), "2.tar/b.png": png(3)}
    assert refused["evil.png"] == "its name leads out of the archive"
    assert "damaged tar" in refused["1.tar"]
    assert "compressed" in refused["3.tar"]
    assert any("cut off" in why or "damaged tar" in why for name, why in refused.items() if name in ("c.png", "2.tar"))
    assert any("shards cannot be read to their end" in note for note in source.notes)


def test_no_shard_can_be_read(tmp_path):
    (tmp_path / "0.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(DataError, match=r"nothing in .* can be read"):
        open_source(str(tmp_path), PNG)


def test_patterns_of_shards(tmp_path):
    fill(tmp_path, ["a.png"])
    with pytest.raises(DataError, match="2 files, and 2 are missing"):
        open_source(f"{tmp_path}/x-{{0..1}}.tar", PNG)
    with pytest.raises(DataError, match="more than 1,000,000 files"):
        open_source(f"{tmp_path}/x-{{0..99999999}}.tar", PNG)
    with pytest.raises(DataError, match=r"shards are \.tar or \.parquet"):
        open_source(f"{tmp_path}/{{a,a}}.png", PNG)
