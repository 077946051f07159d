"""Losses against naive loops, values known on paper, and what is refused."""

import math

import pytest
import torch
import torch.nn.functional as F

from tacit.core import Draws, Progress, View
from tacit.errors import DataError, UsageError
from tacit.methods.colorization import Colorization, annealed, soft
from tacit.methods.denoising import Denoising
from tacit.methods.inpainting import Inpainting
from tacit.methods.jigsaw import Jigsaw
from tacit.methods.relative_patch import RelativePatch
from tacit.methods.rotation import Rotation
from tacit.modalities.image import IMAGE
from tacit.nn.convnet import ConvNet
from tacit.nn.patches import PatchEncoder
from tacit.settings import build

NOW = Progress(0, 10)


def make(kind, channels=3, **settings):
    torch.manual_seed(0)
    x = torch.rand(32, channels, 32, 32)
    encoder = ConvNet(ConvNet.Config(width=12), View(x))
    return kind(kind.Config(**settings), encoder, IMAGE, View(x)), View(x[:6], index=torch.arange(6))


def silence(module):
    """Set the last layer to zero: all choices are then equally likely."""
    last = [part for part in module.modules() if isinstance(part, torch.nn.Linear | torch.nn.Conv2d)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [(Jigsaw, 72), (RelativePatch, 8), (Rotation, 4)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_guess_costs_the_logarithm_of_the_choices(kind, labels):
    method, view = make(kind)
    silence(method)
    step = method([view], NOW)
    assert torch.allclose(step.loss, torch.full((6,), math.log(labels)), atol=1e-5)
    assert step.nothing_learnt == pytest.approx(math.log(labels))


@pytest.mark.parametrize("kind", [Jigsaw, RelativePatch])
def test_the_loss_of_a_puzzle_is_that_of_each_sample_in_a_loop(kind):
    method, view = make(kind)
    method.eval()
    torch.manual_seed(3)
    step = method([view], NOW)
    torch.manual_seed(3)
    draws = Draws.fresh(6, view.x.device)
    label = draws.integers(method.family.labels)
    pieces = method.family.apply(view, label, draws).x.unflatten(0, (6, -1))
    for sample in range(6):
        pooled = torch.cat([method.recogniser.each(method.encoder(View(p[None])).pooled) for p in pieces[sample]])
        logits = method.recogniser.together(pooled.reshape(1, -1))[0]
        expected = -(logits[label[sample]] - logits.exp().sum().log())
        assert torch.allclose(step.loss[sample], expected, atol=1e-4)


def test_denoising_is_the_mean_square_over_everything():
    method, view = make(Denoising)
    method.eval()
    torch.manual_seed(3)
    loss = method([view], NOW).loss
    torch.manual_seed(3)
    spoilt = method.corrupt(view, Draws.fresh(6, view.x.device))
    drawn = method.draw(method.encoder(spoilt))
    for sample in range(6):
        errors = [(drawn[sample, c] - view.x[sample, c]).square().sum() for c in range(3)]
        assert torch.allclose(loss[sample], sum(errors) / (3 * 32 * 32), atol=1e-5)


def test_inpainting_counts_lost_cells_alone():
    method, view = make(Inpainting)
    method.eval()
    torch.manual_seed(3)
    loss = method([view], NOW).loss
    torch.manual_seed(3)
    spoilt = method.corrupt(view, Draws.fresh(6, view.x.device))
    drawn = method.draw(method.encoder(spoilt))
    for sample in range(6):
        lost = (~spoilt.valid[sample]).view(32, 32).nonzero().tolist()
        errors = [(drawn[sample, :, r, c] - view.x[sample, :, r, c]).square().mean() for r, c in lost]
        assert torch.allclose(loss[sample], torch.stack(errors).mean(), atol=1e-5)


def test_inpainting_keeps_what_was_seen_when_it_draws():
    method, view = make(Inpainting)
    seen, drawn, truth = method.eval().explain([view], 4, None)
    kept = seen.view.valid.view(4, 1, 32, 32).expand(-1, 3, -1, -1)
    assert torch.equal(drawn.view.x[kept], truth.view.x[kept])
    assert not torch.equal(drawn.view.x, truth.view.x)


def test_inpainting_needs_a_corruption_that_loses_something():
    with pytest.raises(UsageError, match="denoising"):
        make(Inpainting, corruption="noise")


def test_a_colour_is_spread_over_its_five_nearest_points():
    palette = torch.cartesian_prod(torch.arange(-30.0, 31, 10), torch.arange(-30.0, 31, 10))
    colours = torch.tensor([[[3.0, -4.0], [10.0, 20.0]]])
    z = soft(colours, palette)
    assert torch.allclose(z.sum(2), torch.ones(1, 2))
    assert ((z > 0).sum(2) == 5).all()
    for place in range(2):
        distances = (palette - colours[0, place]).norm(dim=1)
        weights = torch.exp(-(distances**2) / 50)
        weights[distances.argsort()[5:]] = 0
        assert torch.allclose(z[0, place], weights / weights.sum(), atol=1e-5)


def test_colorization_is_the_weighted_cross_entropy_of_a_loop():
    method, view = make(Colorization)
    method.eval()
    loss = method([view], NOW).loss
    seen = method.corrupt(view, Draws.fresh(6, view.x.device))
    logits = method.draw(method.encoder(seen)) + method.prior.view(-1, 1, 1)
    log_p = logits.log_softmax(dim=1)
    truth = F.avg_pool2d(method.target.of(view), 4)
    for sample in range(6):
        total = 0.0
        for row in range(8):
            for column in range(8):
                z = soft(truth[sample, :, row, column][None, None], method.palette)[0, 0]
                total -= method.weight[z.argmax()] * (z * log_p[sample, :, row, column]).sum()
        assert torch.allclose(loss[sample], total / 64, atol=1e-3)


def test_weights_of_colours_have_mean_one_and_rare_ones_count_more():
    method, _ = make(Colorization)
    alike, _ = make(Colorization, mix=1.0)
    assert torch.allclose(alike.weight, torch.ones_like(alike.weight))
    sample = View(torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert method.weight[(method.palette == 0).all(dim=1)] < method.weight.max()
    truth = F.avg_pool2d(method.target.of(sample), 4).flatten(2).transpose(1, 2)
    prior = soft(truth, method.palette).mean((0, 1))
    assert float((prior * method.weight).sum()) == pytest.approx(1, abs=0.1)


def test_a_model_that_does_not_look_is_worth_nothing_learnt():
    """The best constant answer has exactly the loss that is called nothing learnt."""
    method, view = make(Colorization)
    truth = F.avg_pool2d(method.target.of(view), 4).flatten(2).transpose(1, 2)
    z = soft(truth, method.palette)
    best = (method.weight[z.argmax(2)][..., None] * z).mean((0, 1))
    silence(method.draw)
    method.prior.copy_((best / best.sum()).clamp_min(1e-9).log())
    step = method([view], NOW)
    assert step.loss.mean().item() == pytest.approx(step.nothing_learnt.item(), rel=1e-3)


def test_training_starts_where_nothing_is_learnt():
    method, _ = make(Colorization)
    silence(method.draw)
    step = method([View(torch.rand(64, 3, 32, 32))], NOW)
    assert step.loss.mean().item() == pytest.approx(step.nothing_learnt.item(), rel=0.05)


def test_the_annealed_mean_lies_between_mode_and_mean():
    palette = torch.tensor([[-10.0, 0.0], [0.0, 0.0], [10.0, 10.0]])
    logits = torch.tensor([0.5, 0.3, 0.2]).log().view(1, 3, 1)
    mean = annealed(logits, palette, 1.0)[0, :, 0]
    assert torch.allclose(mean, torch.tensor([-3.0, 2.0]), atol=1e-5)
    assert torch.allclose(annealed(logits, palette, 0.01)[0, :, 0], palette[0], atol=1e-3)
    share = torch.tensor([0.5, 0.3, 0.2]) ** (1 / 0.38)
    expected = share / share.sum() @ palette
    assert torch.allclose(annealed(logits, palette, 0.38)[0, :, 0], expected, atol=1e-5)


def test_colours_of_images_without_colours_are_refused():
    with pytest.raises(DataError, match="1 channel"):
        make(Colorization, channels=1)


@pytest.mark.parametrize("kind", [Denoising, Inpainting, Colorization])
def test_drawing_needs_an_encoder_with_maps(kind):
    sample = View(torch.rand(4, 3, 32, 32))
    with pytest.raises(UsageError, match="no maps"):
        kind(kind.Config(), PatchEncoder(PatchEncoder.Config(filters=8), sample), IMAGE, sample)


@pytest.mark.parametrize("method", ["jigsaw", "relative-patch", "rotation", "denoising", "inpainting"])
def test_an_unknown_family_or_corruption_is_refused_with_what_there_is(method):
    setting = "corruption" if method in ("denoising", "inpainting") else "family"
    with pytest.raises(UsageError, match="mirror"):
        build([{"data": "x", "method": {"name": method, setting: "mirror"}}])
