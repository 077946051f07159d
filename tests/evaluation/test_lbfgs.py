"""The memory of a search against its definition: the two loops over pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.evaluation.lbfgs import Memory


def two_loops(slope: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Nocedal 1980, for one problem `[P]`; the first estimate is the slope, as long as the newest pair says."""
    shares = []
    for step, change in reversed(pairs):
        shares.append((step @ slope) / (step @ change))
        slope = slope - shares[-1] * change
    step, change = pairs[-1]
    slope = slope * (step @ change) / (change @ change)
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        slope = slope + (share - (change @ slope) / (step @ change)) * step
    return slope


def searched() -> tuple[Memory, list[list[tuple[Tensor, Tensor]]], Tensor]:
    """A memory for three pairs after five of two problems, the second of which did not move in the fourth."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    bent = root @ root.T + torch.eye(6, dtype=torch.float64)
    memory, pairs = Memory(3, torch.zeros(2, 2, 3, dtype=torch.float64)), [[], []]
    for number in range(5):
        step = torch.randn(2, 6, generator=generator, dtype=torch.float64)
        step[1] *= number != 3
        memory.add(step.view(2, 2, 3), (step @ bent).view(2, 2, 3))
        for problem, one in enumerate(step):
            pairs[problem].append((one, one @ bent))
    kept = [[pair for pair in some[-3:] if pair[0].any()] for some in pairs]
    return memory, kept, torch.randn(2, 2, 3, generator=generator, dtype=torch.float64)


def test_a_direction_is_that_of_the_two_loops() -> None:
    memory, pairs, slope = searched()
    found = memory.direction(slope, lambda some: some / 2)
    wanted = torch.stack([two_loops(one.flatten(), some) for one, some in zip(slope, pairs, strict=True)])
    torch.testing.assert_close(found.flatten(1), wanted)


def test_more_curvature_is_added_to_what_was_learnt() -> None:
    memory, pairs, slope = searched()
    more = torch.tensor([0.5, 0.5, 0.0] * 2, dtype=torch.float64)
    before = memory.direction(slope, lambda some: some / 2)
    found = memory.bent(more).direction(slope, lambda some: some / 2)
    stiffer = [[(step, change + more * step) for step, change in some] for some in pairs]
    wanted = torch.stack([two_loops(one.flatten(), some) for one, some in zip(slope, stiffer, strict=True)])
    torch.testing.assert_close(found.flatten(1), wanted)
    assert torch.equal(memory.direction(slope, lambda some: some / 2), before)


def test_the_newest_step_gives_the_scale() -> None:
    """Of a curvature that is 4 everywhere one step says all, whatever is believed at first."""
    memory = Memory(3, torch.zeros(1, 5))
    step, slope = torch.randn(1, 5), torch.randn(1, 5)
    assert torch.equal(memory.direction(slope, lambda some: 3 * some), 3 * slope)
    memory.add(step, 4 * step)
    torch.testing.assert_close(memory.direction(slope, lambda some: 3 * some), slope / 4)
