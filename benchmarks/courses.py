"""How methods get where they get: accuracy against views seen and against seconds, one figure for all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMED = 8
"""How many, the best at the end, are told apart by colour; the others are grey, with their names at the end."""


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the `course` of each method of `found` (points with `views`, `seconds` and `knn`), to a .svg or .png."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    followed = {name: each for name, each in found.items() if each["course"]}
    order = sorted(followed, key=lambda name: -followed[name]["course"][-1]["knn"])
    figure, panels = pyplot.subplots(1, 2, figsize=(12, 5.5), sharey=True, layout="constrained")
    for panel, axis, title in zip(panels, ("views", "seconds"), ("views seen", "seconds of training"), strict=True):
        for rank, name in reversed(list(enumerate(order))):
            course = [point for point in followed[name]["course"] if point[axis]]  # no logarithm of no view
            x, y = ([point[key] for point in course] for key in (axis, "knn"))
            style = {"color": f"C{rank}", "linewidth": 1.8} if rank < NAMED else {"color": "0.75", "linewidth": 0.9}
            panel.plot(x, y, marker=".", label=name if rank < NAMED else None, zorder=len(order) - rank, **style)
            if rank >= NAMED:
                panel.annotate(name, (x[-1], y[-1]), (3, 0), textcoords="offset points", fontsize=6, color="0.45")
        panel.set_xlabel(title)
        panel.grid(alpha=0.3)
    panels[0].set_xscale("log")
    panels[0].set_ylabel("accuracy, kNN with k = 20")
    handles, labels = panels[1].get_legend_handles_labels()
    panels[1].legend(handles[::-1], labels[::-1], fontsize=8, loc="lower right")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
