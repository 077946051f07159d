"""What the stored values of masks stand for: by a list, or learned from the masks themselves as a closed list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tacit.config import Config
from tacit.core import Layout
from tacit.data.annotation import VOID, VOID_NAMES, Legend, Mask
from tacit.errors import DataError, Unreadable

MOST = VOID
"""Classes that a mask can tell apart: 0 to 254."""
COLOUR = 1 << 24
"""Added to 0xRRGGBB, so that codes of colours and stored values are told apart."""

Codes = npt.NDArray[np.int32]


class MaskConfig(Config):
    """What is wanted of masks: the layout of their samples, and what is said about their values."""

    sample: dict[str, Any]
    names: tuple[str, ...] = ()
    colours: tuple[int, ...] = ()


class MaskLayout(Layout):
    """How the masks of one set are packed: uint8 `[height, width]`, the class of each cell or `VOID`."""

    sample: dict[str, Any]
    """The layout of the samples."""
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    classes: tuple[str, ...]
    codes: tuple[int, ...]
    """Stored values and colours that mean something, in rising order (see `encoded`)."""
    meaning: tuple[int, ...]
    """The class of each of `codes`, or `VOID`."""

    @property
    def shape(self) -> tuple[int, int]:
        """`(height, width)`."""
        return (self.height, self.width)

    @property
    def dtype(self) -> str:
        """The type of the packed values."""
        return "uint8"


def encoded(stored: npt.NDArray[Any]) -> Codes:
    """Values `[H, W]` or colours `[H, W, 3]` -> one whole number a cell, `[H, W]`. Raises `Unreadable`."""
    if stored.dtype.kind not in "biu" or stored.ndim not in (2, 3):
        raise Unreadable(f"its mask holds {stored.dtype} {list(stored.shape)}, expected whole numbers or colours")
    values = stored.astype(np.int32)
    if stored.ndim == 2:
        return values
    return COLOUR | values[..., 0] << 16 | values[..., 1] << 8 | values[..., 2]


def decoded(codes: Codes, layout: MaskLayout) -> Mask:
    """The class of each cell `[H, W]`. Raises `Unreadable` where a code means nothing."""
    known = np.array(layout.codes, np.int32)
    places = np.searchsorted(known, codes).clip(max=len(known) - 1)
    wrong = np.argwhere(known[places] != codes)
    if len(wrong):
        y, x = wrong[0].tolist()
        raise Unreadable(
            f"its mask has {_called(int(codes[y, x]))} at column {x}, row {y}, which none of the "
            f"{len(layout.classes)} classes has"
        )
    mask: Mask = np.array(layout.meaning, np.uint8)[places]
    return mask


def distinct(codes: Codes) -> Codes:
    """The distinct codes of one mask, in rising order."""
    flat = codes.ravel()
    starts = np.append(True, flat[1:] != flat[:-1])  # regions are long runs, and sorting those alone is quick
    return np.unique(flat[starts])


def survey(found: Iterable[Codes], config: MaskConfig, shape: tuple[int, int]) -> MaskLayout:
    """The layout of masks: from the list in `config`, else from the `distinct` codes of every mask.

    Raises `DataError` where the masks tell fewer than two classes apart, or more than can be told apart.
    """
    legend = Legend(config.names, config.colours)
    binary = len(_classes(legend.names)) == 2 and not legend.colours
    if legend.names and not binary:
        pairs, classes = _by_legend(legend), _classes(legend.names)
    else:
        values = _all_codes(found)
        grey = {code: _grey(code) for code in values}
        if any(value is None for value in grey.values()):
            pairs, classes = _by_colours(values)
        else:
            pairs, classes = _by_values({code: value for code, value in grey.items() if value is not None}, legend)
    if not 2 <= len(classes) <= MOST:
        raise DataError(f"the masks tell {len(classes):,} classes apart, and it takes 2 to {MOST}")
    codes = sorted(pairs)
    return MaskLayout(
        sample=config.sample,
        height=shape[0],
        width=shape[1],
        classes=classes,
        codes=tuple(codes),
        meaning=tuple(pairs[code] for code in codes),
    )


def _classes(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name.lower() not in VOID_NAMES)


def _by_legend(legend: Legend) -> dict[int, int]:
    """Codes -> classes: the colours of a legend, and the places of its names for masks that hold values."""
    classes = _classes(legend.names)
    meaning = [classes.index(name) if name in classes else VOID for name in legend.names]
    pairs = {VOID: VOID, **dict(enumerate(meaning))}
    return pairs | {COLOUR | colour: number for colour, number in zip(legend.colours, meaning, strict=False)}


def _by_values(values: dict[int, int], legend: Legend) -> tuple[dict[int, int], tuple[str, ...]]:
    """Every value that occurs is a class, but for `VOID`; that is one, too, where there is nothing else but 0."""
    numbers = sorted(set(values.values()))
    if legend.names and numbers != [0, VOID]:
        return _by_legend(legend), _classes(legend.names)
    kept = numbers if numbers == [0, VOID] else [value for value in numbers if value != VOID]
    named = legend.names and dict(zip(kept, _classes(legend.names), strict=True))
    classes = tuple(named[value] if named else f"class {value}" for value in kept)
    return {code: kept.index(value) if value in kept else VOID for code, value in values.items()}, classes


def _by_colours(codes: Iterable[int]) -> tuple[dict[int, int], tuple[str, ...]]:
    colours = sorted(code for code in codes if code >= COLOUR)
    plain = sorted(set(codes) - set(colours))
    if plain:
        raise DataError(f"some masks hold colours and others plain values ({plain[:5]}): store all of them in one way")
    return {code: number for number, code in enumerate(colours)}, tuple(map(_called, colours))


def _all_codes(found: Iterable[Codes]) -> list[int]:
    """All codes that occur, in rising order."""
    total: set[int] = set()
    for codes in found:
        total |= set(codes.tolist())
        if len(total) > MOST + 1:
            raise DataError(
                f"the masks hold more than {MOST} different values or colours, so they are no masks of classes: "
                "photographs, smoothed edges and lossy formats look like this. Store the number of the class of each "
                "cell as an index PNG, or list the colours in a colours.csv beside the data"
            )
    return sorted(total)


def _grey(code: int) -> int | None:
    """The value of a code: itself, or the level of a grey; None for colours."""
    if code < COLOUR:
        return code
    red, green, blue = code >> 16 & 255, code >> 8 & 255, code & 255
    return red if red == green == blue else None


def _called(code: int) -> str:
    return f"the value {code}" if code < COLOUR else f"#{code - COLOUR:06x}"
