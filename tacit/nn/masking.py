"""Which tokens are hidden, and what stands in their place."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Draws, Tokens
from tacit.ranks import gathered

LEAST = 16 / 196
"""Share of the tokens in the smallest of several `blocks`: 16 patches of 14 x 14."""
FLATTEST = 0.3
"""Height of the flattest by its width; its inverse is that of the most upright."""
TRIES = 16
"""Blocks that are drawn for a sample, of which those count that hide no more than is wanted."""


def hidden_of(tokens: Tokens, share: float, span: int, draws: Draws, *, geometric: bool = False) -> Tensor:
    """Boolean `[B, L]`: which `tokens` are hidden, in runs as by `hidden`; on a grid in squares of `span` by `span`.

    Squares lie apart, from the first token on (Xie et al. 2022, SimMIM, arXiv 2111.09886, section 3.2); those at the
    edges may be smaller.
    """
    if span == 1 or geometric or tokens.where.shape[2] == 1:
        return hidden(tokens.valid, share, span, draws, rows=tokens.rows, geometric=geometric)
    row, column = (tokens.where / span).long().unbind(dim=2)
    square = row * (int(column.max()) + 1) + column
    order = draws.uniform(shape=(int(square.max()) + 1,)).argsort(dim=1).argsort(dim=1)
    chosen = order < math.ceil(share * order.shape[1])
    return chosen.gather(1, square) & tokens.valid


def one_seen(hide: Tensor, tokens: Tokens, draws: Draws) -> Tensor:
    """`hide [B, L]` but for one token of each sequence of several of which nothing would be seen."""
    each, valid = (x.reshape(len(x) * tokens.rows, -1) for x in (hide, tokens.valid))
    score = draws.uniform(shape=tokens.valid.shape[1:], ragged=True).view_as(valid).masked_fill(~valid, -1.0)
    nothing = (each | ~valid).all(dim=1, keepdim=True) & (valid.sum(dim=1, keepdim=True) > 1)
    return each.scatter(1, score.argmax(dim=1, keepdim=True), False).where(nothing, each).view_as(hide)


def block(tokens: Tokens, scale: tuple[float, float], aspect: tuple[float, float], draws: Draws) -> Tensor:
    """Boolean `[B, L]`: a run of each sequence, or a rectangle of a grid, somewhere (Assran et al. 2023, I-JEPA, arXiv
    2301.08243, section 3).

    Its share of the valid tokens lies between the two of `scale`, its height by its width, on a grid, between those of
    `aspect`. It has at least one token, if there is one.
    """
    share = draws.uniform(*scale, shape=(tokens.rows,)).view(-1, 1)
    ratio = draws.uniform(*aspect, shape=(1,)) if tokens.where.shape[2] > 1 else share
    return _placed(tokens, share, ratio, draws)


def blocks(tokens: Tokens, share: float, draws: Draws) -> Tensor:
    """Boolean `[B, L]`: up to a `share` of the valid tokens of each sequence, at least one, in several blocks that may
    overlap (Bao et al. 2022, BEiT, arXiv 2106.08254, algorithm 1).

    Each block has at least `LEAST` of all tokens and at most as many as are still wanted, and any shape between the
    `FLATTEST` and its inverse, all logarithms alike (their `masking_generator.py`). Samples end a little below `share`
    where what is still wanted is smaller than a block.
    """
    valid, count, _ = _by_sequence(tokens)
    wanted, hide = (share * count).floor().clamp_min(1), torch.zeros_like(valid)
    for _ in range(TRIES):
        left = (wanted - hide.sum(dim=1, keepdim=True)) / count.clamp_min(1)
        part = LEAST + draws.uniform(shape=(tokens.rows,)).view(-1, 1) * (left - LEAST)
        ratio = FLATTEST ** draws.uniform(-1.0, 1.0, shape=(1,))
        more = hide | _placed(tokens, part, ratio, draws).view_as(valid)
        hide = torch.where(more.sum(dim=1, keepdim=True) <= wanted, more, hide)
    lone = hidden(tokens.valid, 0.0, 1, draws, rows=tokens.rows).view_as(valid)
    return torch.where(hide.any(dim=1, keepdim=True), hide, lone).view_as(tokens.valid)


def _placed(tokens: Tokens, share: Tensor, ratio: Tensor, draws: Draws) -> Tensor:
    """A run of each sequence, or a rectangle of a grid, somewhere: boolean `[B, L]`.

    It has about a `share` of the valid tokens; `ratio` is its height by its width on a grid; `[B rows, 1]` each.
    """
    if tokens.where.shape[2] == 1:
        valid, count, place = _by_sequence(tokens)
        start = draws.uniform(shape=(tokens.rows,)).view(-1, 1)
        return (_within(place, start, share * count, count) & valid).view_as(tokens.valid)
    rows, columns = (tokens.where.amax(dim=1) + 1)[:, :, None].unbind(dim=1)
    area, inside = share * rows * columns, tokens.valid
    for axis, (side, count) in enumerate((((area * ratio).sqrt(), rows), ((area / ratio).sqrt(), columns))):
        inside = inside & _within(tokens.where[:, :, axis], draws.uniform(shape=(1,)), side, count)
    return inside


def beginning(tokens: Tokens, draws: Draws) -> Tensor:
    """Boolean `[B, L]`: the first tokens of each sequence, from one to all but the last, each number as likely
    (El-Nouby et al. 2024, AIM, arXiv 2401.08541, section 3.2)."""
    valid, count, place = _by_sequence(tokens)
    length = 1 + (draws.uniform(shape=(tokens.rows,)).view(-1, 1) * (count - 1)).floor()
    return ((place < length) & valid).view_as(tokens.valid)


def _by_sequence(tokens: Tokens) -> tuple[Tensor, Tensor, Tensor]:
    """Of each of N = B rows sequences: which tokens are valid, `[N, L / rows]`; how many, `[N, 1]`; which one of them
    each is, counted from 0, `[N, L / rows]`, where it is one."""
    valid = tokens.valid.reshape(len(tokens.valid) * tokens.rows, -1)
    return valid, valid.sum(dim=1, keepdim=True), valid.cumsum(dim=1) - 1


def _within(place: Tensor, start: Tensor, length: Tensor, count: Tensor) -> Tensor:
    """Which of the places `[N, L]` lie in a stretch of about `length` of the `count` there are; `start` in [0, 1) says
    where it lies; `[N, 1]` each."""
    length = torch.minimum(length.round().clamp_min(1), count.clamp_min(1))
    first = torch.minimum((start * (count - length + 1)).floor(), count - length)
    return (place >= first) & (place < first + length)


def hidden(valid: Tensor, share: float, span: int, draws: Draws, *, rows: int = 1, geometric: bool = False) -> Tensor:
    """Boolean `[B, L]`: a `share` of the valid tokens of each of a sample's `rows`, at least one, in runs of `span`.

    Runs may overlap, as in wav2vec 2.0 (Baevski et al. 2020), and then hide a little less. Where they are `geometric`,
    `span` is the mean of their lengths, and they lie apart.
    """
    each = valid.view(len(valid) * rows, -1)
    if geometric:
        numbers = draws.uniform(shape=(rows, each.shape[1] + 2), ragged=True).view(len(each), -1)
        return _geometric(each, share, span, numbers).view_as(valid)
    score = draws.uniform(shape=valid.shape[1:], ragged=True).view_as(each).masked_fill(~each, 2.0)
    starts = (share * each.sum(dim=1) / span).ceil().clamp_min(1)
    start = (score.argsort(dim=1).argsort(dim=1) < starts[:, None]) & each
    if span == 1:
        return start.view_as(valid)
    run = F.max_pool1d(F.pad(start.float(), (span - 1, 0))[:, None], span, stride=1)[:, 0]
    return ((run > 0) & each).view_as(valid)


def _geometric(valid: Tensor, share: float, mean: float, numbers: Tensor) -> Tensor:
    """Runs of geometric length, hidden and seen in turn (Zerveas et al. 2021, arXiv 2010.02803, section 3.3): `[N, L]`.

    Those that are hidden have the given `mean`, those that are seen `mean (1 - share) / share`, but no less than 1.
    `numbers [N, 2 + L]` in [0, 1) say whether the first one is hidden, which token is where none would be, and how long
    the runs are.
    """
    first, lone, lengths = numbers[:, :1] < share, numbers[:, 1:2], numbers[:, 2:]
    odd = torch.arange(valid.shape[1], device=valid.device) % 2 == 1
    stop = 1 / torch.where(first ^ odd, mean, max(1.0, mean * (1 - share) / share))
    ends = (1 + (torch.log1p(-lengths) / torch.log1p(-stop)).floor()).cumsum(dim=1)
    place = valid.cumsum(dim=1) - 1  # what is no token lies in no run
    run = torch.searchsorted(ends, place.float(), right=True)
    hide: Tensor = (first ^ (run % 2 == 1)) & valid
    alone = (place == (lone * valid.sum(dim=1, keepdim=True)).long()) & valid
    return torch.where(hide.any(dim=1, keepdim=True), hide, alone)


def covered(tokens: Tokens, hide: Tensor, mask: Tensor, changed: float, kept: float, draws: Draws) -> Tokens:
    """The tokens with those in `hide [B, L]` replaced by the vector `mask [D]`.

    A share `changed` of them gets another token of the batch, a share `kept` stays: the 80/10/10 of BERT (Devlin et al.
    2019, arXiv 1810.04805, section 3.1), so that an encoder cannot tell by the mask where it has to know something.
    """
    fate = draws.uniform(shape=hide.shape[1:], ragged=True)
    x = torch.where((hide & (fate >= changed + kept))[..., None], mask.to(tokens.x.dtype), tokens.x)
    if changed:
        pool, _ = gathered(tokens.x[tokens.valid])
        place = (draws.uniform(shape=hide.shape[1:], ragged=True) * len(pool)).long().clamp_max(len(pool) - 1)
        swap = hide & (fate < changed)
        x = x.masked_scatter(swap[..., None], pool[place[swap]].to(x.dtype))
    return tokens.with_x(x)
