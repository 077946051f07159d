import pytest
import torch

from tacit.core import Tokens
from tacit.nn.predictor import Asker, Predictor


def tokens(valid, rows=1):
    where = torch.arange(valid.shape[1] // rows).repeat(rows)[None, :, None].expand(len(valid), -1, 1)
    return Tokens(torch.zeros(*valid.shape, 8), torch.zeros(valid.shape), where.float(), valid, rows=rows)


def made(kind=Predictor):
    torch.manual_seed(0)
    network = Predictor(8, 5, 64, 2) if kind is Predictor else Asker(8, 64, 2)
    return network.eval(), torch.randn(3, 12, 8)


BOTH = pytest.mark.parametrize("kind", [Predictor, Asker])


@BOTH
def test_what_is_said_depends_on_what_was_seen_and_on_nothing_else(kind):
    network, states = made(kind)
    seen = torch.arange(12).expand(3, -1) % 3 == 0
    asked = torch.arange(12).expand(3, -1) % 3 == 1
    said = network(states, tokens(seen), asked)
    assert said.shape == (12, 5 if kind is Predictor else 64)
    other = torch.where(seen[..., None], states, torch.randn(3, 12, 8))
    assert torch.equal(network(other, tokens(seen), asked), said)
    other = torch.where(asked[..., None], states, torch.randn(3, 12, 8))
    assert not torch.allclose(network(other, tokens(seen), asked), said, atol=1e-3)
    alone = [network(states[row : row + 1], tokens(seen[row : row + 1]), asked[row : row + 1]) for row in range(3)]
    assert torch.allclose(torch.cat(alone), said, atol=1e-5)


@BOTH
def test_places_differ_by_where_they_are(kind):
    network, states = made(kind)
    seen, asked = torch.zeros(3, 12, dtype=torch.bool), torch.zeros(3, 12, dtype=torch.bool)
    seen[:, :2], asked[:, 3], asked[:, 9] = True, True, True
    near, far = network(states, tokens(seen), asked).view(3, 2, -1).unbind(1)
    assert (near - far).abs().amax() > 1e-3


@BOTH
def test_sequences_of_a_sample_do_not_see_each_other(kind):
    network, states = made(kind)
    seen = torch.arange(12).expand(3, -1) % 2 == 0
    asked = ~seen
    both = network(states, tokens(seen, rows=2), asked).view(3, 2, 3, -1)
    for part, half in enumerate((slice(0, 6), slice(6, 12))):
        alone = network(states[:, half], tokens(seen[:, half]), asked[:, half]).view(3, 3, -1)
        assert torch.allclose(both[:, part], alone, atol=1e-5)


def test_masks_of_capi_do_not_see_each_other_and_where_nothing_was_seen_there_are_numbers():
    network, states = made(Asker)
    seen = torch.arange(12).expand(3, -1) % 3 == 0
    asked = ~seen
    both = network(states, tokens(seen), asked).view(3, 8, 64)
    one = asked & (torch.arange(12) == 4)
    assert torch.allclose(network(states, tokens(seen), one), both[:, 2], atol=1e-5)
    seen = seen & torch.tensor([True, False, True])[:, None]
    half = network(states * seen[..., None], tokens(seen), asked).view(3, 8, 64)
    assert half.isfinite().all()
    assert torch.allclose(half[[0, 2]], both[[0, 2]], atol=1e-5)
