"""The results as a table: for the terminal with rich, for a README in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tacit.evaluation.bench import Evaluation, Kind, Result
from tacit.evaluation.direction import sign
from tacit.evaluation.few_label import BALANCED, plain, words
from tacit.evaluation.verdict import figure

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

NOTES: dict[Kind, str] = {
    "encoder": "trained",
    "untrained": "floor",
    "raw": "floor",
    "scratch": "floor",
    "majority": "floor",
    "random": "floor",
    "method": "rival",
}
"""What is said under a row's name."""


FEW_TASKS = {"few-label": "", "semi": "semi, ", "few-label-finetuned": "", "select": ""}
"""Tasks whose metrics are numbers of labels, and what is said in front of them."""


WIDTH = 80
"""Characters of a terminal that tables are made for."""
_INTERVAL = len(".000–.000")


def table(evaluation: Evaluation) -> Table:
    """A table for the terminal: a column per representation, a line per metric, its 95 % interval below.

    Where there are too many representations for 80 characters, a line for each of them. The best value carries an
    asterisk, so that it reads without colour.
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="", caption=_caption(evaluation), caption_justify="left")
    rows, keys = representations(evaluation), metrics(evaluation)
    heads = [
        Text.assemble((name, "bold" if kind == "encoder" else ""), "\n", (NOTES[kind], "dim")) for name, kind in rows
    ]
    labels = [Text(label(*key)) for key in keys]
    cells = [[_cell(evaluation, name, key, rows) for name, _ in rows] for key in keys]
    if _too_wide(rows, keys):
        heads, labels, cells = labels, heads, [list(line) for line in zip(*cells, strict=True)]
    shown.add_column("")
    for head in heads:
        shown.add_column(head, justify="right")
    for name, line in zip(labels, cells, strict=True):
        shown.add_row(name, *line)
    return shown


def _too_wide(rows: Sequence[tuple[str, Kind]], keys: Sequence[tuple[str, str]]) -> bool:
    """Whether columns of representations are too wide, and columns of metrics are fewer."""
    first = max(len(label(*key)) for key in keys)
    return len(keys) < len(rows) and first + sum(max(len(name), _INTERVAL) + 2 for name, _ in rows) > WIDTH


def markdown(evaluation: Evaluation) -> str:
    """The same as a Markdown table: a line per representation, a column per metric, the best in bold."""
    keys = metrics(evaluation)
    lines = [["", *(label(task, metric) for task, metric in keys)], ["---", *("--:" for _ in keys)]]
    best = {key: _best([evaluation.find(name, *key) for name, _ in representations(evaluation)]) for key in keys}
    for name, kind in representations(evaluation):
        cells = [name if kind == "encoder" else f"{name} ({NOTES[kind]})"]
        for key in keys:
            result = evaluation.find(name, *key)
            cells.append("" if result is None else _plain(result, result.value == best[key]))
        lines.append(cells)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _caption(evaluation: Evaluation) -> str:
    balanced = any(result.metric.endswith(BALANCED) for result in evaluation.results)
    return "* best; accuracies are balanced: the mean of the classes' recalls" if balanced else "* best"


def representations(evaluation: Evaluation) -> list[tuple[str, Kind]]:
    """Names and kinds of the rows, in the order in which they were judged."""
    return list(dict.fromkeys((result.row, result.kind) for result in evaluation.results))


def metrics(evaluation: Evaluation) -> list[tuple[str, str]]:
    """(task, metric) of all accuracies, few labels in front of all labels as on the curve, then the health."""
    order = {"knn": 0, "few-label": 1, "semi": 2, "linear": 3, "health": 4}
    keys = dict.fromkeys((result.task, result.metric) for result in evaluation.results)
    return sorted(keys, key=lambda key: order.get(key[0], len(order)))


def label(task: str, metric: str) -> str:
    """What a metric is called in a table."""
    if task in FEW_TASKS:
        return f"{FEW_TASKS[task]}{words(metric)}"
    names = {"knn": f"kNN, {plain(metric)}", "linear": "all labels (linear)", "retrieval": f"retrieval, {metric}"}
    return names.get(task, metric)


def _cell(evaluation: Evaluation, name: str, key: tuple[str, str], rows: Sequence[tuple[str, Kind]]) -> Text:
    from rich.text import Text

    result = evaluation.find(name, *key)
    if result is None:
        return Text("")
    if result.low is None or result.high is None:
        return Text(_number(result))
    best = result.value == _best([evaluation.find(other, *key) for other, _ in rows])
    interval = f"{figure(result.low)}–{figure(result.high)}"
    value = f"{'*' if best else ''}{figure(result.value)}"
    return Text.assemble((value, "bold" if best else ""), "\n", (interval, "dim"))


def _plain(result: Result, best: bool) -> str:
    if result.low is None or result.high is None:
        return _number(result)
    value = f"**{figure(result.value)}**" if best else figure(result.value)
    return f"{value} [{figure(result.low)}, {figure(result.high)}]"


def _number(result: Result) -> str:
    return f"{result.value:.0f}" if result.metric == "dead dimensions" else f"{result.value:.2f}"


def _best(results: Sequence[Result | None]) -> float | None:
    """The best value; None for measures of health, of which no extreme is best."""
    found = [result for result in results if result is not None and result.low is not None]
    return max(found, key=lambda result: sign(result.metric) * result.value).value if found else None
