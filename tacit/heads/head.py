"""What an encoder is put to use for: a head turns features into answers, and knows how they are trained and judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View

Answers = Mapping[str, Any]
"""What is said about each sample of a batch: name -> B values, on the CPU."""
Scores = Callable[[Tensor], Mapping[str, Tensor]]
"""How often each of N samples counts in each of R resamples, float64 `[R, N]` -> metrics by name, `[R]` each.

A row of ones gives the plain metrics, random rows a bootstrap. The first metric decides which weights are kept; more is
better, but for error rates (`direction.LESS_IS_BETTER`).
"""


class Targets(ABC):
    """The truth about the N samples of a set: what a head is trained and judged on."""

    classes: tuple[str, ...]
    """Names of what is told apart, in the order of their numbers; of the columns where numbers are predicted."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def of(self, view: View) -> Any:
        """The truth about the samples `view.index` as it stands in the view, by `where` or `affine` if placed."""

    @abstractmethod
    def select(self, rows: Tensor) -> Targets:
        """The truth about the samples `rows` (long), numbered anew."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Targets:
        """The same truth on another device."""

    @abstractmethod
    def content(self) -> Iterator[Any]:
        """All that is known, as tensors and plain values: targets of equal content are the same truth."""

    def __deepcopy__(self, memo: Any) -> Targets:
        """Itself: nothing writes to it, and copies of a learner share what is known."""
        return self

    def groups(self) -> Tensor | None:
        """Long `[N]`, a number by which a part can be drawn evenly, such as the class; None where there is none."""
        return None


class Head(nn.Module, ABC):
    """A module from features to answers. Built as `cls(config, encoder, sample, classes)`, before training prepared.

    `sample` are the plain views of a few samples; `classes` those of the targets. A head that is loaded gets its
    state in place of `prepare`.
    """

    Config: ClassVar[type[Named]]
    recipe: ClassVar[Mapping[str, Any]] = {}
    """Partial settings of `tacit finetune` that suit the head; what the user says goes on top."""
    floor: ClassVar[str]
    """What `blind` does, in two words: `majority class`."""
    mixes: ClassVar[bool] = False
    """Whether a mixture of two samples has the mixture of their truths (mix-up)."""
    looks: ClassVar[int | None] = None
    """At how many samples of the validation part it is looked at most while it learns, where answers take long."""
    nothing_learnt: float = 0.0
    """The loss of an answer that is the same for all samples, set by `prepare`; 0 where it is not known."""

    @abstractmethod
    def __init__(self, config: Any, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__()

    @classmethod
    @abstractmethod
    def needs(cls) -> frozenset[str]:
        """What a modality must offer (see `Modality.offers`)."""

    def inherit(self, learner: Callable[[], Mapping[str, Tensor]]) -> None:
        """Take over what was learnt beside the encoder, before `prepare`; nothing unless a head says otherwise.

        `learner` reads the state of the method that the encoder comes from, by name; it may be empty. Raises
        `UsageError` where it is of another size.
        """

    @abstractmethod
    def prepare(self, targets: Targets) -> None:
        """Take class weights, scales and `nothing_learnt` from the truth about all training samples."""

    @abstractmethod
    def forward(self, features: Features) -> Any:
        """Outputs for a batch, as tensors in float32: what `loss` and `answers` read."""

    @abstractmethod
    def loss(self, outputs: Any, truth: Any) -> Tensor:
        """`[B]`, one loss a sample; `truth` is what `Targets.of` returned for the view."""

    @abstractmethod
    def answers(self, outputs: Any) -> Answers:
        """What is said about each sample of the batch."""

    @abstractmethod
    def blind(self, targets: Targets, count: int) -> Answers:
        """The answers to `count` samples of somebody who knows the training `targets` and looks at nothing."""

    @abstractmethod
    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """The metrics of the `answers` to all N samples, in batches in the order of `targets`.

        Whatever takes long is done here, so that the returned function can be called with thousands of resamples.
        """
