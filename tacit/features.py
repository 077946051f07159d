"""Where methods and modalities meet: the encoder, and what it returns."""

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
from tacit.view import View


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
