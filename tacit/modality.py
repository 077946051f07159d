"""A kind of data as a record of functions: how its samples are read, packed, viewed, encoded and judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from tacit.config import Config
from tacit.draws import Draws
from tacit.errors import Unreadable
from tacit.features import Encoder
from tacit.view import View

KINDS = ("plain", "weak", "strong", "global", "local", "next", "alike")
"""The closed vocabulary of views: a method asks for kinds, a modality defines them. `plain` is what inference sees."""


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


Raw = bytes | np.ndarray
"""A sample as a source holds it: the bytes of a file, or an array."""


@dataclass(frozen=True, eq=False)
class Terms:
    """Weighted terms of samples, such as words: sparse rows (scipy's), whose products say how alike two samples are."""

    document: Callable[[Sequence[Raw]], Any]
    """B raw samples -> sparse `[B, V]`."""
    query: Callable[[Sequence[Raw]], Any] | None = None
    """The same for what is searched by; None where both are read alike, so that a product is a cosine."""


class Samples(Protocol):
    """Samples with random access, ready to be viewed."""

    def __len__(self) -> int: ...

    def view(self, rows: Tensor) -> View:
        """The plain view of the samples `rows` (long `[B]`), with `index` set to `rows`."""
        ...

    def later(self, rows: Tensor) -> Tensor:
        """What comes next in the same whole, for each of `rows` (long `[B]`); itself where nothing does."""
        ...

    def alike(self, view: View, draws: Draws) -> View:
        """For each sample of `view` (ids `[B, L]`, with `index`) the plain view of another one that has an id of it,
        drawn by `draws`; places count from that id (`View.where` is 0 there). Both stand where training sees them, and
        behind others. Where no other sample has it, it is the same one."""
        ...


def shown(samples: Samples, rows: Tensor, kind: str) -> View:
    """The plain view from which one of `kind` is made: of `rows` (long `[B]`), for `next` of what comes after them."""
    return replace(samples.view(samples.later(rows)), index=rows) if kind == "next" else samples.view(rows)


Classifier = Callable[[Tensor, Tensor], Tensor]
"""(rows of the training samples, long `[L]`, their labels, long `[L]`) -> labels of all test samples, long `[M]`."""


class Layout(Config, ABC):
    """How the samples of one set are packed; travels with the encoder."""

    fixed: ClassVar[frozenset[str]] = frozenset()
    """What of it belongs to an encoder's weights, whatever the settings of a run that starts from them ask for."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one packed sample."""

    @property
    @abstractmethod
    def dtype(self) -> str:
        """numpy's name of the packed numbers' type."""

    @property
    def in_pieces(self) -> bool:
        """Whether a sample that is longer than what is packed becomes several rows, rather than being cut."""
        return False

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        return self.model_dump()


@dataclass(frozen=True, eq=False)
class Pieces:
    """How samples of any length are taken apart."""

    cut: Callable[[Raw, Any], Iterator[tuple[np.ndarray, str]]]
    """(raw sample, layout) -> its pieces in order, each packed as by `Modality.read`, and where in the sample it lies,
    as the fragment of a URI; empty for a sample that is one piece. All of the sample is in one of them.

    Raises `Unreadable` with the reason, before the first piece.
    """
    setting: str
    """Which setting of the modality keeps more of a sample in one row."""
    asked: Callable[[Any], Mapping[str, Any]]
    """Layout in pieces -> the settings of the modality by which other data are taken apart alike."""
    way: str = "pieces=true"
    """The setting of the modality that takes longer samples apart, as a user writes it."""
    most: int = 0
    """Positions of a row that the survey chooses at most: with fewer, nothing was cut off."""
    whole: str | None = None
    """What is taken apart is called, in the plural, where each piece is one of `Modality.unit`; None where the whole
    is called so, and its pieces are parts of it."""


Within = Callable[[npt.NDArray[Any], Any, Any], npt.NDArray[np.bool_]]
"""(packed samples `[N, *shape]`, layout, config) -> of which of them enough is left to be learnt from, `[N]`."""


@dataclass(frozen=True, eq=False)
class Adopted:
    """An encoder that another tool wrote, as ours."""

    layout: Layout
    encoder: Config
    fill: Callable[[Any], None]
    """Puts the weights into the network that was built by `encoder`. Raises `UsageError`, `RunError`."""


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
    beside: Callable[[Any], Sequence[Path]] = lambda _: ()
    """config -> the files that a layout is made from beside the samples."""
    read: Callable[[Raw, Any], np.ndarray]
    """(raw sample, layout) -> array of the layout's shape. Raises `Unreadable` with the reason, nothing else."""
    read_many: Callable[[Sequence[Raw], Any], Sequence[np.ndarray | Unreadable]] | None = None
    """What `read` returns or raises for each of several raw samples, where they are read faster together."""
    pieces: Pieces | None = None
    """How samples become several rows where the layout asks for it (`Layout.in_pieces`)."""
    collate: Callable[[Tensor, Any], View]
    """(a packed batch `[B, *shape]`, layout) -> its plain view."""
    augment: Callable[[Any], Mapping[str, Augmentation]]
    """config -> kind of view -> augmentation."""
    encoders: Mapping[str, type[Encoder]]
    """Name -> class built as `cls(config, sample: View)`, `sample` being some plain views (shape, statistics). The
    first one is taken where none is named."""
    floors: Mapping[str, Callable[[View], Tensor]]
    """Name -> features `[B, D]` that need no learning (raw pixels, raw lags)."""
    rivals: Mapping[str, Callable[[Samples], Callable[[View], Tensor]]] = field(default_factory=dict)
    """Name -> what is fitted to unlabelled samples without a network and then turns views into features `[B, D]`: the
    closed forms of the field, which pre-training has to be seen beside."""
    classifiers: Mapping[str, Callable[[Samples, Samples], Classifier | None]] = field(default_factory=dict)
    """Name -> the field's own simple classifier, where that is no linear layer on features of moderate width: built on
    (training samples, test samples); None, having told why, where these are too many for it."""
    terms: Mapping[str, Callable[[Sequence[Raw]], Terms]] = field(default_factory=dict)
    """Name -> weighted terms, fitted on raw samples: how the field finds those that are alike without learning."""
    records: str | None = None
    """The column of tables and JSON lines that holds samples themselves; None where these name files."""
    adopt: Callable[[Path], Adopted | None] | None = None
    """A folder -> the encoder of another tool's that it holds, or None. Raises `UsageError` for one that cannot be."""
    export: Callable[[Encoder, Any], Mapping[str, bytes]] | None = None
    """(network, layout) -> the files, by their names, of a folder that another tool loads. Raises `UsageError` where
    it knows no such network."""
    surveyed: int = 256
    """How many samples `survey` is given at most."""
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Method, or task of `tacit finetune` -> the settings that suit this kind of data, on top of its own defaults."""
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Method -> presets by name that make sense for this kind of data alone, beside the method's own."""
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
    gaps: bool = False
    """Whether values of `View.x` may be missing (NaN), and its encoders read them so."""
    values: bool = True
    """Whether `View.x` holds values; False where it holds ids, which are codes already."""
    grid: bool = False
    """Whether `View.x` is a grid `[B, C, H, W]`."""
    places: bool = False
    """Whether views, other than `plain`, say where their positions were in the sample (`View.where` or `affine`)."""
    moments: bool = False
    """Whether samples are moments of episodes, so that views may say what was done (`View.actions`) and what came of it
    (`View.later`)."""
    suited: Callable[[Raw], str] | None = None
    """A raw sample -> the name of the encoder that suits such, where the first one does not suit all. Raises
    `Unreadable`."""
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
    spell: Callable[[Tensor, Any], Sequence[str]] | None = None
    """(ids `[B, L]`, 0 behind the end, layout) -> what they say, where samples are ids that say something."""
    words: Callable[[Raw, Any], tuple[Sequence[str], np.ndarray]] | None = None
    """(raw sample, layout) -> its W words, and to which of them each of its packed positions belongs, `[L]`, -1 for
    none: what is said of words, as tags, is placed by it. Raises `Unreadable`."""
    facts: Callable[[Raw], Mapping[str, str | float]] | None = None
    """What is to be known of a raw sample at little cost, by name, the same names for all: texts are counted, numbers
    summarised. Raises `Unreadable`."""
    advice: Callable[[Mapping[str, Sequence[str | float]], Any, View], Sequence[str]] | None = None
    """(the facts of many samples by name, layout, plain views of some) -> what to do about them, a sentence each."""
    steps: Callable[[Raw], np.ndarray] | None = None
    """Raw sample -> all of it, float32 `[T, C]`, NaN where a value is missing, if samples are steps of time. Raises
    `Unreadable`."""
    every: Callable[[Any], str | None] | None = None
    """Layout or config -> how far the even steps are apart that rows are to be brought to by their times; None for rows
    as they are."""
    rhythm: Callable[[Sequence[object]], Mapping[str, str | float]] | None = None
    """When the steps of a sample were, in order, as it is written -> what is to be known of that, as in `facts`. Raises
    `Unreadable`."""
    within: Within | None = None
    """Where each sample is divided within itself, by time, rather than one sample from another: all of which enough is
    left train, and what is held out is in no view but `plain`. The examination knows what that was."""
    method: str = "simclr"
    """The method that is taken where none is named."""
    seen: Callable[[View, Any], View] | None = None
    """(plain view, config) -> what of it training sees, where that is not all of a sample."""
    tasks: tuple[str, ...] = ()
    """What an encoder is judged by where no task is named; none: by the labels of its samples."""
    unit: str = "samples"
    """What a sample is called in messages, in the plural."""

    @property
    def sources(self) -> str:
        """What is read from a source is called, in the plural: `unit`, or what that is taken from."""
        return (self.pieces.whole if self.pieces else None) or self.unit

    @property
    def offers(self) -> frozenset[str]:
        """What a learner or a head can ask for: kinds of view, `transformations:NAME`, `corruptions:NAME`,
        `targets:NAME`; `decoder`, `dense`, `gaps`, `grid`, `labels`, `moments`, `places`, `spell`, `values`, `words`.
        """
        offered = set(self.augment(self.config()))
        offered |= {f"transformations:{name}" for name in self.transformations}
        offered |= {f"corruptions:{name}" for name in self.corruptions}
        offered |= {f"targets:{name}" for name in self.targets}
        own: dict[str, object] = {
            "decoder": self.decoder,
            "dense": self.dense,
            "gaps": self.gaps,
            "grid": self.grid,
            "labels": not self.tasks,
            "moments": self.moments,
            "places": self.places,
            "spell": self.spell,
            "values": self.values,
            "words": self.words,
        }
        return frozenset(offered | {name for name, has in own.items() if has})
