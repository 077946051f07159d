"""How methods get where they get: what is found of each checkpoint of a run, and one figure for all of accuracy against
views seen and against seconds."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from label_free_cpu import bench_for, found_of
from tables import called

from tacit.core import Method
from tacit.encoder import load
from tacit.evaluation.features import settle
from tacit.evaluation.setup import Bench
from tacit.settings import RunConfig

SMALL = 6
"""Size of names in the panels, in points."""
WIDE, HIGH = 0.6 * SMALL, SMALL
"""Of a letter."""
NAMED = 8
"""How many, the best at the end, are told apart by colour; the others are grey, with their names at the end."""


@contextmanager
def keeping(checkpoints: Path, wanted: bool) -> Iterator[None]:
    """Keep, by second names of the same bytes, each checkpoint that is written to the folder meanwhile."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1):
            keep(checkpoints)

    watcher = threading.Thread(target=watch, daemon=True)
    if wanted:
        watcher.start()
    try:
        yield
    finally:
        ended.set()
        if wanted:
            watcher.join()
            keep(checkpoints)


def keep(checkpoints: Path) -> None:
    """Give each checkpoint that stands a second name; one that goes away meanwhile has one already."""
    for manifest in checkpoints.glob("step-*.json"):
        for suffix in (".safetensors", ".json"):
            old = manifest.with_suffix(suffix)
            new = old.with_name(old.name.replace("step-", "kept-"))
            if not new.exists() and old.exists():
                os.link(old, new)


def follow(run: Path, data: str, opened: dict[str, Bench]) -> list[dict[str, Any]]:
    """What neighbours say of each checkpoint of `run` that was kept (`kept-STEP.safetensors`), and what is measured of
    it without labels: `step`, `seconds` since the run began, `knn`, `measured`.

    `opened` has the labelled samples by how they are laid out, which grow by those of `data`. What was found stands
    in the run's `course.json`, so that it is found once.
    """
    known = run / "course.json"
    points = json.loads(known.read_text()) if known.is_file() else []
    told = run / "config.yaml"
    began, learner = told.stat().st_mtime, RunConfig.from_yaml(told.read_text(), str(told)).learner
    settles = issubclass(learner, Method) and learner.settles
    for manifest in sorted((run / "checkpoints").glob("kept-*.json")):
        step = int(manifest.stem.removeprefix("kept-"))
        if any(point["step"] == step for point in points):
            continue
        encoder = load(manifest.with_suffix(".safetensors"))
        bench = bench_for(encoder, data, opened)
        if settles:  # as at the end of such a run
            settle(encoder.network, bench.train, device=encoder.device)
        near, measured = found_of(encoder, bench)
        found = {name: round(value, 6) for name, value in measured.items()}
        seconds = round(manifest.stat().st_mtime - began, 1)
        points.append({"step": step, "seconds": seconds, "knn": round(near, 5), "measured": found})
        print(f"{run.name} after {seconds:.0f} s: kNN {points[-1]['knn']:.3f}", flush=True)
        known.write_text(json.dumps(points))
    return points


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the `course` of each method of `found` (points with `views`, `seconds` and `knn`), to a .svg or .png."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot, ticker

    followed = {name: each for name, each in found.items() if each["course"]}
    order = sorted(followed, key=lambda name: -followed[name]["course"][-1]["knn"])
    figure, panels = pyplot.subplots(1, 2, figsize=(12, 6.5), sharey=True, layout="constrained")
    panels[0].set_xscale("log")
    ends: list[dict[str, tuple[float, float]]] = [{}, {}]
    for panel, own, axis in zip(panels, ends, ("views", "seconds"), strict=True):
        for rank, name in reversed(list(enumerate(order))):
            course = [point for point in followed[name]["course"] if point[axis]]  # no logarithm of no view
            x, y = ([point[key] for point in course] for key in (axis, "knn"))
            style = {"color": f"C{rank}", "linewidth": 1.8} if rank < NAMED else {"color": "0.75", "linewidth": 0.9}
            title_of = called(name).replace("`", "")
            panel.plot(x, y, marker=".", label=title_of if rank < NAMED else None, zorder=len(order) - rank, **style)
            if rank >= NAMED:
                own[name] = (x[-1], y[-1])
        panel.margins(x=0.08)
        panel.grid(alpha=0.3)
    panels[0].set_xlabel("views seen")
    panels[1].set_xlabel("seconds of training")
    panels[0].xaxis.set_major_locator(ticker.LogLocator(subs=(1, 3)))
    panels[0].xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    panels[0].xaxis.set_minor_formatter(ticker.NullFormatter())
    panels[0].set_ylabel("accuracy, kNN with k = 20")
    handles, labels = panels[1].get_legend_handles_labels()
    panels[0].legend(handles[::-1], labels[::-1], fontsize=8, loc="upper left")
    figure.draw_without_rendering()  # only then places on the page are known
    for panel, own in zip(panels, ends, strict=True):
        points = {name: panel.transData.transform(end) * 72 / figure.dpi for name, end in own.items()}
        for name, lift in apart(points).items():
            panel.annotate(name, own[name], (4, lift - 2), textcoords="offset points", fontsize=SMALL, color="0.35")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def apart(places: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """By how much to lift each name at its place (x, y), both in points, so that none lies on another."""
    lifted: dict[str, float] = {}
    for name, (x, y) in sorted(places.items(), key=lambda each: each[1][1]):
        for other, lift in sorted(lifted.items(), key=lambda each: places[each[0]][1] + each[1]):
            start, height = places[other][0], places[other][1] + lift
            if start - WIDE * len(name) < x < start + WIDE * len(other) and abs(height - y) < HIGH:
                y = height + HIGH
        lifted[name] = y - places[name][1]
    return lifted
