"""COCO's outlines as masks: polygons, run lengths, crowds, and what makes no sense."""

import numpy as np
import pytest
from mask_toys import coco, runs, scene
from pycocotools import mask as rle

from tacit.data.annotation import VOID
from tacit.data.coco_file import read_coco
from tacit.data.outlines import draw, masks_of
from tacit.errors import Unreadable

CODES = {7: 1, 9: 2}


def one(outline, category=7):
    return {"category_id": category, "segmentation": outline}


def box(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def test_run_lengths_in_both_spellings_say_the_same():
    region = scene(0)[1] == 1
    packed = rle.encode(np.asfortranarray(region.astype(np.uint8)))
    for outline in (runs(region), {**packed, "counts": packed["counts"].decode()}, packed):
        np.testing.assert_array_equal(draw([one(outline)], (), CODES, 0, region.shape), region)


def test_the_smaller_of_two_objects_lies_on_top_whatever_their_order():
    large, small = one(box(0, 0, 10, 10)), one(box(2, 2, 5, 5), 9)
    expected = np.zeros((12, 12), np.uint8)
    expected[:10, :10] = 1
    expected[2:5, 2:5] = 2
    for objects in ([large, small], [small, large]):
        np.testing.assert_array_equal(draw(objects, (), CODES, 0, (12, 12)), expected)


def test_crowds_are_void_where_no_object_lies():
    mask = draw([one(box(0, 0, 4, 4))], [one(box(0, 0, 8, 8))], CODES, 0, (10, 10))
    assert (mask[:4, :4] == 1).all()
    assert (mask[5:8, 5:8] == VOID).all()
    assert (mask[8:] == 0).all()


def test_an_object_of_several_polygons_is_all_of_them():
    mask = draw([one([*box(0, 0, 3, 3), *box(5, 5, 9, 9)])], (), CODES, 0, (10, 10))
    assert (mask == 1).sum() == 25


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        (None, "no outline"),
        ([], "no outline"),
        ([[1, 2, 3, 4]], "fewer than three corners"),
        ([[1, 2, 3, 4, 5, 6, 7]], "fewer than three corners"),
        ([["a", 2, 3, 4, 5, 6]], "cannot be read"),
        ("0,0,5,5", "cannot be read"),
        ({"size": [10, 10]}, "cannot be read"),
        ({"size": [9, 10], "counts": [90]}, r"drawn on \[9, 10\]"),
        ({"size": [10, 10], "counts": [40, 50]}, "add up to 90"),
        ({"size": [10, 10], "counts": [140, -40]}, "add up"),
        ({"size": [10, 10], "counts": "zzzzzzzz"}, "cannot be read"),
        ({"size": [10, 10], "counts": 5}, "cannot be read"),
    ],
)
def test_outlines_that_make_no_sense_are_unreadable(outline, said):
    with pytest.raises(Unreadable, match=said):
        draw([one(outline)], (), CODES, 0, (10, 10))


def test_a_file_of_boxes_alone_has_no_masks_and_a_background_of_its_own_is_used(tmp_path):
    path = coco(tmp_path, count=3) / "instances.json"
    file = read_coco(path)
    assert masks_of([file]).classes == ("background", "disc", "square")
    text = path.read_text()
    path.write_text(text.replace('"segmentation"', '"outline"'))
    assert masks_of([read_coco(path)]) is None
    path.write_text(text.replace('"disc"', '"background"'))
    assert masks_of([read_coco(path)]).classes == ("background", "square")


def test_an_entry_without_a_size_has_no_mask(tmp_path):
    path = coco(tmp_path, count=2) / "instances.json"
    path.write_text(path.read_text().replace('"width": 40, ', ""))
    with pytest.raises(Unreadable, match="width and height"):
        masks_of([read_coco(path)]).read(0)
