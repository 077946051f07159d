import math

import pytest
import torch
import torch.nn.functional as F

from tacit.losses.tokens import by_sample, known_mean, pairs_apart, perplexity, token_loss, unigram_loss


def test_ids_take_cross_entropy_and_values_squares_of_what_is_known():
    logits, target = torch.randn(5, 7), torch.randint(7, (5,))
    assert torch.allclose(token_loss(logits, target), F.cross_entropy(logits, target, reduction="none"))
    values, wanted = torch.randn(3, 4), torch.randn(3, 4)
    wanted[0, 1] = wanted[1] = math.nan
    found = token_loss(values, wanted)
    known = [0, 2, 3]
    assert found[0].item() == pytest.approx(((values[0] - wanted[0])[known] ** 2).mean().item(), rel=1e-5)
    assert found[1] == 0
    assert torch.allclose(found[2], (values[2] - wanted[2]).square().mean())
    found = token_loss(values, wanted, absolute=True)
    assert found[0].item() == pytest.approx((values[0] - wanted[0])[known].abs().mean().item(), rel=1e-5)
    assert found[1] == 0


def test_what_is_missing_gives_no_gradient():
    values = torch.randn(2, 3, requires_grad=True)
    token_loss(values, torch.tensor([[1.0, math.nan, 2.0], [math.nan] * 3])).sum().backward()
    assert values.grad.isfinite().all()
    assert values.grad[0, 1] == 0
    assert not values.grad[1].any()


def test_each_sample_has_the_mean_of_its_own():
    chosen = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    assert by_sample(torch.tensor([1.0, 3.0, 5.0, 6.0, 7.0]), chosen).tolist() == [2, 0, 6]


def test_pairs_are_apart_as_the_loop_over_them_says():
    generator = torch.Generator().manual_seed(0)
    said, told = (torch.randn(3, count, 5, generator=generator, requires_grad=True) for count in (4, 6))
    pairs = torch.rand(3, 4, 6, generator=generator) < 0.4
    pairs[1] = False
    found = pairs_apart(said, told, pairs)
    for row in (0, 2):
        each = [1 - F.cosine_similarity(said[row, i], told[row, j], dim=0) for i, j in pairs[row].nonzero().tolist()]
        assert found[row].item() == pytest.approx(sum(each).item() / len(each), abs=1e-5)
    assert found[1] == 0
    found.sum().backward()
    assert not said.grad[1].any()
    assert not told.grad[1].any()


def test_how_far_pairs_are_apart_is_known_on_paper():
    """Alike, at a right angle, opposite, and of no length at all, which is as far from all."""
    told = torch.tensor([[[0.0, 2.0], [3.0, 0.0], [0.0, -1.0], [0.0, 0.0]]])
    said = torch.tensor([[[0.0, 5.0]]])
    each = [pairs_apart(said, told, torch.eye(4)[None, None, which].bool()).item() for which in range(4)]
    assert each == pytest.approx([0, 1, 2, 1])
    assert pairs_apart(said, told, torch.ones(1, 1, 4).bool()).item() == pytest.approx(1)


def test_one_who_knows_frequencies_alone_pays_their_entropy():
    counts = torch.tensor([999.0, 499.0, 499.0, 0.0])
    ids = torch.tensor([0] * 1000 + [1] * 500 + [2] * 500)
    assert unigram_loss(counts, ids).mean().item() == pytest.approx(1.5 * math.log(2), rel=1e-2)
    assert unigram_loss(torch.zeros(8), torch.tensor([3])).item() == pytest.approx(math.log(8))


def test_perplexity_counts_what_is_used_alike():
    assert perplexity(torch.tensor([5.0, 5.0, 5.0, 0.0])).item() == pytest.approx(3)
    assert perplexity(torch.tensor([9.0, 0.0])).item() == pytest.approx(1)
    assert known_mean(torch.tensor([9.0, 2.0, 4.0]), torch.tensor([math.nan, 0.0, 0.0])).item() == 3
