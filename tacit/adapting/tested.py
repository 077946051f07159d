"""What a fine-tuned model is worth: its figures on the test part with intervals, beside those of who never looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import counted
from tacit.core import Samples
from tacit.evaluation.bootstrap import LEVEL, counts
from tacit.heads.head import Scores, Targets
from tacit.model import ModelSpec, TrainedModel

RESAMPLES = 1000
_CHUNK = 2**22


@dataclass(frozen=True)
class Figure:
    """One metric on the test part."""

    metric: str
    value: float
    low: float
    high: float
    floor: float
    """What the answers reach that are the same for all samples."""


@dataclass(frozen=True)
class Tested:
    """The test part was touched once, and this was found."""

    task: str
    figures: tuple[Figure, ...]
    """The deciding one first; none where there was nothing to test on."""
    floor: str
    """How the floor answers: `majority class`."""
    samples: int
    unit: str
    protocol: Mapping[str, Any]
    """Data, split, where the validation part came from, resamples."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; a figure that is no number is None."""
        values = asdict(self)
        for figure in values["figures"]:
            figure |= {name: None for name, value in figure.items() if value != value}
        return values

    def in_words(self) -> str:
        """A table of the figures."""
        if not self.figures:
            return "there was no labelled test part: how good the model is, is not known\n"
        width = max(len(figure.metric) for figure in self.figures)
        head = f"test part: {counted(self.samples, self.unit)}, looked at once; {LEVEL:.0%} bootstrap intervals\n"
        return head + "".join(
            f"  {figure.metric:{width}}  {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]   "
            f"{self.floor} {figure.floor:.3f}\n"
            for figure in self.figures
        )


def examine(
    model: TrainedModel,
    train: Targets,
    test: tuple[Samples, Targets] | None,
    protocol: Mapping[str, Any],
    *,
    seed: int = 0,
    units: Tensor | None = None,
) -> Tested:
    """Answer about the test part once; `train` is the truth that the floor knows, `units` as in `interval`."""
    head, unit = model.head, model.base.modality.unit
    if test is None:
        return Tested(model.spec.task, (), head.floor, 0, unit, protocol)
    samples, targets = test
    answers = [each for _, each in model.respond(samples, title="testing")]
    once = torch.ones(1, len(targets), dtype=torch.float64)
    own = head.judge(answers, targets)
    values = own(once)
    blind = head.judge([head.blind(train, len(targets))], targets)(once)
    drawn = _resampled(own, len(targets), seed, units)
    tail = (1 - LEVEL) / 2
    figures = []
    for name, value in values.items():
        low, high = torch.nanquantile(drawn[name], torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
        figures.append(Figure(name, float(value[0]), low, high, float(blind[name][0])))
    facts = {**protocol, "interval": LEVEL, "resamples": RESAMPLES, "seed": seed}
    return Tested(model.spec.task, tuple(figures), head.floor, len(targets), unit, facts)


def _resampled(scores: Scores, samples: int, seed: int, units: Tensor | None) -> dict[str, Tensor]:
    """Each metric on `RESAMPLES` resamples of the test samples, or of their `units`, float64 `[RESAMPLES]`."""
    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, min(RESAMPLES, _CHUNK // samples))
    found: dict[str, list[Tensor]] = {}
    for start in range(0, RESAMPLES, at_once):
        interrupt.check()
        for name, values in scores(counts(min(at_once, RESAMPLES - start), samples, generator, units)).items():
            found.setdefault(name, []).append(values.double())
    return {name: torch.cat(parts) for name, parts in found.items()}


def card(spec: ModelSpec, tested: Tested) -> str:
    """The model card: what the model is, what it is worth, where it comes from, how to use it."""
    training, layout = spec.training, spec.encoder["layout"]
    classes: Sequence[str] = spec.classes
    named = ", ".join(f"`{name}`" for name in classes[:20]) + (f" and {len(classes) - 20} more" if classes[20:] else "")
    lines = [
        f"# {spec.task}: {spec.encoder['encoder']['name']} fine-tuned on {tested.unit}",
        "",
        *([f"Answers about: {named}.", ""] if classes else []),
        f"Fine-tuned by tacit on `{training.get('data')}` ({training.get('samples')} labelled {tested.unit}), from the "
        f"encoder `{training.get('init_from')}`; the weights of step {training.get('kept')} of "
        f"{training.get('steps')} scored best on the validation part ({training.get('validation')}).",
        "",
        "```",
        tested.in_words().rstrip(),
        "```",
        "",
        "```console",
        "$ tacit predict THIS_FOLDER DATA --out predictions.csv",
        "```",
        "",
        "```python",
        "import tacit",
        f'answers = tacit.predict("this/folder", "data")   # reads {dict(layout)}',
        "```",
        "",
        f"Content hash of the data: `{training.get('content_hash')}`; {training.get('split')}.",
    ]
    return "\n".join(lines) + "\n"
