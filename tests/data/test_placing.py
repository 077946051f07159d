"""Boxes from the file to the packed sample and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.annotation import Boxes
from tacit.data.placing import shown, to_packed, to_whole, turned
from tacit.errors import Unreadable
from tacit.modalities.pixels import kept, upright

sides = st.integers(8, 4000)
edges = st.floats(-50, 4000, allow_nan=False, width=32)


def boxes(corners, width, height):
    return Boxes(np.array(corners, np.float32), np.zeros(len(corners), np.int64), width, height)


corners_of_one = st.lists(edges, min_size=4, max_size=4)


@given(sides, sides, st.sampled_from(["crop", "stretch"]), st.integers(8, 1024), corners_of_one)
def test_packing_and_its_inverse(width, height, frame, size, corners):
    given_box = np.array([corners], np.float32)
    window = kept(width, height, frame)
    back = to_whole(to_packed(given_box, window, (size, size)), window, (size, size))
    assert np.allclose(back, given_box, rtol=1e-4, atol=1e-2)


@given(sides, sides, st.sampled_from(["crop", "stretch"]))
def test_the_window_itself_becomes_the_whole_packed_sample(width, height, frame):
    window = kept(width, height, frame)
    assert np.allclose(to_packed(np.array([window], np.float32), window, (96, 128)), [[0, 0, 128, 96]], atol=1e-2)


@pytest.mark.parametrize("turn", range(1, 9))
def test_boxes_turn_as_the_pictures_do(turn):
    """A box drawn on the stored picture is where its cells are once the picture is shown."""
    stored = np.zeros((6, 6, 1), np.uint8)
    stored[1:3, 2:6] = 1  # left 2, upper 1, right 6, lower 3
    there = np.argwhere(upright(stored, turn)[..., 0])
    (upper, left), (lower, right) = there.min(0), there.max(0) + 1
    found = turned(np.array([[2, 1, 6, 3]], np.float32), 6, 6, turn)
    assert found.tolist() == [[left, upper, right, lower]]


def test_boxes_drawn_on_a_picture_that_lies_on_its_side():
    lying = boxes([[10, 20, 30, 40]], 640, 480)  # the file is stored 640 x 480 and shown 480 x 640
    assert shown(lying, (480, 640, 6)).tolist() == [[480 - 40, 10, 480 - 20, 30]]
    standing = boxes([[10, 20, 30, 40]], 480, 640)
    assert shown(standing, (480, 640, 6)).tolist() == [[10, 20, 30, 40]]


def test_fractions_and_unknown_sizes():
    assert shown(boxes([[0.25, 0.5, 0.5, 1]], 1, 1), (640, 480, 1)).tolist() == [[160, 240, 320, 480]]
    assert shown(boxes([[1, 2, 3, 4]], 0, 0), (640, 480, 1)).tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("extent", [(320, 240, 1), (480, 640, 1)])
def test_boxes_of_another_size_are_refused(extent):
    with pytest.raises(Unreadable, match=f"drawn on 640 x 480 cells, the file has {extent[0]} x {extent[1]}"):
        shown(boxes([[1, 2, 3, 4]], 640, 480), extent)
