"""Where to look in series: scores of all steps, streamed to a table, and the moments that stand out most."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, RunError, UsageError, nearest
from tacit.proving import scores
from tacit.proving.courses import Course

FORMATS = (".parquet", ".csv")
WHAT = "tacit anomalies"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """A step that stands out."""

    name: str
    """Its sample, as the data call it."""
    step: int
    """Counted from 0 in that sample."""
    time: str
    """When it was, as it is written; empty where the data do not say."""
    score: float


def find_anomalies(
    encoder: TrainedEncoder, data: str, *, out: Path | None = None, k: int = 10, max_bad: float = 0.01
) -> list[Moment]:
    """The `k` moments of `data` that are least like what is normal, the most unusual first, a window apart at least.

    What is normal is the part `train` of `data`, by default the first 15 % of each series; all other steps are scored
    as in `tacit evaluate --task anomaly`. `out`: a .parquet or .csv with columns `name`, `step`, `time` and `score` for
    all steps, empty for those that are taken for normal; it appears whole or not at all. Raises `UsageError` for other
    kinds of data, `DataError` where nothing is normal or nothing is left, `RunError` where `out` cannot be written.
    """
    if k < 0:
        raise UsageError(f"--k {k}: give 0 or more")
    if out is not None and (out.suffix not in FORMATS or out.is_dir()):
        raise UsageError(f"--out {out}: the suffix says what is written; {nearest(out.suffix, FORMATS)}")
    with interrupt.listening():
        course, _ = scores.open_watched(encoder, data, what=WHAT, max_bad=max_bad)
        length = encoder.layout.shape[0]
        found = scores.distances(course, scores.by_encoder(encoder.network, encoder), length, "windows").numpy()
        for begin, end in course.spans["train"]:
            found[begin:end] = np.nan
        if np.isnan(found).all():
            raise DataError(
                f"{printable(data)}: no step behind what is taken for normal has a value, so none is scored"
            )
        if out is not None:
            _write(course, found, out)
        return list(_peaks(course, found, length, k))


def _peaks(course: Course, found: Floats, length: int, k: int) -> Iterator[Moment]:
    """The highest scores, those within a window of a higher one in the same series being passed over."""
    left = found.copy()
    for _ in range(k):
        if np.isnan(left).all():
            return
        at = int(np.nanargmax(left))
        level = int(np.argmax(np.append(left[at:], np.nan) != left[at]))  # steps of the same windows score alike
        at += (level - 1) // 2
        row, begin = next((row, begin) for row, (begin, end) in course.pieces if begin <= at < end)
        when = _times(course, row, at - begin + 1)[-1] or ""
        yield Moment(printable(course.source.name(row)), at - begin, when, float(found[at]))
        first = int(course.begins[at])
        left[max(first, at - length) : min(next(end for end in course.ends if end > at), at + length + 1)] = np.nan


def _write(course: Course, found: Floats, out: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    schema = pa.schema([("name", pa.string()), ("step", pa.int64()), ("time", pa.string()), ("score", pa.float64())])
    writers = {".parquet": pyarrow.parquet.ParquetWriter, ".csv": pyarrow.csv.CSVWriter}
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with writers[out.suffix](str(partial), schema) as writer:
            for row, (begin, end) in course.pieces:
                interrupt.check()
                names = [printable(course.source.name(row))] * (end - begin)
                when = _times(course, row, end - begin)
                columns = [names, range(end - begin), when, pa.array(found[begin:end], from_pandas=True)]
                arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        partial.replace(out)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _times(course: Course, row: int, steps: int) -> Sequence[str | None]:
    """When the first `steps` steps of a sample were; None for each where the data do not say."""
    times = course.source.times(row) if course.source.times else ()
    return [str(time) for time in times[:steps]] or [None] * steps
