"""PixPro: which places are pairs, what of a view is mixed, what it costs, and what it collapses without."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from contract_toys import make, samples_of, views_of

from tacit.augment.image import Recipe, image_view
from tacit.core import Draws, Features, Progress, View
from tacit.errors import UsageError
from tacit.evaluation.health import spread
from tacit.methods import pixpro as page
from tacit.methods.pixpro import Places, _in_order, _on_grid, paired, propagated
from tacit.modalities import MODALITIES
from tacit.nn.standardise import over_batch
from tacit.settings import build

SMALL = {"image": {"width": 8}, "series": {"width": 8, "out": 16, "depth": 2}, "text": {"size": "micro"}}


def made(name="series", **wishes):
    """A small learner, and two views of eight samples."""
    learner, config, sample = make("pixpro", name, SMALL[name], hidden=32, out=16, **wishes)
    return learner, views_of(learner, config, sample)


def cut(left, upper, right, lower, side=8, cells=2):
    """The places of a view of `cells` by `cells` that shows this part of an image, which reaches from -1 to 1."""
    affine = torch.tensor([[[right - left, 0, left + right], [0, lower - upper, upper + lower]]]) / 2
    features = Features(torch.zeros(1, 1), maps={side // cells: torch.zeros(1, 1, cells, cells)})
    found = _on_grid(View(torch.zeros(1, 1, side, side), affine=affine), features)
    return Places(torch.zeros(1, cells**2, 1), torch.ones(1, cells**2, dtype=torch.bool), *found)


def test_pairs_of_an_image_and_its_first_quarter_known_on_paper():
    """Cells of the whole have sides of 1, and reach .7 sqrt(2) = .99: the first lies above all four of the quarter, at
    -.75 and -.25; the two beside it are less than that from two each; the last one is 1.06 from the nearest."""
    whole, quarter = cut(-1, -1, 1, 1), cut(-1, -1, 0, 0)
    assert whole.where[0].tolist() == [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]
    assert (whole.size.item(), quarter.size.item()) == pytest.approx((2**0.5, 0.5**0.5))
    expected = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]]).bool()
    assert torch.equal(paired(whole, quarter, 0.7)[0], expected)
    assert torch.equal(paired(quarter, whole, 0.7)[0], expected.T), "the larger of the two diagonals counts"


def test_a_place_is_a_pair_with_where_it_went_when_its_view_is_turned_over_and_with_none_that_is_not_shown():
    whole, mirrored = cut(-1, -1, 1, 1), cut(1, -1, -1, 1)
    assert torch.equal(paired(whole, mirrored, 0.5)[0], torch.eye(4)[[1, 0, 3, 2]].bool())
    assert not paired(cut(-1, -1, -0.5, -0.5), cut(0.5, 0.5, 1, 1), 0.7).any()


def test_a_cell_of_a_turned_view_is_as_large_as_it_was():
    view = View(torch.rand(16, 1, 8, 8), index=torch.arange(16))
    features = Features(torch.zeros(16, 1), maps={4: torch.zeros(16, 1, 2, 2)})
    turned = image_view(view, Recipe(crop=(1, 1), ratio=(1, 1), rotate=180), Draws.of(0, 0, view.index, 0))
    assert torch.allclose(_on_grid(turned, features)[1], torch.full((16,), 2**0.5), atol=1e-4)


def test_tokens_are_as_long_as_neighbours_are_apart():
    where = torch.tensor([[0.0, 2, 4, 6], [5, 6, 7, 0], [3, 0, 9, 0], [1, 0, 0, 0]])
    valid = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0]]).bool()
    view = View(torch.zeros(4, 4, 1), valid, where)
    found, size = _in_order(view, Features(torch.zeros(4, 1), torch.zeros(4, 4, 1), valid, where))
    assert torch.equal(found, where[..., None])
    assert size.tolist() == [2, 1, 1, 1]
    alone = Features(torch.zeros(4, 1), torch.zeros(4, 1, 1), valid[:, :1], where[:, :1])
    assert _in_order(view, alone)[1].tolist() == [1] * 4


def test_what_is_mixed_is_known_on_paper():
    """Of three places, two at a right angle and one between them, whose cosine to both is the root of a half."""
    half = 0.5**0.5
    x = torch.tensor([[[2.0, 0], [0, 3], [1, 1], [0, 0]]])
    values = torch.tensor([[[1.0, 0], [0, 5], [-2, 0], [7, 7]]])
    squared = torch.tensor([[1 - 0.5, 0], [-0.5, 1], [0.5 - 1, 0.5], [0, 0]])
    assert torch.allclose(propagated(x, values, 2.0)[0], squared, atol=1e-6)
    plain = torch.tensor([[1 - half, 0], [-half, 1], [half - 1, half], [0, 0]])
    assert torch.allclose(propagated(x, values, 1.0)[0], plain, atol=1e-6)
    away = torch.tensor([[[1.0, 0], [-1, 0]]])
    assert torch.equal(propagated(away, away, 2.0), away), "what points away gives nothing"


def read_aloud(learner, views, row):
    """The loss of one sample, place by place and pair by pair."""
    one, two = (learner.student(view) for view in views)
    told = [learner.teacher.model(view) for view in views]
    every = torch.cat([each.x[each.valid] for each in told])
    told = [(each.x[row] - every.mean(0)) / (every.var(0, correction=0) + 1e-6).sqrt() for each in told]
    real = [each.valid[row].nonzero().flatten().tolist() for each in (one, two)]
    mixed = []
    for z, places in zip((one.x[row], two.x[row]), real, strict=True):
        value = {k: F.normalize(learner.value(z[k]), dim=0) for k in places}
        alike = {(i, k): F.cosine_similarity(z[i], z[k], dim=0).clamp_min(0) ** 2 for i in places for k in places}
        mixed.append({i: sum(alike[i, k] * value[k] for k in places) for i in places})
    reach = 0.7 * max(one.size[row], two.size[row])
    lost = [
        2 - F.cosine_similarity(mixed[0][i], told[1][j], dim=0) - F.cosine_similarity(mixed[1][j], told[0][i], dim=0)
        for i in real[0]
        for j in real[1]
        if (one.where[row, i] - two.where[row, j]).norm() < reach
    ]
    return sum(lost) / max(1, len(lost)), len(lost)


@pytest.mark.parametrize("name", SMALL)
def test_the_loss_is_that_of_each_pair_read_aloud(name):
    learner, views = made(name)
    with torch.no_grad():
        for weight in learner.teacher.parameters():
            weight.add_(torch.randn(weight.shape) * 0.03)
    learner.eval()
    with torch.no_grad():
        step = learner(views, Progress(0, 10))
        naive = [read_aloud(learner, views, row) for row in range(3)]
    assert max(count for _, count in naive) > 2
    assert [float(loss) for loss, _ in naive] == pytest.approx(step.loss[:3].tolist(), abs=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = learner(views, Progress(0, 10)).loss
    assert rounded.dtype == torch.float32
    assert torch.allclose(rounded, step.loss, atol=0.05)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_no_place_enters_nothing(name):
    learner, views = made(name)
    assert learner.encoder.training
    learner.eval()
    expected = learner(views, Progress(0, 1)).loss
    if name == "image":
        longer = views
    else:
        room = [0, 0] * (views[0].x.dim() - 2)
        longer = [
            replace(
                view,
                x=F.pad(view.x, [*room, 0, 5], value=5),
                valid=F.pad(view.valid, [0, 5]),
                where=F.pad(view.where, [0, 5], value=7),
            )
            for view in views
        ]
    assert torch.allclose(learner(longer, Progress(0, 1)).loss, expected, atol=1e-5)
    few = (learner([view[:3] for view in each], Progress(0, 1)).loss for each in (longer, views))
    assert torch.allclose(*few, atol=1e-5)


def test_views_with_nothing_in_common_cost_nothing_and_teach_nothing():
    learner, (first, second) = made()
    away = replace(second, where=second.where + 1000)
    step = learner([first, away], Progress(0, 1))
    assert (step.loss == 0).all()
    assert step.nothing_learnt == 0
    step.loss.mean().backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in learner.parameters())
    half = replace(second, where=torch.cat([second.where[:4], away.where[4:]]))
    found = learner([first, half], Progress(0, 1))
    assert found.nothing_learnt == 1
    assert (found.loss[:4] > 0.1).all()
    assert learner.eval().explain([first, half], 5, None)[1].captions[4] == "nothing in common"


def test_who_says_what_the_teacher_says_loses_nothing_and_is_shown_so(monkeypatch):
    learner, (view, _) = made(near=0.5)
    monkeypatch.setattr(page, "propagated", lambda x, values, sharpness: over_batch(x, x[x.any(dim=2)]))
    learner.eval()
    step = learner([view, view], Progress(0, 1))
    assert torch.allclose(step.loss, torch.zeros(8), atol=1e-5)
    count = int(view.valid[0].sum())
    assert float(step.metrics["pairs"]) == view.valid.sum() / 8
    assert learner.explain([view, view], 2, None)[1].captions[0] == f"{count} pairs, similarity 1.00"


def test_the_teacher_gets_no_gradient_and_moves_after_the_step_alone():
    learner, views = made(momentum=0.5)
    before = {name: value.clone() for name, value in learner.teacher.state_dict().items()}
    learner(views, Progress(0, 10)).loss.mean().backward()
    assert all(weight.grad is None for weight in learner.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in learner.teacher.state_dict().items())
    with torch.no_grad():
        learner.student.head[0].weight.add_(1)
    learner.update({}, Progress(9_999, 20_000))
    moved = learner.teacher.model.head[0].weight - before["model.head.0.weight"]
    assert torch.allclose(moved, torch.full_like(moved, 1 - 0.75), atol=1e-3)  # half way from .5 to 1


@pytest.mark.parametrize("mixing", [True, False])
@pytest.mark.parametrize("standardised", [True, False])
def test_mixing_through_a_layer_of_its_own_is_what_prevents_collapse(mixing, standardised, monkeypatch):
    """Without it places come together for good, the teacher as slow as ever, unless what all have in common is taken
    off; with it they move apart again."""
    learner, config, sample = make("pixpro", "series", {**SMALL["series"], "depth": 1, "patch": 2}, hidden=32, out=16)
    views = views_of(learner, config, sample)
    if not mixing:
        monkeypatch.setattr(page, "propagated", lambda x, values, sharpness: x)
    if not standardised:
        monkeypatch.setattr(page, "over_batch", lambda told, batch: told)

    def apart():
        with torch.no_grad():
            seen = learner.student(views[0])
        return spread(seen.x[seen.valid])

    start, optimiser = apart(), torch.optim.AdamW(learner.parameters(), lr=3e-3)
    for step in range(60):
        learner(views, Progress(step, 60)).loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        learner.update({}, Progress(step, 60))
    end = apart()
    assert (end > 0.5 * start) if mixing or standardised else (end < 0.35 * start), (start, end)


@pytest.mark.parametrize("name", MODALITIES)
def test_a_kind_of_data_offers_places_if_its_views_say_where_they_are(name):
    modality = MODALITIES[name]
    sample = replace(samples_of(modality)[:4], index=torch.arange(4))
    view = modality.augment(modality.config())["strong"](sample, Draws.of(0, 0, sample.index, 0))
    assert modality.places == ("places" in modality.offers) == (view.where is not None or view.affine is not None)


def test_what_says_no_places_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="method pixpro needs places, which trajectories data do not have"):
        build([{"data": "x", "modality": {"name": "trajectories"}, "method": {"name": "pixpro"}}])
    with pytest.raises(UsageError, match=r"places of two views, and TDNN does not say .* leave --encoder away"):
        make("pixpro", "audio", {"name": "tdnn"})
