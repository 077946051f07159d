"""Pairs of samples with a score of how alike they are, as in tables of semantic textual similarity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.collected import Collected
from tacit.data.lines import ending, rows
from tacit.data.listing import Longs, Source, printable
from tacit.data.records import recorded
from tacit.data.shards import expand
from tacit.errors import DataError, nearest

COLUMNS = (("text1", "text2"), ("sentence1", "sentence2"), ("sentence_a", "sentence_b"), ("path1", "path2"))
"""What the two columns of samples may be called, whatever their case."""
SCORES = ("score", "similarity", "relatedness_score")
SETS = ("set", "split")
_EXPECTED = (
    "a table of pairs is a .csv, .tsv, .jsonl (each also as .gz) or .parquet with the columns text1, text2 and score; "
    "several are a folder of such, or 'sts-{a,b}.tsv'"
)


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs with a score, of samples that stand in `source`, each once."""

    source: Source
    rows: Longs
    """`[N, 2]`, rows of the source."""
    scores: npt.NDArray[np.float64]
    """`[N]`, the larger the more alike."""
    sets: Longs
    """`[N]`, index into `names`."""
    names: tuple[str, ...]
    """What the sets are called."""
    unscored: int
    """Rows without a score, which are passed over."""
    damaged: tuple[str, ...]
    """Why some rows are no pair: the first reasons, and their number behind."""


@dataclass(eq=False)
class _Read:
    """What has been read so far."""

    samples: Collected
    rows: list[tuple[int, int]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    sets: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    unscored: int = 0
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Columns:
    """Which columns hold what."""

    first: str
    second: str
    score: str
    set: str | None


def open_pairs(data: str, suffixes: frozenset[str], records: str | None) -> Pairs:
    """The pairs in DATA: a table, a folder of tables, or several by a pattern such as `sts-{a,b}.tsv`.

    The column `set` (or `split`) names the set a pair belongs to; without one each file is a set. Cells hold samples
    where `records` is given (see `Modality.records`), and else name files, relative to the table. Raises `DataError`.
    """
    paths = _paths(data)
    read = _Read(Collected(suffixes, held=records is not None))
    for path in paths:
        _add(read, path)
    if not read.rows:
        held = f"{read.unscored:,} rows without a score, {len(read.damaged):,} that are no pair"
        raise DataError(f"{printable(data)} has no pair with a score ({held}): {_EXPECTED}")
    return Pairs(
        source=read.samples.source(data),
        rows=np.array(read.rows, np.int64),
        scores=np.array(read.scores),
        sets=np.array(read.sets, np.int64),
        names=tuple(read.names),
        unscored=read.unscored,
        damaged=tuple(read.damaged),
    )


def _paths(data: str) -> Sequence[Path]:
    path = Path(data)
    if "{" in data and not path.exists():
        found: Sequence[Path] = expand(data)
    elif not path.exists():
        raise DataError(f"no file or folder {printable(data)!r}: {_EXPECTED}")
    else:
        found = recorded(path)
    if not found or any(ending(each) in ("", ".txt") for each in found):
        raise DataError(f"{printable(data)} holds no table of pairs: {_EXPECTED}")
    return found


def _add(read: _Read, path: Path) -> None:
    """The pairs of one file."""
    columns: _Columns | None = None

    def choose(have: list[str]) -> list[str]:
        nonlocal columns
        columns = _columns(path, have)
        return [name for name in (columns.first, columns.second, columns.score, columns.set) if name is not None]

    for number, cells in rows(path, choose):
        interrupt.check()
        if isinstance(cells, str) or columns is None:
            read.damaged.append(f"{path.name}: {cells}")
            continue
        texts = [cells.get(columns.first), cells.get(columns.second)]
        reason = next((reason for text in texts if (reason := _unfit(text))), None)
        score = _score(cells.get(columns.score))
        if reason is not None or score is None:
            read.damaged.append(f"{path.name}, row {number}: {reason or f'no number: {cells[columns.score]!r}'}")
        elif math.isnan(score):
            read.unscored += 1
        else:
            named = str(cells.get(columns.set) or "").strip() if columns.set else path.name.partition(".")[0]
            place = f"{path.name}:{number}"
            pair = [read.samples.of(str(text), f"{place}.{at}", path.parent) for at, text in enumerate(texts, 1)]
            read.rows.append((pair[0], pair[1]))
            read.scores.append(score)
            read.sets.append(read.names.setdefault(named or "no set", len(read.names)))


def _unfit(text: Any) -> str | None:
    """Why a cell holds no sample, or None."""
    if text is None or text != text or (isinstance(text, str) and not text.strip()):
        return "one of the two is missing"
    if not isinstance(text, str):
        return "one of the two is no text"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it holds characters that are no Unicode text"
    return None


def _score(cell: Any) -> float | None:
    """The number in a cell: NaN where it is empty, None where it is something else."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.nan
    try:
        score = float(cell)
    except (TypeError, ValueError):
        return None
    return None if math.isinf(score) else score


def _columns(path: Path, have: Iterable[str]) -> _Columns:
    lower: Mapping[str, str] = {name.lower(): name for name in have}
    both = next((pair for pair in COLUMNS if all(name in lower for name in pair)), None)
    score = next((name for name in SCORES if name in lower), None)
    if both is None or score is None:
        missing = "two columns of samples" if both is None else "column of scores"
        valid = [name for pair in COLUMNS for name in pair] if both is None else list(SCORES)
        close = next((name for name in lower if name not in valid), "")
        raise DataError(
            f"{printable(str(path))} has no {missing}; its columns are {', '.join(map(printable, have)) or 'none'}. "
            f"{nearest(close, valid)}"
        )
    of_set = next((name for name in SETS if name in lower), None)
    return _Columns(lower[both[0]], lower[both[1]], lower[score], lower[of_set] if of_set else None)
