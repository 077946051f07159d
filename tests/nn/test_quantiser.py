import pytest
import torch

from tacit.nn.quantiser import GumbelCodes, diversity


def test_one_vector_of_each_group_is_chosen():
    torch.manual_seed(0)
    codes = GumbelCodes(8, 2, 5, 6)
    x = torch.randn(40, 8)
    for module in (codes.train(), codes.eval()):
        chosen, likely = module(x, 0.5)
        for group in range(2):
            gap = torch.cdist(chosen[:, 3 * group : 3 * group + 3], codes.vectors[group])
            assert torch.allclose(gap.amin(dim=1), torch.zeros(40), atol=1e-3)
        assert torch.allclose(likely.sum(dim=2), torch.ones(40, 2))
    places = torch.cdist(chosen[:, :3], codes.vectors[0]).argmin(dim=1)
    assert torch.equal(places, likely[:, 0].argmax(dim=1)), "without noise the likeliest is taken"


def test_gradients_reach_the_choice_and_the_vectors():
    codes = GumbelCodes(8, 2, 5, 6).train()
    codes(torch.randn(40, 8), 1.0)[0].square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in codes.parameters())


def test_diversity_is_none_where_all_are_used_alike():
    assert float(diversity(torch.eye(4)[:, None])) == pytest.approx(0)
    assert float(diversity(torch.eye(4)[:1].expand(6, 4)[:, None])) == pytest.approx(0.75)
