"""The vocabulary: methods and modalities meet only in these types, and the engine knows nothing else.

Shapes: B samples, L positions (tokens, time steps, grid cells), D features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tacit.config import Config
from tacit.draws import Draws as Draws

KINDS = ("plain", "weak", "strong", "global", "local", "next")
"""The closed vocabulary of views: a method asks for kinds, a modality defines them. `plain` is what inference sees."""


@dataclass(frozen=True, eq=False)
class View:
    """One view of a batch: the only thing an encoder reads."""

    x: Tensor
    """`[B, ...]`, floating point or token ids."""
    valid: Tensor | None = None
    """Boolean `[B, L]`, False on padding and on missing values; None where every position is real."""
    where: Tensor | None = None
    """`[B, L(, k)]`, each position's coordinates in the original sample, so that two crops can be aligned."""
    index: Tensor | None = None
    """Long `[B]`, each sample's row in its data set: what banks, labels and masks of true negatives look up."""

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> View:
        """The same view on another device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return View(self.x.to(device, non_blocking=True), move(self.valid), move(self.where), move(self.index))

    def with_x(self, x: Tensor) -> View:
        """The same samples with other values `x [B, ...]`."""
        return replace(self, x=x)


def concatenate(views: Sequence[View]) -> View:
    """Views of one shape as one batch, in order: `[B1 + B2 + ..., ...]`."""

    def join(parts: Sequence[Tensor | None]) -> Tensor | None:
        present = [part for part in parts if part is not None]
        assert len(present) in (0, len(parts)), "either every view has a member or none"
        return torch.cat(present) if present else None

    return View(
        torch.cat([view.x for view in views]),
        join([view.valid for view in views]),
        join([view.where for view in views]),
        join([view.index for view in views]),
    )


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder returns."""

    pooled: Tensor
    """`[B, D]`, one vector a sample: what probes, indexes and projectors read."""
    tokens: Tensor | None = None
    """`[B, L, D']`, one vector a position, where the encoder has them."""
    valid: Tensor | None = None
    """Boolean `[B, L]` for `tokens`."""
    maps: Mapping[int, Tensor] = field(default_factory=dict)
    """Stride -> feature maps `[B, D_s, H / s, W / s]`, finest first, where the encoder reads grids: the pyramid that
    all dense tasks read."""


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
    """The loss of a model that has learnt nothing (ln N for a choice among N): the line to draw beside `loss`."""
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    """Scalars worth a line in the log."""
    carry: Mapping[str, Tensor] = field(default_factory=dict)
    """Detached rows `[B, ...]` by name that `update` needs, each gathered over micro-batches and ranks."""


Augmentation = Callable[[View, Draws], View]
"""A view of a batch as a pure function of the batch and its random numbers, vectorised, on the batch's device."""


class Encoder(nn.Module, ABC):
    """Reads a view, returns features. Normalisation of the input is its first layer, so that it cannot get lost."""

    Config: ClassVar[type[Config]]
    dim: int
    """D, the width of `pooled`."""

    @abstractmethod
    def forward(self, view: View) -> Features:
        """Features of `view`; padding enters nothing."""


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
        """What a modality must offer (see `Modality.offers`) for this learner to run on it."""

    @abstractmethod
    def __init__(self, config: Any, encoder: Any, modality: Modality, sample: View) -> None:
        super().__init__()

    @property
    @abstractmethod
    def encoder(self) -> Encoder:
        """What is learnt. A property, so that weights stand once in `state_dict`."""


class Method(Learner):
    """A pretext task: which views it needs, the loss from them, and how its own state advances.

    `forward` is pure: the same views, progress and seed give the same loss, and nothing persistent moves but
    BatchNorm's running statistics. Teachers, queues, centres and codebooks move in `update` alone, once per
    optimiser step.
    """

    views: tuple[str, ...]
    """The kinds of view that `forward` takes, in order."""

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


Raw = bytes | np.ndarray
"""A sample as a source holds it: the bytes of a file, or an array."""


class Samples(Protocol):
    """Samples with random access, ready to be viewed."""

    def __len__(self) -> int: ...

    def view(self, rows: Tensor) -> View:
        """The plain view of the samples `rows` (long `[B]`), with `index` set to `rows`."""
        ...


class Layout(Config, ABC):
    """How the samples of one set are packed; travels with the encoder."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one packed sample."""

    @property
    @abstractmethod
    def dtype(self) -> str:
        """numpy's name of the packed numbers' type."""


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A kind of data as a record of functions: how samples are read, viewed, encoded and judged."""

    name: str
    config: type[Config]
    """Its part of a run's configuration: the wished layout and the recipe of each kind of view."""
    layout: type[Layout]
    """How its samples are packed."""
    suffixes: frozenset[str]
    """The closed list of file formats, lower case with the dot."""
    survey: Callable[[Iterable[Raw], Any], Layout]
    """(a few raw samples, config) -> layout that fits them."""
    read: Callable[[Raw, Any], np.ndarray]
    """(raw sample, layout) -> array of the layout's shape. Raises `Unreadable` with the reason, nothing else."""
    collate: Callable[[Tensor], View]
    """A packed batch `[B, *shape]` -> its plain view."""
    augment: Callable[[Any], Mapping[str, Augmentation]]
    """config -> kind of view -> augmentation."""
    encoders: Mapping[str, type[Encoder]]
    """Name -> class built as `cls(config, sample: View)`, `sample` being some plain views (shape, statistics)."""
    floors: Mapping[str, Callable[[View], Tensor]]
    """Name -> features `[B, D]` that need no learning (raw pixels, raw lags)."""
    transformations: Mapping[str, Sequence[Callable[[View], View]]] = field(default_factory=dict)
    """Family -> its members in the order of their labels: what `rotation` and its kin predict."""
    corruptions: Mapping[str, Augmentation] = field(default_factory=dict)
    """Name -> corruption to be undone."""
    decoder: Callable[[int, View], nn.Module] | None = None
    """(D, sample) -> module from pooled features `[B, D]` to the shape of `target`."""
    target: Callable[[View], Tensor] | None = None
    """What a decoder has to return for a view."""
    grid: bool = False
    """Whether `View.x` is a grid `[B, C, H, W]`."""
    window: Callable[[int, int, Any], tuple[float, float, float, float]] | None = None
    """(width, height, layout) -> the part of a sample of this size that its packed form shows: left, upper, right and
    lower edge in the sample's own cells. Places annotations on packed samples, and answers back on whole ones."""
    unit: str = "samples"
    """What a sample is called in messages, in the plural."""

    @property
    def offers(self) -> frozenset[str]:
        """What a learner can ask for: kinds of view, `transformations:NAME`, `corruptions:NAME`, `decoder`, `grid`."""
        offered = set(self.augment(self.config()))
        offered |= {f"transformations:{name}" for name in self.transformations}
        offered |= {f"corruptions:{name}" for name in self.corruptions}
        offered |= {"decoder"} if self.decoder and self.target else set()
        offered |= {"grid"} if self.grid else set()
        return frozenset(offered)


Evaluator = Callable[[Learner, Progress], Iterator[tuple[str, float]]]
"""Something worth knowing about a learner while it trains; the engine knows when, not what."""
