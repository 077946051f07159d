"""A data set from end to end: opened, surveyed, packed, split, viewed."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from data_toys import TOY, ToyConfig, fill, png

from tacit.core import concatenate
from tacit.data.dataset import open_dataset
from tacit.errors import DataError
from tacit.modalities.pictures import ImageLayout, read

NAMES = [
    f"{split}/{kind}/{number}.png" for split in ("train", "test") for kind in ("cat", "dog") for number in range(5)
]


def opened(root, tmp_path, wanted=None, **options):
    return open_dataset(str(root), TOY, wanted or ToyConfig(), cache_dir=tmp_path / "cache", **options)


@pytest.fixture
def root(tmp_path):
    return fill(tmp_path / "set", NAMES)


def test_a_folder_from_end_to_end(root, tmp_path):
    data = opened(root, tmp_path)
    assert data.layout == ImageLayout(channels=3, size=16)
    assert data.classes == ("cat", "dog")
    assert data.skipped == ()
    assert data.notes == ()
    assert len(data) == 20
    train = data.part("train")
    assert list(train.names) == sorted(name for name in NAMES if name.startswith("train"))
    assert train.labels.tolist() == [0] * 5 + [1] * 5
    assert train.labels.dtype == torch.long
    assert train.groups is None
    rows = torch.tensor([9, 0, 0])
    view = train.view(rows)
    assert view.index is rows
    expected = [read((root / train.names[row]).read_bytes(), data.layout) for row in rows.tolist()]
    assert torch.equal(view.x, torch.from_numpy(np.stack(expected)).float() / 255)


def test_selections_are_numbered_anew(root, tmp_path):
    train = opened(root, tmp_path).part("train")
    chosen = train.select(torch.tensor([7, 2])).select(torch.tensor([1, 0, 1]))
    assert list(chosen.names) == [train.names[2], train.names[7], train.names[2]]
    assert chosen.labels.tolist() == [0, 1, 0]
    assert torch.equal(chosen.view(torch.arange(3)).x, train.view(torch.tensor([2, 7, 2])).x)
    assert len(train.select(torch.zeros(0, dtype=torch.long))) == 0


def test_labels_reach_those_who_ask_for_them_alone(root, tmp_path):
    data = opened(root, tmp_path)
    rows = torch.tensor([7, 2, 7])
    assert data.part("train").view(rows).label is None
    train = data.relabelled(data.labels.where(torch.arange(20) != 17, -1), data.classes).labelled().part("train")
    view = train.view(rows)
    assert view.label.tolist() == [-1, 0, -1]
    assert train.select(torch.tensor([9, 7, 0])).view(torch.arange(3)).label.tolist() == [1, -1, 0]
    assert concatenate([view, view[1:]]).label.tolist() == [-1, 0, -1, 0, -1]


def test_everything_is_the_whole_set_in_order(root, tmp_path):
    whole = opened(root, tmp_path).everything()
    assert list(whole.names) == sorted(NAMES)


def test_a_part_that_is_not_there(root, tmp_path):
    with pytest.raises(DataError, match="has no part 'val'; it has: train, test"):
        opened(root, tmp_path).part("val")


def test_the_second_start_surveys_and_reads_nothing(root, tmp_path):
    first = opened(root, tmp_path)

    def never(*arguments):
        raise AssertionError("a sample was read")

    lazy = replace(TOY, read=never, survey=never)
    again = open_dataset(str(root), lazy, ToyConfig(), cache_dir=tmp_path / "cache")
    assert again.layout == first.layout
    assert again.content_hash == first.content_hash


def test_a_given_layout_is_not_surveyed(root, tmp_path):
    layout = ImageLayout(channels=1, size=24)
    data = opened(root, tmp_path, layout=layout)
    assert data.everything().view(torch.arange(2)).x.shape == (2, 1, 24, 24)


def test_what_is_wanted_is_passed_to_the_survey(root, tmp_path):
    assert opened(root, tmp_path, ToyConfig(size=32, channels=1)).layout == ImageLayout(channels=1, size=32)


def test_the_same_split_from_every_place(tmp_path):
    root = fill(tmp_path / "set", [f"{number}.png" for number in range(40)])
    shutil.make_archive(str(tmp_path / "set"), "zip", root)
    shutil.make_archive(str(tmp_path / "set"), "tar", root)
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "list.txt").write_text(
        "".join(f"set/{name}\n" for name in sorted(path.name for path in root.iterdir()))
    )
    places = [opened(tmp_path / name, tmp_path) for name in ("set", "set.zip", "set.tar", "copy", "list.txt")]
    assert len({data.content_hash for data in places}) == 1
    assert len({tuple(data.parts["test"].tolist()) for data in places}) == 1
    assert len({data.protocol for data in places}) == 1


def test_skipped_samples_and_odd_names_are_written(tmp_path):
    root = fill(tmp_path / "set", [f"{number}.png" for number in range(30)])
    (root / os.fsdecode(b"bad\xff\nname.png")).write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 31 pictures"):
        opened(root, tmp_path)
    data = opened(root, tmp_path, max_bad=0.1)
    assert len(data) == 30
    assert data.notes[0] == "1 of 31 samples cannot be read and are skipped"
    data.write_skipped(tmp_path / "skipped.tsv")
    assert (tmp_path / "skipped.tsv").read_text() == "bad\\xff\\nname.png\tempty file (0 bytes)\n"


def test_labels_and_groups_follow_the_samples_that_are_left(tmp_path):
    root = fill(tmp_path, ["0.png", "2.png", "3.png"])
    (root / "1.png").write_bytes(b"")
    (root / "list.csv").write_text(
        "path,label,group,split\n0.png,a,x,train\n1.png,b,y,train\n2.png,c,z,train\n3.png,,,test\n"
    )
    data = opened(root / "list.csv", tmp_path, max_bad=0.5)
    assert data.classes == ("a", "b", "c")
    assert data.labels.tolist() == [0, 2, -1]
    assert data.everything().groups.tolist() == [0, 2, -1]
    assert "1 of 3 samples have no label" in data.notes
    assert list(data.part("test").names) == ["3.png"]


def test_groupings_are_those_of_the_samples_that_can_be_read(tmp_path):
    root = fill(tmp_path / "root", ["0.png", "2.png", "3.png"])
    (root / "1.png").write_bytes(b"no picture")
    rows = ["0.png,a,x,1", "1.png,b,y,2", "2.png,a,y,2", "3.png,b,,"]
    (root / "list.csv").write_text("path,label,group,fold\n" + "\n".join(rows) + "\n")
    data = opened(root / "list.csv", tmp_path, max_bad=0.5)
    assert data.groupings["fold"].codes.tolist() == [0, 1, -1]
    assert list(data.groupings["fold"].names) == ["1", "2"]
    assert torch.equal(data.groupings["group"].codes, data.everything().groups)
    (root / "list.csv").write_text("path,label,fold\n0.png,a,1\n2.png,b,2\n")
    data = opened(root / "list.csv", tmp_path)
    assert data.everything().groups.tolist() == [0, 1], "folds stand together where there are no groups"
    assert list(data.groupings) == ["fold"]


def test_an_empty_folder(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no pictures: looked for .*\.bmp, .*other files \(\.heic 1\)"):
        opened(tmp_path / "set", tmp_path)


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "list.txt").write_text("nowhere.png\ngone.png\n")
    with pytest.raises(DataError, match=r"nothing in .* can be read:\n  nowhere.png: no such file"):
        opened(tmp_path / "list.txt", tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").write_bytes(b"some text")
    with pytest.raises(DataError, match="not one image can be read: text, not an image"):
        opened(tmp_path / "set", tmp_path)


def test_one_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    data = opened(tmp_path / "a.png", tmp_path)
    assert len(data) == 1
    assert list(data.part("train").names) == ["a.png"]
    assert data.notes == ("no test part: there is one sample",)


def test_arrays_with_missing_values(tmp_path):
    array = np.random.default_rng(0).random((20, 16, 16))
    array[3, 2, 2] = np.nan
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=r"1 of 20 pictures .*\n  3: it holds NaN or infinite values"):
        opened(tmp_path / "x.npy", tmp_path)
    assert len(opened(tmp_path / "x.npy", tmp_path, max_bad=0.05)) == 19


def test_twelve_bit_scans(tmp_path):
    from PIL import Image

    (tmp_path / "set").mkdir()
    ramp = np.linspace(0, 4095, 32 * 32).reshape(32, 32).astype(np.uint16)
    for number in range(10):
        Image.fromarray(np.roll(ramp, number)).save(tmp_path / "set" / f"{number}.tif")
    data = opened(tmp_path / "set", tmp_path)
    assert data.layout == ImageLayout(channels=1, size=32, white=4095)
    pixels = data.everything().view(torch.arange(10)).x
    assert pixels.mean() == pytest.approx(0.5, abs=0.01)
