"""What an encoder is put to use for: a head turns features into answers, and knows how they are trained and judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tacit.config import Config
from tacit.core import Encoder, Features, View


class Targets(ABC):
    """The truth about the N samples of a set: what a head is trained and judged on."""

    classes: tuple[str, ...]
    """Names of what is told apart, in the order of their numbers; of the columns where numbers are predicted."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def of(self, view: View) -> Any:
        """The truth about the samples `view.index`, as it stands in the view: at `view.where` for what has a place."""

    @abstractmethod
    def select(self, rows: Tensor) -> Targets:
        """The truth about the samples `rows` (long), numbered anew."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Targets:
        """The same truth on another device."""


class Head(nn.Module, ABC):
    """A module from features to answers. Built as `cls(config, encoder, sample, targets)`.

    `sample` are the plain views of a few training samples and `targets` the truth about all of them: what counts,
    class weights and scales are taken from. Nothing of them but buffers and `classes` is kept.
    """

    Config: ClassVar[type[Config]]

    @abstractmethod
    def __init__(self, config: Any, encoder: Encoder, sample: View, targets: Targets) -> None:
        super().__init__()

    @classmethod
    @abstractmethod
    def needs(cls) -> frozenset[str]:
        """What a modality must offer (see `Modality.offers`)."""

    @abstractmethod
    def forward(self, features: Features) -> Any:
        """Outputs for a batch, as tensors: what `loss` and `answers` read."""

    @abstractmethod
    def loss(self, outputs: Any, truth: Any) -> Tensor:
        """`[B]`, one loss a sample; `truth` is what `Targets.of` returned for the view."""

    @abstractmethod
    def answers(self, outputs: Any) -> Mapping[str, Any]:
        """What is said about each sample of the batch: name -> B values, on the CPU."""

    @abstractmethod
    def judge(self, answers: Sequence[Mapping[str, Any]], targets: Targets) -> Mapping[str, float]:
        """Metrics of the `answers` to all samples, in batches, by name. The first one decides; larger is better."""
