"""Pictures side by side, as one picture: a contact sheet, or columns that show sample by sample what was done."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tacit import atomic
from tacit.errors import RunError, UsageError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
PAPER, INK, GREY, RIGHT, WRONG = "#fbfbfa", "#1f2328", "#656d76", "#1b7f5c", "#b4540a"
MARGIN, GAP, CELL = 28, 12, 128
"""Pixels: around the sheet, between pictures, and the longer side of a picture."""
TITLE, HEADING, CAPTION = 21, 14, 12
"""Sizes of the three kinds of text, in pixels."""
NARROWEST = 560
"""Pixels: where there are few pictures, the words still need room."""

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Panel:
    """A titled column: the picture of each sample, top to bottom."""

    title: str
    pictures: Pictures
    """uint8 `[N, H, W, 3]`."""
    captions: Sequence[str] = ()
    """`[N]`, below each picture; empty for none. A caption may have several lines."""
    right: Sequence[bool] | None = None
    """`[N]`, whether what is shown is right; None where there is no right and wrong."""


def check(path: Path) -> None:
    """Raise `UsageError` unless the suffix of `path` names a format that a sheet can be written in."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: the suffix says what is written; {nearest(path.suffix, FORMATS)}")


def contact(pictures: Pictures, captions: Sequence[str], path: Path, *, title: str, columns: int = 10) -> None:
    """Write a contact sheet of `pictures` (uint8 `[N, H, W, 3]`), `columns` a row, a caption below each.

    Small pictures are enlarged pixel by pixel, large ones reduced. Raises `UsageError` on an unknown suffix and
    `RunError` where the file cannot be written.
    """
    rows = [Panel("", pictures[at::columns], captions[at::columns]) for at in range(min(columns, len(pictures)))]
    draw(rows, path, title=title, footnote="")


def draw(panels: Sequence[Panel], path: Path, *, title: str, footnote: str) -> None:
    """Write `panels` side by side: a column each, a sample a row. Panels may differ in size and in length.

    Raises `UsageError` on an unknown suffix and `RunError` where the file cannot be written.
    """
    from PIL import Image, ImageDraw

    check(path)
    frames = [[_framed(picture) for picture in panel.pictures] for panel in panels]
    rows = max((len(column) for column in frames), default=0)
    width = max(NARROWEST, len(panels) * (CELL + GAP) - GAP)
    heads = [_wrapped(panel.title, CELL, HEADING, bold=True) for panel in panels]
    head = max((len(lines) for lines in heads), default=0) * round(1.3 * HEADING)
    top = _wrapped(title, width, TITLE, bold=True)
    foot = _wrapped(footnote, width, CAPTION)
    tall = [max((c[row].height for c in frames if row < len(c)), default=0) for row in range(rows)]
    below = [max((_height(_lines(p, row), CAPTION) for p in panels), default=0) for row in range(rows)]
    start = MARGIN + _height(top, TITLE) + (GAP if top else 0)
    first = start + head + (GAP // 2 if head else 0)
    last = first + sum(tall) + sum(below) + rows * (GAP + 4)
    sheet = Image.new("RGB", (width + 2 * MARGIN, last + _height(foot, CAPTION) + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (MARGIN, MARGIN), top, TITLE, INK, bold=True)
    _write(pen, (MARGIN, last), foot, CAPTION, GREY)
    for number, (panel, column, lines) in enumerate(zip(panels, frames, heads, strict=True)):
        x, y = MARGIN + number * (CELL + GAP), first
        _write(pen, (x, start + head - _height(lines, HEADING)), lines, HEADING, INK, bold=True)
        for row, frame in enumerate(column):
            sheet.paste(frame, (x, y))
            colour = GREY if panel.right is None else RIGHT if panel.right[row] else WRONG
            if panel.right is not None:
                pen.rectangle((x - 3, y - 3, x + frame.width + 2, y + frame.height + 2), outline=colour, width=2)
            _write(pen, (x, y + tall[row] + 4), _lines(panel, row), CAPTION, colour)
            y += tall[row] + below[row] + GAP + 4
    _save(sheet, path)


def _framed(picture: Pictures) -> Image:
    """One picture at the size of a cell. What is small keeps its pixels: all as large, and with crisp edges."""
    from PIL import Image

    image = Image.fromarray(picture)
    width, height = image.size
    times = -(-CELL // max(width, height))
    image = image.resize((width * times, height * times), Image.Resampling.NEAREST)
    share = CELL / max(image.size)
    return image.resize((round(image.width * share) or 1, round(image.height * share) or 1), Image.Resampling.HAMMING)


def _lines(panel: Panel, row: int) -> list[str]:
    """The caption of a row, cut to the width of a cell and marked as right or wrong."""
    if row >= len(panel.captions):
        return []
    text = panel.captions[row].encode("utf-8", "replace").decode()
    mark = "" if panel.right is None else "✓ " if panel.right[row] else "✗ "
    return [_cut(line, CELL) for line in f"{mark}{text}".splitlines()]


def _cut(line: str, width: int) -> str:
    """`line` with its middle left out until it fits: file names differ at both ends."""
    font = _font(CAPTION)
    if font.getlength(line) <= width:
        return line
    keep = len(line) - 1
    while keep > 1 and font.getlength(f"{line[: (keep + 1) // 2]}…{line[len(line) - keep // 2 :]}") > width:
        keep -= 1
    return f"{line[: (keep + 1) // 2]}…{line[len(line) - keep // 2 :]}"


def _wrapped(text: str, width: int, size: int, *, bold: bool = False) -> list[str]:
    """`text` in lines of at most `width` pixels."""
    font = _font(size, bold=bold)
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def _height(lines: Sequence[str], size: int) -> int:
    return len(lines) * round(1.3 * size)


def _write(
    pen: ImageDraw, at: tuple[int, int], lines: Sequence[str], size: int, colour: str, *, bold: bool = False
) -> None:
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + number * round(1.3 * size)), line, fill=colour, font=_font(size, bold=bold))


@cache
def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """The font that travels with matplotlib: the same picture on every machine."""
    import matplotlib as mpl
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


def _save(sheet: Image, path: Path) -> None:
    buffer = io.BytesIO()
    sheet.save(buffer, FORMATS[path.suffix.lower()])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, buffer.getvalue(), path.with_name(f".{path.name}.partial"))
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
