import pytest
import torch
import torch.nn.functional as F
from test_tcn import steps

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.fcn import FCN


def net(view, width=8):
    torch.manual_seed(0)
    return FCN(FCN.Config(width=width), view)


@pytest.mark.parametrize(("length", "tokens"), [(1, 1), (24, 24), (32, 16), (100, 25), (128, 16), (300, 38)])
def test_series_become_fewer_tokens_but_no_fewer_than_sixteen_where_there_are_as_many(length, tokens):
    view = steps((length, max(1, length // 2)))
    found = net(view)(view)
    assert found.pooled.shape == (2, 64)
    assert found.tokens.shape == (2, tokens, 32)
    assert found.valid[0].all()
    assert (found.tokens[~found.valid] == 0).all()


def test_without_padding_it_is_convolutions_with_batchnorm():
    """Against torch's own layers, in training, on series of which all is known."""
    view = steps((128, 128, 128))
    encoder = net(view).train()
    x = torch.cat([encoder.standardise(view.x), torch.ones_like(view.x)], dim=2).transpose(1, 2)
    for layer in encoder.body:
        width = 2 * layer.reach + 1
        weight = layer.linear.weight.view(len(layer.linear.weight), width, -1).transpose(1, 2)
        x = F.conv1d(x, weight, stride=layer.stride, padding=layer.reach)
        x = F.relu(F.batch_norm(x, None, None, layer.norm.weight, layer.norm.bias, training=True))
    found = encoder(view)
    assert torch.allclose(found.tokens, x.transpose(1, 2), atol=1e-4)
    assert torch.allclose(found.pooled, torch.cat([x.mean(2), x.amax(2)], dim=1), atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_padding_enters_nothing(training):
    view = steps((40, 33, 9))
    encoder = net(view).train(training)
    alone = encoder(view).pooled
    more = View(F.pad(view.x, (0, 0, 0, 24), value=7.0), F.pad(view.valid, (0, 24)))
    assert torch.allclose(encoder(more).pooled, alone, atol=1e-5)


def test_what_is_missing_is_no_mean_and_every_step_is_seen():
    view = steps((40, 40))
    encoder = net(view).eval()
    x = view.x.clone()
    x[0, 10, 1] = torch.nan
    filled = x.clone()
    filled[0, 10, 1] = encoder.standardise.mean.flatten()[1]
    gap, mean = encoder(View(x, view.valid)), encoder(View(filled, view.valid))
    assert gap.pooled.isfinite().all()
    assert not torch.allclose(gap.pooled[0], mean.pooled[0], atol=1e-4)
    assert torch.allclose(gap.pooled[1], mean.pooled[1], atol=1e-6)
    odd = View(view.x, view.valid & (torch.arange(40) % 2 == 1))  # only steps that a stride of 2 would pass over
    x = view.x.clone().requires_grad_()
    encoder(View(x, odd.valid)).pooled.square().sum().backward()
    assert (x.grad[0].abs().sum(dim=1) > 0).tolist() == odd.valid[0].tolist()


def test_hidden_tokens_are_hidden_from_all_layers():
    view = steps((70, 61, 9))
    x = view.x.clone()
    x[0, 3, 1] = torch.nan
    encoder = net(view).eval()
    tokens = encoder.cut(View(x, view.valid))
    assert encoder.patch == 4
    assert tokens.x.shape == (3, 18, encoder.width)
    assert tokens.target.shape == (3, 18, 12)
    assert torch.equal(tokens.target[0, 2].view(4, 3), encoder.standardise(x[0, 8:12]))
    assert torch.equal(encoder.layers(tokens)[-1], encoder(View(x, view.valid)).tokens)
    assert encoder.layers(tokens)[-1].shape == (3, 18, encoder.out)
    hide = torch.zeros_like(tokens.valid)
    hide[:, 1] = True
    spoilt = x.clone()
    spoilt[:, 4:8] = 50
    answers = [
        encoder.layers(each.with_x(each.x.masked_fill(hide[..., None], 0.1)))[-1]
        for each in (tokens, encoder.cut(View(spoilt, view.valid)))
    ]
    assert torch.equal(*answers)


def test_it_reads_nothing_but_steps():
    with pytest.raises(UsageError, match="reads steps"):
        FCN(FCN.Config(), View(torch.zeros(2, 3, 8, 8)))
