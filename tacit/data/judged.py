"""Queries, documents and judgements of which documents answer which query: the folders of BEIR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.collected import Collected
from tacit.data.lines import ending, rows
from tacit.data.listing import Longs, Source, printable
from tacit.errors import DataError, nearest

ID_COLUMNS = ("_id", "id")
QUERY_COLUMNS, DOCUMENT_COLUMNS = ("query-id", "query_id"), ("corpus-id", "corpus_id")
_EXPECTED = (
    "queries to search by stand in a folder with corpus.jsonl and queries.jsonl (members _id, text, of documents also "
    "title) and qrels.tsv or qrels/test.tsv (columns query-id, corpus-id, score), each also as .gz, .csv or .parquet"
)


@dataclass(frozen=True, eq=False)
class Judged:
    """Q queries, D documents and J judgements, of samples that stand in `source`, each once."""

    source: Source
    queries: Longs
    """`[Q]`, rows of the source: those with a relevant document."""
    documents: Longs
    """`[D]`, rows of the source."""
    query: Longs
    """`[J]`, index into `queries`."""
    document: Longs
    """`[J]`, index into `documents`."""
    relevance: npt.NDArray[np.float64]
    """`[J]`, above 0."""
    unanswered: int
    """Queries without a relevant document, which are passed over."""
    lost: tuple[str, ...]
    """Why some rows are passed over, the first ones first."""


def open_judged(data: str, suffixes: frozenset[str], records: str | None) -> Judged:
    """The queries, documents and judgements in the folder DATA, laid out as those of BEIR (arXiv 2104.08663).

    Members hold samples where `records` names their column (see `Modality.records`), and else `path` names files,
    relative to the folder. Raises `DataError`.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise DataError(f"{printable(data)} is no folder: {_EXPECTED}")
    samples = Collected(suffixes, held=records is not None)
    column = records or "path"
    lost: list[str] = []
    documents = _samples(_table(folder, "corpus"), column, samples, lost)
    queries = _samples(_table(folder, "queries"), column, samples, lost)
    judged = list(_judgements(_table(folder, "qrels", "qrels/test"), queries, documents, lost))
    asked = list(dict.fromkeys(query for query, _, _ in judged))
    if not asked:
        raise DataError(f"no query of {printable(data)} has a relevant document among the {len(documents):,} there are")
    place = {name: number for number, name in enumerate(asked)}
    where = {name: number for number, name in enumerate(documents)}
    return Judged(
        source=samples.source(data),
        queries=np.array([queries[name] for name in asked], np.int64),
        documents=np.array(list(documents.values()), np.int64),
        query=np.array([place[query] for query, _, _ in judged], np.int64),
        document=np.array([where[document] for _, document, _ in judged], np.int64),
        relevance=np.array([relevance for _, _, relevance in judged]),
        unanswered=len(queries) - len(asked),
        lost=tuple(lost),
    )


def _table(folder: Path, *stems: str) -> Path:
    """The one table of a name. Raises `DataError`."""
    for stem in stems:
        home, name = (folder / stem).parent, Path(stem).name
        found = sorted(home.glob(f"{name}.*")) if home.is_dir() else []
        tables = [path for path in found if ending(path) not in ("", ".txt")]
        if tables:
            return tables[0]
    raise DataError(f"{printable(str(folder))} has no {stems[0]}: {_EXPECTED}")


def _samples(path: Path, column: str, samples: Collected, lost: list[str]) -> dict[str, int]:
    """Id -> row of the sample; of documents with a title, it stands before the text, as in BEIR."""
    found: dict[str, int] = {}
    for number, cells in _rows(path, (ID_COLUMNS, (column,)), lost, ("title",)):
        named, text = _id(_first(cells, ID_COLUMNS)), cells.get(column)
        title = cells.get("title")
        parts = [part.strip() for part in (title, text) if isinstance(part, str) and part.strip()]
        if not named or not isinstance(text, str) or not parts or not _is_text("".join(parts)):
            lost.append(f"{path.name}, row {number} has no {column if named else 'id'}")
        elif named in found:
            raise DataError(f"{printable(str(path))} holds two samples with the id {printable(named)!r}: give each one")
        else:
            found[named] = samples.of(" ".join(parts), f"{path.name}:{named}", path.parent)
    return found


def _judgements(
    path: Path, queries: Mapping[str, int], documents: Mapping[str, int], lost: list[str]
) -> Iterator[tuple[str, str, float]]:
    """(query, document, relevance above 0) of queries and documents that there are, each once."""
    seen: set[tuple[str, str]] = set()
    for number, cells in _rows(path, (QUERY_COLUMNS, DOCUMENT_COLUMNS, ("score",)), lost):
        query, document = (_id(_first(cells, names)) for names in (QUERY_COLUMNS, DOCUMENT_COLUMNS))
        try:
            relevance = float(cells.get("score") or 0)
        except (TypeError, ValueError):
            lost.append(f"{path.name}, row {number}: no number: {cells.get('score')!r}")
            continue
        if query not in queries or document not in documents:
            lost.append(f"{path.name}, row {number} names {query!r} and {document!r}, and one of them is not there")
        elif 0 < relevance < float("inf") and (query, document) not in seen:
            seen.add((query, document))
            yield query, document, relevance


def _rows(
    path: Path, wanted: tuple[tuple[str, ...], ...], lost: list[str], extra: tuple[str, ...] = ()
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a table that has a column of each of the `wanted` names."""

    def choose(have: list[str]) -> list[str]:
        missing = next((names for names in wanted if not set(names) & set(have)), None)
        if missing is not None:
            known = ", ".join(map(printable, have)) or "none"
            raise DataError(
                f"{printable(str(path))} has no column {missing[0]!r}; its columns are {known}. "
                f"{nearest(next(iter(have), ''), missing)}"
            )
        return [name for name in have if name in extra or any(name in names for names in wanted)]

    for number, cells in rows(path, choose):
        interrupt.check()
        if isinstance(cells, str):
            lost.append(f"{path.name}: {cells}")
        else:
            yield number, cells


def _first(cells: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((cells[name] for name in names if name in cells), None)


def _id(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
