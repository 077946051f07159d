"""Views of series: steps `[B, L, C]` cut, stretched, spoilt and hidden; what is missing (NaN) stays missing."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Config
from tacit.core import Draws, View
from tacit.errors import UsageError

Range = tuple[float, float]
_KNOTS = 4  # of the smooth curve that `warp` draws, beside its two ends


class Recipe(Config):
    """How one kind of view is made; 0, or a range of nothing but 1, switches a part off.

    Noise, scale, warp and shift are relative to each series' own level and spread, channel by channel, so that they
    mean the same in volts and in degrees.
    """

    crop: Range = Field(
        default=(0.6, 1.0), description="share of a series that is kept; keeps shapes, loses when they happen"
    )
    late: bool = Field(default=False, description="whether the kept part ends where the series does")
    speed: Range = Field(
        default=(1.0, 1.0), description="above 1 is faster; keeps the order of shapes, loses how long they last"
    )
    jitter: float = Field(
        default=0.0, ge=0, description="deviation of noise in spreads of the series; keeps trends, loses small details"
    )
    scale: Range = Field(
        default=(1.0, 1.0), description="factor of the swing around the level; keeps form and level, loses strength"
    )
    apart: bool = Field(
        default=False, description="whether scale and shift are drawn for each channel; loses how channels compare"
    )
    warp: float = Field(
        default=0.0, ge=0, description="deviation of a smooth curve of factors around 1; keeps form, loses the envelope"
    )
    shift: float = Field(default=0.0, ge=0, description="spreads up or down at most; keeps form, loses the level")
    masks: int = Field(default=0, ge=0, description="runs of time that are hidden; keeps what is around them")
    mask: float = Field(default=0.15, ge=0, le=0.5, description="largest share of a view under one mask")
    drop: float = Field(
        default=0.0, ge=0, lt=1, description="chance of a channel to be hidden; keeps what the other channels say"
    )
    permute: bool = Field(
        default=False, description="whether channels change places, each as a whole; loses which sensor is which"
    )
    rotate: float = Field(
        default=0.0,
        ge=0,
        le=180,
        description="degrees at most about any axis, channels being x, y, z in threes, as "
        "accelerometers give them, 0 being no acceleration; keeps movement, loses how the sensor was worn",
    )


def series_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view of series `[B, L, C]` that `recipe` describes: `[B, L', C]`.

    `valid` is False behind the end and at steps without any value, where `x` is 0; a value that alone is missing is
    NaN in `x`. `where [B, L']` says for each step where it lies in the packed original, in steps. A view depends on
    its own series alone. Raises `UsageError` where axes are to be rotated that are none.
    """
    valid = torch.ones(view.x.shape[:2], dtype=torch.bool, device=view.x.device) if view.valid is None else view.valid
    known = valid[..., None] & ~view.x.isnan()
    x, known, inside, where = _place(view.x, known, valid, recipe, draws)
    if recipe.rotate:
        x, known = _rotated(x, known, recipe.rotate, draws)
    x = _levels(x, known, inside, recipe, draws)
    if recipe.masks:
        known = known & ~_hidden(inside, known, recipe, draws)[..., None]
    if recipe.drop:
        known = known & ~_dropped(known, recipe.drop, draws)[:, None]
    if recipe.permute:
        order = draws.uniform(shape=(x.shape[2],)).argsort(dim=1)[:, None].expand(-1, x.shape[1], -1)
        x, known = x.gather(2, order), known.gather(2, order)
    there = known.any(dim=2)
    x = torch.where(known, x, torch.nan).where(there[..., None], 0.0)
    return replace(view, x=x, valid=there, where=where)


def _place(
    x: Tensor, known: Tensor, valid: Tensor, recipe: Recipe, draws: Draws
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Crop and stretch as one sampling: values, which are known, which steps lie inside, where they come from.

    Between two steps lies a straight line. A value is missing where that of the nearest step is; beside a gap the
    nearest value stands, so that gaps neither grow nor close. A crop without any value begins at the first there is.
    """
    ends = torch.where(valid, torch.arange(1, x.shape[1] + 1, device=x.device), 0).amax(dim=1)  # [B]
    span = (draws.uniform(*recipe.crop) * ends).clamp_min(1)
    start = (ends - span) * (1.0 if recipe.late else draws.uniform())
    if recipe.speed == (1.0, 1.0):  # whole steps, so that nothing has to be read between two of them
        end = (start + span).round()
        start = start.round().minimum(end - 1)
        span = end - start
    speed = draws.uniform(math.log(recipe.speed[0]), math.log(recipe.speed[1])).exp()
    share = min(1.0, recipe.crop[1] / recipe.speed[0])  # of its own length at most, whatever the batch has room for
    longest = max(1, math.ceil(x.shape[1] * share))
    most = (ends * share).ceil().clamp(1, longest)
    count = (span / speed).round().clamp_min(1).minimum(most)
    step = span / count
    cut = _sampled(x, known, ends, start + (step - 1) / 2, step, count, longest)
    empty = ~cut[1].flatten(1).any(dim=1)
    if not bool(empty.any()):
        return cut
    first = known.any(dim=2).float().argmax(dim=1)
    left = torch.minimum(span, ends - first).clamp_min(1)
    fewer = (left / speed).round().clamp_min(1).minimum(most)
    instead = (first.float(), left / fewer, fewer)
    begin, step, count = (
        torch.where(empty, new, old) for new, old in zip(instead, (start + (step - 1) / 2, step, count), strict=True)
    )
    return _sampled(x, known, ends, begin, step, count, longest)


def _sampled(
    x: Tensor, known: Tensor, ends: Tensor, begin: Tensor, step: Tensor, count: Tensor, longest: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`count` steps of each series from the place `begin` on, `step` apart; `[B]` each."""
    place = torch.arange(longest, device=x.device)
    where = begin[:, None] + place * step[:, None]
    where = torch.minimum(where.clamp_min(0), (ends[:, None] - 1).clamp_min(0).float())
    inside = (place < count[:, None]) & (ends[:, None] > 0)
    low = where.floor().long()
    part = (where - low)[..., None]
    (before, first), (after, second) = (_at(x, known, each) for each in (low, (low + 1).clamp_max(x.shape[1] - 1)))
    near, kept = torch.where(part < 0.5, before, after), torch.where(part < 0.5, first, second)
    between = torch.where(first & second, before + part * (after - before), near)
    return between, kept & inside[..., None], inside, where


def _at(x: Tensor, known: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Values, 0 where missing, and which are known, of the steps `rows [B, L']`."""
    index = rows[..., None].expand(-1, -1, x.shape[2])
    there = known.gather(1, index)
    return x.gather(1, index).where(there, 0.0), there


def _statistics(x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Level and spread of what is known, `[B, 1, C]` each; the spread of a constant channel is 0."""
    count = known.sum(dim=1, keepdim=True).clamp_min(1)
    level = x.where(known, 0.0).sum(dim=1, keepdim=True) / count
    spread = ((x - level).where(known, 0.0).square().sum(dim=1, keepdim=True) / count).sqrt()
    return level, spread


def _levels(x: Tensor, known: Tensor, inside: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Scale, warp, shift and noise, in units of each channel's own level and spread."""
    level, spread = _statistics(x, known)
    shape = (x.shape[2],) if recipe.apart else (1,)
    factor = draws.uniform(math.log(recipe.scale[0]), math.log(recipe.scale[1]), shape).exp()[:, None]
    if recipe.warp:
        factor = factor * _curve(inside, recipe.warp, draws)[..., None]
    moved = level + (x - level) * factor
    if recipe.shift:
        moved = moved + draws.uniform(-recipe.shift, recipe.shift, shape)[:, None] * spread
    if recipe.jitter:
        moved = moved + recipe.jitter * spread * draws.normal(x.shape[1:], ragged=True)
    return moved


def _curve(inside: Tensor, deviation: float, draws: Draws) -> Tensor:
    """Factors `[B, L]` around 1 along a smooth curve through random knots (Um et al. 2017, arXiv 1706.00527)."""
    knots = 1 + deviation * draws.normal((_KNOTS + 2,))
    count = inside.sum(dim=1, keepdim=True).clamp_min(2)
    place = (torch.arange(inside.shape[1], device=inside.device) / (count - 1)).clamp(max=1) * (_KNOTS + 1)
    low = place.floor().clamp(max=_KNOTS).long()
    part = (1 - torch.cos(math.pi * (place - low))) / 2
    return knots.gather(1, low) * (1 - part) + knots.gather(1, low + 1) * part


def _hidden(inside: Tensor, known: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Runs of time, boolean `[B, L]`; none where nothing would be left."""
    count = inside.sum(dim=1)
    place = torch.arange(inside.shape[1], device=inside.device)
    hidden = torch.zeros_like(inside)
    for _ in range(recipe.masks):
        size = (draws.uniform(0, recipe.mask) * count).round()
        start = (draws.uniform() * (count - size + 1)).floor()
        run = (place >= start[:, None]) & (place < (start + size)[:, None])
        left = (known.any(dim=2) & ~hidden & ~run).any(dim=1, keepdim=True)
        hidden = hidden | (run & left)
    return hidden


def _dropped(known: Tensor, chance: float, draws: Draws) -> Tensor:
    """Channels to be hidden, boolean `[B, C]`; one that has values always stays."""
    drawn = draws.uniform(shape=(known.shape[2],))
    some = known.any(dim=1)
    safest = F.one_hot(drawn.masked_fill(~some, -1).argmax(dim=1), known.shape[2]).bool()
    return (drawn < chance) & ~safest


def _rotated(x: Tensor, known: Tensor, degrees: float, draws: Draws) -> tuple[Tensor, Tensor]:
    """All threes of channels turned alike, about an axis drawn evenly (Rodrigues' formula).

    A step that lacks one of three axes loses all three, unless the series has no whole step.
    """
    B, L, C = x.shape
    if C % 3:
        raise UsageError(f"rotate turns axes x, y, z, and series of {C} channels are no threes of them: set it to 0")
    axis = F.normalize(draws.normal((3,)), dim=1)
    angle = draws.uniform(0, math.radians(degrees))[:, None, None]
    a, b, c = axis.unbind(1)
    none = torch.zeros_like(a)
    cross = torch.stack([none, -c, b, c, none, -a, -b, a, none], dim=1).view(B, 3, 3)
    turn = torch.eye(3, device=x.device) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    threes = known.view(B, L, C // 3, 3).all(dim=3, keepdim=True)
    turned = torch.einsum("bij,blkj->blki", turn, x.where(known, 0.0).view(B, L, C // 3, 3)).reshape(B, L, C)
    whole = threes.expand(-1, -1, -1, 3).reshape(B, L, C)
    can = whole.flatten(1).any(dim=1)[:, None, None]
    return torch.where(whole & can, turned, x), torch.where(can, whole, known)
