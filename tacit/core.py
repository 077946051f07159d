"""The vocabulary: methods and modalities meet only in these types, and the engine knows nothing else.

Shapes: B samples, L positions (tokens, time steps, grid cells), D features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from tacit.config import Config
from tacit.draws import Draws as Draws
from tacit.view import Features as Features
from tacit.view import View as View
from tacit.view import concatenate as concatenate

KINDS = ("plain", "weak", "strong", "global", "local", "next")
"""The closed vocabulary of views: a method asks for kinds, a modality defines them. `plain` is what inference sees."""


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


Augmentation = Callable[[View, Draws], View]
"""A view of a batch as a pure function of the batch and its random numbers, vectorised, on the batch's device."""


@dataclass(frozen=True, eq=False)
class Family:
    """Labelled transformations of one kind, to be told apart: what `rotation` and its kin predict."""

    labels: int
    """K, how many there are."""
    apply: Callable[[View, Tensor, Draws], View]
    """(views `[B]`, their labels long `[B]`, draws) -> what is shown, `[B pieces, ...]`, sample by sample."""
    undo: Callable[[View, Tensor], View]
    """(what is shown, labels) -> the samples as they would be if these were the labels, to be looked at. Label 0
    leaves in place what is shown."""
    pieces: int = 1
    """Into how many views a sample is taken apart; an encoder reads each on its own."""
    names: Sequence[str] = ()
    """`[K]`, each label in a word or two, where there are words for them."""


@dataclass(frozen=True, eq=False)
class Target:
    """What can be drawn of a sample: values, colours."""

    of: Callable[[View], Tensor]
    """The truth of a view, `[B, C, *grid]`. Raises `DataError` where the data have nothing of the kind."""
    paint: Callable[[View, Tensor], View]
    """(what was seen, what was drawn `[B, C, *grid]`, coarser grids allowed) -> a view to look at; the values seen
    stay where only some were lost."""
    palette: Callable[[], Tensor] | None = None
    """Points `[Q, C]` that cover all that a cell can be, for targets of which a choice says more than a mean."""


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One column of the picture of what a learner does: the views of N samples."""

    title: str
    view: View
    captions: Sequence[str] = ()
    """`[N]`, or empty for none."""
    right: Sequence[bool] | None = None
    """`[N]`, whether what is shown is right; None where there is no right and wrong."""


class Encoder(nn.Module, ABC):
    """Reads a view, returns features. Normalisation of the input is its first layer, so that it cannot get lost."""

    Config: ClassVar[type[Config]]
    dim: int
    """D, the width of `pooled`."""

    @abstractmethod
    def forward(self, view: View) -> Features:
        """Features of `view`; padding enters nothing."""

    def published(self) -> Mapping[str, str]:
        """The names of its state -> those under which others publish it; nothing where the design is tacit's own."""
        return {}

    def expected(self) -> Mapping[str, Tensor]:
        """State by name that published weights rely on and do not hold: how their input was standardised."""
        return {}

    def stages(self) -> Sequence[Sequence[str]]:
        """The names of its state by depth, from the input on: what can be kept as it is while the rest learns."""
        return [list(self.state_dict())]


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
    transformations: Mapping[str, Family] = field(default_factory=dict)
    """Name -> labelled transformations, to be predicted."""
    corruptions: Mapping[str, Augmentation] = field(default_factory=dict)
    """Name -> corruption to be undone; positions that it loses are False in `View.valid`."""
    targets: Mapping[str, Target] = field(default_factory=dict)
    """Name -> what can be drawn."""
    decoder: Callable[[int, Tensor], nn.Module] | None = None
    """(D, truth `[B, C, *grid]`) -> module from pooled features `[B, D]` to `[B, C, *grid]`."""
    dense: Callable[[Encoder, View, int, int], nn.Module] | None = None
    """(encoder, sample, C, stride) -> module from the encoder's `Features` to `[B, C, *grid / stride]`, place by place.
    Raises `UsageError` for an encoder without maps."""
    grid: bool = False
    """Whether `View.x` is a grid `[B, C, H, W]`."""
    window: Callable[[int, int, Any], tuple[float, float, float, float]] | None = None
    """(width, height, layout) -> the part of a sample of this size that its packed form shows: left, upper, right and
    lower edge in the sample's own cells. Places annotations on packed samples, and answers back on whole ones."""
    extent: Callable[[Raw], tuple[int, int, int]] | None = None
    """Raw sample -> its width and height in cells as it is shown, and the turn that showing takes, as the EXIF value 1
    (none) to 8. Raises `Unreadable`. Places annotations that were drawn on the cells as they are stored."""
    stored: Callable[[Raw, bool], np.ndarray] | None = None
    """(a mask, whether to look up palettes) -> its values `[H, W]` or colours `[H, W, 3]`, as they are stored. Raises
    `Unreadable`, for lossy formats as well."""
    copies: Mapping[str, Augmentation] = field(default_factory=dict)
    """Name -> a way to distort a sample that leaves it a copy to a person: what copy detection is examined by."""
    fingerprint: Callable[[View], Tensor] | None = None
    """Bits `[B, K]` as int8 of -1 and 1, most of which survive whatever leaves a sample the same to a person: what
    near duplicates are found by without an encoder."""
    picture: Callable[[View], np.ndarray] | None = None
    """A view as pictures to look at, uint8 `[B, H, W, 3]`, where it can be drawn."""
    whole: Callable[[Raw, Any], np.ndarray] | None = None
    """(raw sample, layout) -> all of it as a picture at its own size, uint8 `[H, W, 3]`. Raises `Unreadable`."""
    facts: Callable[[Raw], Mapping[str, str | float]] | None = None
    """What is to be known of a raw sample at little cost, by name, the same names for all: texts are counted, numbers
    summarised. Raises `Unreadable`."""
    advice: Callable[[Mapping[str, Sequence[str | float]], Any, View], Sequence[str]] | None = None
    """(the facts of many samples by name, layout, plain views of some) -> what to do about them, a sentence each."""
    unit: str = "samples"
    """What a sample is called in messages, in the plural."""

    @property
    def offers(self) -> frozenset[str]:
        """What a learner can ask for: kinds of view, `transformations:NAME`, `corruptions:NAME`, `targets:NAME`,
        `decoder`, `dense`, `grid`."""
        offered = set(self.augment(self.config()))
        offered |= {f"transformations:{name}" for name in self.transformations}
        offered |= {f"corruptions:{name}" for name in self.corruptions}
        offered |= {f"targets:{name}" for name in self.targets}
        offered |= {"decoder"} if self.decoder else set()
        offered |= {"dense"} if self.dense else set()
        offered |= {"grid"} if self.grid else set()
        return frozenset(offered)


Evaluator = Callable[[Learner, Progress], Iterator[tuple[str, float]]]
"""Something worth knowing about a learner while it trains; the engine knows when, not what."""
