from dataclasses import replace
from functools import partial
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from tacit.augment.tiles import COMPASS, neighbours, neighbours_laid, permutations, puzzle, puzzle_laid
from tacit.core import Draws, Family, View
from tacit.engine import loop
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.methods.jigsaw import Jigsaw
from tacit.modalities.image import IMAGE
from tacit.nn.convnet import ConvNet


def fresh(count, seed=0):
    return Draws.of(seed, 0, torch.arange(count), 0)


@pytest.mark.parametrize("side", [2, 3])
def test_orders_are_permutations_that_agree_in_at_most_one_place(side):
    orders, n = permutations(side), side**2
    assert len(orders) == n * (n - 1), "the largest set there is"
    assert torch.equal(orders[0], torch.arange(n))
    assert torch.equal(orders.sort(dim=1).values, torch.arange(n).expand(len(orders), -1))
    for one, two in combinations(orders, 2):
        assert (one != two).sum() >= n - 1


def test_each_tile_lies_at_every_place_equally_often():
    """No place gives a tile away."""
    for side in (2, 3):
        for place in permutations(side).T:
            assert len(set(place.bincount().tolist())) == 1


@pytest.mark.parametrize(("side", "size"), [(2, 32), (3, 33), (3, 32)])
def test_tiles_without_gaps_are_the_image_in_another_order(side, size):
    x = torch.rand(20, 3, size, size)
    labels = torch.randint(len(permutations(side)), (20,))
    tiles = puzzle(View(x), labels, fresh(20), side=side, share=1.0, normalise=False)
    cell = size // side
    edge = (size - side * cell) // 2
    grid = x[:, :, edge : edge + side * cell, edge : edge + side * cell]
    grid = grid.unfold(2, cell, cell).unfold(3, cell, cell).flatten(2, 3).transpose(1, 2)
    for sample, (label, shown) in enumerate(zip(labels, tiles.x.unflatten(0, (20, -1)), strict=True)):
        assert torch.equal(shown, grid[sample, permutations(side)[label]])


def test_a_puzzle_laid_by_its_label_is_the_image_again():
    x = torch.rand(10, 1, 24, 24)
    labels = torch.randint(72, (10,))
    laid = puzzle_laid(puzzle(View(x), labels, fresh(10), side=3, share=1.0, normalise=False), labels, side=3).x
    without_gaps = laid.unfold(2, 8, 9).unfold(3, 8, 9).permute(0, 1, 2, 4, 3, 5).reshape(10, 1, 24, 24)
    assert torch.equal(without_gaps, x)


def test_gaps_are_of_random_width_and_tiles_stay_in_their_cells():
    ramp = torch.arange(32.0).expand(500, 1, 32, 32)
    left = puzzle(View(ramp), torch.zeros(500, dtype=torch.long), fresh(500), side=3, normalise=False).x
    assert left.shape == (4500, 1, 8, 8)
    start = left.view(500, 3, 3, 8, 8)[:, 0, :, 0, 0]
    for column in range(3):
        assert set((start[:, column] - 1 - 10 * column).tolist()) == {0, 1, 2}


def test_every_channel_of_every_tile_has_one_mean_and_one_deviation():
    x = torch.rand(8, 3, 32, 32) * torch.linspace(0.2, 1, 24).view(8, 3, 1, 1)
    tiles = puzzle(View(x), torch.zeros(8, dtype=torch.long), fresh(8), side=3).x
    assert torch.allclose(tiles.mean((2, 3)), torch.tensor(0.5), atol=1e-4)
    assert torch.allclose(tiles.std((2, 3), unbiased=False), torch.tensor(0.25), atol=1e-3)
    flat = puzzle(View(torch.ones(1, 3, 32, 32)), torch.zeros(1, dtype=torch.long), fresh(1), side=3).x
    assert flat.isfinite().all()


@pytest.mark.parametrize("label", range(8))
def test_the_neighbour_lies_where_its_label_says(label):
    """Two ramps say where a patch comes from; a third channel keeps the projection from mixing them."""
    down, right = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    x = torch.stack([down, right], dim=0)[None]
    pair = neighbours(View(x), torch.tensor([label]), fresh(1), normalise=False).x.mean((2, 3))
    below, beside = (pair[1] - pair[0]).tolist()
    words = {(-1, -1): 0, (-1, 0): 1, (-1, 1): 2, (0, -1): 3, (0, 1): 4, (1, -1): 5, (1, 0): 6, (1, 1): 7}
    assert words[round(below / 11), round(beside / 11)] == label
    assert ("above" in COMPASS[label]) == (below < -5)
    assert ("left" in COMPASS[label]) == (beside < -5)


def test_patches_have_no_axis_along_which_a_lens_shifts_colours():
    x = torch.rand(6, 3, 33, 33)
    patches = neighbours(View(x), torch.arange(6), fresh(6), normalise=False).x
    assert torch.einsum("c,nchw->nhw", torch.tensor([-1.0, 2.0, -1.0]), patches).abs().max() < 1e-5


def test_a_pair_is_laid_in_the_middle_and_beside_it():
    pair = View(torch.stack([torch.full((1, 8, 8), 0.25), torch.full((1, 8, 8), 0.75)]))
    laid = neighbours_laid(pair, torch.tensor([4])).x[0, 0]
    assert (laid[9:17, 9:17] == 0.25).all()
    assert (laid[9:17, 18:26] == 0.75).all()
    assert (laid[:8] == 1).all()


def ramps(count):
    """Smooth gradients of colour in random directions: nothing but the short cut is in them."""
    generator = torch.Generator().manual_seed(0)
    grid = torch.linspace(-1, 1, 32)
    slope = torch.randn(count, 3, 2, 1, 1, generator=generator)
    x = slope[:, :, 0] * grid[:, None] + slope[:, :, 1] * grid
    return 0.5 + 0.15 * x


def textures(count, side=63):
    """Stationary smooth textures: tiles differ in nothing, and only edges say which of them were neighbours."""
    noise = torch.rand(count, 3, side + 4, side + 4, generator=torch.Generator().manual_seed(0))
    return F.avg_pool2d(noise, 5, 1)


class Held:
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def view(self, rows):
        return View(self.x[rows], index=rows)


def solved(share, normalise):
    """The share of puzzles of colour ramps that a small network solves after a short training."""
    x = ramps(512)
    apply = partial(puzzle, side=2, share=share, normalise=normalise)
    family = Family(12, apply, partial(puzzle_laid, side=2), pieces=4)
    torch.manual_seed(0)
    encoder = ConvNet(ConvNet.Config(width=12), View(x))
    method = Jigsaw(Jigsaw.Config(hidden=32), encoder, replace(IMAGE, transformations={"jigsaw": family}), View(x))
    engine = EngineConfig(
        budget=Budget(steps=80), batch=64, precision="fp32", evaluations=0, optimiser=Optimiser(lr=5e-3)
    )
    loop.fit(method, Held(x), {"weak": lambda view, draws: view}, engine)
    torch.manual_seed(1)
    with torch.no_grad():
        return float(method([View(x[:256], index=torch.arange(256))], None).metrics["accuracy"])


def test_colours_solve_the_puzzle_unless_tiles_are_normalised():
    assert solved(share=1.0, normalise=False) > 0.9
    assert solved(share=0.75, normalise=True) < 0.2, "chance is 1 in 12"


def matched(share, normalise):
    """The share of puzzles solved by the order in which edges fit best: no learning, and no look at what is shown."""
    x, orders = textures(60), permutations(3)
    labels = torch.arange(60)
    tiles = puzzle(View(x), labels, fresh(60), side=3, share=share, normalise=normalise).x.unflatten(0, (60, 9))
    shown = torch.empty(60, len(orders), *tiles.shape[1:])
    for number, order in enumerate(orders):  # put back as if this were the order
        shown[:, number, order] = tiles
    grid = shown.unflatten(2, (3, 3))
    beside = (grid[:, :, :, :-1, :, :, -1] - grid[:, :, :, 1:, :, :, 0]).square().flatten(2).sum(2)
    below = (grid[:, :, :-1, :, :, -1] - grid[:, :, 1:, :, :, 0]).square().flatten(2).sum(2)
    return float(((beside + below).argmin(dim=1) == labels).float().mean())


def test_edges_solve_the_puzzle_unless_there_are_gaps():
    assert matched(share=1.0, normalise=False) > 0.95
    assert matched(share=0.75, normalise=True) < 0.2, "chance is 1 in 72"
