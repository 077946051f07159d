"""The crowd: what is held of it, whom a query does not hear, and what is known on paper."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.losses import crowd as module
from tacit.losses.crowd import crowd, crowd_within


def test_memory_does_not_grow_with_queries_times_keys():
    """A million keys and 64 queries would be 256 MB of products; the tiles hold one."""
    queries, keys = torch.randn(64, 2), torch.randn(1_000_000, 2)
    seen = [tile.numel() for _, _, tile in module._tiles(queries, keys, None, None)]
    assert max(seen) <= module.TILES["cpu"][0] == 2**18
    assert sum(seen) == 64_000_000


@given(st.integers(1, 9), st.integers(1, 13), st.integers(2, 40))
def test_each_pair_of_places_is_seen_once(side, count, held):
    """Among themselves: each two of `count` vectors stand in one tile, on the diagonal in both orders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.TILES, "cpu", (side**2, side))
        seen = torch.zeros(count, count)
        for rows, columns, tile in module._pairs(torch.zeros(count, held)):
            seen[rows, columns] += tile
            if rows != columns:
                seen[columns, rows] += tile.T
    assert torch.equal(seen, 1 - torch.eye(count))


def test_equal_vectors_make_a_crowd_of_their_number():
    """n keys whose product with the query is p are worth p + ln n; among themselves a vector hears the n - 1 others."""
    ones = torch.ones(7, 4, dtype=torch.float64)
    assert torch.allclose(crowd(ones[:2], ones), torch.tensor(4 + math.log(7)).double())
    assert torch.allclose(crowd_within(ones), torch.tensor(4 + math.log(6)).double())


@pytest.mark.parametrize("few", [0, 100])
def test_who_hears_nobody_pulls_at_nobody(few, monkeypatch):
    monkeypatch.setattr(module, "FEW", few)
    queries, keys = torch.randn(2, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    found = crowd(queries, keys, torch.tensor([5, 6]), torch.tensor([5, 5, 5, 5]))
    assert found[0] == -torch.inf
    moved, pulled = torch.autograd.grad(found.exp().sum(), (queries, keys))
    assert not moved[0].any()
    (alone,) = torch.autograd.grad(crowd(queries[1:], keys).exp().sum(), keys)
    assert torch.allclose(pulled, alone)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.float64])
def test_sums_are_of_single_precision_at_least_and_gradients_of_the_vectors_own(kind, monkeypatch):
    monkeypatch.setattr(module, "FEW", 0)
    vectors = torch.randn(6, 4).to(kind).requires_grad_()
    wide = torch.promote_types(kind, torch.float32)
    for found in (crowd(vectors, vectors), crowd_within(vectors)):
        assert found.dtype == wide
        (gradient,) = torch.autograd.grad(found.sum(), vectors)
        assert gradient.dtype == kind


def test_a_second_derivative_is_refused():
    vectors = torch.randn(6, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(crowd_within(vectors).square().sum(), vectors, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
