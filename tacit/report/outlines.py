"""Pictures with boxes drawn on them, side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = ("#e6194b", "#2f8f3e", "#2563eb", "#f58231", "#8e24aa", "#00899b", "#c2185b", "#7a5c00")
"""Of the classes, over again where there are more."""
COLUMNS, SIDE, GAP, LINE = 4, 320, 12, 22
"""Pictures a row; in pixels, a picture's longer side, the space between two, and the height of a line of text."""
PAPER, INK = "#fbfbfa", "#1f2328"


@dataclass(frozen=True, eq=False)
class Outlined:
    """A picture and the boxes on it."""

    picture: npt.NDArray[np.uint8]
    """`[H, W, 3]`."""
    aspect: float
    """Width by height, as it is to be shown."""
    corners: npt.NDArray[np.float32]
    """`[K, 4]`: left, upper, right, lower edge in pixels of the picture."""
    labels: Sequence[int]
    scores: Sequence[float]


def mosaic(panels: Sequence[Outlined], classes: Sequence[str]) -> bytes:
    """A PNG file: the pictures with their boxes, `COLUMNS` a row, and above them the colours of the classes."""
    from PIL import Image, ImageDraw, ImageFont

    frames = [_frame(panel) for panel in panels]
    width = GAP + COLUMNS * (SIDE + GAP)
    rows = [frames[start : start + COLUMNS] for start in range(0, len(frames), COLUMNS)]
    heights = [max(frame.height for frame in row) for row in rows]
    sheet = Image.new("RGB", (width, GAP + LINE + sum(heights) + GAP * (len(rows) + 1)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    x = GAP
    for number, name in enumerate(classes):
        pen.rectangle((x, GAP + 3, x + 12, GAP + 15), fill=COLOURS[number % len(COLOURS)])
        pen.text((x + 18, GAP), name, fill=INK, font=font)
        x += 36 + int(font.getlength(name))
        if x > width - SIDE:
            break
    y = 2 * GAP + LINE
    for row, height in zip(rows, heights, strict=True):
        for column, frame in enumerate(row):
            sheet.paste(frame, (GAP + column * (SIDE + GAP), y))
        y += height + GAP
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _frame(panel: Outlined) -> Image:
    """One picture in its own proportions, its boxes outlined."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = panel.picture.shape[:2]
    longer = max(panel.aspect, 1.0)
    size = (max(1, round(SIDE * panel.aspect / longer)), max(1, round(SIDE / longer)))
    frame = Image.fromarray(panel.picture).resize(size, Image.Resampling.BICUBIC)
    pen, font = ImageDraw.Draw(frame), ImageFont.load_default(11)
    scale = np.array([size[0] / width, size[1] / height] * 2)
    # the surest last, so that they lie on top
    for corners, label, score in reversed(list(zip(panel.corners * scale, panel.labels, panel.scores, strict=True))):
        colour = COLOURS[label % len(COLOURS)]
        pen.rectangle(tuple(corners.tolist()), outline=colour, width=2)
        pen.text((corners[0] + 4, corners[1] + 2), f"{score:.2f}", fill=colour, font=font)
    return frame
