import math

import torch

from tacit.core import Features, View
from tacit.nn.cells import Cells, cells_of, partners


def grid(side, left, upper, width):
    """A view of `side` by `side` pixels that shows the square of this `width` from (left, upper) on."""
    steps = (torch.arange(side) + 0.5) / side * width
    down, across = torch.meshgrid(steps + upper, steps + left, indexing="ij")
    where = torch.stack([across, down], dim=-1).view(1, -1, 2)
    return View(torch.rand(1, 1, side, side), where=where)


def of(view, side):
    return cells_of(Features(torch.zeros(1, 1), maps={2: torch.rand(1, 3, side, side)}), view)


def test_a_map_cell_lies_in_the_middle_of_its_pixels_and_is_as_long_as_they_are():
    cells = of(grid(8, left=-1.0, upper=0.0, width=0.8), 4)
    assert torch.allclose(cells.where[0, 0], torch.tensor([-0.9, 0.1]))
    assert torch.allclose(cells.where[0, 5], torch.tensor([-0.7, 0.3]))
    assert torch.allclose(cells.size, torch.tensor([0.2 * math.sqrt(2)]))
    assert cells.valid.all()


def test_cells_of_shifted_and_mirrored_crops_are_paired_where_they_show_the_same():
    first, second = of(grid(8, 0.0, 0.0, 0.8), 4), of(grid(8, 0.4, 0.0, 0.8), 4)  # two columns of four in common
    which, found = partners(first, second)
    assert found.view(4, 4).tolist() == [[False, False, True, True]] * 4
    assert which.view(4, 4)[:, 2:].tolist() == [[0, 1], [4, 5], [8, 9], [12, 13]]
    mirrored = grid(8, 0.0, 0.0, 0.8)
    turned = View(mirrored.x, where=mirrored.where.view(1, 8, 8, 2).flip(2).view(1, 64, 2))
    which, found = partners(first, of(turned, 4))
    assert found.all()
    assert which.view(4, 4).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [11, 10, 9, 8], [15, 14, 13, 12]]


def test_partners_are_the_nearest_of_a_loop_over_all_cells_and_none_is_padding():
    generator = torch.Generator().manual_seed(0)

    def some(length):
        where = torch.rand(3, length, 1, generator=generator) * 8
        valid = torch.rand(3, length, generator=generator) < 0.7
        return Cells(torch.rand(3, length, 2), where, torch.tensor([1.0, 0.2, 3.0]), valid)

    first, second = some(6), some(9)
    which, found = partners(first, second)
    for row in range(3):
        for at in range(6):
            near = [float((first.where[row, at] - where).abs()) for where in second.where[row]]
            near = [far if valid else math.inf for far, valid in zip(near, second.valid[row], strict=True)]
            assert found[row, at] == (bool(first.valid[row, at]) and min(near) <= 0.5 * float(first.size[row]))
            assert not found[row, at] or int(which[row, at]) == near.index(min(near))


def test_steps_of_time_are_as_long_as_they_lie_apart_and_what_says_no_place_has_no_cells():
    tokens, valid = torch.rand(1, 4, 2), torch.tensor([[True, True, True, False]])
    where = torch.tensor([[2.0, 3.5, 5.0, 99.0]])
    cells = cells_of(Features(torch.zeros(1, 1), tokens, valid, where), View(tokens))
    assert cells.size.tolist() == [1.5]
    assert cells_of(Features(torch.zeros(1, 1), tokens, valid), View(tokens)) is None
