"""Small real data for tests of the whole: pictures of a few shapes, as folders of PNG files; and what pages show."""

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("bar", "disc", "ring")


def shape(kind: str, seed: int, side: int = 16) -> Image.Image:
    """A shape of random place, size and colour on a random background."""
    rng = np.random.default_rng(seed)
    back, front = (tuple(int(value) for value in rng.integers(low, low + 90, 3)) for low in (20, 150))
    picture = Image.new("RGB", (side * 4, side * 4), back)
    pen = ImageDraw.Draw(picture)
    x, y = (int(value) for value in rng.integers(2, side * 2, 2))
    reach = int(rng.integers(side, side * 2))
    box = (x, y, x + reach, y + reach)
    if kind == "bar":
        pen.rectangle((x, y, x + reach, y + reach // 4), fill=front)
    elif kind == "disc":
        pen.ellipse(box, fill=front)
    else:
        pen.ellipse(box, outline=front, width=4)
    return picture.resize((side, side), Image.Resampling.BOX)


def folder_of_shapes(folder: Path, each: int = 20, first: int = 0) -> Path:
    """`each` pictures of every shape, one sub-folder a shape; `first` numbers the first one."""
    for number, kind in enumerate(SHAPES):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + each):
            shape(kind, 1000 * number + seed).save(folder / kind / f"{seed:03}.png")
    return folder


def blocks(text: str, language: str) -> list[str]:
    """What stands in the fences of a language in a page of Markdown."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
