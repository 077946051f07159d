"""Tokens of whole series, each of which sees the past alone."""

from __future__ import annotations

from bisect import bisect_left

import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError
from tacit.evaluation.features import inference
from tacit.proving.courses import Course, Rows, apart

_BATCH = 32


def steps_of_a_token(encoder: TrainedEncoder) -> int:
    """How many steps make a token: one less than it takes for two."""
    length, channels = encoder.layout.shape[:2]

    def several(count: int) -> bool:
        x = torch.zeros(1, count, channels)
        return _seen(encoder, x)[0].shape[1] > 1

    return bisect_left(range(1, length + 1), True, key=several)


def must_see_no_future(encoder: TrainedEncoder, course: Course, steps: int, task: str) -> None:
    """Raises `UsageError` where tokens of `steps` steps change with what comes behind them."""
    length = encoder.layout.shape[0] // steps * steps
    half = length // steps // 2 * steps
    if half == 0:
        return  # a row is one token, behind which there is nothing
    packed = Rows.of(course, encoder).packed[:8, :length].nan_to_num()
    other = packed.clone()
    other[:, half:] = packed[:, half:].flip(1) * 2 + 1
    first, second = (_seen(encoder, x)[0][:, : half // steps] for x in (packed, other))
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-4 * float(first.abs().max())):
        raise UsageError(
            f"--task {task} needs an encoder whose tokens see no future, and those of {encoder.spec.encoder['name']} "
            "change with what comes after them: train one with --set encoder.causal=true (and without "
            "modality.normalise=series, which takes the level from the whole series)"
        )


def tokens(encoder: TrainedEncoder, course: Course, steps: int, title: str) -> Tensor:
    """The token of each step that ends with it, float32 `[T, K, D]`; where there is none, the one before.

    K is 1, or the number of channels where the encoder knows one alone and so reads each by itself.

    Series are read in pieces of as many steps as rows had in training, each of which gives the tokens of its last half,
    so that each token sees half to all of what it might see there. Where several steps make a token, all of it is read
    as often, a step later each time.
    """
    length = encoder.layout.shape[0] // steps
    half = max(1, length // 2)
    found: list[Tensor] = []
    with console.progress(title, len(course.values)) as tick:
        for begin, end in zip([0, *course.ends[:-1]], course.ends, strict=True):
            found.append(_of_series(encoder, course.values[begin:end], steps, length, half))
            tick(end)
    return torch.cat(found)


def _of_series(encoder: TrainedEncoder, x: Tensor, steps: int, length: int, half: int) -> Tensor:
    """The tokens `[T, K, D]` of one series `[T, C]`, read in pieces of `length` tokens that give their last `half`."""
    count = -(-len(x) // (half * steps))
    before = x.new_full(((length - half + 1) * steps - 1, x.shape[1]), torch.nan)
    behind = x.new_full(((half + 1) * steps, x.shape[1]), torch.nan)
    padded = torch.cat([before, x, behind])
    starts = (torch.arange(count)[:, None] * half * steps + torch.arange(steps)).flatten()
    tokens, valid = [], []
    for some in torch.split(starts, _BATCH):
        interrupt.check()
        seen, there = _seen(encoder, padded[some[:, None] + torch.arange(length * steps)])
        tokens.append(_last(seen, length, half))
        valid.append(_last(there, length, half))
    # [count, steps, half, ...]: what was read k steps later and is number j of its piece stands at j * steps + k
    each, known = (
        torch.cat(parts).view(count, steps, half, *parts[0].shape[2:]).transpose(1, 2).flatten(0, 2)[: len(x)]
        for parts in (tokens, valid)
    )
    last = torch.where(known, torch.arange(len(x))[:, None], -1).cummax(dim=0).values[..., None]
    carried: Tensor = each.gather(0, last.clamp_min(0).expand_as(each)) * (last >= 0)
    return carried


def _last(x: Tensor, length: int, half: int) -> Tensor:
    """The last `half` of `length` tokens of `x [B, L, ...]`, which may lack some behind the end."""
    short = x.new_zeros(len(x), length - x.shape[1], *x.shape[2:])
    return torch.cat([x, short], dim=1)[:, length - half :]


def _seen(encoder: TrainedEncoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens `[B, L', K, D]` of steps `[B, L, C]`, NaN where missing, and which there are, `[B, L', K]`."""
    alone = apart(x, encoder)
    view = encoder.modality.collate(alone, encoder.layout).to(encoder.device)
    with inference(encoder.network):
        found = encoder.network(view)
    if found.tokens is None or found.valid is None:
        raise UsageError(
            f"forecasts are read off tokens, one a moment, and {encoder.spec.encoder['name']} has none: train tcn or "
            "transformer with --set encoder.causal=true"
        )
    tokens, valid = found.tokens.float().cpu(), found.valid.cpu()
    rows = len(x), len(alone) // len(x)  # B and K
    return tokens.view(*rows, *tokens.shape[1:]).transpose(1, 2), valid.view(*rows, -1).transpose(1, 2)
