"""Views of images: sums of a few rows along each axis for the place, the first of them for the colours as well, and for
the blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.augment.rows import Blur, Taps, crop, each, mixed, summed
from tacit.config import Config
from tacit.core import Draws, View
from tacit.memory import keep, room

# luma and the two colour axes of NTSC: rotating these axes turns the hue, shrinking them removes saturation
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = torch.linalg.inv(_YIQ)
# what keeps the luma and no colour, what keeps the colours alone, and what turns them by a right angle
_LUMA, _KEPT, _TURNED = (
    _RGB @ torch.tensor(part, dtype=torch.float32) @ _YIQ
    for part in (
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
    )
)

Range = tuple[float, float]
BLUR = 2.0
"""The largest sigma of a blur, in pixels of a view that is 224 wide."""
CACHED = 2**18
"""How many values a thread works on at once: a megabyte, so that what one step has made the next finds in the cache."""
AHEAD = 16
"""For how many times as many views it is reckoned at once which rows they are sums of."""


class Recipe(Config):
    """How one kind of view is made. Chances are in [0, 1], angles in degrees; 0 switches a part off."""

    scale: float = Field(default=1.0, gt=0, le=1, description="side of the view as a fraction of the image's")
    crop: Range = Field(default=(0.2, 1.0), description="area of the crop as a fraction; above 1 zooms out")
    ratio: Range = Field(default=(0.75, 4 / 3), description="aspect ratio of the crop")
    flip: float = Field(default=0.5, ge=0, le=1, description="chance of a left-right flip")
    rotate: float = Field(default=0.0, ge=0, le=180, description="largest angle")
    shear: float = Field(default=0.0, ge=0, le=60, description="largest angle of a shear")
    jitter: float = Field(default=0.0, ge=0, le=1, description="chance of a colour jitter")
    strength: float = Field(
        default=0.4, ge=0, le=1, description="brightness, contrast, saturation by up to this, hue by a quarter of it"
    )
    grey: float = Field(default=0.0, ge=0, le=1, description="chance of losing all colour")
    blur: float = Field(default=0.0, ge=0, le=1, description="chance of a Gaussian blur, sigma .1 to 2 at 224 px")
    solarise: float = Field(default=0.0, ge=0, le=1, description="chance of inverting all that is brighter than half")
    noise: float = Field(default=0.0, ge=0, le=1, description="standard deviation of Gaussian noise")
    outside: str = Field(
        default="reflection", pattern="^(reflection|zeros|border)$", description="what lies outside the image"
    )


def image_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view of images `[B, C, H, W]` in [0, 1] that `recipe` describes: `[B, C, scale H, scale W]` in [0, 1].

    `affine` says where it lies in the image it was cut from.

    What shrinks is smoothed over what a pixel covers (antialiased); images that are turned or slanted are not.
    """
    x = view.x
    B, C, H, W = x.shape
    place, look = _draw(recipe, draws, C)
    height, width = round(H * recipe.scale), round(W * recipe.scale)
    blur = Blur(look.sigma * width, BLUR * width / 224, height, width) if recipe.blur else None
    plan = _Plan(look, _places(place, recipe, x, height, width), blur)
    keep()
    made = room((B, C, height, width), x.dtype, x.device)
    most = CACHED * torch.get_num_threads() if x.device.type == "cpu" else math.inf
    few = int(max(1, min(B, most // (C * height * max(W, width)))))
    for start in range(0, B, AHEAD * few):
        part = slice(start, start + AHEAD * few)
        _make(made[part], x[part], plan.of(part), recipe, few)
    if recipe.noise:
        made = (made + recipe.noise * draws.normal(made.shape[1:])).clamp_(0, 1)
    return replace(view, x=made, affine=place.affine())


class _Place(NamedTuple):
    """Where each view lies in its image, which reaches from -1 to 1, as x + iy, complex `[B]`."""

    right: Tensor
    """From the centre of the view to its right edge."""
    down: Tensor
    centre: Tensor

    def affine(self) -> Tensor:
        """The same as `View` says it: float `[B, 2, 3]`."""
        return torch.view_as_real(torch.stack(self, dim=1)).transpose(1, 2).contiguous()


class _Look(NamedTuple):
    """What is done to the pixels of each view, but for noise."""

    matrix: Tensor
    """`[B, 3, 3]` of colours, `[B, 1, 1]` of any other number of channels."""
    flat: Tensor
    """`[B]`: how much of the mean that a view then has is added to all its pixels."""
    sigma: Tensor
    """`[B]`: of the blur, in widths of a view; 0 where there is none."""
    solarise: Tensor
    """Boolean `[B]`."""

    def of(self, part: slice) -> _Look:
        """That of some of the views."""
        return _Look(*(each[part] for each in self))


class _Plan(NamedTuple):
    """All that is known of views before a pixel is read."""

    look: _Look
    places: tuple[Tensor] | tuple[Taps, Taps]
    """The grid where views are turned, else what makes up their pixels down and across."""
    blur: Blur | None
    first: int = 0
    """The number of the first view in `blur`."""

    def of(self, part: slice) -> _Plan:
        """That of some of the views."""
        if len(self.places) == 1:
            return _Plan(self.look.of(part), (self.places[0][part],), self.blur, part.start)
        return _Plan(self.look.of(part), (self.places[0].of(part), self.places[1].of(part)), self.blur, part.start)


def _draw(recipe: Recipe, draws: Draws, channels: int) -> tuple[_Place, _Look]:
    """What `recipe` leaves to chance."""
    colours = bool(recipe.jitter or recipe.grey)
    # all numbers at once, in the order of the steps: small tensors cost by the call
    numbers = iter(draws.uniform(shape=(7 + 6 * colours + 2 * bool(recipe.blur) + bool(recipe.solarise),)).unbind(1))
    area, aspect, x, y, flip, angle, slant = islice(numbers, 7)
    area = recipe.crop[0] + (recipe.crop[1] - recipe.crop[0]) * area
    low, high = (math.log(ratio) for ratio in recipe.ratio)
    aspect = (low + (high - low) * aspect).exp()
    # a crop stays inside the image unless the recipe zooms out
    sides = torch.stack([area * aspect, area / aspect]).sqrt_().clamp_max_(_widest(recipe))
    centre = torch.complex(*((2 * torch.stack([x, y]) - 1) * (1 - sides)))
    zero = torch.zeros_like(x)
    right = torch.complex(sides[0].where(flip >= recipe.flip, -sides[0]), zero)
    down = torch.complex(zero, sides[1])
    if recipe.rotate or recipe.shear:
        turn = torch.polar(torch.ones_like(angle), (2 * angle - 1) * math.radians(recipe.rotate))
        slant = torch.tan((2 * slant - 1) * math.radians(recipe.shear))
        right, down = right * turn, (down + sides[1] * slant) * turn
    matrix, flat = _mixed(recipe, list(islice(numbers, 6)), channels) if colours else (x.new_ones(len(x), 1, 1), zero)
    sigma, solarise = zero, zero.bool()
    if recipe.blur:
        on, sigma = islice(numbers, 2)
        sigma = (0.1 + (BLUR - 0.1) * sigma) / 224 * (on < recipe.blur)
    if recipe.solarise:
        solarise = next(numbers) < recipe.solarise
    return _Place(right, down, centre), _Look(matrix, flat, sigma, solarise)


def _mixed(recipe: Recipe, numbers: Sequence[Tensor], channels: int) -> tuple[Tensor, Tensor]:
    """Brightness, contrast, saturation, hue and grey as one matrix an image, and the share of its mean that is added.

    Colour exists in three channels only; any other number of channels gets brightness and contrast.
    """
    on, *changes, grey = numbers
    bright, contrast, saturation, hue = (2 * torch.stack(changes) - 1) * ((on < recipe.jitter) * recipe.strength)
    bright, contrast = 1 + bright, (1 + contrast).clamp_min_(1e-6)
    gain, flat = (bright * contrast).view(-1, 1, 1), (1 - contrast) / contrast
    if channels != 3:
        return gain, flat
    turn = torch.polar((1 + saturation) * (grey >= recipe.grey), hue * (math.pi / 2))
    kept, turned = (part.view(-1, 1, 1) for part in (turn.real, turn.imag))
    return gain * (_LUMA.to(gain) + kept * _KEPT.to(gain) + turned * _TURNED.to(gain)), flat


def _places(place: _Place, recipe: Recipe, x: Tensor, height: int, width: int) -> tuple[Tensor] | tuple[Taps, Taps]:
    """The grid where views are turned, else what makes up their pixels down and across."""
    if recipe.rotate or recipe.shear:
        theta = place.affine().to(x.dtype)
        return (F.affine_grid(theta, [len(theta), 1, height, width], align_corners=False),)
    # crops of small areas reach no further, and sum fewer rows
    widest = min(_widest(recipe), math.sqrt(recipe.crop[1] * max(recipe.ratio[1], 1 / recipe.ratio[0])))
    down, across = (
        crop(_centres(half, middle, count), half, length, widest, recipe.outside)
        for half, middle, count, length in (
            (place.down.imag, place.centre.imag, height, x.shape[2]),
            (place.right.real, place.centre.real, width, x.shape[3]),
        )
    )
    return down, across


def _centres(half: Tensor, middle: Tensor, count: int) -> Tensor:
    """Where `count` pixels in a row lie, whose edge is `half [B]` from their `middle [B]`: `[B, count]`."""
    steps = (torch.arange(count, device=half.device) + 0.5) * (2 / count) - 1
    return half[:, None] * steps + middle[:, None]


def _make(into: Tensor, x: Tensor, plan: _Plan, recipe: Recipe, few: int) -> None:
    """Some of the views, `few` at a time; what is small is reckoned for all of them, since tensors cost by the call."""
    look, places = plan.look, plan.places
    C, H, W = x.shape[1:]
    weights = _YIQ[0].to(x) if C == 3 else x.new_full((C,), 1 / C)
    added = look.flat[:, None].to(x.dtype) * weights
    if len(places) == 2:
        down, across = places
        if look.matrix.shape[1] == 1:
            rows = each(Taps(down.rows, down.weight * look.matrix), C, H, few)
        else:
            rows = mixed(down, look.matrix, H, few)
        places = rows, each(across, C, W, few)
    for start in range(0, len(x), few):
        part = slice(start, start + few)
        if len(places) == 1:
            y = _turned(x[part], places[0][part], look.matrix[part].to(x.dtype), recipe.outside)
        else:
            # small crops leave few rows; on its side a view's columns lie together
            y = summed(summed(x[part], places[0].of(part)).transpose(2, 3), places[1].of(part))
        if recipe.jitter or recipe.grey:
            y.add_((y.mean((2, 3)) * added[part]).sum(1).view(-1, 1, 1, 1))
        if plan.blur:
            y = plan.blur(y, plan.first + start)
        torch.clamp(y.transpose(2, 3), 0, 1, out=into[part])
    if recipe.solarise:
        bright = into[look.solarise]
        into[look.solarise] = torch.minimum(bright, 1 - bright)


def _turned(x: Tensor, grid: Tensor, matrix: Tensor, outside: str) -> Tensor:
    """Views that are turned or slanted, their channels mixed; they lie on their sides, `[B, C, W, H]`."""
    x = F.grid_sample(x, grid, align_corners=False, padding_mode=outside)
    x = x * matrix[..., None] if matrix.shape[1] == 1 else torch.bmm(matrix, x.flatten(2)).view(x.shape)
    return x.transpose(2, 3)


def _widest(recipe: Recipe) -> float:
    """The largest side of a crop, as a share of the image's."""
    return max(1.0, math.sqrt(recipe.crop[1]))


def quarter_turns(view: View, turns: Tensor) -> View:
    """Each image turned by its number (long `[B]`) of quarter turns to the left, exactly."""
    x = view.x.clone()
    for number in (1, 2, 3):
        some = turns % 4 == number
        x[some] = torch.rot90(view.x[some], number, (2, 3))
    return view.with_x(x)
