"""Boxes in Pascal VOC, COCO and YOLO layouts: what is read, what is left out and said, what is refused."""

import json

import numpy as np
import pytest
from detection_toys import NAMES, coco, coco_content, scene, voc, xml, yolo, yolo_lines

from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png", ".jpg"})


def opened(path):
    return open_source(str(path), PNG)


def drawn(source, row):
    """Boxes of a row in fractions of the sample, by class name."""
    boxes = source.annotations.read(row)
    scale = np.array([boxes.width, boxes.height] * 2)
    names = [source.annotations.classes[label] for label in boxes.labels]
    edges = np.round(boxes.corners / scale, 4).tolist()
    return sorted((name, *four) for name, four in zip(names, edges, strict=True))


def expected(seed):
    return sorted((name, *np.round(np.array(edges) / 48, 4).tolist()) for name, edges in scene(seed)[1])


def as_voc(root):
    return voc(root, 6, {"train": [0, 1, 2], "val": [3], "test": [4, 5]})


def as_coco(root):
    return coco(root, {"train": [0, 1, 2], "val": [3], "test": [4, 5]})


def as_yolo(root):
    for part, seeds in {"train": [0, 1, 2], "val": [3], "test": [4, 5]}.items():
        for kind in ("images", "labels"):
            (root / kind / part).mkdir(parents=True)
        for seed in seeds:
            picture, boxes = scene(seed)
            picture.save(root / "images" / part / f"{seed:03}.png")
            (root / "labels" / part / f"{seed:03}.txt").write_text(yolo_lines(boxes))
    lines = "".join(f"{part}: images/{part}\n" for part in ("train", "val", "test"))
    (root / "data.yaml").write_text(f"path: elsewhere\n{lines}nc: 2\nnames: [disc, square]\n")
    return root


@pytest.mark.parametrize("layout", [as_voc, as_coco, as_yolo])
def test_every_layout_gives_the_same_samples_split_and_boxes(layout, tmp_path):
    source = opened(layout(tmp_path / "set"))
    stems = [name.rpartition("/")[2] for name in source.names]
    assert sorted(stems) == [f"{seed:03}.png" for seed in range(6)]
    assert source.annotations.classes == NAMES
    assert source.annotations.notes == ()
    parts = [0, 0, 0, 1, 2, 2]
    for row, stem in enumerate(stems):
        seed = int(stem[:3])
        assert source.splits[row] == parts[seed]
        assert drawn(source, row) == expected(seed)
        assert source.raw(row)


def test_the_set_may_lie_one_folder_down(tmp_path):
    voc(tmp_path / "download" / "BCCD", 2)
    source = opened(tmp_path / "download")
    assert len(source) == 2
    assert source.splits is None


def test_trainval_is_for_training_where_nothing_else_is_said(tmp_path):
    source = opened(voc(tmp_path / "set", 4, {"trainval": [0, 1, 2], "val": [2], "test": [3]}))
    assert source.splits.tolist() == [0, 0, 1, 2]


def test_a_coco_file_alone_with_the_samples_beside_it(tmp_path):
    for seed in range(3):
        scene(seed)[0].save(tmp_path / f"{seed:03}.png")
    (tmp_path / "boxes.json").write_text(json.dumps(coco_content(range(3))))
    for given in (tmp_path, tmp_path / "boxes.json"):
        source = opened(given)
        assert [drawn(source, row) for row in range(3)] == [expected(seed) for seed in range(3)]


@pytest.mark.parametrize("place", ["{part}.json", "annotations/{part}.json"])
def test_coco_files_called_after_parts_with_the_samples_in_folders_of_these_names(place, tmp_path):
    root = coco(tmp_path / "set", {"train": [0, 1, 2], "val": [3]})
    for part in ("train", "val"):
        (root / "annotations" / f"instances_{part}.json").rename(root / place.format(part=part))
    (root / "notes.json").write_text("{}")
    source = opened(root)
    assert sorted(source.name(row) for row in range(4)) == [f"train/{n:03}.png" for n in range(3)] + ["val/003.png"]
    assert source.annotations.classes == ("disc", "square")
    (root / place.format(part="val")).write_text("{")
    with pytest.raises(DataError, match="no valid JSON"):
        opened(root)


def test_exported_coco_files_in_a_folder_a_part(tmp_path):
    for part, seed in (("train", 0), ("valid", 1)):
        (tmp_path / part).mkdir()
        scene(seed)[0].save(tmp_path / part / f"{seed:03}.png")
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(coco_content([seed])))
    source = opened(tmp_path)
    assert list(source.names) == ["train/000.png", "valid/001.png"]
    assert source.splits.tolist() == [0, 1]


def test_crowds_and_strangers_are_left_out_and_counted(tmp_path):
    content = coco_content([0])
    before = len(content["annotations"])
    content["annotations"] += [
        {"id": 90, "image_id": 100, "category_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"id": 91, "image_id": 999, "category_id": 7, "bbox": [0, 0, 9, 9]},
    ]
    scene(0)[0].save(tmp_path / "000.png")
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    source = opened(tmp_path)
    assert len(source.annotations.read(0).labels) == before
    assert "1 crowds" in source.notes[0]
    assert "1 annotations" in source.notes[1]


def test_boxes_are_clipped_or_left_out_and_counted(tmp_path):
    root = voc(tmp_path / "set", 1)
    boxes = [("a", (-5, 2, 10, 60)), ("a", (5, 5, 5, 9)), ("b", (60, 60, 70, 70)), ("b", (1, 1, 2, 2))]
    (root / "Annotations" / "000.xml").write_text(xml(boxes))
    annotations = opened(root).annotations
    assert annotations.read(0).corners.tolist() == [[0, 2, 10, 48], [1, 1, 2, 2]]
    assert annotations.read(0).labels.tolist() == [0, 1]
    assert annotations.notes == (
        "1 boxes reach beyond their sample and are clipped to it",
        "2 boxes have no area within their sample and are left out",
    )


@pytest.mark.parametrize("nothing", ["", "<annotation/>", xml([])])
def test_an_annotation_without_objects_says_that_nothing_is_there(nothing, tmp_path):
    root = voc(tmp_path / "set", 2)
    (root / "Annotations" / "000.xml").write_text(nothing)
    (root / "Annotations" / "001.xml").unlink()
    annotations = opened(root).annotations
    assert annotations.present.tolist() == [True, False]
    assert len(annotations.read(0).labels) == 0
    assert "1 of 2 samples have no annotation file" in annotations.notes[0]
    with pytest.raises(Unreadable):
        annotations.read(1)


THING = "<annotation><object><name>&b;</name></object></annotation>"
BOMB = f'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>{THING}'
FOREIGN = f'<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>{THING}'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "Entities declarations, which are refused"),
        (FOREIGN, "Entities declarations, which are refused"),
        ("<annotation>", "no valid XML"),
        (xml([("a", (1, 2, "ten", 4))]), "bndbox/xmax is 'ten', not a number"),
        (xml([("a", (1, 2, "nan", 4))]), "no coordinate"),
        (xml([("", (1, 2, 3, 4))]), "object 1 has no name"),
        ("<annotation><object><name>a</name></object></annotation>", "bndbox/xmin is '', not a number"),
    ],
)
def test_what_cannot_be_read_in_xml_is_told_with_its_reason(content, reason, tmp_path):
    root = voc(tmp_path / "set", 2)
    (root / "Annotations" / "000.xml").write_text(content)
    annotations = opened(root).annotations
    with pytest.raises(Unreadable, match=reason):
        annotations.read(0)
    assert reason in annotations.notes[0]
    assert "000" in annotations.notes[0]
    assert annotations.read(1) is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0 .5 .5 .5\n", "line 1 has 4 words"),
        ("disc .5 .5 .2 .2\n", "expected five numbers"),
        ("\n2 .5 .5 .2 .2\n", "line 2 is of class 2, and there are 2 names"),
        ("0 120 80 40 40\n", "fractions"),
        ("0 nan .5 .2 .2\n", "fractions"),
    ],
)
def test_what_cannot_be_read_in_yolo_lines(content, reason, tmp_path):
    root = yolo(tmp_path / "set", 2)
    (root / "labels" / "000.txt").write_text(content)
    with pytest.raises(Unreadable, match=reason):
        opened(root).annotations.read(0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1, 2, 3]}, "expected .left, upper, width, height."),
        ({"bbox": [1, 2, 3, "x"]}, "expected .left, upper, width, height."),
        ({"category_id": 8}, "category 8 is none of the 2 categories"),
        ({"bbox": [1, 2, float("nan"), 4]}, "no finite number"),
    ],
)
def test_what_cannot_be_read_in_a_coco_entry(change, reason, tmp_path):
    content = coco_content([0])
    content["annotations"][0] |= change
    scene(0)[0].save(tmp_path / "000.png")
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(Unreadable, match=reason):
        opened(tmp_path / "boxes.json").annotations.read(0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no valid JSON"),
        ("[" * 100_000, "no valid JSON"),
        ("[1, 2]", "no COCO file"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\[0\] must have id and file_name"),
        ('{"images": [], "annotations": [], "categories": []}', "no categories"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}', "twice"),
        ('{"images": [{"id": 1, "file_name": "x.png"}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}',
         "none of them lies in"),
    ],
)  # fmt: skip
def test_a_json_file_that_is_no_coco_file(content, reason, tmp_path):
    (tmp_path / "boxes.json").write_text(content)
    with pytest.raises(DataError, match=reason):
        opened(tmp_path / "boxes.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("names: 3\ntrain: images\n", "'names' must be a list"),
        ("names: [a, b]\n", "names no samples"),
        ("names: [a, b]\ntrain: nowhere\n", "no such folder or list"),
        ("names: &n [a]\ntrain: *n\n", "aliases"),
        ("names: [a, b]\ntrain: images\nval: images\n", "stands in val and in another part"),
    ],
)
def test_a_data_yaml_that_makes_no_sense(text, reason, tmp_path):
    root = yolo(tmp_path / "set", 2)
    (root / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=reason):
        opened(root)


def test_names_as_a_mapping_and_folders_as_they_lay_elsewhere(tmp_path):
    root = yolo(tmp_path / "set", 2)
    (root / "data.yaml").write_text("train: ../images\nnames:\n  0: disc\n  1: square\n")
    assert opened(root).annotations.classes == NAMES


def test_a_list_that_names_a_missing_file_has_it_refused(tmp_path):
    source = opened(voc(tmp_path / "set", 2, {"train": [0, 7], "test": [1]}))
    assert list(source.names)[-1] == "JPEGImages/007.jpg"
    with pytest.raises(Unreadable, match="no such file"):
        source.raw(2)


def test_a_sample_in_two_lists_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"000 stands in train.txt and in test.txt"):
        opened(voc(tmp_path / "set", 2, {"train": [0], "test": [0, 1]}))


def test_folders_that_only_resemble_one_are_folders_of_files(tmp_path):
    for name in ("images/a.png", "labels/b.png", "JPEGImages/c.png"):
        (tmp_path / name).parent.mkdir()
        scene(0)[0].save(tmp_path / name)
    (tmp_path / "settings.json").write_text('{"images": 3}')
    (tmp_path / "data.yaml").write_text("seed: 1\n")
    source = opened(tmp_path)
    assert source.annotations is None
    assert list(source.names) == ["JPEGImages/c.png", "images/a.png", "labels/b.png"]
