"""Copies of images: what people and web sites do to a picture that stays the same picture, in fixed strengths."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from tacit.augment.corrupt import grey
from tacit.augment.image import Recipe, image_view
from tacit.core import Augmentation, Draws, View

CROP = Recipe(crop=(0.3, 0.6), flip=0.0)
ROTATE = Recipe(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, rotate=30.0, outside="zeros")
BORDER = Recipe(crop=(1.5, 2.5), ratio=(1.0, 1.0), flip=0.0, outside="zeros")
COLOUR = Recipe(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, jitter=1.0, strength=0.6)
BLUR = 0.04
"""Standard deviation of the blur, the side being one."""
NOISE = 0.1
"""Standard deviation of the noise, the range of values being one."""
QUALITY = 20
"""Of the JPEG, out of 100."""
TEXT = 0.3
"""Height of the letters, the side being one."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _recipe(view: View, draws: Draws, recipe: Recipe) -> View:
    return image_view(view, recipe, draws)


def _flip(view: View, draws: Draws) -> View:
    return view.with_x(view.x.flip(-1))


def _blur(view: View, draws: Draws) -> View:
    from torchvision.transforms.v2.functional import gaussian_blur

    sigma = BLUR * view.x.shape[-1]
    reach = min(int(3 * sigma) + 1, view.x.shape[-1] - 1)
    return view.with_x(gaussian_blur(view.x, [2 * reach + 1] * 2, [sigma] * 2))


def _noise(view: View, draws: Draws) -> View:
    return view.with_x((view.x + NOISE * draws.normal(view.x.shape[1:])).clamp(0, 1))


def _jpeg(view: View, draws: Draws) -> View:
    """Grey and RGB pass through JPEG; of other channels each passes alone."""
    together = view.x.shape[1] in (1, 3)
    planes = view.x if together else view.x.flatten(0, 1)[:, None]
    cells = planes.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    squeezed = torch.from_numpy(np.stack([_squeezed(picture) for picture in cells])).permute(0, 3, 1, 2)
    return view.with_x(squeezed.reshape(view.x.shape).to(view.x) / 255)


def _squeezed(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """`[H, W, 1 or 3]` through JPEG and back."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(cells.squeeze(2) if cells.shape[2] == 1 else cells).save(file, "JPEG", quality=QUALITY)
    with Image.open(file) as image:
        return np.asarray(image).reshape(cells.shape)


def _text(view: View, draws: Draws) -> View:
    """Three letters in white or black at a random place."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = view.x.shape[-2:]
    font = ImageFont.load_default(max(4, round(TEXT * height)))
    letters = torch.stack([draws.integers(len(LETTERS)) for _ in range(3)], dim=1).tolist()
    left, top, white = draws.uniform(0, 0.5).tolist(), draws.uniform(0, 0.7).tolist(), draws.chance(0.5)
    masks = []
    for word, x, y in zip(letters, left, top, strict=True):
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).text((x * width, y * height), "".join(LETTERS[one] for one in word), fill=255, font=font)
        masks.append(np.asarray(mask))
    drawn = torch.from_numpy(np.stack(masks)).to(view.x)[:, None] / 255
    return view.with_x(view.x * (1 - drawn) + drawn * white.to(view.x).view(-1, 1, 1, 1))


def _together(view: View, draws: Draws) -> View:
    """A crop in other colours, compressed."""
    return _jpeg(image_view(image_view(view, CROP, draws), COLOUR, draws), draws)


COPIES: dict[str, Augmentation] = {
    "crop": partial(_recipe, recipe=CROP),
    "rotation": partial(_recipe, recipe=ROTATE),
    "flip": _flip,
    "border": partial(_recipe, recipe=BORDER),
    "text": _text,
    "colour": partial(_recipe, recipe=COLOUR),
    "grey": grey,
    "blur": _blur,
    "noise": _noise,
    "JPEG": _jpeg,
    "crop, colour and JPEG": _together,
}
"""Name -> how such a copy is made."""
