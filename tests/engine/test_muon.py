"""Muon against the singular value decomposition, the authors' optimiser in torch, and AdamW."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tacit.engine import optimiser
from tacit.engine.muon import Muon, matrices_of, orthogonal
from tacit.engine.settings import Optimiser


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(6, 6), (4, 20), (20, 4), (1, 9)])
def test_a_step_is_nearly_orthogonal_along_the_same_directions(shape: tuple[int, int]) -> None:
    matrix = drawn(*shape)
    left, sizes, right = torch.linalg.svd(orthogonal(matrix), full_matrices=False)
    assert 0.6 < sizes.min() <= sizes.max() < 1.3  # the polynomial leads near one, not to it
    ours = left @ right
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    torch.testing.assert_close(ours, left @ right, atol=1e-3, rtol=0)


def test_steps_are_those_of_torch_where_momentum_is_the_same() -> None:
    start = drawn(6, 10)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([{"params": [ours], "matrices": True}], lr=0.1, momentum=0.9, weight_decay=0.2)
    other = torch.optim.Muon([theirs], lr=0.1, momentum=0.9, weight_decay=0.2, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        for weight in (ours, theirs):
            weight.grad = drawn(6, 10, seed=step + 1)
        mine.step()
        other.step()
    moved = ours.detach() - start
    assert moved.norm() > 0.5
    assert (ours - theirs).norm() < 0.03 * moved.norm()  # torch computes in bfloat16


def test_all_else_is_moved_as_by_adamw() -> None:
    ours, theirs = (nn.Parameter(drawn(7)) for _ in range(2))
    mine = Muon([{"params": [ours]}], lr=0.1, momentum=0.9, weight_decay=0.2)
    other = torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.999), weight_decay=0.2)
    for step in range(5):
        for weight in (ours, theirs):
            weight.grad = drawn(7, seed=step + 1)
        mine.step()
        other.step()
    torch.testing.assert_close(ours, theirs)


def test_tables_of_vectors_and_norms_are_no_matrices() -> None:
    net = nn.Sequential(nn.Embedding(9, 4), nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Linear(6, 2))
    found = matrices_of(net)
    assert [name for name, weight in net.named_parameters() if id(weight) in found] == ["1.weight", "3.weight"]
    built = optimiser.build(Optimiser(name="muon"), net)
    turned = [weight.shape for group in built.param_groups if group["matrices"] for weight in group["params"]]
    assert turned == [(6, 4, 3), (2, 6)]


def test_filters_are_read_as_matrices_whatever_their_order_in_memory() -> None:
    start, slope = drawn(5, 3, 3, 3), drawn(5, 3, 3, 3, seed=1)
    ends = []
    for form in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(start.clone(memory_format=form))
        weight.grad = slope.clone(memory_format=form)
        Muon([{"params": [weight], "matrices": True}], lr=0.1).step()
        ends.append(weight.detach())
    torch.testing.assert_close(*ends)
    flat = nn.Parameter(start.flatten(1).clone())
    flat.grad = slope.flatten(1)
    Muon([{"params": [flat], "matrices": True}], lr=0.1).step()
    torch.testing.assert_close(ends[0].flatten(1), flat.detach())
