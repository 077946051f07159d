"""Encoders of what an agent observes."""

import pytest
import torch

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.nature import Nature, Perceptron


def frames(side=84, channels=4):
    return View(torch.rand(6, channels, side, side, generator=torch.Generator().manual_seed(0)))


def test_the_network_is_that_of_the_paper():
    """84 x 84 x 4: 20 x 20 x 32, 9 x 9 x 64, 7 x 7 x 64, 512; 1,683,456 weights and biases without the last layer."""
    encoder = Nature(Nature.Config(), frames())
    features = encoder(frames())
    assert {stride: tuple(maps.shape[1:]) for stride, maps in features.maps.items()} == {
        4: (32, 20, 20),
        9: (64, 9, 9),
        12: (64, 7, 7),
    }
    assert features.pooled.shape == (6, 512)
    assert features.tokens.shape == (6, 49, 64)
    assert torch.equal(features.tokens[:, 8], features.maps[12][:, :, 1, 1])
    assert sum(weight.numel() for weight in encoder.parameters()) == 32 * 257 + 64 * 513 + 64 * 577 + 512 * 3137


def test_frames_need_not_be_square():
    view = View(torch.rand(2, 1, 210, 160))
    assert Nature(Nature.Config(out=64), view)(view).pooled.shape == (2, 64)


def test_the_smallest_frame_leaves_one_place_and_smaller_ones_are_refused():
    assert Nature(Nature.Config(), frames(36))(frames(36)).tokens.shape[1] == 1
    with pytest.raises(UsageError, match="convnet"):
        Nature(Nature.Config(), frames(35))


def test_each_says_which_one_reads_what_it_cannot():
    vectors = View(torch.randn(6, 3))
    with pytest.raises(UsageError, match="--encoder mlp"):
        Nature(Nature.Config(), vectors)
    with pytest.raises(UsageError, match="--encoder nature"):
        Perceptron(Perceptron.Config(), frames())
    features = Perceptron(Perceptron.Config(), vectors)(vectors)
    assert features.pooled.shape == (6, 128)
    assert features.tokens is None


@pytest.mark.parametrize(("kind", "view"), [(Nature, frames()), (Perceptron, View(torch.randn(6, 3)))])
def test_stages_name_all_state_once(kind, view):
    encoder = kind(kind.Config(), view)
    named = [name for stage in encoder.stages() for name in stage]
    assert sorted(named) == sorted(encoder.state_dict())
