"""Figures of several runs beside each other, and which of them must not be: those of other protocols.

A result is stored with its protocol. What of that says how this encoder was probed is its own (`OWN`); all the rest,
the data, their parts, filters, candidates, what was counted, is what two results have to share to be compared. What is
not known here counts as such: rather are two results told apart than compared that may not be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacit.config import read_yaml

OWN = frozenset(
    {
        *("data", "training", "layer", "layers", "last_or_best", "dimension", "window", "stride", "context", "tokens"),
        *("C", "penalty", "weights", "steps", "epoch", "freeze", "batch", "optimiser", "method", "head", "views"),
        *("values", "each", "others", "example", "members", "member_protocols", "folds", "classes_found"),
        *("fitted_on", "validation"),
    }
)
"""What a protocol says of the encoder alone, its probe or its training; the data are known by their hash."""
OF_TASKS: Mapping[str, frozenset[str]] = {
    "forecast": frozenset({"fitted"}),
    "imputation": frozenset({"blocks", "bootstrap"}),
    "language": frozenset({"counted"}),
}
"""Task -> what more is the encoder's own there: a probe's penalty, blocks as long as its window, tokens it has."""
PACKED = frozenset({"core", "events", "least value", "tests from", "tests by the column split"})
"""What of a layout says which data count; all else of it is how they are packed."""
HEADLINES = {("knn", "k=20"): "kNN", ("few-label", "10"): "10 labels", ("linear", "all"): "linear"}
"""Task and metric of `evaluation.json` -> what its column is called; of other evaluations the first figure has one."""
PROXY = "proxy"
"""The task that asks for no labels, and says the least."""
_LONGEST = 100


@dataclass(frozen=True)
class Reached:
    """One figure of one run."""

    run: str
    title: str
    """What it is called at the head of a column."""
    text: str
    """The figure with its interval."""
    terms: Mapping[str, Any]
    """What others have to share to be compared with it."""
    value: float = 0.0
    """The figure alone."""


def terms(result: Mapping[str, Any]) -> dict[str, Any]:
    """What another result has to share with `result` (as `Evaluation.to_json` has it) to be compared with it."""
    own = OWN | OF_TASKS.get(result["task"], frozenset())
    told = {name: value for name, value in result["protocol"].items() if name not in own}
    layout = told.pop("layout", {})
    told |= {name: layout[name] for name in PACKED if name in layout}
    return {"task": result["task"], "metric": result["metric"], **told}


def reached_by(run: Path) -> Iterator[Reached]:
    """What the run in a folder is compared by: its evaluations, and the test of a fine-tuned model or of an agent."""
    for path in sorted(run.glob("*.json")):
        found = [each for each in read_json(path).get("results", ()) if each["kind"] == "encoder"]
        results = [each for each in found if each["low"] is not None]
        known = {(each["task"], each["metric"]): each for each in results}
        if path.stem == "evaluation":
            told = {title: known[key] for key, title in HEADLINES.items() if key in known}
            told = told or {f"{each['task']}, {each['metric']}": each for each in results[:1]}
        else:
            told = {f"{path.stem}, {each['metric']}": each for each in results[:1]}
        if not re.search(r"-\d+$", path.stem):  # those that were there before, of other data or tasks
            yield from (
                Reached(str(run), title, _figure(each), terms(each), each["value"]) for title, each in told.items()
            )
    tuned, agent = read_json(run / "finetune.json"), read_json(run / "agent.json")
    for figure in [each for each in tuned.get("figures", ()) if each["value"] is not None][:1]:
        shared = terms({"task": tuned["task"], "metric": figure["metric"], "protocol": tuned["protocol"]})
        text = f"{figure['metric']} {_figure(figure)}"
        yield Reached(str(run), "tested", text, {**shared, "samples": tuned["samples"]})
    if each := agent.get("agent"):
        config = read_yaml((run / "config.yaml").read_text(), str(run / "config.yaml"))
        text = f"return {each['value']:.4g} [{each['low']:.4g}, {each['high']:.4g}]"
        yield Reached(str(run), "tested", text, {"env": config["env"], "episodes": len(agent["returns"])})


def read_json(path: Path) -> dict[str, Any]:
    """What a file of a run holds; nothing where it is not there, or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _figure(result: Mapping[str, Any]) -> str:
    """A number with its interval."""
    return f"{result['value']:.3f} [{result['low']:.3f}, {result['high']:.3f}]"


def alike(several: Sequence[Reached]) -> list[list[Reached]]:
    """The figures by their terms: those that may be compared stand together, in the order of their first ones."""
    groups: list[list[Reached]] = []
    for each in several:
        place = next((group for group in groups if group[0].terms == each.terms), None)
        if place is None:
            groups.append([each])
        else:
            place.append(each)
    return groups


def guess(several: Sequence[Reached]) -> str | None:
    """The best of several runs by a proxy, marked as such; None where labels know better, or of which there is none."""
    known = [group for group in alike(several) if len(group) > 1 and group[0].terms.get("task") == PROXY]
    if len(known) != 1 or any(each.terms.get("task") != PROXY for each in several):
        return None
    best = max(known[0], key=lambda each: each.value)
    return f"best by a proxy, for want of labels: {best.run}, {best.text}. A guess: a few labels tell better"


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what the terms of two results differ, a line each; none where they may be compared."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return [f"{name}: {_brief(one.get(name))} / {_brief(other.get(name))}" for name in names]


def _brief(value: Any) -> str:
    text = "not said" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
