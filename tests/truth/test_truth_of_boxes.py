"""Boxes of real files as targets: frames, orientation, samples that are left out."""

import json

import numpy as np
import pytest
import torch
from detection_toys import coco_content, scene, voc, xml, yolo
from PIL import Image

from tacit.data.dataset import open_dataset
from tacit.errors import DataError
from tacit.heads.boxes import NONE
from tacit.modalities.image import IMAGE, ImageConfig
from tacit.truth.boxes import boxes


def opened(path, size=24, frame="stretch"):
    return open_dataset(str(path), IMAGE, ImageConfig(size=size, frame=frame))


def wide(root, corners, orientation=1, declared=(60, 30)):
    """One 60 x 30 picture with one bright box, and its annotation."""
    pixels = np.zeros((30, 60, 3), np.uint8)
    left, upper, right, lower = corners
    pixels[upper:lower, left:right] = 255
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(root / "JPEGImages" / "a.png", exif=exif)
    (root / "Annotations" / "a.xml").write_text(xml([("thing", corners)], *declared))
    return root


def bright(dataset):
    """Where the first packed picture is bright: left, upper, right, lower."""
    places = (dataset.everything().view(torch.tensor([0])).x[0, 0] > 0.5).nonzero()
    return torch.cat([places.amin(0).flip(0), places.amax(0).flip(0) + 1]).tolist()


@pytest.mark.parametrize("frame", ["stretch", "crop"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_box_is_where_the_thing_is(frame, orientation, tmp_path):
    """Drawn on the stored picture, whatever way it is shown and framed; where only a mirror tells, nothing can."""
    dataset = opened(wide(tmp_path / "set", (20, 5, 35, 20), orientation), 30, frame)
    targets, known = boxes(dataset)
    assert known.all()
    if orientation in (2, 3, 4):
        assert targets.corners[0, 0].tolist() != bright(dataset)
    else:
        assert targets.corners[0, 0].tolist() == pytest.approx(bright(dataset), abs=1)


def test_what_the_central_square_leaves_out_is_no_target(tmp_path, capsys):
    dataset = opened(wide(tmp_path / "set", (1, 5, 14, 20)), 30, "crop")
    with pytest.raises(DataError, match=r"not one sample of .* has a box"):
        boxes(dataset)
    assert "1 boxes lie outside the part of a sample that the encoder sees" in capsys.readouterr().err


def test_boxes_that_were_drawn_on_another_size_are_refused_with_the_reason(tmp_path):
    dataset = opened(wide(tmp_path / "set", (20, 5, 35, 20), declared=(120, 60)))
    with pytest.raises(DataError, match=r"a.png: its boxes were drawn on 120 x 60 cells, the file has 60 x 30"):
        boxes(dataset)


def test_all_formats_give_the_same_targets(tmp_path):
    (tmp_path / "coco").mkdir()
    for seed in range(6):
        scene(seed)[0].save(tmp_path / "coco" / f"{seed:03}.png")
    (tmp_path / "coco" / "boxes.json").write_text(json.dumps(coco_content(range(6))))
    found = [
        boxes(opened(path))[0] for path in (voc(tmp_path / "voc", 6), tmp_path / "coco", yolo(tmp_path / "yolo", 6))
    ]
    for other in found[1:]:
        assert torch.allclose(other.corners, found[0].corners, atol=1e-3)
        assert torch.equal(other.labels, found[0].labels)


def test_unlabelled_and_empty_samples_are_told_apart(tmp_path, capsys):
    root = voc(tmp_path / "set", 4)
    (root / "Annotations" / "001.xml").write_text("")
    (root / "Annotations" / "002.xml").unlink()
    targets, known = boxes(opened(root))
    assert known.tolist() == [True, True, False, True]
    assert (targets.labels[1] == NONE).all()
    assert "1 of 4 samples have no annotation file" in capsys.readouterr().err


def test_one_broken_file_in_a_hundred_is_left_out_and_two_are_refused(tmp_path):
    root = voc(tmp_path / "set", 100)
    (root / "Annotations" / "007.xml").write_text("<annotation>")
    _, known = boxes(opened(root))
    assert (~known).nonzero().flatten().tolist() == [7]
    (root / "Annotations" / "008.xml").write_text("<annotation>")
    with pytest.raises(DataError, match=r"the boxes of 2 samples .* cannot be used"):
        boxes(opened(root))


def test_a_set_without_boxes(tmp_path):
    scene(0)[0].save(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"has no boxes to detect: it holds no annotations. Boxes are read from Pascal VOC"
    ):
        boxes(opened(tmp_path))


def test_real_cells(real_data):
    """BCCD's own figures: 364 images, 4,886 boxes, three kinds of cells, a published split."""
    place = real_data / "detection" / "bccd"
    if not place.is_dir():
        pytest.skip("$TACIT_DATA has no detection/bccd")
    dataset = opened(place, 64)
    targets, known = boxes(dataset)
    assert known.all()
    assert targets.classes == ("Platelets", "RBC", "WBC")
    assert [(targets.labels == number).sum().item() for number in range(3)] == [361, 4153, 372]
    assert {name: len(rows) for name, rows in dataset.parts.items()} == {"train": 205, "val": 87, "test": 72}
    told = {
        entry["image"].rpartition("/")[2]: entry["boxes"] for entry in json.loads((place / "boxes.json").read_text())
    }
    for row, name in enumerate(dataset.everything().names):
        own = targets.corners[row][targets.labels[row] != NONE] / 64 * torch.tensor([640.0, 480, 640, 480])
        assert torch.allclose(own, torch.tensor([box["box"] for box in told[name.rpartition("/")[2]]]), atol=0.01)
