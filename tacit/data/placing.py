"""Where annotations lie: on a file as it is stored, on the sample as it is shown, on its packed form, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tacit.data.annotation import Boxes
from tacit.errors import Unreadable

Corners = npt.NDArray[np.float32]
"""`[K, 4]`: left, upper, right, lower edge."""
Window = tuple[float, float, float, float]
"""Left, upper, right and lower edge of the part that is packed, in cells of the sample as it is shown."""

_ASIDE, _LEFT_RIGHT, _UPSIDE_DOWN = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)
"""The EXIF values under which a stored picture is shown with its sides swapped, then mirrored."""


def shown(boxes: Boxes, extent: tuple[int, int, int]) -> Corners:
    """The boxes in cells of the sample as it is shown; `extent` is what `Modality.extent` says of it.

    Boxes of the size 1 x 1 are fractions, those of the size 0 x 0 cells. Boxes that were drawn on a stored picture that
    lies on its side are turned with it; where the sizes say nothing, they were drawn on the picture as it is shown.

    Raises:
        Unreadable: the boxes were drawn on a sample of another size.
    """
    width, height, turn = extent
    drawn = (boxes.width, boxes.height)
    if drawn == (1, 1):
        return boxes.corners * np.array([width, height, width, height], np.float32)
    if drawn in ((width, height), (0, 0)):
        return boxes.corners
    if drawn == (height, width) and turn in _ASIDE:
        return turned(boxes.corners, width, height, turn)
    raise Unreadable(f"its boxes were drawn on {drawn[0]} x {drawn[1]} cells, the file has {width} x {height}")


def turned(corners: Corners, width: int, height: int, turn: int) -> Corners:
    """Boxes on a stored picture -> boxes on it as it is shown, `width` x `height` cells large, by EXIF value `turn`."""
    x, y = corners[:, ::2], corners[:, 1::2]
    if turn in _ASIDE:
        x, y = y, x
    if turn in _LEFT_RIGHT:
        x = (width - x)[:, ::-1]
    if turn in _UPSIDE_DOWN:
        y = (height - y)[:, ::-1]
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def to_packed(corners: Corners, window: Window, shape: tuple[int, int]) -> Corners:
    """Boxes in cells of the sample -> in cells of its packed form of `shape` (height, width); not clipped."""
    left, upper, right, lower = window
    scale = np.array([shape[1] / (right - left), shape[0] / (lower - upper)] * 2, np.float32)
    return (corners - np.array([left, upper] * 2, np.float32)) * scale


def to_whole(corners: Corners, window: Window, shape: tuple[int, int]) -> Corners:
    """The inverse of `to_packed`."""
    left, upper, right, lower = window
    scale = np.array([(right - left) / shape[1], (lower - upper) / shape[0]] * 2, np.float32)
    return corners * scale + np.array([left, upper] * 2, np.float32)
