"""Files of records, read record by record: JSON lines, plain lines, tables, Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast

from tacit.data.listing import printable
from tacit.data.quoting import Quoted, unquoted
from tacit.data.table import EXTRA_COLUMNS, header_of
from tacit.data.tagged import SENTENCES, TAGS, WORDS, joined, sentences
from tacit.errors import DataError, nearest

MAX_LINE = 16 * 2**20
ID_COLUMNS = ("id", "name", "path")
Records = Callable[[], Iterator["Record"]]
Cells = Mapping[str, Any] | str
"""The cells of a row by column, or why it cannot be read."""
Choose = Callable[[list[str]], Sequence[str]]
"""Names of columns -> those to read."""
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One sample as a file holds it."""

    place: int
    """Number of its line or row, from 1."""
    text: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)
    """`label`, `split`, `group`, `fold`, where there are such."""
    name: str = ""
    reason: str = ""
    """Why it cannot be read; empty where it can."""
    tags: tuple[str, ...] = ()
    """What is said about each word, the words being what spaces separate in `text`; none where nothing is."""


def ending(path: Path | str) -> str:
    """The suffix that says what a file of records is, without `.gz`; empty where it is none."""
    name = str(path).lower().removesuffix(".gz")
    found = next((each for each in ENDINGS if name.endswith(each)), "")
    return "" if found == ".parquet" and str(path).lower().endswith(".gz") else found


def reader(path: Path, column: str) -> Records:
    """What reads the records of `path` from the start, as often as it is called; its errors are `DataError`."""

    def records() -> Iterator[Record]:
        known = (column, *EXTRA_COLUMNS, *ID_COLUMNS)
        if ending(path) == ".txt":
            yield from whole(path, _plain_lines(path))
            return
        if ending(path) in SENTENCES:
            yield from whole(path, _sentences(path))
            return
        for number, cells in rows(path, lambda have: _wanted(path, column, have), known):
            yield Record(number, reason=cells) if isinstance(cells, str) else _record(number, cells, column)

    return records


def rows(path: Path, choose: Choose, known: Sequence[str] = ()) -> Iterator[tuple[int, Cells]]:
    """(number from 1, cells by column or why there are none) of the rows of a table or of JSON lines.

    `choose` is given the names of the columns and says which to read. Raises `DataError` where the file is damaged.
    """
    if ending(path) in TABLES:
        return whole(path, _table(path, choose, known))
    return whole(path, READERS[ending(path)](path, choose))


def whole(path: Path, items: Iterator[T]) -> Iterator[T]:
    """`items`, read from `path`; `DataError` where they break off."""
    try:
        yield from items
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{printable(str(path))} cannot be read to its end: {reason}. Copy it again") from None


def _opened(path: Path) -> BinaryIO:
    packed = path.name.lower().endswith(".gz")
    file = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115 - whoever reads it closes it
    if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
        file.close()
        raise DataError(f"{printable(str(path))} is UTF-16, and only UTF-8 is read: save it as UTF-8")
    return cast(BinaryIO, file)


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


def _json_lines(path: Path, choose: Choose) -> Iterator[tuple[int, Cells]]:
    known = False
    for number, position, line in _lines(path):
        if not line.strip():
            continue
        text = _decoded(number, position, line)
        if isinstance(text, Record):
            yield number, text.reason
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            yield number, f"line {number}, at byte {position:,}, is no JSON object"
            continue
        if not known:
            choose(list(values))
        known = True
        yield number, values


def _plain_lines(path: Path) -> Iterator[Record]:
    for number, position, line in _lines(path):
        if line.strip():
            text = _decoded(number, position, line)
            yield text if isinstance(text, Record) else Record(number, text)


def _sentences(path: Path) -> Iterator[Record]:
    """Sentences of a CoNLL file, each named by its first line."""
    decoded = ((number, _decoded(number, position, line)) for number, position, line in _lines(path))
    lines = ((number, "", said.reason) if isinstance(said, Record) else (number, said, "") for number, said in decoded)
    for number, text, tags, reason in sentences(lines):
        yield Record(number, text, reason=reason, tags=tags)


def _table(path: Path, choose: Choose, known: Sequence[str]) -> Iterator[tuple[int, Cells]]:
    with _opened(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file:
        header, delimiter = _header(path, file.readline(), known)
        choose(header)
        plain = delimiter == "\t" and not _spans_lines(path, len(header))
        quoting: Literal[0, 3] = csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
        lines = Quoted(file)
        try:
            for number, cells in enumerate(csv.reader(lines, delimiter=delimiter, quoting=quoting), 2):
                lines.must_be_closed(path, number, plain=plain)
                if cells:
                    yield number, dict(zip(header, map(unquoted, cells) if plain else cells, strict=False))
        except csv.Error as error:
            raise DataError(f"{printable(str(path))} is no valid table: {error}") from None


def _spans_lines(path: Path, columns: int) -> bool:
    """Whether a row of a table of tabs may go over several lines, or hold tabs: then quotes must say where."""
    return any(line.strip() and line.count(b"\t") != columns - 1 for _, _, line in _lines(path))


def _parquet(path: Path, choose: Choose) -> Iterator[tuple[int, Cells]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            wanted = list(choose(file.schema_arrow.names))
            number = 0
            for batch in file.iter_batches(1024, columns=wanted, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except pyarrow.ArrowException as error:
        raise DataError(f"{printable(str(path))} is damaged: {' '.join(str(error).split())[:120]}") from None


READERS: Mapping[str, Callable[[Path, Choose], Iterator[tuple[int, Cells]]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
TABLES = (".csv", ".tsv")
ENDINGS = (*READERS, *TABLES, *SENTENCES, ".txt")


def first_line(path: Path) -> str:
    """The first line with something in it; empty where there is none, or where it is no text."""
    lines = (line for _, _, line in _lines(path) if line.strip())
    return next(lines, b"").decode(errors="replace")


def columns(path: Path, column: str) -> list[str]:
    """The names of the columns of a table, as those who look for `column` see them; or of the members of the first JSON
    line."""
    match ending(path):
        case ".parquet":
            import pyarrow
            import pyarrow.parquet

            try:
                return list(pyarrow.parquet.read_schema(path).names)
            except pyarrow.ArrowException:
                return []
        case ".csv" | ".tsv":
            return _header(path, first_line(path), (column, *EXTRA_COLUMNS, *ID_COLUMNS))[0]
    first = first_line(path)
    try:
        told = json.loads(first)
        return list(told) if isinstance(told, dict) else []
    except (ValueError, TypeError, RecursionError):
        return []


def _header(path: Path, first: str, known: Sequence[str]) -> tuple[list[str], str]:
    """The names of a table's columns, and what separates them. Names that are `known` may be capitalised."""
    cells, delimiter = header_of(path.name, first)
    names = [name.strip() for name in cells]
    for wanted in known:
        if wanted not in names:
            names = [wanted if name.lower() == wanted else name for name in names]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{printable(str(path))} has two columns {printable(twice)!r}: rename one of them")
    return names, delimiter


def _wanted(path: Path, column: str, have: list[str]) -> list[str]:
    """The columns to read of those there are, `column` or else words and tags. Raises `DataError` without either."""
    if column not in have and WORDS not in have:
        raise _no_column(path, column, have)
    samples = (column,) if column in have else (WORDS, TAGS)
    return [name for name in (*samples, *EXTRA_COLUMNS, *ID_COLUMNS) if name in have]


def _record(number: int, values: Mapping[str, Any], column: str) -> Record:
    tags: tuple[str, ...] = ()
    text = values.get(column)
    extras = {extra: _plain(values[extra]) for extra in EXTRA_COLUMNS if extra in values and extra != column}
    name = next((_plain(values[each]) for each in ID_COLUMNS if each in values and each != column), "")
    if column not in values and WORDS in values:
        text, tags, reason = joined(number, values[WORDS], values.get(TAGS))
        if reason:
            return Record(number, "", extras, name, reason)
    if not isinstance(text, str):
        reason = f"row {number} has no {column}" if text is None else f"the {column} of row {number} is no text"
        return Record(number, "", extras, name, reason)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        if 0xDC80 <= code <= 0xDCFF:  # how a byte that is no UTF-8 is read from a table
            return Record(number, "", extras, name, f"row {number} is no UTF-8 (0x{code - 0xDC00:02x})")
        return Record(number, "", extras, name, f"row {number} holds half a character (\\u{code:04x})")
    return Record(number, text, extras, name, tags=tags)


def _plain(value: Any) -> str:
    """A label, split, group or name as text; empty for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, list):  # several labels
        return ";".join(map(_plain, value)) or ";"
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
