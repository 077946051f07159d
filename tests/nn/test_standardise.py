"""Features over a batch."""

import torch

from tacit.nn.standardise import over_batch


def test_what_all_of_a_batch_have_in_common_is_taken_off():
    told = torch.randn(2, 40, 3, requires_grad=True) * torch.tensor([1.0, 9.0, 0.0]) + 5
    flat = told.flatten(0, 1)
    alone = over_batch(flat)
    assert not alone.requires_grad
    assert torch.allclose(alone.mean(dim=0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(alone.var(dim=0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4)
    assert torch.equal(over_batch(told, flat), alone.view_as(told))
