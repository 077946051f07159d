"""What the benchmarks share: running tacit in a process of its own, cells of tables, and their places in documents."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tacit.core import LABELS
from tacit.methods import METHODS

ROOT = Path(__file__).parent.parent
TAUGHT = frozenset(name for name, kind in METHODS.items() if LABELS in kind.needs(kind.Config()))
"""Methods that learn from labels, which are no choice of those who have none."""


def tacit(*words: object) -> int:
    """Run `tacit` with these words; returns the seconds it took. Raises where it fails."""
    print("$ tacit", *map(str, words), flush=True)
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "tacit", *map(str, words)], check=True)
    return round(time.monotonic() - started)


def called(method: str) -> str:
    """A method in the first column of a table, said to learn from labels where it does."""
    return f"`{method}`, with labels" if method in TAUGHT else f"`{method}`"


def numbers(evaluation: dict[str, Any], row: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(task, metric) -> result of one row of an `evaluation.json`."""
    return {(each["task"], each["metric"]): each for each in evaluation["results"] if each["row"] == row}


def cell(result: dict[str, Any] | None) -> str:
    """A number with its interval; empty where it was not measured."""
    return f"{result['value']:.3f} [{result['low']:.3f}, {result['high']:.3f}]" if result else ""


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def put(name: str, text: str, document: Path = ROOT / "README.md") -> None:
    """Replace what stands in `document` between the markers `NAME begin` and `NAME end`."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    if begin not in document.read_text():
        sys.exit(f"{document.name} has no place for this table: write {begin} and {end} where it should stand")
    before, rest = document.read_text().split(begin)
    document.write_text(f"{before}{begin}\n{text}{end}{rest.split(end)[1]}")
