"""MAE and I-JEPA: what they leave out, what they ask for, and what it costs."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tacit.core import Draws, Progress, View
from tacit.errors import UsageError
from tacit.evaluation.health import spread
from tacit.methods.i_jepa import IJEPA, features
from tacit.methods.mae import MAE
from tacit.methods.masked_prediction import MaskedPrediction
from tacit.modalities.image import IMAGE
from tacit.nn.fcn import FCN
from tacit.nn.masking import hidden_of, one_seen
from tacit.nn.tcn import TCN
from tacit.nn.transformer import Block, Transformer


def frames(rows=8, length=24):
    """Waves of unequal length, with a value missing here and there."""
    generator = torch.Generator().manual_seed(0)
    phase = torch.rand(rows, 1, 6, generator=generator) * 6
    x = torch.sin(torch.arange(length)[None, :, None] * 0.7 + phase)
    x[:, 2, 1] = torch.nan
    valid = torch.arange(length) < torch.randint(8, length + 1, (rows, 1), generator=generator)
    return View(x.masked_fill(~valid[..., None], torch.nan), valid, torch.arange(length).expand(rows, -1))


def images(rows=8):
    x = torch.rand(rows, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return View(F.avg_pool2d(x, 9, 1, 4))


def ids(rows=8, length=20):
    x = torch.randint(4, 30, (rows, length), generator=torch.Generator().manual_seed(0))
    return View(x, torch.ones_like(x, dtype=torch.bool), vocabulary=30)


def made(cls, view, **settings):
    torch.manual_seed(0)
    reads = Transformer.Config(size="micro", patch=1 if view.x.dim() == 3 else None)
    return cls(cls.Config(**settings), Transformer(reads, view), IMAGE, view)


def step_of(method, view, seed=3):
    torch.manual_seed(seed)
    return method([view], Progress(0, 10))


def hidden_by(method, view, seed=3):
    """What the next step hides."""
    torch.manual_seed(seed)
    draws, tokens = Draws.fresh(len(view), view.x.device), method.backbone.cut(view)
    return one_seen(hidden_of(tokens, method.config.share, method.config.span, draws), tokens, draws)


def what_is_computed(method, view):
    """What the trunk and what stands above it multiply, for a step: numbers read times numbers said, all tokens."""
    total = []

    def note(layer, given, _):
        total.append(given[0].numel() * layer.out_features)

    layers = [layer for block in method.modules() if isinstance(block, Block) for layer in block.modules()]
    hooks = [layer.register_forward_hook(note) for layer in layers if isinstance(layer, nn.Linear)]
    step_of(method, view)
    for hook in hooks:
        hook.remove()
    return sum(total)


@pytest.mark.parametrize("view", [frames(), images(), ids()], ids=["frames", "grid", "ids"])
def test_the_loss_is_that_of_each_hidden_token_read_aloud(view):
    method = made(MAE, view, share=0.6, each=view.x.dim() == 4)
    hide, tokens = hidden_by(method, view), method.backbone.cut(view)
    states = method.backbone.layers(tokens.only(~hide))[-1]
    for row, loss in enumerate(step_of(method, view).loss.detach()):
        one = replace(
            tokens, **{part: getattr(tokens, part)[row : row + 1] for part in ("x", "target", "where", "valid")}
        )
        said = method.goal.answer(
            method.decoder(states[row : row + 1], one.only(~hide[row : row + 1]), hide[row : row + 1]), method.backbone
        )
        each = []
        for answer, target in zip(said, tokens.target[row][hide[row]], strict=True):
            if target.dtype == torch.long:
                each.append(-answer.log_softmax(0)[target])
                continue
            if method.config.each:
                target = (target - target.mean()) / (target.var(correction=0) + 1e-6).sqrt()
            known = ~target.isnan()
            each.append((answer[known] - target[known]).square().mean())
        assert float(loss) == pytest.approx(torch.stack(each).mean().item(), rel=1e-3)


@pytest.mark.parametrize("cls", [MAE, IJEPA])
def test_padding_is_inert(cls):
    view, pad = frames(), F.pad
    longer = View(pad(view.x, (0, 0, 0, 7), value=9.0), pad(view.valid, (0, 7)), pad(view.where, (0, 7)))
    method = made(cls, view)
    assert torch.allclose(step_of(method, view).loss, step_of(method, longer).loss, atol=1e-5)


def test_what_is_hidden_reaches_no_answer_and_what_is_missing_is_asked_of_nobody():
    view = images()
    method = made(MAE, view)
    hide = hidden_by(method, view)
    side = method.backbone.stem.patch
    cells = hide.view(8, 1, 32 // side, 32 // side).repeat_interleave(side, 2).repeat_interleave(side, 3)
    other = View(torch.where(cells, 1 - view.x, view.x))
    seen = method.backbone.layers(method.backbone.cut(view).only(~hide))[-1]
    assert torch.equal(seen, method.backbone.layers(method.backbone.cut(other).only(~hide))[-1])
    assert not torch.equal(step_of(method, view).loss, step_of(method, other).loss), "they are what is asked for"
    gone = frames()
    method = made(MAE, gone, share=0.6, each=False)
    step_of(method, gone).loss.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in method.parameters() if weight.grad is not None)


def test_three_quarters_hidden_cost_about_half_with_the_decoder_and_a_quarter_without():
    view = images(16)
    torch.manual_seed(0)
    config = Transformer.Config(size="tiny")
    all_of = MaskedPrediction(MaskedPrediction.Config(share=0.75), Transformer(config, view), IMAGE, view)
    few = MAE(MAE.Config(), Transformer(config, view), IMAGE, view)
    whole, part = what_is_computed(all_of, view), what_is_computed(few, view)
    assert part < 0.55 * whole
    few.decoder.blocks = nn.ModuleList()
    assert what_is_computed(few, view) == pytest.approx(0.25 * whole, rel=1e-6)


@pytest.mark.parametrize("cls", [MAE, IJEPA])
@pytest.mark.parametrize("kind", [TCN, FCN])
def test_encoders_that_read_neighbours_cannot_leave_tokens_out(cls, kind):
    view = frames()
    with pytest.raises(UsageError, match=r"leaves hidden tokens out.*--encoder transformer"):
        cls(cls.Config(), kind(kind.Config(width=8), view), IMAGE, view)


def test_one_token_alone_is_asked_for_with_nothing_to_go_by():
    x = torch.randint(4, 30, (4, 1))
    view = View(x, torch.ones_like(x, dtype=torch.bool), vocabulary=30)
    for cls in (MAE, IJEPA):
        assert step_of(made(cls, view), view).loss.isfinite().all()


@pytest.mark.parametrize("view", [frames(), images()], ids=["frames", "grid"])
def test_the_loss_of_i_jepa_is_the_mean_over_blocks(view):
    method = made(IJEPA, view, blocks=3)
    seen, asked, told = [], [], []

    def note(_, given, said):
        seen.append(given[1].valid)
        asked.append(given[2])
        told.append(said)

    method.predictor.register_forward_hook(note)
    step = step_of(method, view)
    truth, losses = features(method.teacher.model, view), torch.zeros(len(view))
    for context, block, said in zip(seen, asked, told, strict=True):
        answers = iter(said)
        for row in range(len(view)):
            assert not (context & block)[row].any()
            each = [(next(answers) - truth[row, at]).square().mean() for at in block[row].nonzero().flatten()]
            losses[row] += torch.stack(each).mean() / 3
        assert next(answers, None) is None
    assert torch.allclose(step.loss, losses, rtol=1e-4)


def test_the_context_alone_is_read_by_the_student():
    view = images()
    method = made(IJEPA, view)
    seen = []
    method.predictor.register_forward_hook(lambda _, given, __: seen.append((given[0], given[1].valid)))
    step_of(method, view)
    side, (states, valid) = method.backbone.stem.patch, seen[0]
    assert 0.1 < valid.float().mean() < 0.75
    cells = valid.view(8, 1, 32 // side, 32 // side).repeat_interleave(side, 2).repeat_interleave(side, 3)
    step_of(method, View(torch.where(cells, view.x, 1 - view.x)))
    assert torch.equal(seen[4][0], states)
    assert len(seen) == 8, "each of four blocks is predicted by itself"


def test_the_teacher_gets_no_gradient_and_moves_after_the_step_alone():
    view = frames()
    method = made(IJEPA, view, momentum=0.5)
    before = copy.deepcopy(method.teacher.model.state_dict())
    step_of(method, view).loss.mean().backward()
    assert all(weight.grad is None for weight in method.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.teacher.model.state_dict().items())
    with torch.no_grad():
        method.backbone.norm.weight.add_(1)
    method.update({}, Progress(5_000, 10_000))
    moved = method.teacher.model.norm.weight - before["norm.weight"]
    assert torch.allclose(moved, torch.full_like(moved, 1 - 0.75), atol=1e-3)  # half way from .5 to 1


@pytest.mark.parametrize("asymmetric", [True, False])
def test_a_teacher_that_learns_collapses(asymmetric):
    """Where the truth is the encoder's own and gets the gradient as well, all tokens become one."""
    view = frames(16)
    method = made(IJEPA, view, momentum=0.95)
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    start = _apart(method, view)
    for step in range(60):
        torch.manual_seed(step)
        if asymmetric:
            found = method([view], Progress(step, 60))
        else:
            found = method._against(method.backbone.layers(method.backbone.cut(view))[-1], view)
        found.loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        method.update({}, Progress(step, 60))
    end = _apart(method, view)
    assert math.isfinite(end)
    assert (end > 0.5 * start) if asymmetric else (end < 0.25 * start), (start, end)


def _apart(method, view):
    """How far apart the directions of tokens are."""
    with torch.no_grad():
        found = method.backbone(view)
    return spread(found.tokens[found.valid])


def test_shares_that_are_none_are_refused():
    for wrong in ({"block": (0.2, 0.1)}, {"block": (0.0, 0.1)}, {"context": (0.5, 1.2)}, {"aspect": (0.0, 1.0)}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            IJEPA.Config.parse(wrong)
