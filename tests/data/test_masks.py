"""Masks beside samples: found in every layout, read in every form, cut like the sample."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mask_toys import CLASSES, COLOURS, camvid, coco, coloured, fill, save, scene
from PIL import Image

from tacit.data.dataset import open_dataset
from tacit.data.masks import pack_masks
from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable
from tacit.modalities.image import IMAGE, ImageConfig

STRETCH = ImageConfig(size=16, frame="stretch")


def opened(root, cache, config=STRETCH, **more):
    return open_dataset(str(root), IMAGE, config, cache_dir=cache, **more)


def packed(root, cache, config=STRETCH):
    """The data set, its masks, and they as an array in the order of the samples."""
    dataset = opened(root, cache, config)
    masks = pack_masks(dataset, cache_dir=cache)
    return dataset, masks, masks.take(dataset.everything().source_rows)


def by_hand(mask, size):
    """The cell in which the centre of each packed cell lies."""
    height, width = mask.shape
    rows = ((np.arange(size) + 0.5) * height / size).astype(int)
    columns = ((np.arange(size) + 0.5) * width / size).astype(int)
    return mask[rows][:, columns]


def number(name):
    return int(Path(name).stem)


LAYOUTS = {
    "images, masks": ("images/{n}.png", "masks/{n}.png"),
    "split below": ("images/train/{n}.png", "labels/train/{n}.png"),
    "split above": ("train/images/{n}.png", "train/annotations/{n}.png"),
    "CamVid": ("train/{n}.png", "trainannot/{n}.png"),
    "train_labels": ("train/{n}.png", "train_labels/{n}.png"),
    "Train_Masks, another suffix": ("Train/{n}.bmp", "Train_Masks/{n}.png"),
    "stems with an ending": ("imgs/{n}.png", "masks/{n}_mask.png"),
    "CamVid's own": ("images/{n}.png", "labels/{n}_L.png"),
    "VOC": ("JPEGImages/{n}.png", "SegmentationClass/{n}.png"),
}


@pytest.mark.parametrize("place", LAYOUTS.values(), ids=LAYOUTS)
def test_masks_are_found_in_the_usual_layouts_and_are_no_samples(place, tmp_path):
    fill(tmp_path / "data", *place, count=5)
    dataset, masks, found = packed(tmp_path / "data", tmp_path / "cache")
    assert len(dataset) == 5
    assert masks.classes == ("class 0", "class 1", "class 2")
    assert dataset.classes == ()
    for name, mask in zip(dataset.everything().names, found, strict=True):
        np.testing.assert_array_equal(mask, by_hand(scene(number(name))[1], 16))


def test_the_folders_give_the_split(tmp_path):
    dataset, masks, _ = packed(camvid(tmp_path / "data"), tmp_path / "cache")
    assert {part: len(rows) for part, rows in dataset.parts.items()} == {"train": 8, "val": 4, "test": 6}
    assert masks.classes == CLASSES


def test_a_zip_holds_the_same(tmp_path):
    root = fill(tmp_path / "data", count=4)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, path.relative_to(root))
    _, _, found = packed(root, tmp_path / "cache")
    np.testing.assert_array_equal(packed(tmp_path / "data.zip", tmp_path / "cache")[2], found)


@pytest.mark.parametrize(
    "names", [("a/0.png", "b/1.png"), ("masks/0.png", "labels/1.png"), ("images/0.png", "masks/1.png")]
)
def test_other_folders_are_as_they_were(names, tmp_path):
    for name in names:
        save(tmp_path / name, scene(0)[0])
    source = open_source(str(tmp_path), IMAGE.suffixes)
    assert source.annotations is None
    assert list(source.names) == sorted(names)
    assert len(source.classes) == 2


FORMS = {
    "index": {},
    "palette": {"palette": COLOURS},
    "colours": {"change": coloured},
    "16 bits": {"change": lambda mask: mask.astype(np.uint16)},
    "grey as colours": {"change": lambda mask: np.repeat(mask[..., None], 3, axis=2)},
    "with alpha": {"change": lambda mask: np.concatenate([coloured(mask), np.full_like(mask, 255)[..., None]], 2)},
    "gaps": {"change": lambda mask: mask * 40},
}
GAPS = ("class 0", "class 40", "class 80")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_mask_says_the_same(form, tmp_path):
    dataset, masks, found = packed(fill(tmp_path / "data", count=6, **FORMS[form]), tmp_path / "cache")
    truth = np.stack([by_hand(scene(number(name))[1], 16) for name in dataset.everything().names])
    if form in ("colours", "with alpha"):  # learned, in the order of 0xRRGGBB
        assert masks.classes == ("#283cc8", "#5aa03c", "#c82828")
        truth = np.array([1, 2, 0], np.uint8)[truth]
    else:
        assert masks.classes == (GAPS if form == "gaps" else ("class 0", "class 1", "class 2"))
    np.testing.assert_array_equal(found, truth)


def test_255_is_void_unless_there_is_nothing_else_but_0(tmp_path):
    fill(tmp_path / "void", count=4, change=lambda mask: np.where(mask == 2, 255, mask).astype(np.uint8))
    _, masks, found = packed(tmp_path / "void", tmp_path / "cache")
    assert masks.classes == ("class 0", "class 1")
    assert set(np.unique(found)) == {0, 1, 255}
    fill(tmp_path / "binary", count=4, change=lambda mask: np.where(mask, 255, 0).astype(np.uint8))
    _, masks, found = packed(tmp_path / "binary", tmp_path / "cache")
    assert masks.classes == ("class 0", "class 255")
    assert set(np.unique(found)) == {0, 1}
    (tmp_path / "binary" / "classes.txt").write_text("ground\nthing\n")
    _, masks, again = packed(tmp_path / "binary", tmp_path / "cache")
    assert masks.classes == ("ground", "thing")
    np.testing.assert_array_equal(again, found)


def test_a_name_for_void_is_no_class(tmp_path):
    fill(tmp_path / "data", count=4)
    (tmp_path / "data" / "classes.txt").write_text("ground\nVoid\nsquare\n")
    _, masks, found = packed(tmp_path / "data", tmp_path / "cache")
    assert masks.classes == ("ground", "square")
    plain = packed(fill(tmp_path / "plain", count=4), tmp_path / "cache")[2]
    np.testing.assert_array_equal(found, np.array([0, 255, 1], np.uint8)[plain])


LISTS = {
    "colours.csv": "name,r,g,b\nground,90,160,60\ndisc,200,40,40\nsquare,40,60,200\n",
    "class_dict.csv": "r, g, b, class\n90,160,60,ground\n200,40,40,disc\n40,60,200,square\n",
    "colors.json": '{"ground": [90, 160, 60], "disc": [200, 40, 40], "square": [40, 60, 200]}',
    "colours.json": '[{"name": "ground", "color": [90, 160, 60]}, {"name": "disc", "color": [200, 40, 40]},'
    ' {"name": "square", "color": [40, 60, 200]}]',
    "label_colors.txt": "90 160 60\tground\n200 40 40\tdisc\n40 60 200\tsquare\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\nground:90,160,60::\ndisc:200,40,40::\nsquare:40,60,200::\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("kind", [{"change": coloured}, {"palette": COLOURS}, {}], ids=["colours", "palette", "index"])
def test_a_list_of_colours_names_and_orders_the_classes(name, kind, tmp_path):
    root = fill(tmp_path / "data", count=3, **kind)
    (root / name).write_text(LISTS[name])
    dataset, masks, found = packed(root, tmp_path / "cache")
    assert masks.classes == CLASSES
    assert dataset.annotations.classes == CLASSES
    for own, mask in zip(dataset.everything().names, found, strict=True):
        np.testing.assert_array_equal(mask, by_hand(scene(number(own))[1], 16))


def test_masks_are_cut_like_their_samples(tmp_path):
    """A mask that is its own sample's red channel lands on the same cells, under either frame."""
    values = np.arange(100, dtype=np.uint8).reshape(5, 20).repeat(4, 0).repeat(4, 1)  # 80 x 20, classes of 4 x 4 cells
    for name in "ab":
        save(tmp_path / "data/images" / f"{name}.png", np.stack([values] * 3, -1))
        save(tmp_path / "data/masks" / f"{name}.png", values)
    for config, size in ((ImageConfig(size=20, frame="crop"), 20), (ImageConfig(size=20, frame="stretch"), 20)):
        dataset, _, found = packed(tmp_path / "data", tmp_path / "cache", config)
        left = 30 if config.frame == "crop" else 0
        width = 20 if config.frame == "crop" else 80
        columns = (left + (np.arange(size) + 0.5) * width / size).astype(int)
        np.testing.assert_array_equal(found[0], values[:20][:, columns])
        if config.frame == "crop":  # nothing is resized there, so that the picture says it exactly
            view = dataset.everything().view(torch.arange(1))
            np.testing.assert_array_equal((view.x[0, 0].numpy() * 255).round().astype(np.uint8), found[0])


def test_masks_of_pictures_that_lie_on_their_side_are_turned_with_them(tmp_path):
    picture, mask = scene(3)
    for orientation in (3, 6, 8):
        root = tmp_path / str(orientation)
        exif = Image.Exif()
        exif[0x0112] = orientation
        (root / "images").mkdir(parents=True)
        for name in "ab":
            Image.fromarray(picture).save(root / "images" / f"{name}.png", exif=exif)
            shown = {3: np.rot90(mask, 2), 6: np.rot90(mask, -1), 8: np.rot90(mask, 1)}[orientation]
            save(root / "masks" / f"{name}.png", mask if orientation != 3 else shown)
        _, _, found = packed(root, tmp_path / "cache")
        np.testing.assert_array_equal(found[0], by_hand(shown, 16))


def test_samples_without_a_mask_are_unlabelled_and_masks_without_sample_are_told(tmp_path):
    root = fill(tmp_path / "data", count=5)
    (root / "masks" / "2.png").unlink()
    (root / "images" / "4.png").unlink()
    dataset, masks, found = packed(root, tmp_path / "cache")
    assert len(dataset) == 4
    said = " ".join(dataset.notes)
    assert "1 of 4 samples have no mask" in said
    assert "1 masks belong to no sample" in said
    assert (masks.place >= 0).sum() == 3
    assert (found[[number(name) == 2 for name in dataset.everything().names]] == 255).all()
    with pytest.raises(Unreadable, match="no mask"):
        dataset.annotations.read(int(np.flatnonzero(~dataset.annotations.present)[0]))


def spoil(root, mask, name="1.png"):
    """Another mask in the place of one of twelve."""
    save(root / "masks" / name, mask)
    return root


def jpeg(root):
    for path in (root / "masks").glob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    return root


def emptied(root):
    (root / "masks" / "1.png").write_bytes(b"")
    return root


BAD = {
    "another size": (lambda root: spoil(root, np.zeros((16, 20), np.uint8)), "20 x 16 cells, and itself 40 x 32"),
    "an unknown value": (
        lambda root: spoil(root, np.full((32, 40), 7, np.uint8)),
        "the value 7 at column 0, row 0, which none of the 3 classes",
    ),
    "lossy": (jpeg, "JPEG file"),
    "an empty file": (emptied, "empty file"),
    "floats": (lambda root: spoil(root, np.zeros((32, 40), np.float32), "1.tiff"), "mode F"),
}


@pytest.mark.parametrize("case", BAD)
def test_masks_that_make_no_sense_are_named_with_the_reason(case, tmp_path):
    change, said = BAD[case]
    root = fill(tmp_path / "data", count=12)
    (root / "classes.txt").write_text("\n".join(CLASSES))
    if case == "floats":
        (root / "masks" / "1.png").unlink()
    dataset = opened(change(root), tmp_path / "cache")
    with pytest.raises(DataError, match=said):
        pack_masks(dataset, cache_dir=tmp_path / "cache")
    if case != "lossy":  # one of twelve, where that is allowed
        masks = pack_masks(dataset, max_bad=0.1, cache_dir=tmp_path / "cache")
        assert (masks.place >= 0).sum() == 11


def photographs(mask):
    return np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (photographs, "more than 255 different"),
        (lambda mask: mask * 0, "1 classes apart"),
        (lambda mask: np.full_like(mask, 255), "0 classes apart"),
    ],
)
def test_masks_that_are_none_are_refused(change, said, tmp_path):
    root = fill(tmp_path / "data", count=3, change=change)
    with pytest.raises(DataError, match=said):
        pack_masks(opened(root, tmp_path / "cache"), cache_dir=tmp_path / "cache")


def test_colours_and_values_are_not_mixed(tmp_path):
    root = fill(tmp_path / "data", count=3)
    fill(root, count=3, first=3, change=coloured)
    with pytest.raises(DataError, match="some masks hold colours"):
        pack_masks(opened(root, tmp_path / "cache"), cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("classes.txt", "", "empty"),
        ("classes.txt", "a\na\n", "stands twice"),
        ("colours.csv", "name,r,g,b\nroad,1,2\n", "no list of colours"),
        ("colours.csv", "colour\nred\n", "no list of colours"),
        ("colours.json", "[1, 2]", "no list of colours"),
        ("colours.json", "{", "no list of colours"),
        ("colours.txt", "road\n", "no three numbers"),
        ("colours.txt", "1 2 300 road\n", "from 0 to 255"),
        ("colours.txt", "1 2 3 road\n1 2 3 tree\n", "stands twice"),
    ],
)
def test_lists_that_make_no_sense_are_refused(name, content, said, tmp_path):
    root = fill(tmp_path / "data", count=3)
    (root / name).write_text(content)
    with pytest.raises(DataError, match=said):
        opened(root, tmp_path / "cache")


def test_data_without_masks_say_where_masks_are_read_from(tmp_path):
    fill(tmp_path / "data", "a/{n}.png", "b/{n}.png", count=3)
    with pytest.raises(DataError, match="trainannot"):
        pack_masks(opened(tmp_path / "data", tmp_path / "cache"), cache_dir=tmp_path / "cache")


def test_a_second_start_reads_no_mask(tmp_path, monkeypatch):
    root = camvid(tmp_path / "data")
    first = packed(root, tmp_path / "cache")[2]

    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr("tacit.data.masks.encoded", refuse)
    np.testing.assert_array_equal(packed(root, tmp_path / "cache")[2], first)


def test_coco_outlines_become_masks(tmp_path):
    coco(tmp_path / "data", count=8)
    dataset, masks, found = packed(tmp_path / "data" / "instances.json", tmp_path / "cache")
    assert masks.classes == ("background", "disc", "square")
    assert dataset.annotations.kind == "boxes"
    for name, mask in zip(dataset.everything().names, found, strict=True):
        np.testing.assert_array_equal(mask, by_hand(scene(number(name))[1], 16))


def test_camvid(real_data, tmp_path):
    """The counts of its README; without a list of classes the value 11 is a class like any other."""
    camvid = real_data / "segmentation" / "camvid"
    dataset, masks, found = packed(camvid, tmp_path)
    assert {part: len(rows) for part, rows in dataset.parts.items()} == {"train": 367, "val": 101, "test": 233}
    assert masks.classes == tuple(f"class {value}" for value in range(12))
    assert found.shape == (701, 16, 16)
