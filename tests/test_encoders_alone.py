"""Encoders by themselves: one that reads a batch in chunks learns as from the whole."""

import pytest
import torch
from torch import nn

from tacit.core import View
from tacit.losses.contrastive import nt_xent
from tacit.nn.bag import Bag
from tacit.nn.convnet import ConvNet
from tacit.nn.nature import Nature
from tacit.nn.tcn import TCN
from tacit.nn.transformer import Transformer

B = 7


def series():
    valid = torch.arange(12) < torch.tensor([12, 12, 5, 9, 12, 1, 3])[:, None]
    return View(torch.randn(B, 12, 2) * valid[..., None], valid, torch.arange(12).expand(B, -1))


def words():
    valid = torch.arange(9) < torch.tensor([9, 4, 5, 9, 2, 1, 3])[:, None]
    return View(torch.randint(4, 30, (B, 9)) * valid, valid, torch.arange(9).expand(B, -1), vocabulary=30)


CASES = {
    "bag": (Bag, Bag.Config(common=1.0), words),  # no word is left out by chance
    "nature": (Nature, Nature.Config(), lambda: View(torch.rand(B, 4, 40, 40))),
    "tcn": (TCN, TCN.Config(), series),
    "transformer": (Transformer, Transformer.Config(), words),
}


def learnt(encoder, view, chunk):
    """Loss and gradients of NT-Xent, which compares all samples of the batch."""
    encoder.chunk = chunk
    encoder.zero_grad(set_to_none=True)
    pooled = encoder(view).pooled
    loss = nt_xent(torch.stack([pooled, pooled.roll(1, dims=1)]), 0.2).mean()
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunk", [1, 3, 6])
def test_chunks_give_the_gradients_of_the_whole_batch(name, chunk):
    torch.manual_seed(0)
    kind, config, draw = CASES[name]
    view = draw()
    encoder = kind(config, view).train()
    whole, in_chunks = learnt(encoder, view, None), learnt(encoder, view, chunk)
    assert torch.allclose(whole[0], in_chunks[0], atol=1e-5)
    assert whole[1].keys() == in_chunks[1].keys()
    for parameter, gradient in whole[1].items():
        assert torch.allclose(gradient, in_chunks[1][parameter], atol=1e-5), parameter


def test_what_was_left_to_chance_is_the_same_on_the_way_back():
    torch.manual_seed(0)
    view = words()
    encoder = Transformer(Transformer.Config(dropout=0.5), view).train()
    shown = []
    encoder.norm.register_forward_hook(lambda module, inputs, output: shown.append(output.detach()))
    learnt(encoder, view, 4)
    first, again = shown[:2], shown[2:]
    assert len(again) == 2
    for before, after in zip(first, reversed(again), strict=True):
        assert torch.equal(before, after)


def test_statistics_of_batchnorm_count_each_chunk_once():
    torch.manual_seed(0)
    view = View(torch.rand(B, 3, 16, 16))
    encoder = ConvNet(ConvNet.Config(width=12), view).train()
    learnt(encoder, view, 3)
    counted = {int(norm.num_batches_tracked) for norm in encoder.modules() if isinstance(norm, nn.BatchNorm2d)}
    assert counted == {3}, "chunks of 3, 3 and 1"


def test_inference_knows_no_chunks():
    view = series()
    encoder = TCN(TCN.Config(), view)
    calls = []
    encoder.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    encoder.chunk = 2
    encoder.eval()(view)
    encoder.train()(view)
    assert calls == [7, 2, 2, 2, 1]
