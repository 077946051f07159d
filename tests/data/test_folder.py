"""Folders: what is found, in which order, and what the directories mean."""

import os

import numpy as np
import pytest
from data_toys import fill, png

from tacit.data.folder import open_folder, organise
from tacit.data.listing import NamesBuilder
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})


def listed(*names):
    builder = NamesBuilder(0)
    for name in names:
        builder.add(name.encode())
    return builder.finish()[0]


def meaning(*names):
    """Class and split of each name."""
    labels, classes, splits = organise(listed(*names), {})
    found = [None if label < 0 else classes[label] for label in labels]
    return found, None if splits is None else splits.tolist()


def test_finds_by_suffix_in_sorted_order(tmp_path):
    fill(tmp_path, ["b/2.png", "b/10.PNG", "a.png", "c/d/e/x.png"])
    for other in ("notes.txt", ".DS_Store", "._a.png", "b/more.txt", "b/photo.heic"):
        (tmp_path / other).write_bytes(b"x")
    fill(tmp_path, ["__MACOSX/a.png", ".git/a.png"])
    source = open_folder(tmp_path, PNG)
    assert list(source.names) == ["a.png", "b/10.PNG", "b/2.png", "c/d/e/x.png"]
    assert source.others == {".txt": 2, ".heic": 1}
    assert source.raw(0) == png(2)
    assert source.classes == ("b", "e")
    assert source.labels.tolist() == [-1, 0, 0, 1]
    assert source.splits is None


def test_odd_names_work(tmp_path):
    names = [b"new\nline.png", b"not\xffutf8.png", "Grüße 猫.png".encode(), b"-rf.png", b"a b\t'\".png"]
    fill(tmp_path, names)
    source = open_folder(tmp_path, PNG)
    assert sorted(os.fsencode(name) for name in source.names) == sorted(names)
    for row, name in enumerate(source.names):
        assert source.raw(row) == png(names.index(os.fsencode(name)))


def test_loops_of_links_end(tmp_path):
    fill(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to(".")
    (tmp_path / "x.png").symlink_to("x.png")
    source = open_folder(tmp_path, PNG)
    assert list(source.names) == ["a/1.png", "b/2.png", "x.png"]
    with pytest.raises(Unreadable, match="too many levels of symbolic links"):
        source.raw(2)


def test_links_are_followed_but_a_folder_is_itself_first(tmp_path):
    elsewhere = fill(tmp_path / "elsewhere", ["cat/1.png"])
    root = fill(tmp_path / "root", ["train/dog/2.png"])
    (root / "a_link_before_train").symlink_to(root / "train")
    (root / "train" / "cat").symlink_to(elsewhere / "cat")
    (root / "train" / "dog" / "3.png").symlink_to(elsewhere / "cat" / "1.png")
    assert list(open_folder(root, PNG).names) == ["train/cat/1.png", "train/dog/2.png", "train/dog/3.png"]


def test_what_is_no_ordinary_file_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    source = open_folder(tmp_path, PNG)
    reasons = []
    for row in range(2):
        with pytest.raises(Unreadable) as caught:
            source.raw(row)
        reasons.append(str(caught.value))
    assert reasons == ["no such file or directory", "not an ordinary file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_without_permission(tmp_path):
    fill(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "a" / "1.png").chmod(0)
    (tmp_path / "b").chmod(0)
    try:
        source = open_folder(tmp_path, PNG)
        assert list(source.names) == ["a/1.png", "b/"]
        for row in range(2):
            with pytest.raises(Unreadable, match="permission denied"):
                source.raw(row)
        with pytest.raises(DataError, match="permission denied"):
            open_folder(tmp_path / "b", PNG)
    finally:
        (tmp_path / "b").chmod(0o700)


def test_a_file_that_vanishes_is_unreadable(tmp_path):
    source = open_folder(fill(tmp_path, ["a.png"]), PNG)
    (tmp_path / "a.png").unlink()
    with pytest.raises(Unreadable, match="no such file"):
        source.raw(0)


def test_the_fingerprint_follows_contents_and_not_the_place(tmp_path):
    root = fill(tmp_path / "one", ["a.png", "b.png"])
    before = open_folder(root, PNG).fingerprint
    assert open_folder(root.rename(tmp_path / "two"), PNG).fingerprint == before
    root = tmp_path / "two"
    times = (root / "a.png").stat()
    (root / "a.png").write_bytes((root / "b.png").read_bytes()[: times.st_size].ljust(times.st_size))
    os.utime(root / "a.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same mtime
    assert open_folder(root, PNG).fingerprint != before


def test_directories_name_classes():
    assert meaning("a.png", "cat/1.png", "dog/2.png") == ([None, "cat", "dog"], None)
    assert meaning("n01/images/1.png", "n02/images/2.png") == (["n01", "n02"], None)
    assert meaning("all/1.png", "all/2.png") == (["all", "all"], None)
    assert organise(listed("10/a.png", "9/b.png", "-1/c.png"), {})[1] == ("-1", "9", "10")


def test_directories_name_splits():
    assert meaning("train/cat/1.png", "val/dog/2.png", "test/3.png") == (["cat", "dog", None], [0, 1, 2])
    assert meaning("Training/cat/1.png", "validation/cat/2.png", "testing/cat/3.png")[1] == [0, 1, 2]
    assert meaning("set/train/cat/1.png", "set/test/cat/2.png") == (["cat", "cat"], [0, 2])
    assert meaning("train/1.png", "test/1.png", "masks/2.png", "3.png") == ([None] * 4, [0, 2, -1, -1])
    assert meaning("set/train/cat/1.png", "set/val/cat/2.png", "preview.png") == (["cat", "cat", None], [0, 1, -1])
    two = ("a/train/cat/1.png", "a/test/cat/2.png", "b/train/dog/3.png", "b/test/cat/4.png")
    assert meaning(*two) == (["cat", "cat", "dog", "cat"], [0, 2, 0, 2])
    tiny = ("train/n1/images/1.png", "train/n2/images/2.png", "val/images/3.png")
    assert meaning(*tiny) == (["n1", "n2", None], [0, 0, 1])


def test_train_or_test_alone_is_a_class():
    assert meaning("test/1.png", "other/2.png") == (["test", "other"], None)
    assert meaning("train/1.png", "tram/2.png", "x/3.png") == (["train", "tram", "x"], None)
    assert meaning("train/train/1.png", "test/train/2.png") == (["train", "train"], [0, 2])


def test_refused_names_say_nothing():
    names = listed("set/train/cat/1.png", "set/test/cat/2.png", "../3.png")
    labels, classes, splits = organise(names, {2: "its name leads out of the archive"})
    assert classes == ("cat",)
    assert labels.tolist() == [0, 0, -1]
    assert splits.tolist() == [0, 2, -1]


def test_an_empty_folder_is_an_empty_source(tmp_path):
    source = open_folder(tmp_path, PNG)
    assert len(source) == 0
    assert source.labels.dtype == np.int32
