"""The vocabulary: methods and modalities meet only in these types, and the engine knows nothing else.

Shapes: B samples, L positions (tokens, time steps, grid cells), D features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tacit.config import Config
from tacit.draws import Draws as Draws
from tacit.features import Encoder as Encoder
from tacit.features import Features as Features
from tacit.features import TokenEncoder as TokenEncoder
from tacit.features import Tokens as Tokens
from tacit.features import uncounted as uncounted
from tacit.modality import KINDS as KINDS
from tacit.modality import Adopted as Adopted
from tacit.modality import Augmentation as Augmentation
from tacit.modality import Classifier as Classifier
from tacit.modality import Family as Family
from tacit.modality import Layout as Layout
from tacit.modality import Modality as Modality
from tacit.modality import Pieces as Pieces
from tacit.modality import Raw as Raw
from tacit.modality import Samples as Samples
from tacit.modality import Target as Target
from tacit.modality import Terms as Terms
from tacit.modality import shown as shown
from tacit.view import View as View
from tacit.view import concatenate as concatenate

TEACHER = "teacher"
"""What a learner asks for (`Learner.needs`) that no data have: an encoder that the run names, whose features of samples
their views bring along (`View.taught`)."""
LABELS = "labels"
"""What a learner asks for that is no kind of view: the samples' labels, which their views then bring along
(`View.label`), and no other learner's do. Kinds of data whose samples can have labels offer them."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: schedules are functions of this and of nothing else."""

    step: int
    total: int

    @property
    def fraction(self) -> float:
        """0 before the first step, 1 after the last."""
        return min(1.0, self.step / max(1, self.total))


@dataclass(frozen=True, eq=False)
class Step:
    """What a method says about one batch."""

    loss: Tensor
    """`[B]`, one loss a sample; its mean is minimised, alone it is an anomaly score."""
    nothing_learnt: float | Tensor
    """The loss of a model that has learnt nothing (ln N for a choice among N): the line to draw beside `loss`; 0
    where it is not known."""
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    """Scalars worth a line in the log."""
    carry: Mapping[str, Tensor] = field(default_factory=dict)
    """Detached rows `[B, ...]` by name that `update` needs, each gathered over micro-batches and ranks."""
    surprise: Tensor | None = None
    """`[B]`, detached: the part of `loss` that a curious agent is paid, where that is not all of it."""


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One column of the picture of what a learner does: the views of N samples."""

    title: str
    view: View
    captions: Sequence[str] = ()
    """`[N]`, or empty for none."""
    right: Sequence[bool] | None = None
    """`[N]`, whether what is shown is right; None where there is no right and wrong."""


class Learner(nn.Module, ABC):
    """What `tacit train` can run: a `Method` (gradients) or a `ClosedForm` (sums and solves).

    Built as `cls(config, encoder, modality, sample)`, `sample` being the plain views the encoder was built on.
    """

    Config: ClassVar[type[Config]]
    paper: ClassVar[str]
    formula: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Partial run configurations by name; `default` is applied before all others."""

    @classmethod
    @abstractmethod
    def needs(cls, config: Any) -> frozenset[str]:
        """What a modality must offer (see `Modality.offers`) for this learner to run on it, such as `LABELS`, and
        whether there must be a `TEACHER`."""

    @abstractmethod
    def __init__(self, config: Any, encoder: Any, modality: Modality, sample: View) -> None:
        super().__init__()

    @property
    @abstractmethod
    def encoder(self) -> Encoder:
        """What is learnt. A property, so that weights stand once in `state_dict`."""

    def hear(self, found: Mapping[str, float], progress: Progress) -> None:
        """Take note of what the evaluators found, once at each of their looks, as part of the learner's state."""

    @property
    def finished(self) -> bool:
        """Whether there is no use in going on: the run ends before its plan. A function of the learner's state."""
        return False

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        """What the learner sees and does, to be drawn: the first `count` samples of `views` among all of them.

        `views` are the method's own (`plain` for a closed form); `samples` those that it was trained on, where they
        are at hand. Called in evaluation mode, without gradients.
        """
        return [Exhibit(f"view {number}", view[:count]) for number, view in enumerate(views, 1)]


class Method(Learner):
    """A pretext task: which views it needs, the loss from them, and how its own state advances.

    `forward` is pure: the same views, progress and seed give the same loss, and nothing persistent moves but
    BatchNorm's running statistics. Teachers, queues, centres and codebooks move in `update` alone, once per
    optimiser step.
    """

    views: tuple[str, ...]
    """The kinds of view that `forward` takes, in order."""
    settles: ClassVar[bool] = False
    """Whether the encoder, which saw spoilt samples, is given the statistics of plain ones (BatchNorm's) at the end."""
    centred: bool = False
    """Whether features get a large direction in common, and lose nothing by it, as in models of language (Ethayarajh
    2019, arXiv 1909.00512): their health is then measured about their mean."""
    contrasts: ClassVar[bool] = False
    """Whether it tells each sample from all others: done for too long, that costs what samples have in common."""
    rates: Mapping[str, float] = {}
    """Beginning of parameters' names -> by what their learning rate is multiplied; 1 for all others."""

    @abstractmethod
    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        """The loss of one batch, seen in `views`."""

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        """Advance the method's own state after the optimiser's step, from the rows that `forward` carried."""


class ClosedForm(Learner):
    """A learner without gradients: sums over the data, then a solve, stage by stage.

    State lives in buffers and grows by addition only, so micro-batches and ranks add up, and a run resumes between
    any two batches.
    """

    @abstractmethod
    def wanted(self, stage: int) -> int:
        """How many samples stage `stage` reads, at most all there are; 0 ends the run."""

    @abstractmethod
    def absorb(self, view: View, stage: int) -> None:
        """Add the batch to the stage's sums."""

    @abstractmethod
    def solve(self, stage: int) -> None:
        """Turn the stage's sums into parameters."""


def views_of(
    samples: Samples,
    rows: Tensor,
    kinds: Sequence[str],
    augment: Mapping[str, Augmentation],
    seed: int,
    epoch: int,
    device: torch.device | str = "cpu",
) -> list[View]:
    """The views of these `kinds` of the samples `rows` (long `[B]`), in order, on `device`.

    `next` is made of what comes after a sample, `alike` of another one that shares something with its first view.
    """
    index, plain, views = rows.to(device), samples.view(rows).to(device), list[View]()
    for number, kind in enumerate(kinds):
        draws = Draws.of(seed, epoch, index, number)
        source = plain
        if kind == "next":
            source = shown(samples, rows, kind).to(device)
        elif kind == "alike":
            source = samples.alike(views[0], draws).to(device)
        views.append(source if kind == "plain" else augment[kind](source, draws))
    return views


Evaluator = Callable[[Learner, Progress], Iterator[tuple[str, float]]]
"""Something worth knowing about a learner while it trains; the engine knows when, not what."""
