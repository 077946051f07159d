"""Views of images as SimCLR makes them: crop and resize, flip, jitter, grey, and a blur where images are large."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contests.contest import Contest, DisagreementError, Found, Side, Size

COLOUR, HUE = 0.4, 0.1
"""How far brightness, contrast and saturation move, and the hue: SimCLR's jitter at a strength of a half."""
JITTER, GREY, RATIO = 0.8, 0.2, (0.75, 4 / 3)
BLUR, SIGMA = 0.5, (0.1, 2.0)
"""Its chance, where there is one; pixels of a view that is 224 wide."""
GLOBAL, LOCAL = (0.14, 1.0), (0.05, 0.14)
AGREE, CHANCE = 0.04, 2.0
"""How far what is measured of N views together may be apart, as a share: `AGREE + CHANCE / sqrt(N)`, since each side
draws its own numbers."""


@dataclass(frozen=True)
class Crop:
    """One view of each image."""

    side: int
    area: tuple[float, float]
    blur: float

    @property
    def sigma(self) -> tuple[float, float]:
        """Of the blur, in pixels of this view."""
        low, high = (sigma * self.side / 224 for sigma in SIGMA)
        return low, high


def _crops(size: Size) -> Sequence[Crop]:
    """Two views of the whole, or two and many small ones."""
    side, blur, small = size["side"], BLUR * size["blur"], size["small"]
    area = GLOBAL if small else (size["crop"] / 100, 1.0)
    return [*[Crop(side, area, blur)] * 2, *[Crop(side * 3 // 7, LOCAL, blur)] * small]


def images(size: Size) -> Any:
    """uint8 `[N, 3, side, side]`: smooth colours and grain, as photographs have them, the same for all sides."""
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 0.7), (16, 0.2), (size["side"], 0.1))
    parts = (share * torch.rand(size["images"], 3, side, side, generator=generator) for side, share in shapes)
    large = [F.interpolate(part, (size["side"],) * 2, mode="bicubic").clamp(0, 1) for part in parts]
    return (sum(large) * 255).round().to(torch.uint8)


def _seed() -> None:
    import torch

    random.seed(0)
    np.random.seed(0)  # the others draw from it
    torch.manual_seed(0)


def _found(views: Sequence[Any]) -> Found:
    return {f"view {at}": view.numpy() for at, view in enumerate(views)}


def recipe(crop: Crop, side: int) -> Any:
    """Such a view of images of `side` pixels in tacit's words."""
    from tacit.augment.image import Recipe

    return Recipe(scale=crop.side / side, crop=crop.area, jitter=JITTER, strength=COLOUR, grey=GREY, blur=crop.blur)


def _tacit(size: Size) -> Callable[[], Found]:
    import torch

    from tacit.augment.image import image_view
    from tacit.core import Draws
    from tacit.modalities.image import IMAGE

    packed = images(size)
    index = torch.arange(len(packed))
    recipes = [recipe(crop, size["side"]) for crop in _crops(size)]

    def run() -> Found:
        view = IMAGE.collate(packed, None)
        views = [image_view(view, recipe, Draws.of(0, 0, index, at)).x for at, recipe in enumerate(recipes)]
        return _found(views)

    return run


def _one_by_one(given: Sequence[Any], transforms: Sequence[Callable[[Any], Any]]) -> Callable[[], Found]:
    """What a worker of a loader does: image after image, then all views of a kind as one batch."""
    import torch

    _seed()
    return lambda: _found([torch.stack([one(image) for image in given]) for one in transforms])


def pictures(size: Size) -> list[Any]:
    """The same images as Pillow has them."""
    from PIL import Image

    return [Image.fromarray(image) for image in images(size).permute(0, 2, 3, 1).contiguous().numpy()]


def by_lightly(crop: Crop) -> Callable[[Any], Any]:
    """From a picture to such a view of it."""
    from lightly.transforms.swav_transform import SwaVViewTransform
    from torchvision.transforms import Compose, RandomResizedCrop

    rest = SwaVViewTransform(
        cj_strength=1.0,
        cj_bright=COLOUR,
        cj_contrast=COLOUR,
        cj_sat=COLOUR,
        cj_hue=HUE,
        cj_prob=JITTER,
        random_gray_scale=GREY,
        gaussian_blur=crop.blur,
        sigmas=crop.sigma,
        normalize=None,
    )
    return Compose([RandomResizedCrop(crop.side, crop.area, RATIO), rest])


def _lightly(size: Size) -> Callable[[], Found]:
    return _one_by_one(pictures(size), [by_lightly(crop) for crop in _crops(size)])


def by_torchvision(crop: Crop) -> Callable[[Any], Any]:
    """From an image of bytes to such a view of it, as its guide advises: of bytes to the end."""
    import torch
    from torchvision.transforms import v2

    width = 2 * round(0.05 * crop.side) + 1
    blur = [v2.RandomApply([v2.GaussianBlur(width, crop.sigma)], p=crop.blur)] if crop.blur else []
    return v2.Compose(
        [
            v2.RandomResizedCrop(crop.side, crop.area, RATIO, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(COLOUR, COLOUR, COLOUR, HUE)], p=JITTER),
            v2.RandomGrayscale(GREY),
            *blur,
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def _torchvision(size: Size) -> Callable[[], Found]:
    return _one_by_one(list(images(size)), [by_torchvision(crop) for crop in _crops(size)])


def _albumentations(size: Size) -> Callable[[], Found]:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A
    import cv2
    import torch

    cv2.setNumThreads(torch.get_num_threads())
    moved = (1 - COLOUR, 1 + COLOUR)

    def transform(crop: Crop) -> Callable[[Any], Any]:
        blur = [A.GaussianBlur(blur_limit=0, sigma_limit=crop.sigma, p=crop.blur)] if crop.blur else []
        compose = A.Compose(
            [
                A.RandomResizedCrop((crop.side, crop.side), crop.area, RATIO),
                A.HorizontalFlip(),
                A.ColorJitter(moved, moved, moved, (-HUE, HUE), p=JITTER),
                A.ToGray(p=GREY),
                *blur,
            ],
            seed=0,
        )
        return lambda image: torch.from_numpy(compose(image=image)["image"]).permute(2, 0, 1).float() / 255

    arrays = list(images(size).permute(0, 2, 3, 1).contiguous().numpy())
    return _one_by_one(arrays, [transform(crop) for crop in _crops(size)])


def _kornia(size: Size) -> Callable[[], Found]:
    """Batches, as tacit's."""
    import kornia.augmentation as K
    import torch

    packed = images(size)
    _seed()

    def transform(crop: Crop) -> Callable[[Any], Any]:
        width = 2 * round(0.05 * crop.side) + 1
        blur = [K.RandomGaussianBlur((width, width), crop.sigma, p=crop.blur)] if crop.blur else []
        return K.AugmentationSequential(
            K.RandomResizedCrop((crop.side, crop.side), crop.area, RATIO),
            K.RandomHorizontalFlip(),
            K.ColorJitter(COLOUR, COLOUR, COLOUR, HUE, p=JITTER),
            K.RandomGrayscale(p=GREY),
            *blur,
        )

    transforms = [transform(crop) for crop in _crops(size)]

    def run() -> Found:
        with torch.no_grad():
            x = packed.float() / 255
            return _found([one(x) for one in transforms])

    return run


def _looks(views: np.ndarray) -> dict[str, float]:
    """What is to be the same of all views together, whatever each side has drawn."""
    colour, detail = np.ptp(views, axis=1), np.abs(np.diff(views, axis=3))
    middle = views.mean((2, 3))
    return {
        "brightness": float(views.mean()),
        "its spread from view to view": float(middle.mean(1).std()),
        "contrast within views": float(views.std((2, 3)).mean()),
        "colour": float(colour.mean()),
        "detail": float(detail.mean()),
        "views in colour": float((colour.mean((1, 2)) > 0.5 / 255).mean()),
    }


def _check(ours: Found, theirs: Found) -> str:
    worst, said = 0.0, ""
    for side in sorted({view.shape[-1] for view in theirs.values()}):
        mine, others = (
            np.concatenate(
                [view for view in found.values() if view.shape[-1] == side] or [np.empty((0, 3, side, side))]
            )
            for found in (ours, theirs)
        )
        if mine.shape != others.shape:
            raise DisagreementError(f"views of {side} px have the shapes {mine.shape} and {others.shape}")
        most = AGREE + CHANCE / len(others) ** 0.5
        one, other = _looks(mine), _looks(others)
        for what, value in other.items():
            apart = abs(one[what] / value - 1)
            if not apart <= most:
                raise DisagreementError(f"{what} of views of {side} px: {one[what]:.3g}, not {value:.3g}")
            if apart >= worst:
                worst, said = apart, f"{what} of views of {side} px {apart:.0%}, all else nearer"
    return said


def contest(module: str, name: str, title: str, full: Size, tiny: Size) -> Contest:
    """The contest that stands in `module`."""
    return Contest(
        module,
        name,
        title,
        Side("tacit", "tacit", _tacit),
        (
            Side("lightly", "lightly", _lightly),
            Side("torchvision", "torchvision", _torchvision),
            Side("kornia", "kornia", _kornia),
            Side("albumentations", "albumentations", _albumentations),
        ),
        {"full": full, "tiny": tiny},
        _check,
        rounds=5,
    )
