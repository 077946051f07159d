"""Mix-up contrast: what a mixture is made of."""

import pytest
import torch
from contract_toys import make, views_of
from hypothesis import given
from hypothesis import strategies as st

from tacit.core import Progress, View
from tacit.methods.mixup import mixture


def some(lengths=(9, 5, 9), channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), max(lengths), channels, generator=generator)
    return View(x.where(valid[..., None], 0.0), valid)


@given(st.lists(st.integers(1, 8), min_size=2, max_size=5), st.integers(0, 99))
def test_a_mixture_lies_between_both_and_lacks_what_one_lacks(lengths, seed):
    view = some(lengths, seed=seed)
    x = view.x.clone()
    x[0, 0, 1] = torch.nan
    view = View(x, view.valid)
    share = torch.rand(len(x), generator=torch.Generator().manual_seed(seed))
    partner = torch.arange(len(x)).roll(1)
    found, kept = mixture(view, partner, share)
    assert torch.equal(kept, share)
    for i, j in enumerate(partner.tolist()):
        count = min(lengths[i], lengths[j])
        assert found.valid[i].sum() == count
        expected = share[i] * x[i, :count] + (1 - share[i]) * x[j, :count]
        assert torch.allclose(found.x[i, :count], expected, equal_nan=True)
        assert not found.x[i, count:].any()


def test_series_without_a_step_in_common_stay_alone():
    view = some((6, 6))
    valid = torch.arange(6) < 3
    view = View(view.x, torch.stack([valid, ~valid]))
    found, share = mixture(view, torch.tensor([1, 0]), torch.tensor([0.3, 0.6]))
    assert torch.equal(share, torch.ones(2))
    assert torch.equal(found.valid, view.valid)
    assert torch.equal(found.x[found.valid], view.x[view.valid])


def test_a_few_steps_find_both_parts():
    learner, config, sample = make("mixup", "series")
    views = views_of(learner, config, sample)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=2e-3)
    for number in range(30):
        torch.manual_seed(number)
        step = learner(views, Progress(number, 30))
        step.loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    assert float(step.nothing_learnt) == pytest.approx(torch.tensor(8.0).log().item())
    assert float(step.loss.detach().mean()) < 0.8 * float(step.nothing_learnt)
