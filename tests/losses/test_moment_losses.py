import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tacit.losses.moments import action_loss, placewise


def naive_placewise(query, key):
    """Each place of each moment looks for its own among those of all moments at this place."""
    batch, places, _ = key.shape
    losses = []
    for b in range(batch):
        total = 0.0
        for place in range(places):
            asked = query[b, place if query.shape[1] > 1 else 0]
            scores = [float(sum(asked * key[c, place])) for c in range(batch)]
            total -= math.log(math.exp(scores[b]) / sum(map(math.exp, scores)))
        losses.append(total / places)
    return torch.tensor(losses)


@pytest.mark.parametrize("places", [1, 5])
def test_placewise_equals_a_naive_loop(places):
    query, key = torch.randn(4, places, 3), torch.randn(4, 5, 3)
    assert torch.allclose(placewise(query, key), naive_placewise(query, key), atol=1e-5)


def test_placewise_is_a_mean_of_cross_entropies():
    query, key = torch.randn(6, 3, 8), torch.randn(6, 3, 8)
    each = [F.cross_entropy(query[:, at] @ key[:, at].T, torch.arange(6), reduction="none") for at in range(3)]
    assert torch.allclose(placewise(query, key), torch.stack(each).mean(dim=0), atol=1e-5)


def test_placewise_knows_its_values_on_paper():
    key = torch.eye(4)[:, None].expand(4, 3, 4)
    assert torch.allclose(placewise(torch.zeros(4, 3, 4), key), torch.full((4,), math.log(4)))
    assert torch.allclose(placewise(5 * key, key), torch.full((4,), math.log(1 + 3 * math.exp(-5))), atol=1e-6)


@given(st.permutations(range(4)))
def test_placewise_follows_the_order_of_places_and_moments(order):
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(4, 4, 3, generator=generator) for _ in range(2))
    loss = placewise(query, key)
    assert torch.allclose(placewise(query[:, order], key[:, order]), loss, atol=1e-5)
    assert torch.allclose(placewise(query[order], key[order]), loss[list(order)], atol=1e-5)


def test_what_was_done_is_told_by_its_type():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    done = torch.tensor([[True, False, False], [False, True, False]])
    assert torch.allclose(action_loss(logits, done), -torch.log(torch.tensor([0.7, 0.1])))
    numbers = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert torch.allclose(action_loss(numbers, torch.zeros(2, 2)), torch.tensor([2.5, 0.0]))
