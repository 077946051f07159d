"""AIM: who sees whom, what comes next, and where the beginning ends."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tacit.core import Draws, Progress, View
from tacit.errors import UsageError
from tacit.methods.aim import AIM
from tacit.modalities.series import SERIES
from tacit.nn.masking import beginning
from tacit.nn.tcn import TCN
from tacit.nn.transformer import Transformer


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


def made(view, reads=(), **settings):
    torch.manual_seed(0)
    config = Transformer.Config(size="micro", patch=1 if view.x.dim() == 3 else None, **dict(reads))
    return AIM(AIM.Config(**settings), Transformer(config, view), SERIES, view)


def step_of(method, view, seed=3):
    torch.manual_seed(seed)
    return method([view], Progress(0, 10))


def begun(method, view, seed=3):
    """The beginnings of the next step."""
    torch.manual_seed(seed)
    return beginning(method.backbone.cut(view), Draws.fresh(len(view), view.x.device))


@pytest.mark.parametrize(("view", "each"), [(frames(), False), (images(), True)], ids=["frames", "grid"])
def test_the_loss_is_that_of_each_next_token_read_aloud(view, each):
    """Each is said from all that stands before it, and from nothing else: what comes later is taken away."""
    method = made(view, each=each)
    tokens, known = method.backbone.cut(view), begun(method, view)
    for row, loss in enumerate(step_of(method, view).loss.detach()):
        one = replace(
            tokens, **{part: getattr(tokens, part)[row : row + 1] for part in ("x", "target", "where", "valid")}
        )
        losses = []
        for t in range(int(known[row].sum()), int(tokens.valid[row].sum())):
            past = (torch.arange(tokens.valid.shape[1]) < t)[None]
            state = method.backbone.layers(replace(one.only(past), known=known[row : row + 1]))[-1][0, t - 1]
            answer, target = method.goal.head(method.think(state[None]))[0], tokens.target[row, t]
            if each:
                target = (target - target.mean()) / (target.var(correction=0) + 1e-6).sqrt()
            there = ~target.isnan()
            losses.append((answer[there] - target[there]).square().mean())
        assert float(loss) == pytest.approx(torch.stack(losses).mean().item(), rel=1e-3)


def test_who_says_nothing_pays_the_variance_of_standardised_values():
    view = images()
    method = made(view)
    with torch.no_grad():
        method.goal.head.weight.zero_()
        method.goal.head.bias.zero_()
    step = step_of(method, view)
    assert torch.allclose(step.loss, torch.ones(8), atol=1e-3)
    assert float(step.nothing_learnt) == pytest.approx(1, abs=1e-3)


def test_levels_of_whole_series_are_given_back():
    view = frames()
    method = made(View(view.x * 4 + 20, view.valid, view.where), reads={"revin": True}, each=False)
    step = step_of(method, View(view.x * 4 + 20, view.valid, view.where))
    assert float(step.loss.detach().mean()) < 2 * float(step.nothing_learnt)


def test_each_channel_of_a_series_that_is_read_by_itself_has_a_beginning_of_its_own():
    view = View(frames().x.nan_to_num()[:, :6])
    method = made(view, reads={"apart": True}, each=False)
    length = begun(method, view).view(8, 6, 6).sum(dim=2)
    assert length.min() >= 1
    assert length.max() < 6
    assert (length.amin(dim=1) < length.amax(dim=1)).any()
    assert step_of(method, view).loss.isfinite().all()


def test_a_sample_of_one_token_costs_nothing():
    view = frames()
    view.valid[2] = torch.arange(24) < 1
    step = step_of(made(view), view)
    assert float(step.loss[2].detach()) == 0
    assert (step.loss.detach() > 0).sum() == 7


def test_an_encoder_that_reads_neighbours_is_refused():
    view = frames()
    with pytest.raises(UsageError, match="TCN computes each from its neighbours"):
        AIM(AIM.Config(), TCN(TCN.Config(width=8), view), SERIES, view)
