"""The network that reads in both directions."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tacit.nn.recurrent import Bidirectional


@pytest.mark.parametrize("layers", [1, 2])
def test_equals_a_packed_sequence(layers):
    torch.manual_seed(0)
    own, other = Bidirectional(5, 4, layers), nn.LSTM(5, 4, layers, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for suffix, networks in (("", own.forth), ("_reverse", own.back)):
            for number, network in enumerate(networks):
                for name, weight in network.named_parameters():
                    weight.copy_(getattr(other, name.replace("l0", f"l{number}") + suffix))
    x, lengths = torch.randn(3, 7, 5), torch.tensor([7, 1, 4])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(other(packed)[0], batch_first=True)
    torch.testing.assert_close(own(x, lengths), expected)


def test_padding_enters_nothing():
    network, x, lengths = Bidirectional(5, 4, 2), torch.randn(2, 6, 5), torch.tensor([6, 3])
    spoilt = x.clone()
    spoilt[1, 3:] = 1e3
    torch.testing.assert_close(network(spoilt, lengths), network(x, lengths))
    torch.testing.assert_close(network(x[1:, :3], lengths[1:]), network(x, lengths)[1:, :3])


def test_gradients_of_padding_are_zero():
    network, x = Bidirectional(5, 4, 1), torch.randn(2, 6, 5, requires_grad=True)
    network(x, torch.tensor([6, 3])).square().sum().backward()
    assert x.grad is not None
    assert x.grad[1, 3:].abs().max() == 0
    assert (x.grad[1, :3].abs().sum(1) > 0).all()
