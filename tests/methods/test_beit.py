"""BEiT: what its tokenizer says, what is hidden, and what is asked for."""

import math

import pytest
import torch
import torch.nn.functional as F

from tacit.core import Draws, Progress, View
from tacit.errors import UsageError
from tacit.methods.beit import BEiT
from tacit.modalities.image import IMAGE
from tacit.nn.masking import blocks
from tacit.nn.transformer import Transformer
from tacit.settings import build


def images(rows=8):
    x = torch.rand(rows, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return View(F.avg_pool2d(x, 5, 1, 2))


def made(view, **settings):
    torch.manual_seed(0)
    return BEiT(BEiT.Config(codes=12, **settings), Transformer(Transformer.Config(size="micro"), view), IMAGE, view)


def step_of(method, view, seed=3):
    torch.manual_seed(seed)
    return method([view], Progress(0, 10))


def hidden_by(method, view, seed=3):
    """What the next step hides."""
    torch.manual_seed(seed)
    return blocks(method.backbone.cut(view), method.config.share, Draws.fresh(len(view), view.x.device))


def said_and_wanted(method, view):
    """Logits and codes of all tokens, as the authors' program has them (`modeling_pretrain.py`, its tokens' way), and
    which are hidden."""
    tokens, hide = method.backbone.cut(view), hidden_by(method, view)
    w = hide[..., None].float()
    states = method.backbone.layers(tokens.with_x(tokens.x * (1 - w) + method.mask * w))[-1]
    return method.goal.head(states), method.goal(view, tokens).target, hide


def test_the_loss_is_that_of_each_hidden_token_read_aloud():
    view = images()
    method = made(view)
    logits, codes, hide = said_and_wanted(method, view)
    for row, loss in enumerate(step_of(method, view).loss.detach()):
        each = [-logits[row, t].log_softmax(0)[codes[row, t]] for t in hide[row].nonzero().flatten()]
        assert float(loss) == pytest.approx(torch.stack(each).mean().item(), rel=1e-4)


def test_over_all_hidden_tokens_it_is_the_authors_cross_entropy():
    view = images()
    method = made(view)
    logits, codes, hide = said_and_wanted(method, view)
    count = hide.sum(dim=1)
    mean = (step_of(method, view).loss * count).sum() / count.sum()
    assert torch.allclose(mean, torch.nn.CrossEntropyLoss()(input=logits[hide], target=codes[hide]), atol=1e-5)


def test_who_says_nothing_pays_the_logarithm_of_the_number_of_codes():
    view = images()
    method = made(view)
    with torch.no_grad():
        method.goal.head.weight.zero_()
        method.goal.head.bias.zero_()
    assert torch.allclose(step_of(method, view).loss, torch.tensor(math.log(12)), atol=1e-5)


def test_a_code_is_the_nearest_centre_and_tells_shapes_whatever_their_light():
    """Distances as in BEiT v2's `norm_ema_quantizer.py`."""
    view = images()
    method = made(view)
    goal, tokens = method.goal, method.backbone.cut(view)
    values = tokens.target - tokens.target.mean(dim=2, keepdim=True)
    values = values / (tokens.target.var(dim=2, correction=0, keepdim=True) + 0.01).sqrt()
    z, book = F.normalize((values - goal.mean) @ goal.whiten, dim=2).flatten(0, 1), goal.codebook.centres
    d = z.pow(2).sum(dim=1, keepdim=True) + book.pow(2).sum(dim=1) - 2 * torch.einsum("bd,nd->bn", z, book)
    assert torch.equal(goal(view, tokens).target.flatten(), d.argmin(dim=1))
    assert len(goal(view, tokens).target.unique()) > 6
    lighter = method.backbone.cut(View(1.5 * view.x + 0.2))
    assert (goal(view, lighter).target == goal(view, tokens).target).float().mean() > 0.95


def test_without_standardising_level_tells_codes_apart():
    view = images()
    plain = made(view, each=False)
    brighter = plain.backbone.cut(View(view.x + 0.3))
    same = plain.goal(view, brighter).target == plain.goal(view, plain.backbone.cut(view)).target
    assert same.float().mean() < 0.7


def test_what_is_hidden_reaches_no_answer():
    view = images()
    method = made(view)
    hide, side = hidden_by(method, view), method.backbone.stem.patch
    assert 0.25 < hide.float().mean() < 0.4
    cells = hide.view(8, 1, 32 // side, 32 // side).repeat_interleave(side, 2).repeat_interleave(side, 3)
    logits, codes, _ = said_and_wanted(method, view)
    others, changed, _ = said_and_wanted(method, View(torch.where(cells, 1 - view.x, view.x)))
    assert torch.equal(logits, others)
    assert not torch.equal(codes[hide], changed[hide]), "they are what is asked for"


def test_the_codebook_follows_the_data_after_the_step_alone():
    view = images()
    method = made(view)
    before = method.goal.codebook.centres.clone()
    step = step_of(method, view)
    assert torch.equal(method.goal.codebook.centres, before)
    method.update(step.carry, Progress(0, 10))
    assert not torch.equal(method.goal.codebook.centres, before)
    assert float(method.goal.metrics()["code_perplexity"]) > 6


def test_ids_are_codes_already():
    for name in ("text", "interactions"):
        with pytest.raises(UsageError, match=f"method beit needs values, which {name} data do not have"):
            build([{"data": "x", "modality": {"name": name}, "method": {"name": "beit"}}])
