"""The stem of wav2vec 2.0: against the library transformers, and what it must not hear."""

import pytest
import torch
import torch.nn.functional as F

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.tdnn import TDNN
from tacit.nn.transformer import Transformer
from tacit.nn.waves import FRAMES, Waves, standardised

NORMS = ["group", "layer"]


def waves(lengths=(9, 4, 6, 1), size=160, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths), size, generator=generator).cumsum(2) * 0.05 + 0.1
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return View(torch.where(valid[..., None], x, 0), valid, rate=50 * size)


def stem(view, norms="group", channels=24, width=40):
    torch.manual_seed(0)
    return Waves(view, width, None, channels, norms).eval()


@pytest.mark.parametrize("norms", NORMS)
def test_it_is_the_stem_of_transformers_with_silence_around_the_wave(norms):
    pytest.importorskip("transformers")
    from transformers import Wav2Vec2Config
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2FeatureEncoder, Wav2Vec2FeatureProjection

    view = waves((9, 9), size=320)
    own = stem(view, norms)
    for name, weight in own.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(weight)  # beyond ones and zeros
    config = Wav2Vec2Config(
        conv_dim=(24,) * 7,
        feat_extract_norm=norms,
        conv_bias=norms == "layer",
        hidden_size=40,
        feat_proj_dropout=0.0,
    )
    convolutions, projection = Wav2Vec2FeatureEncoder(config).eval(), Wav2Vec2FeatureProjection(config).eval()
    state = own.state_dict()
    renamed = {name.replace("norm", "layer_norm").replace("project", "projection"): w for name, w in state.items()}
    body = {name.replace("body", "conv_layers"): weight for name, weight in renamed.items() if "body" in name}
    convolutions.load_state_dict(body)
    projection.load_state_dict({name: weight for name, weight in renamed.items() if "body" not in name})
    heard = view.x.flatten(1)
    heard = (heard - heard.mean(1, keepdim=True)) / (heard.var(1, keepdim=True, unbiased=False) + 1e-7).sqrt()
    theirs, _ = projection(convolutions(F.pad(heard, (40, 40))).transpose(1, 2))
    assert theirs.shape == (2, 9, 40)
    assert torch.allclose(own(view).x, theirs, atol=1e-5)


@pytest.mark.parametrize("size", FRAMES)
@pytest.mark.parametrize("norms", NORMS)
def test_padding_and_batch_mates_enter_nothing(size, norms):
    view = waves(size=size)
    network = stem(view, norms)
    tokens = network(view)
    assert tokens.x.shape == (4, 9, 40)
    longer = F.pad(view.x, (0, 0, 0, 5), value=7.0)
    padded = network(View(longer, F.pad(view.valid, (0, 5)), rate=view.rate))
    for row, count in enumerate(view.valid.sum(1).tolist()):
        alone = network(View(view.x[row : row + 1, :count], None, rate=view.rate))
        assert torch.allclose(tokens.x[row, :count], alone.x[0], atol=1e-5)
        assert torch.allclose(padded.x[row, :count], alone.x[0], atol=1e-5)


def test_a_token_hears_its_frame_and_a_little_on_both_sides():
    view = waves((9,), size=320)
    network = stem(view, "layer")
    wave = torch.zeros(1, 1, 9 * 320 + 80).normal_(generator=torch.Generator().manual_seed(0)).requires_grad_()
    x, real = wave, torch.tensor([wave.shape[2]])
    for layer in network.body:
        x, real = layer(x, real)
    assert real.tolist() == [x.shape[2]] == [9]
    x[0, :, 4].square().sum().backward()
    heard = wave.grad[0, 0].nonzero().flatten()
    assert (int(heard[0]), int(heard[-1]) + 1) == (4 * 320, 4 * 320 + 400)  # 40 zeros lie before the wave


def test_a_token_holds_the_samples_of_its_frame():
    view = waves()
    tokens = stem(view)(view)
    held = tokens.target[0].flatten()
    assert held.mean().abs() < 1e-5
    assert held.var(unbiased=False) == pytest.approx(1, abs=1e-3)
    assert torch.corrcoef(torch.stack([held, view.x[0].flatten()]))[0, 1] > 0.9999
    assert tokens.target[~view.valid].isnan().all()
    assert tokens.where[0, :, 0].tolist() == list(range(9))


def test_silence_and_emptiness_are_numbers():
    view = waves()
    still = View(torch.zeros_like(view.x), view.valid & (torch.arange(4) > 0)[:, None], rate=view.rate)
    for norms in NORMS:
        network = stem(view, norms).train()
        tokens = network(still).x
        assert tokens.isfinite().all()
        tokens.sum().backward()
        assert all(weight.grad.isfinite().all() for weight in network.parameters())
    assert not standardised(still.x, still.valid).any()


def test_loudness_and_an_offset_change_nothing():
    view = waves()
    network = stem(view)
    other = view.with_x(torch.where(view.valid[..., None], 3 * view.x - 0.4, 0))
    assert torch.allclose(network(view).x[view.valid], network(other).x[view.valid], atol=1e-3)


def test_the_transformer_takes_it_for_waves_and_for_nothing_else():
    view = waves()
    torch.manual_seed(0)
    network = Transformer(Transformer.Config(channels=16, norms="layer"), view)
    assert isinstance(network.stem, Waves)
    features = network.eval()(view)
    assert features.tokens.shape == (4, 9, 128)
    assert torch.equal(features.valid, view.valid)
    spectra = View(view.x, view.valid)
    assert not isinstance(Transformer(Transformer.Config(), spectra).stem, Waves)
    names = [name for stage in network.stages() for name in stage]
    assert sorted(names) == sorted(network.state_dict())


def test_what_it_cannot_read_is_refused():
    with pytest.raises(UsageError, match=r"waves of 11,000 samples a second.*modality\.rate=16000"):
        stem(waves(size=220))
    with pytest.raises(UsageError, match=r"encoder\.patch"):
        Transformer(Transformer.Config(patch=2), waves())
    with pytest.raises(UsageError, match="--encoder transformer reads them"):
        TDNN(TDNN.Config(), waves())


def test_without_gradients_a_batch_is_read_in_pieces_to_the_same_tokens(monkeypatch):
    view = waves()
    network = stem(view)
    whole = network(view).x
    monkeypatch.setattr("tacit.nn.waves.AT_ONCE", 2 * 9 * 160)
    with torch.no_grad():
        assert torch.allclose(network(view).x, whole, atol=1e-6)
