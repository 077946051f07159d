"""What the methods on tokens predict, target by target."""

import copy
import math

import pytest
import torch

from tacit.core import Draws, Progress, View
from tacit.errors import UsageError
from tacit.losses.tokens import token_loss
from tacit.methods.causal_prediction import CausalPrediction
from tacit.methods.masked_prediction import MaskedPrediction
from tacit.methods.wav2vec2 import Wav2Vec2, _others, found_among
from tacit.modalities.text import TEXT
from tacit.nn.bag import Bag
from tacit.nn.fcn import FCN
from tacit.nn.tcn import TCN
from tacit.nn.transformer import Transformer
from tacit.view import MASK


def frames(rows=16, length=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(rows, 1, 6, generator=generator) * 6
    x = torch.sin(torch.arange(length)[None, :, None] * 0.7 + phase)
    valid = torch.arange(length) < torch.randint(6, length + 1, (rows, 1), generator=generator)
    return View(x.masked_fill(~valid[..., None], torch.nan), valid, torch.arange(length).expand(rows, -1))


def ids(rows=16, length=20, vocabulary=30):
    x = torch.randint(4, vocabulary, (rows, length), generator=torch.Generator().manual_seed(0))
    return View(x, torch.ones_like(x, dtype=torch.bool), vocabulary=vocabulary)


def made(cls, view, causal=False, **settings):
    torch.manual_seed(0)
    encoder = Transformer(Transformer.Config(causal=causal, patch=1), view)
    return cls(cls.Config(**settings), encoder, TEXT, view)


def fitted(method, view, steps=60):
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    losses = []
    for number in range(steps):
        torch.manual_seed(number)
        step = method([view], Progress(number, steps))
        step.loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            method.update(step.carry, Progress(number, steps))
        losses.append(float(step.loss.detach().mean() / step.nothing_learnt))
    return losses


@pytest.mark.parametrize("target", ["own", "projection", "clusters", "teacher"])
def test_every_target_of_frames_can_be_learnt(target):
    view = frames()
    method = made(MaskedPrediction, view, target=target, codes=12, share=0.4, momentum=0.98, second=1.0, changed=0.0)
    losses = fitted(method, view)
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def narrow(view, **settings):
    torch.manual_seed(0)
    return TCN(TCN.Config(width=16, out=24, depth=3, **settings), view)


@pytest.mark.parametrize("target", ["own", "projection", "clusters", "teacher"])
@pytest.mark.parametrize("kind", ["tcn", "fcn"])
def test_networks_of_convolutions_fill_gaps_too(kind, target):
    """What is missing is asked of nobody."""
    view = frames(length=40)
    view.x[:, 2, 1] = torch.nan
    encoder = narrow(view) if kind == "tcn" else FCN(FCN.Config(width=8), view)
    method = MaskedPrediction(
        MaskedPrediction.Config(target=target, codes=12, share=0.4, momentum=0.9, second=0.5, changed=0.0),
        encoder,
        TEXT,
        view,
    )
    losses = fitted(method, view, steps=40)
    assert all(math.isfinite(loss) for loss in losses)
    if target == "own":
        assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("target", ["own", "future"])
def test_a_causal_network_of_convolutions_says_what_comes_next(target):
    view = frames()
    config = CausalPrediction.Config(target=target, ahead=2, negatives=32)
    losses = fitted(CausalPrediction(config, narrow(view, causal=True), TEXT, view), view, steps=40)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    with pytest.raises(UsageError, match="sees no future"):
        CausalPrediction(config, narrow(view), TEXT, view)


def test_what_stands_ahead_is_of_the_same_channel():
    view = frames(length=6)
    torch.manual_seed(0)
    encoder = Transformer(Transformer.Config(causal=True, apart=True, patch=1), view)
    method = CausalPrediction(CausalPrediction.Config(), encoder, TEXT, view)
    tokens = encoder.cut(view)
    assert tokens.valid.shape == (16, 36)
    assert torch.equal(tokens.followed(2).view(16, -1)[:, 4:6], torch.zeros(16, 2, dtype=torch.bool))
    said = method.heads[0](encoder.layers(tokens)[-1]).view(16, 6, 6)  # [B, C, L]
    held, loss = tokens.target.view(16, 6, 6), method([view], Progress(0, 1)).loss
    for row in range(16):
        count = int(view.valid[row].sum())
        gaps = (said[row, :, : count - 1] - held[row, :, 1:count]).abs()
        assert torch.allclose(loss[row], gaps.mean(), atol=1e-5)


def test_answers_get_back_the_level_and_spread_of_their_series():
    """A loss computed by hand in the scale of the target; of values standardised within their token in that one."""
    view = frames()
    view = View(view.x * 4 + torch.arange(16.0)[:, None, None], view.valid, view.where)
    torch.manual_seed(0)
    encoder = Transformer(Transformer.Config(revin=True, patch=2), view)
    method = MaskedPrediction(MaskedPrediction.Config(changed=0.0, kept=0.0), encoder, TEXT, view)
    tokens = encoder.cut(view)
    aim = method.goal(view, tokens)
    assert torch.equal(aim.target.nan_to_num(), tokens.target.nan_to_num())
    hide = tokens.valid
    answers = torch.zeros(int(hide.sum()), tokens.target.shape[2])
    level, spread = tokens.scale
    assert torch.equal(aim.given_back(answers, hide), level[hide])
    assert torch.allclose(aim.given_back(answers + 2, hide), level[hide] + 2 * spread[hide])
    nothing = ((tokens.target - level)[hide].square().nan_to_num()).mean()
    assert float(nothing) < 0.5 * float(tokens.target[hide].square().nan_to_num().mean()), "a level says much here"
    assert fitted(method, view, steps=30)[-1] < 0.5
    each = MaskedPrediction(MaskedPrediction.Config(each=True), encoder, TEXT, view)
    assert each.goal(view, tokens).scale is None


def test_absolute_errors_are_told_beside_the_line_of_absolute_values():
    view = frames()
    method = made(MaskedPrediction, view, loss="absolute", changed=0.0)
    target = method.goal(view, method.backbone.cut(view)).target[view.valid]
    assert torch.allclose(method.goal.nothing_learnt(target), target.abs().mean(dim=1))
    torch.manual_seed(1)
    found, plain = method([view], Progress(0, 1)), made(MaskedPrediction, view, changed=0.0)
    torch.manual_seed(1)
    assert not torch.allclose(found.loss, plain([view], Progress(0, 1)).loss)


def test_the_second_iteration_clusters_a_layer_of_the_encoder_as_it_was():
    view = frames()
    method = made(MaskedPrediction, view, target="clusters", codes=12, second=0.5)
    before = copy.deepcopy(method.backbone.state_dict())
    fitted(method, view, steps=10)
    goal = method.goal
    assert int(goal.iteration) == 2
    kept = goal.past.model.state_dict()
    assert any(not torch.equal(kept[name], before[name]) for name in before)
    assert any(not torch.equal(kept[name], value) for name, value in method.backbone.state_dict().items())
    tokens = method.backbone.cut(view)
    codes = goal(view, tokens).target
    middle = goal.past.model.layers(goal.past.model.cut(view))[0]
    assert torch.equal(codes, goal.own(middle))
    assert len(codes[tokens.valid].unique()) > 4
    assert not any(weight.requires_grad for weight in goal.past.parameters())


def test_values_within_their_token_are_standardised_where_asked():
    view = View(torch.randn(4, 10, 8) * 5 + 3)
    method = made(MaskedPrediction, view, each=True)
    target = method.goal(view, method.backbone.cut(view)).target
    assert torch.allclose(target.mean(dim=2), torch.zeros(4, 10), atol=1e-4)
    assert torch.allclose(target.var(dim=2, unbiased=False), torch.ones(4, 10), atol=1e-3)


def test_hidden_tokens_alone_are_asked_for_and_frequencies_are_the_line():
    view = ids()
    method = made(MaskedPrediction, view, share=0.25)
    torch.manual_seed(1)
    step = method([view], Progress(0, 1))
    assert step.loss.mean().item() == pytest.approx(math.log(30), rel=0.2)
    assert float(step.nothing_learnt) == pytest.approx(math.log(26), rel=0.1)
    with torch.no_grad():
        method.backbone.stem.vectors.weight.zero_()  # who reads nothing answers alike everywhere
        method.mask.zero_()
    torch.manual_seed(1)
    assert method([view], Progress(0, 1)).loss.mean().item() == pytest.approx(math.log(30), rel=1e-4)


def test_codes_of_ids_make_no_sense():
    with pytest.raises(UsageError, match="are ids already"):
        made(MaskedPrediction, ids(), target="clusters")


def test_an_encoder_without_tokens_is_refused():
    view = ids()
    with pytest.raises(UsageError, match="--encoder transformer"):
        MaskedPrediction(MaskedPrediction.Config(), Bag(Bag.Config(), view), TEXT, view)
    with pytest.raises(UsageError, match=r"encoder.causal=true"):
        made(CausalPrediction, view)


def test_the_next_id_is_predicted_from_those_before():
    view = ids()
    method = made(CausalPrediction, view, causal=True)
    step = method([view], Progress(0, 1))
    states = method.backbone(view).tokens
    logits = states[:, :-1] @ method.backbone.table.T
    naive = torch.stack([token_loss(logits[row], view.x[row, 1:]).mean() for row in range(16)])
    assert torch.allclose(step.loss, naive, atol=1e-5)


def test_what_a_view_hides_is_not_asked_for():
    view = ids()
    view.x[:, 5] = MASK
    method = made(CausalPrediction, view, causal=True)
    states = method.backbone(view).tokens
    logits = states[:, :-1] @ method.backbone.table.T
    asked = [at for at in range(19) if at != 4]
    naive = torch.stack([token_loss(logits[row, asked], view.x[row, 1:][asked]).mean() for row in range(16)])
    assert torch.allclose(method([view], Progress(0, 1)).loss, naive, atol=1e-5)


@pytest.mark.parametrize("loss", ["softmax", "sampled", "gbce"])
def test_each_loss_learns_which_id_comes_next(loss):
    """On runs around a ring, the next one is known after each."""
    view = ids()
    view.x[:] = 4 + (view.x[:, :1] + torch.arange(20)) % 26
    method = made(CausalPrediction, view, causal=True, loss=loss, negatives=16)
    first = method([view], Progress(0, 1))
    assert float(first.loss.detach().mean()) == pytest.approx(float(first.nothing_learnt), rel=0.2)
    fitted(method, view, steps=160)
    scores = method.backbone(view).tokens[:, :-1] @ method.backbone.table[4:].T  # those below are never drawn
    assert (4 + scores.argmax(dim=2) == view.x[:, 1:]).float().mean() > 0.8


def test_tokens_that_count_alike_make_the_mean_over_all():
    view = ids()
    valid = torch.arange(20) < torch.arange(2, 18)[:, None]
    view = View(view.x * valid, valid, vocabulary=30)
    by_tokens, by_samples = (made(CausalPrediction, view, causal=True, weigh=each) for each in ("tokens", "samples"))
    each = by_samples([view], Progress(0, 1)).loss
    count = valid.sum(dim=1) - 1
    assert by_tokens([view], Progress(0, 1)).loss.mean().item() == pytest.approx(
        ((each * count).sum() / count.sum()).item(), rel=1e-5
    )


def test_values_are_predicted_steps_ahead_and_copying_is_the_line():
    view = frames()
    method = made(CausalPrediction, view, causal=True, ahead=3)
    step = method([view], Progress(0, 1))
    tokens = method.backbone.cut(view)
    said = method.heads[0](method.backbone.layers(tokens)[-1])
    naive, copied = [], []
    for row in range(16):
        count = int(view.valid[row].sum())
        gaps = [(said[row, t] - tokens.target[row, t + 3]).abs().mean() for t in range(count - 3)]
        naive.append(torch.stack(gaps).mean())
        copied += [(tokens.target[row, t] - tokens.target[row, t + 3]).abs().mean() for t in range(count - 3)]
    assert torch.allclose(step.loss, torch.stack(naive), atol=1e-5)
    assert float(step.nothing_learnt) == pytest.approx(float(torch.stack(copied).mean()), rel=1e-4)
    assert fitted(method, view)[-1] < 0.5


def test_the_right_future_is_found_among_others():
    view = frames()
    method = made(CausalPrediction, view, causal=True, target="future", ahead=2, negatives=32)
    losses = fitted(method, view)
    assert losses[-1] < 0.75 * losses[0]


def test_samples_that_are_too_short_to_go_on_cost_nothing():
    x = torch.randint(4, 30, (4, 1))
    view = View(x, torch.ones_like(x, dtype=torch.bool), vocabulary=30)
    step = made(CausalPrediction, view, causal=True)([view], Progress(0, 1))
    assert step.loss.tolist() == [0, 0, 0, 0]


def hiding():
    return torch.tensor([[1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0]]).bool()


def test_negatives_are_other_hidden_tokens_of_the_same_sample():
    others = _others(hiding(), 50, Draws.of(0, 0, torch.arange(3), 0))
    assert others.shape == (7, 50)
    for own, row in enumerate(others[:4]):
        assert set(row.tolist()) == {0, 1, 2, 3} - {own}
    assert set(others[4].tolist()) == {0}
    assert [set(row.tolist()) for row in others[5:]] == [{1}, {0}]


def test_the_own_code_among_others_is_the_formula_read_aloud():
    generator = torch.Generator().manual_seed(0)
    query, keys = torch.randn(2, 7, 5, generator=generator)
    keys[3] = 2 * keys[1]  # the same code
    found = found_among(query, keys, hiding(), 9, 0.2, Draws.of(0, 0, torch.arange(3), 0))
    others = _others(hiding(), 9, Draws.of(0, 0, torch.arange(3), 0))
    start = [0, 0, 0, 0, 4, 5, 5]
    for m in range(7):
        negatives = [start[m] + other for other in others[m].tolist()]
        negatives = [k for k in negatives if k != m and {k, m} != {1, 3}]
        likeness = [torch.cosine_similarity(query[m], keys[k], dim=0) / 0.2 for k in (m, *negatives)]
        assert found[m].item() == pytest.approx(-torch.stack(likeness).log_softmax(0)[0].item(), abs=1e-5)


def test_codes_are_learnt_with_the_context_and_stay_in_use():
    view = frames()
    method = made(Wav2Vec2, view, negatives=10, codes=16, span=2)
    losses = fitted(method, view, steps=80)
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])
    assert float(method([view], Progress(79, 80)).metrics["code_perplexity"]) > 3
