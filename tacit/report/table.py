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


def table(evaluation: Evaluation) -> Table:
    """A table for the terminal: a column per representation, a line per metric, its 95 % interval below.

    Turned this way it fits 80 characters. The best value carries an asterisk, so that it reads without colour.
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="", caption=_caption(evaluation), caption_justify="left")
    shown.add_column("")
    rows = representations(evaluation)
    for name, kind in rows:
        style = "bold" if kind == "encoder" else ""
        shown.add_column(Text.assemble((name, style), "\n", (NOTES[kind], "dim")), justify="right")
    for task, metric in metrics(evaluation):
        results = [evaluation.find(name, task, metric) for name, _ in rows]
        top = _best(results)
        cells = [Text(label(task, metric))]
        for result in results:
            cells.append(Text("") if result is None else _cell(result, result.value == top))
        shown.add_row(*cells)
    return shown


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


def _cell(result: Result, best: bool) -> Text:
    from rich.text import Text

    if result.low is None or result.high is None:
        return Text(_number(result))
    star = "*" if best else ""
    interval = f"{figure(result.low)}–{figure(result.high)}"
    return Text.assemble((star + figure(result.value), "bold" if best else ""), "\n", (interval, "dim"))


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
