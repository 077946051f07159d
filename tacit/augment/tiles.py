"""Images taken apart: puzzles to be put back together, and pairs of patches whose place is to be told."""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
from torch import Tensor

from tacit.core import Draws, View

MEAN, STD = 0.5, 0.25
"""What a tile's channels are brought to: about what images in [0, 1] have."""
COMPASS = ("above left", "above", "above right", "left", "right", "below left", "below", "below right")
"""The neighbours of a patch in the order of their labels."""


@cache
def permutations(side: int) -> Tensor:
    """Orders of the `side^2` tiles of a puzzle that differ in as many places as can be: long `[P, side^2]`.

    The maps t -> a t + b (a not 0) of the field with n = side^2 elements, side 2 or 3: two of them agree in at most
    one place, so their Hamming distance is n - 1 or n, and no larger set has this (n (n - 1) is the bound). The first
    order is the image as it is. For 2 these are 12 of 24 orders, for 3 72 of 362,880.
    """
    field = [(high, low) for high in range(side) for low in range(side)]

    def times(s: tuple[int, int], t: tuple[int, int]) -> tuple[int, int]:
        # numbers high x + low, with x^2 = x + 1 over the integers mod 2 and x^2 = -1 mod 3
        square = s[0] * t[0]
        low = s[1] * t[1] + (square if side == 2 else -square)
        return (s[0] * t[1] + s[1] * t[0] + (square if side == 2 else 0)) % side, low % side

    one = field.index((0, 1))
    factors = [field[one], *field[1:one], *field[one + 1 :]]
    orders = [
        [field.index(((u[0] + b[0]) % side, (u[1] + b[1]) % side)) for u in (times(a, t) for t in field)]
        for a, b in product(factors, field)
    ]
    return torch.tensor(orders)


def puzzle(view: View, labels: Tensor, draws: Draws, *, side: int, share: float = 0.75, normalise: bool = True) -> View:
    """The `side^2` tiles of each image in the order that its label (long `[B]`) names: `[B side^2, C, h, w]`.

    Place p shows tile `permutations(side)[label, p]`. A tile covers `share` of its cell's side, anywhere within, so
    that between tiles there are gaps of random width; with `normalise` each channel of a tile has one mean and one
    standard deviation. Without either, edges and colours solve the puzzle (Noroozi and Favaro 2016, section 3.3).
    """
    order = permutations(side).to(labels.device)[labels]
    tiles = _cut(view.x, order, draws, side, share).flatten(0, 1)
    return View(_normalised(tiles) if normalise else tiles)


def puzzle_laid(tiles: View, labels: Tensor, *, side: int) -> View:
    """Tiles `[B side^2, C, h, w]` put back as if their orders were `labels`, with gaps: `[B, C, H, W]`."""
    order = permutations(side).to(labels.device)[labels]
    return View(_laid(tiles.x.view(len(labels), side**2, *tiles.x.shape[1:]), order, side))


def neighbours(view: View, labels: Tensor, draws: Draws, *, share: float = 0.75, normalise: bool = True) -> View:
    """The patch in the middle of each image, and the one on the side that its label names: `[2 B, C, h, w]`.

    Gaps as in `puzzle`. A lens shifts red against green by how far from the centre it is, which tells the place:
    each patch of an RGB image is projected on what has no such axis (Doersch et al. 2015, section 3.1).
    """
    patches = _cut(view.x, _middle_and(labels), draws, 3, share).flatten(0, 1)
    patches = _projected(patches)
    return View(_normalised(patches) if normalise else patches)


def neighbours_laid(patches: View, labels: Tensor) -> View:
    """Pairs of patches `[2 B, C, h, w]` put where `labels` say, on an empty ground: `[B, C, H, W]`."""
    return View(_laid(patches.x.view(len(labels), 2, *patches.x.shape[1:]), _middle_and(labels), 3))


def _middle_and(labels: Tensor) -> Tensor:
    """The cells of a grid of three by three: the one in the middle, and its neighbour by label. `[B, 2]`."""
    middle = torch.full_like(labels, 4)
    return torch.stack([middle, labels + (labels >= middle).long()], dim=1)


def _laid(tiles: Tensor, cells: Tensor, side: int) -> Tensor:
    """Tiles `[B, P, C, h, w]` in their cells (long `[B, P]`) on light ground: `[B, C, side (h + 1) - 1, ...]`."""
    B, _, C, h, w = tiles.shape
    gap = max(1, h // 16)
    ground = torch.ones(B, side**2, C, h + gap, w + gap, device=tiles.device)
    samples = torch.arange(B, device=tiles.device)[:, None]
    ground[samples, cells, :, :h, :w] = tiles
    rows = ground.view(B, side, side, C, h + gap, w + gap).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(B, C, side * (h + gap), side * (w + gap))[:, :, :-gap, :-gap]


def _cut(x: Tensor, cells: Tensor, draws: Draws, side: int, share: float) -> Tensor:
    """A tile out of each of `cells` (long `[B, P]`, row by row) of a grid of `side` by `side`: `[B, P, C, h, w]`."""
    B, P = cells.shape
    first, steps = [], []
    for number, size in zip((cells // side, cells % side), x.shape[2:], strict=True):
        cell = size // side
        tile = max(1, round(share * cell))
        room = (draws.uniform(shape=(P,)) * (cell - tile + 1)).long()
        first.append((size - side * cell) // 2 + number * cell + room)
        steps.append(torch.arange(tile, device=x.device))
    rows = (first[0][..., None] + steps[0])[:, :, :, None]
    columns = (first[1][..., None] + steps[1])[:, :, None, :]
    samples = torch.arange(B, device=x.device)[:, None, None, None]
    # [B, P, h, w, C]: one lookup of pixels with all their channels
    return x.permute(0, 2, 3, 1)[samples, rows, columns].permute(0, 1, 4, 2, 3)


def _normalised(tiles: Tensor) -> Tensor:
    """Every channel of every tile with mean `MEAN` and standard deviation `STD`; a flat one stays flat."""
    mean = tiles.mean((2, 3), keepdim=True)
    std = tiles.std((2, 3), keepdim=True, unbiased=False)
    return (tiles - mean) / std.clamp_min(0.02) * STD + MEAN


def _projected(patches: Tensor) -> Tensor:
    """RGB without the axis from magenta to green, others as they are."""
    if patches.shape[1] != 3:
        return patches
    axis = torch.tensor([-1.0, 2.0, -1.0], device=patches.device) / 6**0.5
    return patches - torch.einsum("c,d,ndhw->nchw", axis, axis, patches)
