"""Files of records, read record by record: JSON lines, plain lines, tables, Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from tacit.data.listing import printable
from tacit.data.table import EXTRA_COLUMNS, header_of
from tacit.errors import DataError, nearest

MAX_LINE = 16 * 2**20
ID_COLUMNS = ("id", "name", "path")
WORDS, TAGS = "tokens", "tags"
"""The members that hold a text word by word and what was said about each word, in place of the text."""
_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_REMARK = re.compile(r"# ?(id\b|[\w.]+ =)")
"""Remarks of CoNLL files, `# text = ...`; a lone `#` in front of a tag is a word."""
Records = Callable[[], Iterator["Record"]]


@dataclass(frozen=True)
class Record:
    """One sample as a file holds it."""

    place: int
    """Number of its line or row, from 1."""
    text: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)
    """`label`, `split`, `group`, where there are such."""
    name: str = ""
    tags: tuple[str, ...] = ()
    """What was said about each word, the words being what spaces separate in `text`; none where nothing was."""
    reason: str = ""
    """Why it cannot be read; empty where it can."""


def ending(path: Path | str) -> str:
    """The suffix that says what a file of records is, without `.gz`; empty where it is none."""
    name = str(path).lower().removesuffix(".gz")
    found = next((each for each in READERS if name.endswith(each)), "")
    return "" if found == ".parquet" and str(path).lower().endswith(".gz") else found


def reader(path: Path, column: str) -> Records:
    """What reads the records of `path` from the start, as often as it is called; its errors are `DataError`."""
    read = READERS[ending(path)]

    def records() -> Iterator[Record]:
        try:
            yield from read(path, column)
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DataError(f"{printable(str(path))} cannot be read to its end: {reason}. Copy it again") from None

    return records


def _opened(path: Path) -> BinaryIO:
    packed = path.name.lower().endswith(".gz")
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, position of its first byte, the line without its end); the byte order mark is dropped."""
    with _opened(path) as file:
        number = position = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            start, position = position, position + len(line)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, start, line.rstrip(b"\r\n")


def _decoded(number: int, position: int, line: bytes) -> str | Record:
    """A line as text, or the record that says why it is none."""
    if len(line) > MAX_LINE:
        return Record(number, reason=f"line {number} is longer than {MAX_LINE // 2**20} MiB")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        where = position + error.start
        return Record(number, reason=f"line {number} is no UTF-8 at byte {where:,} (0x{line[error.start]:02x})")


def _json_lines(path: Path, column: str) -> Iterator[Record]:
    known = False
    for number, position, line in _lines(path):
        if not line.strip():
            continue
        text = _decoded(number, position, line)
        if isinstance(text, Record):
            yield text
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            yield Record(number, reason=f"line {number}, at byte {position:,}, is no JSON object")
            continue
        if column not in values and WORDS not in values and not known:
            raise _no_column(path, column, list(values))
        known = True
        yield _record(number, values, column)


def _plain_lines(path: Path, column: str) -> Iterator[Record]:
    for number, position, line in _lines(path):
        if line.strip():
            text = _decoded(number, position, line)
            yield text if isinstance(text, Record) else Record(number, text)


def _sentences(path: Path, column: str) -> Iterator[Record]:
    """Sentences of a CoNLL file: a word a line with its tag in the last column, an empty line behind a sentence."""
    words: list[str] = []
    tags: list[str] = []
    first, reason = 0, ""
    for number, position, line in chain(_lines(path), [(0, 0, b"")]):
        text = _decoded(number, position, line)
        if isinstance(text, Record):
            first, reason = first or number, reason or text.reason
        elif text.strip() and not text.startswith("-DOCSTART-"):
            if not _REMARK.match(text):
                cells = text.split("\t" if "\t" in text else None)
                first = first or number
                words.append(cells[0])
                tags += cells[1:][-1:]
        elif first:
            yield _tagged(first, words, tags, {}, reason=reason)
            words, tags, first, reason = [], [], 0, ""


def _table(path: Path, column: str) -> Iterator[Record]:
    with _opened(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file:
        header, delimiter = _header(path, file.readline())
        if column not in header:
            raise _no_column(path, column, header)
        try:
            for number, cells in enumerate(csv.reader(file, delimiter=delimiter), 2):
                if cells:
                    yield _record(number, dict(zip(header, cells, strict=False)), column)
        except csv.Error as error:
            raise DataError(f"{printable(str(path))} is no valid table: {error}") from None


def _parquet(path: Path, column: str) -> Iterator[Record]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if column not in names and WORDS not in names:
                raise _no_column(path, column, names)
            wanted = [name for name in (column, *EXTRA_COLUMNS, *ID_COLUMNS, WORDS, TAGS) if name in names]
            number = 0
            for batch in file.iter_batches(1024, columns=wanted, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield _record(number, values, column)
    except pyarrow.ArrowException as error:
        raise DataError(f"{printable(str(path))} is damaged: {' '.join(str(error).split())[:120]}") from None


SENTENCES = (".conll", ".bio", ".iob", ".iob2")
READERS: Mapping[str, Callable[[Path, str], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".txt": _plain_lines,
    **dict.fromkeys(SENTENCES, _sentences),
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
}


def first_line(path: Path) -> str:
    """The first line with something in it; empty where there is none, or where it is no text."""
    lines = (line for _, _, line in _lines(path) if line.strip())
    return next(lines, b"").decode(errors="replace")


def columns(path: Path) -> list[str]:
    """The names of the columns of a table, or of the members of the first JSON line."""
    match ending(path):
        case ".parquet":
            import pyarrow
            import pyarrow.parquet

            try:
                return list(pyarrow.parquet.read_schema(path).names)
            except pyarrow.ArrowException:
                return []
        case ".csv" | ".tsv":
            return _header(path, first_line(path))[0]
    try:
        return list(json.loads(first_line(path)))
    except (ValueError, TypeError, RecursionError):
        return []


def _header(path: Path, first: str) -> tuple[list[str], str]:
    """The names of a table's columns, and what separates them."""
    cells, delimiter = header_of(path.name, first)
    return [name.strip() for name in cells], delimiter


def _record(number: int, values: Mapping[str, Any], column: str) -> Record:
    text = values.get(column)
    extras = {extra: _plain(values[extra]) for extra in EXTRA_COLUMNS if extra in values and extra != column}
    name = next((_plain(values[each]) for each in ID_COLUMNS if each in values and each != column), "")
    if column not in values and WORDS in values:
        return _tagged(number, values[WORDS], values.get(TAGS), extras, name)
    if not isinstance(text, str):
        reason = f"row {number} has no {column}" if text is None else f"the {column} of row {number} is no text"
        return Record(number, "", extras, name, reason=reason)
    if not _encodes(text):
        return Record(number, "", extras, name, reason=f"row {number} holds characters that are no Unicode text")
    return Record(number, text, extras, name)


def _encodes(text: str) -> bool:
    """Whether it is Unicode text: JSON can hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tagged(
    number: int, words: Any, tags: Any, extras: Mapping[str, str], name: str = "", *, reason: str = ""
) -> Record:
    """A text given word by word; spaces inside of a word become no-break spaces, so that spaces separate words."""
    told = tags or []
    for what, values in ((WORDS, words), (TAGS, told)):
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            reason = reason or f"the {what} of row {number} are no list of texts"
    if reason:
        return Record(number, "", extras, name, reason=reason)
    if not words or not all(word.strip() for word in words):
        return Record(number, "", extras, name, reason=f"a word of row {number} is empty" if words else "no words")
    text = " ".join(_SPACE.sub("\u00a0", word) for word in words)
    if told and len(told) != len(words):
        reason = f"row {number} has {len(words)} words and {len(told)} tags"
    elif not _encodes(text):
        reason = f"row {number} holds characters that are no Unicode text"
    if reason:
        return Record(number, "", extras, name, reason=reason)
    return Record(number, text, extras, name, tuple(tag.strip() for tag in told))


def _plain(value: Any) -> str:
    """A label, split, group or name as text; empty for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(int(value) if isinstance(value, bool) else value).strip()


def _no_column(path: Path, column: str, have: list[str]) -> DataError:
    known = ", ".join(map(printable, have)) or "none"
    return DataError(
        f"{printable(str(path))} has no column {column!r}; its columns are {known}. Name the one that holds the "
        f"samples behind a #, as in '{printable(path.name)}#{printable(have[0]) if have else column}'; "
        f"{nearest(column, have)}"
    )
