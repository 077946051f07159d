import pytest
import torch

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.convnet import ConvNet
from tacit.nn.dense import Dense
from tacit.nn.heads import Recogniser
from tacit.nn.patches import PatchEncoder


@pytest.mark.parametrize("size", [16, 28, 32, 33])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_there_is_one_value_for_each_block_of_cells(size, stride):
    sample = View(torch.rand(3, 3, size, size))
    encoder = ConvNet(ConvNet.Config(width=12), sample)
    draw = Dense(encoder, sample, 5, stride)
    assert encoder.training, "it is left as it was"
    assert draw(encoder(sample)).shape == (3, 5, -(-size // stride), -(-size // stride))


def test_it_reads_the_deepest_map_alone():
    sample = View(torch.rand(4, 1, 32, 32))
    encoder = ConvNet(ConvNet.Config(width=12), sample)
    features = encoder(sample)
    draw = Dense(encoder, sample, 1, 1)
    deepest = max(features.maps)
    spoilt = {stride: each if stride == deepest else each * 0 for stride, each in features.maps.items()}
    draw.eval()
    assert torch.equal(draw(features), draw(type(features)(features.pooled, maps=spoilt)))


def test_an_encoder_without_maps_is_refused():
    sample = View(torch.rand(2, 3, 32, 32))
    with pytest.raises(UsageError, match="no maps"):
        Dense(PatchEncoder(PatchEncoder.Config(filters=8), sample), sample, 3, 1)


def test_a_recogniser_reads_each_piece_on_its_own_and_minds_their_order():
    sample = View(torch.rand(8, 3, 16, 16))
    recogniser = Recogniser(ConvNet(ConvNet.Config(width=12), sample), pieces=4, labels=3, hidden=8).eval()
    logits = recogniser(sample)
    assert logits.shape == (2, 3)
    other = View(torch.cat([sample.x[:4], torch.rand(4, 3, 16, 16)]))
    assert torch.allclose(recogniser(other)[0], logits[0], atol=1e-6)
    swapped = View(sample.x[[1, 0, 2, 3, 4, 5, 6, 7]])
    assert not torch.allclose(recogniser(swapped)[0], logits[0])
