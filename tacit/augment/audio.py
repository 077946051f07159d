"""Views of sounds: log-mel spectra `[B, L, P]` cut, warped, mixed and masked; what adds up in air is added as power."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Config
from tacit.core import Draws, View

Range = tuple[float, float]
_DECIBEL = math.log(10) / 10  # of a power, in units of its natural logarithm
_BENDS = 4  # half waves of the roughest filter that `colour` draws


class Recipe(Config):
    """How one kind of view is made; 0, or a range of nothing but 1, switches a part off."""

    crop: Range = Field(
        default=(0.6, 1.0), description="share of a clip that is kept; keeps who and what, loses the rest of the words"
    )
    late: bool = Field(default=False, description="whether the kept part ends where the clip does")
    speed: Range = Field(default=(1.0, 1.0), description="above 1 is faster; keeps words and pitch, loses tempo")
    pitch: Range = Field(
        default=(1.0, 1.0), description="stretches the frequencies; keeps words across speakers, loses who speaks"
    )
    mix: float = Field(
        default=0.0, ge=0, le=1, description="largest share of another clip's power (mixup-exp); loses the background"
    )
    reverb: float = Field(default=0.0, ge=0, description="longest time in frames to fall by 60 dB; loses the room")
    noise: float = Field(default=0.0, ge=0, le=1, description="chance of noise, 5 to 30 dB below; loses what is faint")
    gain: float = Field(default=0.0, ge=0, description="decibels up or down at most; loses loudness")
    fade: float = Field(default=0.0, ge=0, description="decibels from start to end at most; loses the envelope's trend")
    tilt: float = Field(default=0.0, ge=0, description="decibels from the lowest to the highest band; loses brightness")
    colour: float = Field(
        default=0.0, ge=0, description="decibels of a smooth random filter; loses the microphone and part of the voice"
    )
    masks: int = Field(default=0, ge=0, description="masks in time and as many in frequency (SpecAugment)")
    mask: Range = Field(default=(0.15, 0.15), description="largest share of a clip, and of the bands, under one mask")

    def without_spectra(self) -> Recipe:
        """What is left for frames that are no spectra, cepstra say: their bands are no neighbours and their values no
        powers."""
        off = {"pitch": (1.0, 1.0), "mix": 0.0, "reverb": 0.0, "noise": 0.0, "tilt": 0.0, "colour": 0.0}
        return self.model_copy(update={**off, "gain": 0.0, "fade": 0.0})


def audio_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view of log-mel spectra `[B, L, P]` that `recipe` describes: `[B, L', P]`, real frames first, then padding.

    `where [B, L']` says for each frame where its centre lies in the packed original, in frames. But for `mix`, whose
    other clip is one of the batch, a view depends on its own sample alone.
    """
    assert view.valid is not None
    x, valid, where = _place(view.x, view.valid, recipe, draws)
    if recipe.mix or recipe.reverb or recipe.noise:
        x = _powers(x, valid, recipe, draws)
    x = x + _levels(x, valid, recipe, draws)
    if recipe.masks:
        x = _masked(x, valid, recipe, draws)
    return replace(view, x=torch.where(valid[..., None], x, 0.0), valid=valid, where=where)


def _place(x: Tensor, valid: Tensor, recipe: Recipe, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Crop and stretch, in time and in frequency, as one sampling: spectra, valid frames, where they come from."""
    length, bands = x.shape[1:]
    told = valid.sum(dim=1)
    span = (draws.uniform(*recipe.crop) * told).clamp_min(1)
    start = (told - span) * (1.0 if recipe.late else draws.uniform())
    count = (span / factor(recipe.speed, draws)).round().clamp_min(1).minimum(told.clamp_min(1))
    longest = max(1, math.ceil(length * min(1.0, recipe.crop[1] / recipe.speed[0])))
    place = torch.arange(longest, device=x.device)
    where = start[:, None] + (place + 0.5) * (span / count)[:, None] - 0.5
    where = torch.minimum(where.clamp_min(0), (told[:, None] - 1).clamp_min(0))
    kept = (place < count[:, None]) & (told[:, None] > 0)
    band = ((torch.arange(bands, device=x.device) + 0.5) / factor(recipe.pitch, draws)[:, None]).clamp_max(bands)
    across = (2 * band / bands - 1)[:, None, :].expand(-1, longest, -1)
    down = ((2 * where + 1) / length - 1)[:, :, None].expand(-1, -1, bands)
    grid = torch.stack([across, down], dim=3).to(x)
    moved = F.grid_sample(x[:, None], grid, align_corners=False, padding_mode="border")[:, 0]
    return moved, kept, where


def factor(bounds: Range, draws: Draws) -> Tensor:
    """Factors `[B]` whose logarithms are drawn evenly."""
    return draws.uniform(math.log(bounds[0]), math.log(bounds[1])).exp()


def _powers(x: Tensor, valid: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """What adds up as power: another clip (Niizumi et al. 2021, arXiv 2103.06695, eq. 1), a room's tail, noise."""
    real = valid[..., None]
    level = x.masked_fill(~real, -torch.inf).flatten(1).logsumexp(1)
    level = level - (valid.sum(dim=1) * x.shape[2]).clamp_min(1).log()  # of the mean power, so that ratios are safe
    power = torch.where(real, (x - level[:, None, None]).clamp_max(30).exp(), 0.0)
    if recipe.mix and len(x) > 1:
        share = draws.uniform(0, recipe.mix)[:, None, None]
        other = (torch.arange(len(x), device=x.device) + 1 + draws.integers(len(x) - 1)) % len(x)
        power = (1 - share) * power + share * power[other]
    if recipe.reverb:
        decay = 10 ** (-6 / (draws.uniform(0, recipe.reverb) + 1e-3))[:, None, None]
        power = power + draws.uniform(0, 0.5)[:, None, None] * (_echoes(power, decay) - power)
    if recipe.noise:
        power = power + draws.chance(recipe.noise).float()[:, None, None] * _noise(power, draws)
    return power.clamp_min(1e-9).log() + level[:, None, None]


def _echoes(power: Tensor, decay: Tensor) -> Tensor:
    """sum_k decay^k power[t - k], by doubling: `[B, L, P]`."""
    reach = 1
    while reach < power.shape[1]:
        power = power + decay**reach * F.pad(power, (0, 0, reach, 0))[:, : power.shape[1]]
        reach *= 2
    return power


def _noise(power: Tensor, draws: Draws) -> Tensor:
    """Steady noise of a random slope over the bands, 5 to 30 dB below a mean power of 1: `[B, 1, P]`."""
    bands = torch.linspace(-0.5, 0.5, power.shape[2], device=power.device)
    slope = draws.uniform(-12, 12)[:, None] * bands
    return (_DECIBEL * (slope - draws.uniform(5, 30)[:, None])).exp()[:, None]


def _levels(x: Tensor, valid: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """What multiplies power, as its logarithm: gain, fade, tilt and colour, `[B, L', P]`."""
    length, bands = x.shape[1:]
    count = valid.sum(dim=1, keepdim=True).clamp_min(1)
    time = torch.arange(length, device=x.device) / count - 0.5
    band = (torch.arange(bands, device=x.device) + 0.5) / bands
    over_time, over_bands = torch.zeros_like(time), torch.zeros(len(x), bands, device=x.device)
    if recipe.gain:
        over_time = over_time + draws.uniform(-recipe.gain, recipe.gain)[:, None]
    if recipe.fade:
        over_time = over_time + draws.uniform(-recipe.fade, recipe.fade)[:, None] * time
    if recipe.tilt:
        over_bands = over_bands + draws.uniform(-recipe.tilt, recipe.tilt)[:, None] * (band - 0.5)
    if recipe.colour:
        waves = torch.cos(math.pi * torch.arange(1, _BENDS + 1, device=x.device)[:, None] * band)
        over_bands = over_bands + draws.uniform(-recipe.colour, recipe.colour, (_BENDS,)) @ waves / _BENDS**0.5
    return _DECIBEL * (over_time[:, :, None] + over_bands[:, None, :])


def _masked(x: Tensor, valid: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Runs of frames and of bands under the clip's mean (Park et al. 2019, arXiv 1904.08779)."""
    count = valid.sum(dim=1)
    mean = (x * valid[..., None]).sum((1, 2), keepdim=True) / (count * x.shape[2]).clamp_min(1)[:, None, None]
    hidden = torch.zeros_like(x, dtype=torch.bool)
    for _ in range(recipe.masks):
        hidden = hidden | run(x.shape[1], count, recipe.mask[0], draws)[:, :, None]
        hidden = hidden | run(x.shape[2], torch.full_like(count, x.shape[2]), recipe.mask[1], draws)[:, None, :]
    return torch.where(hidden, mean, x)


def run(length: int, count: Tensor, share: float, draws: Draws) -> Tensor:
    """A run of at most `share` of the first `count [B]` of `length` places: boolean `[B, length]`."""
    size = (draws.uniform(0, share) * count).round()
    start = (draws.uniform() * (count - size + 1)).floor()
    place = torch.arange(length, device=count.device)
    return (place >= start[:, None]) & (place < (start + size)[:, None])
