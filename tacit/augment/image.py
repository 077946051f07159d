"""Views of images: two matrix products for the place, one for the colours and two for the blur of each image."""

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

from tacit.config import Config
from tacit.core import Draws, View

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

    `where [B, scale^2 H W, 2]` says for each pixel where its centre lies in the image it was cut from: (x, y), from -1
    at the left and upper edge to 1 at the right and lower one.

    What shrinks is smoothed over what a pixel covers (antialiased); images that are turned or slanted are not.
    """
    x = view.x
    B, C, H, W = x.shape
    place, look = _draw(recipe, draws, C)
    grid = _grid(place, round(H * recipe.scale), round(W * recipe.scale))
    samples = _samples(grid, place, recipe, (H, W), x.dtype)
    made = x.new_empty(B, C, *grid.shape[1:])
    most = CACHED * torch.get_num_threads() if x.device.type == "cpu" else math.inf
    many = int(max(1, min(B, most // max(x[0].numel(), made[0].numel()))))
    for start in range(0, B, many):
        into, from_, *rest = (each[start : start + many] for each in (made, x, *look, *samples))
        torch.clamp(_made(from_, _Look(*rest[:4]), rest[4:], recipe), 0, 1, out=into)
    if recipe.noise:
        made = (made + recipe.noise * draws.normal(made.shape[1:])).clamp_(0, 1)
    return replace(view, x=made, where=torch.view_as_real(grid).flatten(1, 2))


class _Place(NamedTuple):
    """Where each view lies in its image, which reaches from -1 to 1, as x + iy, complex `[B]`."""

    right: Tensor
    """From the centre of the view to its right edge."""
    down: Tensor
    centre: Tensor


class _Look(NamedTuple):
    """What is done to the pixels of each view, but for noise."""

    matrix: Tensor
    """`[B, 3, 3]` of colours, `[B, 1, 1]` of any other number of channels."""
    flat: Tensor
    """`[B]`: the share of the view's mean that is added to all its pixels."""
    sigma: Tensor
    """`[B]`: of the blur, in widths of a view; 0 where there is none."""
    solarise: Tensor
    """Boolean `[B]`."""


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
    bright, contrast = 1 + bright, 1 + contrast
    gain, flat = (bright * contrast).view(-1, 1, 1), (1 - contrast) * bright
    if channels != 3:
        return gain, flat
    turn = torch.polar((1 + saturation) * (grey >= recipe.grey), hue * (math.pi / 2))
    kept, turned = (part.view(-1, 1, 1) for part in (turn.real, turn.imag))
    return gain * (_LUMA.to(gain) + kept * _KEPT.to(gain) + turned * _TURNED.to(gain)), flat


def _grid(place: _Place, height: int, width: int) -> Tensor:
    """Where the centres of a view's pixels lie in its image: complex `[B, height, width]`."""
    across, down = (
        side[:, None] * ((torch.arange(count, device=side.device) + 0.5) * (2 / count) - 1)
        for side, count in ((place.right, width), (place.down, height))
    )
    return across[:, None, :] + (down + place.centre[:, None])[:, :, None]


def _samples(
    grid: Tensor, place: _Place, recipe: Recipe, shape: tuple[int, int], dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """What `_sampled` needs: the grid where views are turned, else pixels and weights across and down."""
    if recipe.rotate or recipe.shear:
        return (torch.view_as_real(grid).to(dtype),)
    sides = ((grid[:, 0].real, place.right.real, shape[1]), (grid[:, :, 0].imag, place.down.imag, shape[0]))
    across, down = (_taps(*side, _widest(recipe), recipe.outside) for side in sides)
    return (*across, *down)


def _made(x: Tensor, look: _Look, samples: Sequence[Tensor], recipe: Recipe) -> Tensor:
    """Some of the views, not yet clamped."""
    x = _sampled(x, samples, recipe.outside)
    if recipe.jitter or recipe.grey:
        x = _coloured(x, look.matrix, look.flat)
    if recipe.blur or recipe.solarise:
        x = x.clamp(0, 1)
    if recipe.blur:
        (some,) = torch.nonzero(look.sigma, as_tuple=True)
        x[some] = _blurred(x[some], look.sigma[some])
    if recipe.solarise:
        x = torch.where(look.solarise.view(-1, 1, 1, 1) & (x >= 0.5), 1 - x, x)
    return x


def _sampled(x: Tensor, samples: Sequence[Tensor], outside: str) -> Tensor:
    """Crop, flip, rotate, shear and resize."""
    if len(samples) == 1:
        return F.grid_sample(x, samples[0], align_corners=False, padding_mode=outside)
    return _separable(x, *samples)


def _taps(places: Tensor, half: Tensor, length: int, most: float, outside: str) -> tuple[Tensor, Tensor]:
    """Which of `length` pixels, and how much of each, make up the pixels at `places [B, N]`: both `[B, N, taps]`.

    Neighbours are mixed linearly; where the N pixels of a crop lie further apart than those of the image, as many as
    they cover (a triangle as wide as two of them). `half`: of the crop's width, `[B]`, at most `most`.
    """
    step = length / places.shape[1]  # between pixels of a crop that is the whole image
    reach = (half.abs() * step).clamp_min(1)[:, None, None]
    taps = torch.arange(math.ceil(2 * max(1.0, most * step) - 1e-4), device=places.device)
    centre = ((places + 1) * (length / 2) - 0.5)[:, :, None]
    pixel = (centre - reach).floor() + 1 + taps
    weight = (1 - (pixel - centre).abs() / reach).clamp_min(0)
    if len(taps) > 2:  # the weights of two neighbours add up to 1
        weight = weight / weight.sum(2, keepdim=True)
    if outside == "zeros":
        weight = weight * ((pixel >= 0) & (pixel < length))
    elif outside == "reflection":
        pixel = (length - 0.5) - (length - (pixel + 0.5).abs()).abs()
    return pixel.clamp(0, length - 1).long(), weight


def _separable(x: Tensor, across: Tensor, weight_across: Tensor, down: Tensor, weight_down: Tensor) -> Tensor:
    """Two matrix products an image, along its rows and its columns, by the few entries of each row that are not 0."""
    B, C, _, W = x.shape
    down, weight_down = (each.repeat_interleave(C, dim=0) for each in (down, weight_down))
    rows = _weighted(x.flatten(0, 1), down, weight_down)  # first, since small crops leave few
    rows = rows.view(B, C, rows.shape[1], W)
    columns = _weighted(rows.permute(0, 3, 1, 2), across, weight_across)  # [B, W', C, H']
    return columns.permute(0, 2, 3, 1).contiguous()


def _weighted(x: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of some of `x [B, N, ...]`: `[B, M, ...]`, `index` and `weight` being `[B, M, taps]`."""
    B, N, *rest = x.shape
    index = index + torch.arange(0, B * N, N, device=x.device)[:, None, None]
    sums = F.embedding_bag(
        index.flatten(0, 1),
        x.contiguous().view(B * N, math.prod(rest)),
        mode="sum",
        per_sample_weights=weight.flatten(0, 1).to(x.dtype),
    )
    return sums.view(*index.shape[:2], *rest)


def _coloured(x: Tensor, matrix: Tensor, flat: Tensor) -> Tensor:
    """Every image by its own matrix, and a share of its mean luma added."""
    means = x.mean((2, 3))
    luma = means @ _YIQ[0].to(x) if x.shape[1] == 3 else means.mean(1)
    matrix = matrix.to(x.dtype)
    moved = x * matrix[..., None] if matrix.shape[1] == 1 else torch.bmm(matrix, x.flatten(2)).view(x.shape)
    return moved.add_((luma * flat).view(-1, 1, 1, 1))


def _blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """A Gaussian blur with its own sigma (in widths, `[B]`) for each image."""
    B, _, H, W = x.shape
    radius = max(1, min(math.ceil(4 * BLUR * W / 224), H - 1, W - 1))  # beyond 4 sigma 8 bits see nothing
    offsets = torch.arange(-radius, radius + 1, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / (sigma * W)[:, None].clamp_min(1e-3)) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, None]
    sides = []
    for length in (W, H):
        index = (torch.arange(length, device=x.device)[:, None] + offsets).abs()
        mirrored = length - 1 - (length - 1 - index).abs()
        sides += [mirrored.expand(B, -1, -1), kernel.expand(-1, length, -1)]
    return _separable(x, *sides)


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
