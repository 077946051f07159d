"""Views of images: one affine sampler and one colour matrix an image."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Config
from tacit.core import Draws, View

# luma and the two colour axes of NTSC: rotating these axes turns the hue, shrinking them removes saturation
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = torch.linalg.inv(_YIQ)

Range = tuple[float, float]


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
    noise: float = Field(default=0.0, ge=0, le=1, description="standard deviation of Gaussian noise")
    outside: str = Field(
        default="reflection", pattern="^(reflection|zeros|border)$", description="what lies outside the image"
    )


def image_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view of images `[B, C, H, W]` in [0, 1] that `recipe` describes: `[B, C, scale H, scale W]` in [0, 1].

    `where [B, scale^2 H W, 2]` says for each pixel where its centre lies in the image it was cut from: (x, y), from -1
    at the left and upper edge to 1 at the right and lower one.
    """
    x, where = _place(view.x, recipe, draws)
    if recipe.jitter or recipe.grey:
        x = _colour(x, recipe, draws)
    if recipe.blur:
        x = _blur(x, draws.chance(recipe.blur), draws.uniform(0.1, 2.0) * x.shape[-1] / 224)
    if recipe.noise:
        x = x + recipe.noise * draws.normal(x.shape[1:])
    return replace(view, x=x.clamp(0, 1), where=where)


def _place(x: Tensor, recipe: Recipe, draws: Draws) -> tuple[Tensor, Tensor]:
    """Crop, flip, rotate, shear and resize as one affine sampling: the images, and where their pixels come from."""
    B, C, H, W = x.shape
    area = draws.uniform(*recipe.crop)
    aspect = draws.uniform(math.log(recipe.ratio[0]), math.log(recipe.ratio[1])).exp()
    most = max(1.0, math.sqrt(recipe.crop[1]))  # a crop stays inside the image unless the recipe zooms out
    width, height = (area * aspect).sqrt().clamp_max(most), (area / aspect).sqrt().clamp_max(most)
    across, down = draws.uniform(-1, 1) * (1 - width), draws.uniform(-1, 1) * (1 - height)
    mirror = 1 - 2 * draws.chance(recipe.flip).float()
    angle = draws.uniform(-1, 1) * math.radians(recipe.rotate)
    slant = torch.tan(draws.uniform(-1, 1) * math.radians(recipe.shear))
    cos, sin = angle.cos(), angle.sin()
    # columns of the matrix: where the view's right and down directions lie in the image
    theta = torch.stack(
        [
            torch.stack([cos * width * mirror, (slant * cos - sin) * height, across], dim=1),
            torch.stack([sin * width * mirror, (slant * sin + cos) * height, down], dim=1),
        ],
        dim=1,
    )
    size = (B, C, round(H * recipe.scale), round(W * recipe.scale))
    grid = F.affine_grid(theta.to(x.dtype), list(size), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False, padding_mode=recipe.outside), grid.flatten(1, 2)


def _colour(x: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Brightness, contrast, saturation, hue and grey as one matrix and one offset an image.

    Colour exists in three channels only; any other number of channels gets brightness and contrast.
    """
    B, C = x.shape[:2]
    on = draws.chance(recipe.jitter).float()
    spread = on * recipe.strength
    bright, contrast, saturation = (1 + spread * draws.uniform(-1, 1) for _ in range(3))
    hue = spread / 4 * draws.uniform(-1, 1) * 2 * math.pi
    saturation = saturation * (~draws.chance(recipe.grey)).float()
    gain = (bright * contrast).view(B, 1, 1, 1)
    if C == 3:
        yiq, rgb = _YIQ.to(x), _RGB.to(x)
        luma = torch.einsum("c,bchw->bhw", yiq[0], x).mean((1, 2)).view(B, 1, 1, 1)
        zero, one = torch.zeros_like(hue), torch.ones_like(hue)
        cos, sin = hue.cos() * saturation, hue.sin() * saturation
        turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).view(B, 3, 3)
        moved = torch.bmm(rgb @ turn @ yiq, x.flatten(2)).view_as(x) * gain
    else:
        luma = x.mean((1, 2, 3), keepdim=True)
        moved = x * gain
    return (moved + luma * ((1 - contrast) * bright).view(B, 1, 1, 1)).clamp(0, 1)


def _blur(x: Tensor, on: Tensor, sigma: Tensor) -> Tensor:
    """A separable Gaussian blur with its own sigma (pixels, `[B]`) for each image where `on`."""
    B, C, H, W = x.shape
    radius = max(1, min(round(0.05 * W), W - 1))  # SimCLR's kernel is a tenth of the side
    offsets = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None].clamp_min(1e-3)) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(C, dim=0)
    flat = F.pad(x.reshape(1, B * C, H, W), (radius,) * 4, mode="reflect")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=B * C)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=B * C)
    return torch.where(on.view(B, 1, 1, 1), flat.view_as(x), x)


def quarter_turns(view: View, turns: Tensor) -> View:
    """Each image turned by its number (long `[B]`) of quarter turns to the left, exactly."""
    x = view.x.clone()
    for number in (1, 2, 3):
        some = turns % 4 == number
        x[some] = torch.rot90(view.x[some], number, (2, 3))
    return view.with_x(x)
