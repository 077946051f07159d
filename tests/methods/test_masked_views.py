"""MSN and iBOT: their equations, what they hide, and what they collapse without."""

import math

import pytest
import torch
import torch.nn.functional as F
from test_dino import cosines, rounds_of, standardised
from test_joint_embedding import COUNT, clips, seen

from tacit.core import Draws, Progress
from tacit.losses.evenness import koleo
from tacit.methods import METHODS
from tacit.modalities.audio import AUDIO
from tacit.modalities.image import IMAGE
from tacit.nn.masking import hidden_of, one_seen
from tacit.nn.transformer import Transformer

START = Progress(0, 10)


def made(name, **settings):
    """A method whose teacher is another network than its student, and what it is shown."""
    torch.manual_seed(0)
    kind, sample = METHODS[name], clips()
    encoder = Transformer(Transformer.Config(size="micro", patch=2), sample)
    method = kind(kind.Config(**{"hidden": 32, "out": 8, "choices": 16, **settings}), encoder, AUDIO, sample)
    with torch.no_grad():
        for weight in method.teacher.parameters():
            weight.add_(torch.randn(weight.shape) * 0.03)
    return method.eval(), seen(method, sample)


def hidden(encoder, views, share):
    """The tokens of full views and which of them the next step, seeded as here, hides."""
    torch.manual_seed(3)
    found = []
    for view in views[:2]:
        draws, tokens = Draws.fresh(len(view), view.x.device), encoder.cut(view)
        found.append((tokens, hidden_of(tokens, share, 1, draws), draws))
    return found


def means(states, valid):
    return torch.stack([each[told].mean(0) for each, told in zip(states, valid, strict=True)])


def step_of(method, views):
    torch.manual_seed(3)
    return method(views, START)


def test_msn_is_the_papers_cross_entropy_of_parts_against_another_view_less_the_mean_choices_entropy():
    method, views = made("msn", share=0.5, local=1, weight=2.0)
    student, said = method.student, []
    for tokens, hide, draws in hidden(method.encoder, views, 0.5):
        left = tokens.only(~one_seen(hide, tokens, draws))
        pooled = means(method.encoder.layers(left)[-1], left.valid)
        said.append(cosines(student.head(pooled), method.prototypes).div(0.1).softmax(1))
    said.append(cosines(student(views[2]), method.prototypes).div(0.1).softmax(1))
    told = standardised(torch.cat([method.teacher(view) for view in views[:2]]))
    sure = cosines(told, method.prototypes).div(0.025).softmax(1).chunk(2)
    naive = torch.zeros(COUNT)
    for full, other in ((0, 1), (0, 2), (1, 0), (1, 2)):
        for row in range(COUNT):
            naive[row] -= sum(q * p.log() for q, p in zip(sure[full][row], said[other][row], strict=True)) / 4
    mean = torch.cat(said).mean(0).detach()
    price = math.log(16) + sum(p * math.log(p) for p in mean.tolist())
    step = step_of(method, views)
    assert float(step.loss.detach().mean()) == pytest.approx(float(naive.detach().mean()) + 2 * price, abs=1e-4)
    assert float(step.metrics["crowding"]) == pytest.approx(price, abs=1e-5)


def test_ibot_is_dinos_loss_of_masked_views_and_the_same_of_each_hidden_token():
    method, views = made("ibot", local=1)
    student, teacher, said, parts, hides = method.student, method.teacher.model, [], [], []
    for tokens, hide, _ in hidden(method.encoder, views, 0.3):
        states = method.encoder.layers(tokens.with_x(torch.where(hide[..., None], method.mask, tokens.x)))[-1]
        said.append(means(states, tokens.valid))
        parts.append(states[hide])
        hides.append(hide)
    said.append(method.encoder(views[2]).pooled)
    logs = [cosines(student.whole.head(each), student.whole.choices).div(0.1).log_softmax(1) for each in said]
    whole = [teacher.encoder(view) for view in views[:2]]
    told = standardised(torch.cat([teacher.whole.head(each.pooled) for each in whole]))
    shares = rounds_of(cosines(told, teacher.whole.choices)).chunk(2)
    naive = -sum((shares[a] * logs[b]).sum(1) for a, b in ((0, 1), (0, 2), (1, 0), (1, 2))) / 4
    tokens = torch.cat([each.tokens[hide] for each, hide in zip(whole, hides, strict=True)])
    part = rounds_of(cosines(standardised(teacher.part.head(tokens)), teacher.part.choices))
    found = cosines(student.part.head(torch.cat(parts)), student.part.choices).div(0.1).log_softmax(1)
    each = iter(-(part * found).sum(1))
    for hide in hides:
        for row in range(COUNT):
            naive[row] += torch.stack([next(each) for _ in range(int(hide[row].sum()))]).mean() / 2
    assert next(each, None) is None
    assert torch.allclose(step_of(method, views).loss, naive, atol=1e-3)


@pytest.mark.parametrize(("name", "nothing"), [("msn", math.log(16)), ("ibot", 2 * math.log(16))])
def test_who_knows_no_choice_from_another_pays_their_logarithm(name, nothing):
    method, views = made(name)
    for choices in (module for module in method.modules() if type(module).__name__ == "Prototypes"):
        with torch.no_grad():
            choices.weight.copy_(choices.weight[:1].expand(16, -1))
    step = step_of(method, views)
    assert step.nothing_learnt == pytest.approx(nothing)
    assert torch.allclose(step.loss, torch.full((COUNT,), nothing), atol=1e-4)


@pytest.mark.parametrize("name", ["msn", "ibot"])
def test_the_teacher_gets_no_gradient_and_follows_in_update_alone(name):
    method, views = made(name)
    before = {key: value.clone() for key, value in method.teacher.state_dict().items()}
    step_of(method, views).loss.mean().backward()
    assert all(weight.grad is None for weight in method.teacher.parameters())
    assert all(value.equal(before[key]) for key, value in method.teacher.state_dict().items())
    method.update({}, START)
    own, new = method.encoder.norm.bias, method.teacher.model.encoder.norm.bias
    assert torch.allclose(new, 0.1 * before["model.encoder.norm.bias"] + 0.9 * own, atol=1e-6)


def test_msn_computes_nothing_of_what_is_left_out():
    method, views = made("msn", share=0.5)
    computed, left = [], []
    for tokens, hide, draws in hidden(method.encoder, views, 0.5):
        left.append(int((tokens.valid & ~one_seen(hide, tokens, draws)).sum()))
    method.encoder.blocks[0].register_forward_hook(lambda _, given, __: computed.append(len(given[0])))
    step_of(method, views)
    assert computed == left
    assert sum(left) < 0.55 * sum(int(method.encoder.cut(view).valid.sum()) for view in views)


@pytest.mark.parametrize("name", ["msn", "ibot"])
def test_small_crops_are_read_as_one_batch(name):
    method, views = made(name, local=3)
    read = []
    method.encoder.blocks[0].register_forward_hook(lambda _, given, __: read.append(len(given[0])))
    step_of(method, views)
    assert len(read) == 3
    assert read[2] == sum(int(method.encoder.cut(view).valid.sum()) for view in views[2:])


def test_ibot_pays_for_pooled_views_with_hidden_tokens_that_lie_near_another_samples_in_both():
    method, views = made("ibot", local=1, koleo=0.5)
    near = torch.zeros(COUNT)
    for tokens, hide, _ in hidden(method.encoder, views, 0.3):
        states = method.encoder.layers(tokens.with_x(torch.where(hide[..., None], method.mask, tokens.x)))[-1]
        unit = F.normalize(means(states, tokens.valid), dim=1)
        near -= torch.cdist(unit, unit).fill_diagonal_(9).amin(dim=1).log()
    found = step_of(method, views)
    method.config = method.config.model_copy(update={"koleo": 0.0})
    assert torch.allclose(found.loss - step_of(method, views).loss, 0.5 * near, atol=1e-3)
    assert float(found.metrics["koleo"]) == pytest.approx(float(near.detach().mean()), abs=1e-3)


def trained(name, steps, **settings):
    method, _ = made(name, momentum=0.9, **settings)
    optimiser = torch.optim.Adam(method.train().parameters(), lr=3e-3)
    for step in range(steps):
        found = method(seen(method, clips(), step), Progress(step, steps))
        optimiser.zero_grad()
        found.loss.mean().backward()
        optimiser.step()
        method.update(found.carry, Progress(step, steps))
    return method.eval()


def taken(cosine):
    """How many choices samples take, by their cosines to each."""
    return float(torch.distributions.Categorical(cosine.detach().div(0.1).softmax(1).mean(0)).perplexity())


def test_msn_takes_few_choices_without_their_price():
    kept, spoilt = (trained("msn", 30, weight=weight) for weight in (1.0, 0.0))
    few, many = (taken(cosines(each.student(clips()), each.prototypes)) for each in (spoilt, kept))
    assert few < many / 2


def test_the_recipe_of_dinov2_takes_many_choices_and_its_price_keeps_features_apart():
    recipe = IMAGE.presets["ibot"]["dinov2"]["method"]
    assert recipe["koleo"] > 0
    near, small = [], {key: recipe[key] for key in ("share", "sharing")}
    for price in (0.0, 10 * recipe["koleo"]):
        method = trained("ibot", 15, koleo=price, **small)
        pooled = method.encoder(clips()).pooled
        near.append(float(koleo(pooled.detach()).mean()))
        assert taken(method.student.whole(pooled)) > 12
    assert near[1] < near[0] - 0.1
