"""Where methods and modalities meet: what an encoder eats, what it returns, and the encoder itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from tacit.config import Config

PADDING, UNKNOWN, MARK, MASK = range(4)
"""Ids that mean the same in every vocabulary: padding, what is not in it, beginning and end, something hidden."""
PAUSES = 96
"""How many pauses are told apart: 0 stands for one that is not known."""
FIRST_WORD = 4
"""The first id that says something: those below are never written."""


BESIDE = ("valid", "where", "index", "pauses", "later", "actions", "taught", "label", "affine")
"""What a view says of its samples beside `x`, a row each."""


@dataclass(frozen=True, eq=False)
class Traits:
    """What is known of each id beside which one it is: a sparse matrix `[V, K]`, row by row."""

    starts: Tensor
    """Long `[V]`, where each id's terms begin."""
    places: Tensor
    """Long `[N]`, which of the K terms they are."""
    values: Tensor
    """Float `[N]`."""
    width: int
    """K."""


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
    vocabulary: int | None = None
    """How many ids there are where `x` holds token ids: 0 is padding, 1 what is not in the vocabulary."""
    pauses: Tensor | None = None
    """Long `[B, L]`, below `PAUSES`: how long before each position the one before it was; None where nothing says."""
    traits: Traits | None = None
    """What is known of the ids, where `x` holds token ids and more is known of them than which ones they are."""
    stops: tuple[int, ...] = ()
    """The ids that end a sentence, where `x` holds token ids and there are such."""
    rate: int | None = None
    """Samples a second, where `x [B, L, P]` holds a wave, cut into frames of P samples."""
    later: Tensor | None = None
    """`[B, N, ...]`, what is observed in the N steps after, where samples are moments: what `next` is made of."""
    actions: Tensor | None = None
    """`[B, N, A]`, what was done in these N steps: boolean, one-hot, where an action is a choice of A, else numbers."""
    taught: Tensor | None = None
    """Float `[B, D]`, what a teacher made of each sample, whatever a view shows of it; None without a teacher."""
    label: Tensor | None = None
    """Long `[B]`, the class of each sample, -1 where it has none; None where the learner asked for no labels."""
    affine: Tensor | None = None
    """What `where` is of images: float `[B, 2, 3]`, from (x, y, 1) in the view to (x, y) in the image that it was cut
    from, both from -1 at the left and upper edge to 1 (`F.affine_grid`); None where the view is the image."""

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | Tensor) -> View:
        """Some of the samples: a slice, or their places (long or boolean)."""

        def pick(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        return self._each(self.x[rows], pick)

    def to(self, device: torch.device | str) -> View:
        """The same view on another device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return self._each(self.x.to(device, non_blocking=True), move)

    def _each(self, x: Tensor, change: Callable[[Tensor | None], Tensor | None]) -> View:
        """The view with `x`, all else that it says of its samples being changed alike."""
        beside: dict[str, Any] = {name: change(getattr(self, name)) for name in BESIDE}
        return replace(self, x=x, **beside)

    def with_x(self, x: Tensor) -> View:
        """The same samples with other values `x [B, ...]`."""
        return replace(self, x=x)

    def grid(self, rows: int, columns: int) -> Tensor:
        """Where the cells of a view of images have their centres, as `affine` says it: `[B, rows, columns, 2]`."""
        assert self.affine is not None, "a view that was cut from an image says where"
        return F.affine_grid(self.affine, [len(self), 1, rows, columns], align_corners=False)

    def after(self, steps: int) -> View:
        """The moments `steps` later, 1 to N, where samples are moments: of as many observations, also from `later`."""
        assert self.later is not None, "samples of moments say what comes next"
        rows, _, width, *shape = self.later.shape
        held = torch.cat([self.x.view(rows, -1, width, *shape), self.later], dim=1)
        count = self.x.shape[1] // width
        return replace(self, x=held[:, steps : steps + count].flatten(1, 2), later=None)


def concatenate(views: Sequence[View]) -> View:
    """Views of one shape as one batch, in order: `[B1 + B2 + ..., ...]`. What is observed later is left out."""

    def join(parts: Sequence[Tensor | None]) -> Tensor | None:
        present = [part for part in parts if part is not None]
        assert len(present) in (0, len(parts)), "either every view has a member or none"
        return torch.cat(present) if present else None

    # encoders do not read what is later, and not every kind of view has it
    beside: dict[str, Any] = {name: join([getattr(view, name) for view in views]) for name in BESIDE if name != "later"}
    return replace(views[0], x=torch.cat([view.x for view in views]), later=None, **beside)


def packed(view: View) -> View:
    """The same samples of ids `[B, L]`, the valid ones side by side at the left, at new places, as short as can be."""
    valid = torch.ones_like(view.x, dtype=torch.bool) if view.valid is None else view.valid
    longest = max(1, int(valid.sum(dim=1).max())) if len(valid) else 1
    order = valid.logical_not().to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
    left = valid.gather(1, order)
    where = torch.arange(order.shape[1], device=view.x.device).expand_as(order)
    pauses = None if view.pauses is None else view.pauses.gather(1, order) * left
    return replace(view, x=view.x.gather(1, order) * left, valid=left, where=where, pauses=pauses)


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder returns."""

    pooled: Tensor
    """`[B, D]`, one vector a sample: what probes, indexes and projectors read."""
    tokens: Tensor | None = None
    """`[B, L, D']`, one vector a position, where the encoder has them."""
    valid: Tensor | None = None
    """Boolean `[B, L]` for `tokens`."""
    where: Tensor | None = None
    """Float `[B, L]` for `tokens`: its place along the time of the original sample, in steps of one token; None where
    there is no such axis, or the view does not say."""
    table: Tensor | None = None
    """The vectors of all ids, `[V, D']`, where tokens are ids: what writes does so by the vectors it was read by."""
    maps: Mapping[int, Tensor] = field(default_factory=dict)
    """Stride -> feature maps `[B, D_s, H / s, W / s]`, finest first, where the encoder reads grids: for dense tasks."""


def joined(parts: Sequence[Features]) -> Features:
    """The features of parts of a batch, in order, as those of the batch; shorter parts end in zeros."""

    def join(tensors: Sequence[Tensor | None]) -> Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        if not present:
            return None
        longest = max(tensor.shape[1] for tensor in present)
        behind = ((0, 0) * (tensor.ndim - 2) + (0, longest - tensor.shape[1]) for tensor in present)
        return torch.cat([F.pad(tensor, room) for tensor, room in zip(present, behind, strict=True)])

    return Features(
        pooled=torch.cat([part.pooled for part in parts]),
        tokens=join([part.tokens for part in parts]),
        valid=join([part.valid for part in parts]),
        where=join([part.where for part in parts]),
        table=parts[0].table,
        maps={stride: torch.cat([part.maps[stride] for part in parts]) for stride in parts[0].maps},
    )


class Encoder(nn.Module, ABC):
    """Reads a view, returns features. Normalisation of the input is its first layer, so that it cannot get lost."""

    Config: ClassVar[type[Config]]
    chunk: int | None = None
    """Samples that are read at once in training, None for all. What is computed between a chunk's view and its features
    is forgotten and computed again on the way back (the gradient cache, Gao et al. 2021, arXiv 2101.06983): a loss that
    compares all samples needs no more memory than a chunk, and has the same gradients. BatchNorm sees one at a time."""
    solved: ClassVar[bool] = False
    """Whether its weights come from a closed form: before that they are zeros, and an untrained one says nothing."""
    dim: int
    """D, the width of `pooled`."""

    @abstractmethod
    def forward(self, view: View) -> Features:
        """Features of `view`; padding enters nothing."""

    def __call__(self, view: View) -> Features:
        """`forward`, in chunks where these are asked for."""
        whole: Callable[[View], Features] = super().__call__
        if self.chunk is None or not self.training or len(view) <= self.chunk:
            return whole(view)
        parts = (view[start : start + self.chunk] for start in range(0, len(view), self.chunk))
        if torch.is_grad_enabled():
            whole = partial(checkpoint, whole, use_reentrant=False, context_fn=partial(_again, self))
        return joined([whole(part) for part in parts])

    def conclude(self, views: Iterable[View]) -> None:
        """Solve what is left once steps have ended: `views` are plain ones of samples that it learnt from."""

    def published(self) -> Mapping[str, str]:
        """The names of its state -> those under which others publish it; nothing where the design is tacit's own."""
        return {}

    def expected(self) -> Mapping[str, Tensor]:
        """State by name that published weights rely on and do not hold: how their input was standardised."""
        return {}

    def stages(self) -> Sequence[Sequence[str]]:
        """The names of its state by depth, from the input on: what can be kept as it is while the rest learns."""
        return [list(self.state_dict())]


def _again(encoder: nn.Module) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """What surrounds a chunk's first pass and its second one, which must not count in BatchNorm's statistics."""
    return nullcontext(), uncounted(encoder)


@contextmanager
def uncounted(module: nn.Module) -> Iterator[None]:
    """Inside the block what passes through `module` does not count in the running statistics of its BatchNorm."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    told = [norm.momentum for norm in norms]
    counts = [None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone() for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, told, counts, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)


@dataclass(frozen=True, eq=False)
class Tokens:
    """A view cut into L tokens, before they have seen each other."""

    x: Tensor
    """`[B, L, D]`, a vector a token."""
    target: Tensor
    """What each token holds: ids, long `[B, L]`, or standardised values, float `[B, L, P]`, NaN where missing."""
    where: Tensor
    """Float `[B, L, k]`, the tokens' places along k axes, in steps of one token."""
    valid: Tensor
    """Boolean `[B, L]`, False on padding."""
    vocabulary: int | None = None
    """How many ids there are where `target` holds ids."""
    rows: int = 1
    """How many sequences the tokens are, one behind the other and of one length, that do not see each other."""
    scale: tuple[Tensor, Tensor] | None = None
    """Level and spread `[B, L, P]` that were taken from the values before they became `x`; `target` still has them."""
    known: Tensor | None = None
    """Boolean `[B, L]`: tokens that all see, while the others see besides only what stands before them; None: as the
    encoder has it. Heeded by encoders that drop tokens (`TokenEncoder.drops`)."""

    def followed(self, ahead: int) -> Tensor:
        """Boolean `[B, L - ahead]`: which tokens are valid, and so is the one `ahead` later in the same sequence."""
        row = torch.arange(self.valid.shape[1], device=self.valid.device) // (self.valid.shape[1] // self.rows)
        return self.valid[:, :-ahead] & self.valid[:, ahead:] & (row[:-ahead] == row[ahead:])

    def with_x(self, x: Tensor) -> Tokens:
        """The same tokens with other vectors `[B, L, D]`, such as some that were masked."""
        return replace(self, x=x)

    def only(self, seen: Tensor) -> Tokens:
        """The same tokens, of which those that are not `seen`, boolean `[B, L]`, are taken for padding."""
        return replace(self, valid=self.valid & seen)


class TokenEncoder(Encoder, ABC):
    """An encoder in two parts: a stem cuts a view into tokens, a trunk lets them see each other.

    Methods that hide tokens, or predict what comes next, change the tokens in between.
    """

    width: int
    """D, of a token before the trunk."""
    out: int
    """D', of a token behind it."""
    causal: bool
    """Whether a token sees only itself and what stands before it."""
    drops: ClassVar[bool] = False
    """Whether tokens see one another by attention alone: those that are not valid, wherever they stand, are neither
    seen nor computed, so that hidden ones can be left out, and who sees whom can be told (`Tokens.known`)."""

    @abstractmethod
    def cut(self, view: View) -> Tokens:
        """The tokens of `view`."""

    @abstractmethod
    def layers(self, tokens: Tokens) -> Sequence[Tensor]:
        """`[B, L, D']` after each layer of the trunk that gives as wide ones, the last one as `forward` gives it; zeros
        where tokens are not valid."""

    @abstractmethod
    def pool(self, tokens: Tokens, states: Tensor) -> Tensor:
        """What the trunk made of `tokens`, `states [B, L, D']` as the last of `layers`, as the one vector a sample that
        `forward` gives: `[B, dim]`, of the valid ones alone."""

    @property
    @abstractmethod
    def table(self) -> Tensor | None:
        """The vectors of all ids, `[V, D]`, by which a model of texts may answer; None where tokens hold values."""
