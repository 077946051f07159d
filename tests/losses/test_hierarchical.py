"""The hierarchical contrast of TS2Vec against a loop, a value known on paper, and cross-entropy over logits."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.losses.hierarchical import hierarchical


def drawn(samples=3, moments=8, width=5, share=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(samples, moments, width, generator=generator).double() for _ in range(2))
    valid = torch.rand(samples, moments, generator=generator) < share
    return first, second, valid


def naive(first, second, valid, share):
    """Word for word, moment by moment; `[B]`."""
    B = len(first)
    views = [first, second]
    there = [[(b, t) for t in range(first.shape[1]) if valid[b, t]] for b in range(B)]
    total, scales = torch.zeros(B, dtype=first.dtype), 0
    while True:
        for b in range(B):
            for _, t in there[b]:
                for own in (0, 1):
                    for weight, among in (
                        (1 - share, there[b]),
                        (share, [(other, t) for other in range(B) if (other, t) in there[other]]),
                    ):
                        sims = {
                            (view, *place): views[own][b, t] @ views[view][place]
                            for place in among
                            for view in (0, 1)
                            if (view, *place) != (own, b, t)
                        }
                        lost = torch.stack(list(sims.values())).logsumexp(0) - sims[1 - own, b, t]
                        total[b] += weight * lost / 2 / len(there[b])
        scales += 1
        length = views[0].shape[1]
        if length == 1:
            return total / scales
        coarse = [torch.zeros(B, -(-length // 2), first.shape[2], dtype=first.dtype) for _ in views]
        merged = [set() for _ in range(B)]
        for b in range(B):
            for t in range(coarse[0].shape[1]):
                members = [s for s in (2 * t, 2 * t + 1) if (b, s) in there[b]]
                for view in (0, 1) if members else ():
                    coarse[view][b, t] = views[view][b, members].amax(0)
                    merged[b].add((b, t))
        views, there = coarse, [sorted(places) for places in merged]


@pytest.mark.parametrize("moments", [1, 2, 7, 8])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("there", [0.6, 1.0])
def test_it_is_the_loop_over_moments(moments, share, there):
    first, second, valid = drawn(moments=moments, share=there)
    found, _ = hierarchical(first, second, valid, share)
    assert torch.allclose(found, naive(first, second, valid, share).float(), atol=1e-5)


def test_a_value_known_on_paper():
    """Two moments at right angles, alike in both views, of one sample: ln(1 + 2 / e) at the first scale, of weight a
    half, and no choice at the second."""
    tokens = torch.eye(2)[None]
    found, nothing = hierarchical(tokens, tokens, torch.ones(1, 2, dtype=torch.bool))
    assert found.item() == pytest.approx(math.log(1 + 2 / math.e) / 4, abs=1e-6)
    assert nothing.item() == pytest.approx(math.log(3) / 4, abs=1e-6)


def test_one_scale_is_cross_entropy_over_all_others():
    """With as many moments as samples, all there, the first scale alone: logits without the diagonal, as in SimCLR."""
    first, second, valid = (x[:1] for x in drawn(moments=2))
    z = torch.cat([first[0], second[0]])
    logits = (z @ z.T).fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(logits, torch.tensor([2, 3, 0, 1]))
    assert hierarchical(first, second, valid, 0.0)[0].item() == pytest.approx(expected.item() / 2, abs=1e-5)


def test_equal_tokens_lose_what_nothing_learnt_says():
    first, _, valid = drawn(samples=4, moments=9, share=0.7)
    found, nothing = hierarchical(torch.ones_like(first), torch.ones_like(first), valid)
    assert torch.allclose(found, nothing, atol=1e-5)
    assert (nothing > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.floats(0.0, 1.0), st.integers(0, 100))
def test_what_is_no_pair_enters_nothing(samples, moments, share, seed):
    first, second, valid = drawn(samples, moments, share=share, seed=seed)
    found, nothing = hierarchical(first, second, valid)
    spoilt = [torch.where(valid[..., None], x, 1e3).requires_grad_() for x in (first, second)]
    longer = [F.pad(x, (0, 0, 0, 3), value=-7.0) for x in spoilt]
    assert torch.allclose(hierarchical(*spoilt, valid)[0], found, atol=1e-5)
    if moments + 3 <= 2 ** math.ceil(math.log2(moments)):  # as many scales
        assert torch.allclose(hierarchical(*longer, F.pad(valid, (0, 3)))[0], found, atol=1e-5)
    assert torch.allclose(hierarchical(second, first, valid)[0], found, atol=1e-5)
    assert torch.allclose(hierarchical(first.flip(0), second.flip(0), valid.flip(0))[0].flip(0), found, atol=1e-5)
    assert found.isfinite().all()
    assert (found[~valid.any(dim=1)] == 0).all()
    assert (nothing >= 0).all()
    hierarchical(*spoilt, valid)[0].sum().backward()
    for x in spoilt:
        assert x.grad.isfinite().all()
        assert (x.grad[~valid] == 0).all()
