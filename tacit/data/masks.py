"""The masks of a data set in the form of its packed samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tacit import console, interrupt
from tacit.core import Layout, Modality, Raw
from tacit.data import cache
from tacit.data.annotation import VOID, Annotations, Legend, Mask
from tacit.data.coding import Codes, MaskConfig, MaskLayout, decoded, distinct, encoded, survey
from tacit.data.dataset import Dataset
from tacit.data.listing import Longs, Source, fingerprint, printable
from tacit.data.mapped import MappedRows
from tacit.errors import DataError, Unreadable

FORMATS = (
    "images/ and masks/ (or labels/, annotations/), or train/ and trainannot/ (or train_labels/, train_masks/), matched"
    " by name; or a COCO .json with polygons or RLE"
)

LYING = (5, 6, 7, 8)
"""The EXIF values under which a stored sample is shown with its sides swapped."""


@dataclass(frozen=True, eq=False)
class PackedMasks:
    """The masks of a set, as its packed samples show them."""

    classes: tuple[str, ...]
    place: Longs
    """Row of the source -> row of `rows`, -1 where there is no mask."""
    rows: MappedRows
    """uint8 `[N, H, W]`: the class of each cell, or `VOID`."""

    def take(self, source_rows: Longs) -> Mask:
        """The masks of `source_rows`, uint8 `[n, H, W]`; nothing but `VOID` where there is none."""
        places = self.place[source_rows]
        taken: Mask = self.rows.take(places.clip(0))
        taken[places < 0] = VOID
        return taken


def pack_masks(dataset: Dataset, *, max_bad: float = 0.01, cache_dir: Path | None = None) -> PackedMasks:
    """The masks of `dataset`, cut and resized (to the nearest cell) like its samples; from the cache where they are.

    Raises:
        DataError: it has no masks, more than the fraction `max_bad` of them cannot be read or fit no sample, or they
            tell too few or too many classes apart.
    """
    annotations = dataset.annotations.of("masks") if dataset.annotations else None
    modality = dataset.modality
    if annotations is None or modality.window is None:
        raise DataError(f"{dataset.name} has no masks. They are read from {FORMATS}")
    everything = dataset.everything()
    rows = everything.source_rows[annotations.present[everything.source_rows]]
    source = _source(dataset, annotations, rows)
    legend = annotations.legend or Legend(())
    wanted = MaskConfig(sample=dataset.layout.model_dump(mode="json"), names=legend.names, colours=legend.colours)
    height, width = dataset.layout.shape[-2:]
    kind = replace(
        modality,
        name=f"masks of {modality.name}",
        unit="masks",
        layout=MaskLayout,
        survey=partial(survey, shape=(height, width)),
        read=partial(_read, modality=modality, sample=dataset.layout),
    )
    layout = cache.survey(source, kind, _all(source), wanted, cache_dir)
    packed = cache.pack(source, kind, layout, max_bad=max_bad, cache_dir=cache_dir)
    place = np.full(len(annotations.present), -1, np.int64)
    place[rows[packed.kept]] = np.arange(len(packed))
    assert isinstance(layout, MaskLayout)
    return PackedMasks(layout.classes, place, packed.rows)


def _source(dataset: Dataset, annotations: Annotations, rows: Longs) -> Source:
    """The masks of the samples `rows` as a source of their own, each as its codes (see `coding.encoded`)."""
    modality = dataset.modality
    coloured = annotations.legend is not None and bool(annotations.legend.colours)
    by_row = dict(zip(dataset.everything().source_rows.tolist(), range(len(dataset)), strict=True))
    names = dataset.everything().names.take(np.array([by_row[row] for row in rows.tolist()], np.int64))

    def read(number: int) -> Codes:
        row = int(rows[number])
        assert modality.extent is not None
        mask = annotations.read(row)
        if isinstance(mask, bytes):
            if modality.stored is None:
                raise Unreadable("masks of this kind of data are not read from files")
            codes = encoded(modality.stored(mask, coloured))
        else:
            assert isinstance(mask, np.ndarray)
            codes = encoded(mask)
        width, height, turn = modality.extent(dataset.raw(row))
        if turn in LYING and codes.shape == (width, height) and width != height:
            codes = turned(codes, turn)  # drawn on the sample as it is stored
        if codes.shape != (height, width):
            raise Unreadable(
                f"its mask has {codes.shape[1]} x {codes.shape[0]} cells, and itself {width} x {height} as it is shown"
            )
        return codes

    return Source(
        title=dataset.name,
        names=names,
        read=read,
        fingerprint=fingerprint(f"masks {annotations.fingerprint}", names, rows),
        labels=np.full(len(rows), -1, np.int32),
    )


def turned(codes: Codes, turn: int) -> Codes:
    """Cells `[H, W]` of a stored sample as it is shown, by the EXIF value `turn`."""
    if turn in LYING:
        codes = codes.T
    if turn in (2, 3, 6, 7):
        codes = codes[:, ::-1]
    if turn in (3, 4, 7, 8):
        codes = codes[::-1]
    return np.ascontiguousarray(codes)


def _all(source: Source) -> Iterator[Codes]:
    """The distinct codes of every mask that can be read. Raises `DataError` where there is none."""
    reasons: list[str] = []
    with console.progress(f"looking through {len(source):,} masks", len(source)) as tick:
        for row in range(len(source)):
            interrupt.check()
            tick(row)
            try:
                codes = source.raw(row)
            except Unreadable as error:
                reasons.append(f"  {printable(source.name(row))}: {error}")
                continue
            assert isinstance(codes, np.ndarray)
            yield distinct(codes)
    if len(reasons) == len(source):
        raise DataError("\n".join([f"not one mask of {printable(source.title)} can be used:", *reasons[:5]]))


def _read(codes: Raw, layout: Layout, *, modality: Modality, sample: Layout) -> Mask:
    """The part of a mask that the packed sample shows, at its size: uint8 `[H, W]`. Raises `Unreadable`."""
    assert isinstance(codes, np.ndarray)
    assert isinstance(layout, MaskLayout)
    assert modality.window is not None
    height, width = codes.shape
    left, upper, right, lower = modality.window(width, height, sample)
    columns = _nearest(left, right, layout.width, width)
    lines = _nearest(upper, lower, layout.height, height)
    return decoded(codes, layout)[np.ix_(lines, columns)]


def _nearest(low: float, high: float, count: int, most: int) -> Longs:
    """The cells in which the centres of `count` equal parts of [low, high] lie."""
    centres = low + (np.arange(count) + 0.5) * ((high - low) / count)
    cells: Longs = np.floor(centres).astype(np.int64).clip(0, most - 1)
    return cells
