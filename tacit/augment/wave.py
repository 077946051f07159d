"""Views of waves `[B, L, P]`, the frames of which follow one another without a gap: cut, sped up, mixed and hidden."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from tacit.augment.audio import Recipe, factor, run
from tacit.core import Draws, View

_DECIBEL = math.log(10) / 20  # of an amplitude, in units of its natural logarithm


def wave_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view of waves `[B, L, P]` that `recipe` describes: `[B, L', P]`, real frames first, then padding.

    Of the recipe `crop`, `late`, `speed`, `mix`, `noise` (white), `gain`, `fade` and the masks in time are followed;
    what it says of frequencies and rooms takes spectra and is off. `speed` plays faster or slower, as a tape does, so
    that the pitch goes along. `where [B, L']` says where each frame's centre lies in the packed original, in frames.
    """
    assert view.valid is not None
    x, valid, where = _place(view.x, view.valid, recipe, draws)
    inside = valid[..., None]
    x = torch.where(inside, x, 0.0)
    size = (valid.sum(dim=1) * x.shape[2]).clamp_min(1)[:, None, None]
    loud = (x.square().sum((1, 2), keepdim=True) / size).sqrt()
    if recipe.mix and len(x) > 1:
        share = draws.uniform(0, recipe.mix)[:, None, None]
        other = (torch.arange(len(x), device=x.device) + 1 + draws.integers(len(x) - 1)) % len(x)
        added = x[other] * (loud / loud[other].clamp_min(1e-6))  # as loud as the clip itself, so that shares are safe
        x = (1 - share).sqrt() * x + share.sqrt() * added
    level = _level(valid, x.shape[2], recipe, draws)
    for _ in range(recipe.masks):
        inside = inside & ~run(x.shape[1], valid.sum(dim=1), recipe.mask[0], draws)[..., None]
    if recipe.noise:
        below = draws.chance(recipe.noise) * (-_DECIBEL * draws.uniform(5, 30)).exp()
        x = x + loud * below[:, None, None] * draws.normal(x.shape[1:], ragged=True)
    return replace(view, x=torch.where(inside, x * level, 0.0), valid=valid, where=where)


def _place(x: Tensor, valid: Tensor, recipe: Recipe, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Crop and speed as one sampling: samples, valid frames, where they come from.

    A cut begins at any sample. Where nothing is sped up all samples are the original's own; else they lie on straight
    lines between its samples.
    """
    B, length, size = x.shape
    told = valid.sum(dim=1)
    speed = factor(recipe.speed, draws)
    count = (draws.uniform(*recipe.crop) * told / speed).floor().clamp_min(1).minimum(told.clamp_min(1))
    left = (size * (told - count * speed)).clamp_min(0)
    start = (left if recipe.late else draws.uniform() * left).floor()
    longest = max(1, math.ceil(length * min(1.0, recipe.crop[1] / recipe.speed[0])))
    place = torch.arange(longest * size, device=x.device)
    source = start[:, None] + (place + 0.5) * speed[:, None] - 0.5
    wave, last = x.flatten(1), (told * size - 1).clamp_min(0)[:, None]
    before = torch.minimum(source.floor().clamp_min(0).long(), last)
    share = source - source.floor()
    moved = torch.lerp(wave.gather(1, before), wave.gather(1, torch.minimum(before + 1, last)), share)
    frame = torch.arange(longest, device=x.device)
    kept = (frame < count[:, None]) & (told[:, None] > 0)
    where = start[:, None] / size + (frame + 0.5) * speed[:, None] - 0.5
    where = torch.minimum(where.clamp_min(0), (told[:, None] - 1).clamp_min(0))
    return moved.view(B, longest, size), kept, where


def _level(valid: Tensor, size: int, recipe: Recipe, draws: Draws) -> Tensor:
    """What amplitudes are multiplied by: gain, `[B, 1, 1]`, and with a fade from start to end `[B, L, size]`."""
    level = torch.zeros(len(valid), 1, 1, device=valid.device)
    if recipe.gain:
        level = level + draws.uniform(-recipe.gain, recipe.gain)[:, None, None]
    if recipe.fade:
        count = valid.sum(dim=1).clamp_min(1)[:, None, None]
        time = torch.arange(valid.shape[1] * size, device=valid.device).view(1, -1, size) / (count * size) - 0.5
        level = level + draws.uniform(-recipe.fade, recipe.fade)[:, None, None] * time
    return (_DECIBEL * level).exp()
