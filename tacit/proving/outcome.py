"""What an evaluation found: kept in a file, drawn as a curve, held to limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tacit.data.dataset import Dataset
from tacit.encoder import TrainedEncoder
from tacit.engine import files
from tacit.errors import GateError, UsageError, nearest
from tacit.evaluation.bench import Evaluation
from tacit.evaluation.direction import sign
from tacit.evaluation.few_label import BALANCED, plain


@dataclass(frozen=True, eq=False)
class Proof:
    """An evaluation and what it was of."""

    evaluation: Evaluation
    dataset: Dataset
    encoder: TrainedEncoder
    name: str = "evaluation"
    """Stem of the file it is written to, so that examinations of several kinds stand side by side."""
    curve: str = "Logistic regression on frozen features, mean of paired draws"
    """What the curve over numbers of labels shows, where there is one."""

    def to_json(self) -> dict[str, Any]:
        """Every number with its floors, interval and protocol."""
        spec = self.encoder.spec
        return {
            "encoder": {"dim": spec.dim, **spec.encoder, "labels": spec.labels, "training": dict(spec.training)},
            "data": {
                "name": self.dataset.name,
                "content_hash": self.dataset.content_hash,
                "split": self.dataset.protocol,
                "classes": list(self.dataset.classes),
            },
            **self.evaluation.to_json(),
        }


def name_of(encoder: TrainedEncoder) -> str:
    """What the encoder on trial is called: after its method, or after its architecture where none is known."""
    return str(encoder.spec.training.get("method", encoder.spec.encoder["name"]))


def write(proof: Proof, folder: Path) -> list[Path]:
    """Write `evaluation.json` and, where there are few-label results, the curve; returns the paths.

    An evaluation of other data or by other tasks that is there already is kept, as `evaluation-1.json` and so on.
    """
    from tacit.report import curve

    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{proof.name}.json"]
    _keep(written[0], proof.to_json())
    files.write(written[0], json.dumps(proof.to_json(), indent=1, ensure_ascii=False).encode())
    if any(result.task in curve.TASKS for result in proof.evaluation.results):
        balanced = any(result.metric.endswith(BALANCED) for result in proof.evaluation.results)
        accuracy = "balanced accuracy" if balanced else "accuracy"
        title = f"{name_of(proof.encoder)} on {proof.dataset.name}: {accuracy} by number of labels"
        footnote = f"{proof.dataset.protocol}. {proof.curve}, 95 % bands."
        stem = "curve" if proof.name == "evaluation" else f"{proof.name}-curve"
        written += curve.draw(proof.evaluation, folder, stem=stem, title=title, footnote=footnote)
    return written


def _keep(path: Path, new: Mapping[str, Any]) -> None:
    """Rename what stands at `path` where it is about something else than `new`."""
    if not path.is_file():
        return
    try:
        about = _about(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError):
        about = None  # whatever it is, it is somebody's
    if about != _about(new):
        free = (path.with_stem(f"{path.stem}-{number}") for number in count(1))
        path.rename(next(place for place in free if not place.exists()))


def _about(evaluation: Mapping[str, Any]) -> tuple[str, str, set[tuple[str, str]]]:
    """The data, the split, and what was measured."""
    asked = {(result["task"], result["metric"]) for result in evaluation["results"]}
    return evaluation["data"]["content_hash"], evaluation["data"]["split"], asked


def gate(evaluation: Evaluation, limits: dict[str, float]) -> None:
    """Raise `GateError` where the encoder stays under a limit, given by task (`linear`) or metric (`few-label.10`)."""
    own: dict[str, tuple[float, int]] = {}
    for result in evaluation.results:
        if result.kind == "encoder" and result.low is not None:
            for name in (result.task, f"{result.task}.{plain(result.metric)}"):
                own.setdefault(
                    name, (result.value, sign(result.metric))
                )  # of several rows that are on trial the first one decides
    missed = []
    for name, limit in limits.items():
        if name not in own:
            raise UsageError(f"--fail-under {name}: nothing of that name was measured; {nearest(name, own)}")
        value, better = own[name]
        if better * (value - limit) < 0:
            missed.append(f"{name} is {value:.3f}, {'under' if better > 0 else 'over'} {limit:g}")
    if missed:
        raise GateError("quality gate missed: " + "; ".join(missed))
