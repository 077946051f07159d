"""From a model to a COCO file and a picture: places on the whole files, and back through the reader."""

import io
import json

import numpy as np
import pytest
import torch
from detection_toys import NAMES, scene
from PIL import Image

from tacit.applying.found_boxes import write_boxes
from tacit.data.dataset import open_dataset
from tacit.modalities.image import IMAGE, ImageConfig
from tacit.report.outlines import COLOURS, Outlined, mosaic
from tacit.truth.boxes import boxes


class _Model:
    """What the writer reads of a model."""

    classes = NAMES


@pytest.fixture
def folder(tmp_path):
    """Two scenes of different proportions."""
    home = tmp_path / "set"
    home.mkdir()
    for seed, (width, height) in enumerate([(96, 48), (50, 80)]):
        scene(seed, width, height)[0].save(home / f"{seed}.png")
    return home


def said(*batches):
    """Answers a sample: (corners, label, score) each."""
    for rows, found in batches:
        yield (
            torch.tensor(rows),
            {
                "boxes": [torch.tensor([box for box, _, _ in own]).float().view(-1, 4) for own in found],
                "labels": [torch.tensor([label for _, label, _ in own]).long() for own in found],
                "scores": [torch.tensor([score for _, _, score in own]).float() for own in found],
            },
        )


@pytest.mark.parametrize(
    ("frame", "expected"), [("stretch", [48, 0, 48, 24]), ("crop", [48, 0, 24, 24])], ids=["stretch", "crop"]
)
def test_boxes_are_written_in_cells_of_the_file(frame, expected, folder, tmp_path):
    dataset = open_dataset(str(folder), IMAGE, ImageConfig(size=32, frame=frame))
    out = tmp_path / "found.json"
    write_boxes(_Model(), dataset, said(([0], [[((16, 0, 32, 16), 1, 0.75)]]), ([1], [[]])), out)
    content = json.loads(out.read_text())
    assert content["categories"] == [{"id": 1, "name": "disc"}, {"id": 2, "name": "square"}]
    assert [(entry["file_name"], entry["width"], entry["height"]) for entry in content["images"]] == [
        ("0.png", 96, 48),
        ("1.png", 50, 80),
    ]
    (entry,) = content["annotations"]
    assert entry["bbox"] == expected
    assert (entry["image_id"], entry["category_id"], entry["score"]) == (1, 2, 0.75)
    assert entry["area"] == expected[2] * expected[3]


def test_what_is_written_can_be_read_as_boxes(folder, tmp_path):
    """Answers become labels: the file lies beside its samples and is a data set."""
    dataset = open_dataset(str(folder), IMAGE, ImageConfig(size=32, frame="stretch"))
    found = [[((4, 5, 20, 30), 0, 0.9), ((1, 2, 9, 9), 1, 0.4)], [((8, 8, 31, 31), 1, 0.6)]]
    write_boxes(_Model(), dataset, said(([0, 1], found)), folder / "found.json")
    targets, known = boxes(open_dataset(str(folder), IMAGE, ImageConfig(size=32, frame="stretch")))
    assert known.all()
    assert targets.labels.tolist() == [[0, 1], [1, -1]]
    assert torch.allclose(targets.corners[0], torch.tensor([[4.0, 5, 20, 30], [1, 2, 9, 9]]), atol=0.02)


def test_a_picture_of_the_first_samples(folder, tmp_path):
    dataset = open_dataset(str(folder), IMAGE, ImageConfig(size=32, frame="stretch"))
    out = tmp_path / "found.png"
    write_boxes(_Model(), dataset, said(([0, 1], [[((4, 4, 20, 20), 0, 0.9), ((4, 4, 9, 9), 0, 0.1)], []])), out)
    picture = np.array(Image.open(out).convert("RGB"))
    red = np.array([int(COLOURS[0][place : place + 2], 16) for place in (1, 3, 5)])
    assert (picture == red).all(2).sum() > 200


def test_a_picture_keeps_proportions_and_colours_go_round():
    tall = Outlined(np.zeros((32, 32, 3), np.uint8), 0.5, np.array([[0, 0, 16, 32]], np.float32), [9], [0.8])
    picture = Image.open(io.BytesIO(mosaic([tall] * 5, [f"class {number}" for number in range(40)])))
    assert picture.width == 12 + 4 * 332
    assert picture.height > 2 * 320
