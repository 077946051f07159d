"""The label-efficiency curve: accuracy over the number of labels, for the encoder and all its floors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacit.evaluation.bench import Evaluation, Kind
from tacit.evaluation.few_label import BALANCED, IN_ALL, number, plain
from tacit.evaluation.verdict import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, PALE = "#1f2328", "#656d76", "#e4e7eb"
LOOKS: dict[Kind, tuple[str, str]] = {
    "encoder": ("#0b62d6", "o"),
    "raw": ("#b4540a", "s"),
    "untrained": ("#656d76", "^"),
    "scratch": ("#8a3ea8", "D"),
    "method": ("#1b7f5c", "v"),
    "random": ("#b4540a", "s"),
}
"""Kind of row -> colour and marker; apart for the colour-blind by their lightness, in grey by the markers."""
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "path",
    "svg.hashsalt": "tacit",
}
"""The font that travels with matplotlib, drawn as outlines: the same picture on every machine."""
TASKS = ("few-label", "few-label-finetuned", "select")
"""Tasks whose metrics are numbers of labels: an evaluation holds one of them."""
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Where the vertical axis may have a tick."""
HEADROOM = 0.8
"""How far, in logits, the axis may reach above the highest value; an interval that ends at 1 would never end."""
GAP = 0.35
"""Room between the largest size and `all`, in decades."""


@dataclass(frozen=True)
class Line:
    """One representation at the sizes at which it was measured; `x` in decades, `all` behind the last."""

    name: str
    kind: Kind
    x: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def draw(evaluation: Evaluation, folder: Path, *, title: str, footnote: str, stem: str = "curve") -> tuple[Path, Path]:
    """Write `STEM.svg` and `STEM.png` into `folder` and return their paths.

    `title` says what was learnt on what, `footnote` the protocol. Needs one of `TASKS` or the task `linear`.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines, ticks = _lines(evaluation)
    with rc_context(STYLE):
        picture = Figure(figsize=(8.4, 5.4), dpi=160, facecolor="white")
        FigureCanvasAgg(picture)
        axes = picture.add_axes((0.095, 0.165, 0.675, 0.625))
        in_all = any(result.task in TASKS and plain(result.metric).endswith(IN_ALL) for result in evaluation.results)
        _frame(axes, ticks, lines, IN_ALL if in_all else " per class")
        for line in lines:
            _draw_line(axes, line)
        _name_lines(axes, lines)
        _words(picture, evaluation, title, footnote)
        paths = folder / f"{stem}.svg", folder / f"{stem}.png"
        picture.savefig(paths[0], metadata={"Date": None})
        picture.savefig(paths[1], metadata={"Software": None})
    return paths


def _lines(evaluation: Evaluation) -> tuple[list[Line], dict[float, str]]:
    """The lines, the encoder last so that it lies on top, and the axis' ticks."""
    results = [result for result in evaluation.results if result.task in (*TASKS, "linear")]
    few = {plain(result.metric): number(result.metric) for result in results if result.task in TASKS}
    ticks = {log10(size): f"{size:,}" for size in sorted(few.values())}
    at = {metric: log10(size) for metric, size in few.items()}
    if len(few) < len({plain(result.metric) for result in results}):
        at["all"] = max(ticks, default=0.0) + GAP
        ticks[at["all"]] = "all"
    lines = []
    for name, kind in dict.fromkeys((result.row, result.kind) for result in results):
        own = sorted((r for r in results if r.row == name), key=lambda result: at[plain(result.metric)])
        bounds = [(r.value if r.low is None else r.low, r.value if r.high is None else r.high) for r in own]
        lows, highs = zip(*bounds, strict=True)
        x = tuple(at[plain(result.metric)] for result in own)
        lines.append(Line(name, kind, x, tuple(result.value for result in own), lows, highs))
    return sorted(lines, key=lambda line: line.kind == "encoder"), ticks


def _frame(axes: Axes, ticks: dict[float, str], lines: Sequence[Line], unit: str) -> None:
    """Axes with a grid that stays in the background, and no box; `unit` says what labels are counted over."""
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlim(min(ticks) - 0.06, max(ticks) + 0.06)
    low = height(min(min(line.low) for line in lines))
    high = min(height(max(max(line.high) for line in lines)), height(max(max(line.value) for line in lines)) + HEADROOM)
    room = 0.05 * (high - low)
    axes.set_ylim(low - room, high + room)
    shares = _ticks(low - room, high + room)
    axes.set_yticks([height(share) for share in shares], [f"{share:g}".lstrip("0") for share in shares])
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=GREY, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#b6bcc4")
    if "all" in ticks.values():
        axes.axvline(max(ticks) - GAP / 2, color="#b6bcc4", linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_xlabel(f"labels{unit}", fontsize=9.5, color=GREY, labelpad=5)
    axes.text(-0.012, 1.0, "accuracy", transform=axes.transAxes, fontsize=9.5, color=GREY, ha="right", va="bottom")


def height(share: float) -> float:
    """Where an accuracy stands on the vertical axis: its logit.

    Linear in the middle, and near 1 as wide as the errors are rare: there the curves meet, and .98 against .99 is half
    the errors.
    """
    inside = min(max(share, SHARES[0] / 2), SHARES[-1])
    return log(inside / (1 - inside))


def _ticks(low: float, high: float) -> list[float]:
    """Those of `SHARES` between two heights that leave room for their labels."""
    kept: list[float] = []
    for share in SHARES:
        far = not kept or height(share) - height(kept[-1]) > 0.055 * (high - low)
        if low <= height(share) <= high and far:
            kept.append(share)
    return kept


def _draw_line(axes: Axes, line: Line) -> None:
    if line.kind == "majority":
        axes.axhline(height(line.value[0]), color="#8c959f", linewidth=1, linestyle=(0, (5, 4)))
        return
    colour, marker = LOOKS[line.kind]
    own = line.kind == "encoder"
    low, high = list(map(height, line.low)), list(map(height, line.high))
    axes.fill_between(line.x, low, high, color=colour, alpha=0.16 if own else 0.1, linewidth=0)
    axes.plot(
        line.x,
        list(map(height, line.value)),
        color=colour,
        linewidth=2.6 if own else 1.5,
        marker=marker,
        markersize=6.5 if own else 4.5,
        markeredgecolor="white",
        markeredgewidth=1.1 if own else 0.7,
        zorder=4 if own else 3,
        clip_on=False,
    )


def _name_lines(axes: Axes, lines: Sequence[Line]) -> None:
    """Each line's name and last value to its right, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    places = apart([height(line.value[-1]) for line in lines], 0.058 * (high - low), high)
    edge = axes.get_xlim()[1]
    for line, place in zip(lines, places, strict=True):
        colour = "#747c85" if line.kind == "majority" else LOOKS[line.kind][0]
        start, end = (line.x[-1], height(line.value[-1])), (edge + 0.05, place)
        if line.kind != "majority":
            axes.plot(*zip(start, end, strict=True), color=colour, linewidth=0.6, alpha=0.6, clip_on=False, zorder=2)
        weight = "bold" if line.kind == "encoder" else "normal"
        text = f"{figure(line.value[-1])}  {line.name}"
        axes.text(edge + 0.07, place, text, color=colour, fontsize=9.5, weight=weight, va="center", clip_on=False)


def apart(wanted: Sequence[float], gap: float, top: float) -> list[float]:
    """Heights close to `wanted`, none above `top`, no two closer than `gap`."""
    order = sorted(range(len(wanted)), key=lambda position: -wanted[position])
    clusters: list[list[int]] = []
    centre: list[float] = []
    for position in order:
        clusters.append([position])
        centre.append(min(wanted[position], top))
        while len(clusters) > 1 and _bottom(centre[-2], clusters[-2], gap) - gap < _top(centre[-1], clusters[-1], gap):
            merged = clusters[-2] + clusters[-1]
            middle = sum(wanted[member] for member in merged) / len(merged)
            clusters[-2:], centre[-2:] = [merged], [min(middle, top - gap * (len(merged) - 1) / 2)]
    places = [0.0] * len(wanted)
    for middle, cluster in zip(centre, clusters, strict=True):
        for rank, position in enumerate(cluster):
            places[position] = _top(middle, cluster, gap) - gap * rank
    return places


def _top(centre: float, cluster: Sequence[int], gap: float) -> float:
    return centre + gap * (len(cluster) - 1) / 2


def _bottom(centre: float, cluster: Sequence[int], gap: float) -> float:
    return centre - gap * (len(cluster) - 1) / 2


def _words(picture: Figure, evaluation: Evaluation, title: str, footnote: str) -> None:
    """Title, verdict and protocol, set flush left."""
    import textwrap

    left = 0.03
    picture.text(left, 0.945, title, fontsize=14, weight="bold", color=INK, va="center")
    verdict = evaluation.verdict.sentence if evaluation.verdict else ""
    lines = "\n".join(textwrap.wrap(verdict, 118)[:2])
    picture.text(left, 0.91, lines, fontsize=9, color=GREY, va="top", linespacing=1.45)
    balanced = any(result.metric.endswith(BALANCED) for result in evaluation.results)
    accuracy = "Balanced accuracy" if balanced else "Accuracy"
    note = "\n".join(
        textwrap.wrap(f"{accuracy} on the test part, logit scale; shaded: 95 % interval. {footnote}", 140)[:2]
    )
    picture.text(left, 0.022, note, fontsize=7.5, color=GREY, va="bottom", linespacing=1.4)
