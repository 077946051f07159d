"""Methods that compare views without a crowd: their equations, and what each collapses without."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tacit.core import Draws, Progress, View
from tacit.errors import UsageError
from tacit.evaluation.health import effective_rank
from tacit.losses import redundancy, whitening
from tacit.losses.contrastive import nt_xent
from tacit.methods import METHODS
from tacit.methods import mmcr as mmcr_page
from tacit.methods import ressl as ressl_page
from tacit.methods import simsiam as simsiam_page
from tacit.modalities.audio import AUDIO
from tacit.nn.heads import mlp
from tacit.nn.tdnn import TDNN

COUNT = 32


def clips(frames=16, bands=12):
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(COUNT, 1, bands, generator=generator)
    x = 2 * shape + torch.randn(COUNT, frames, bands, generator=generator) - 5
    return View(x, torch.ones(COUNT, frames, dtype=torch.bool), index=torch.arange(COUNT))


def make(name, **settings):
    torch.manual_seed(0)
    kind, sample = METHODS[name], clips()
    return kind(kind.Config(hidden=32, **settings), TDNN(TDNN.Config(width=16), sample), AUDIO, sample), sample


def seen(method, sample, step=0):
    augment = AUDIO.augment(AUDIO.config())
    return [augment[kind](sample, Draws.of(0, step, sample.index, number)) for number, kind in enumerate(method.views)]


def trained(method, sample, steps=150, lr=3e-3):
    """The method after as many steps, to be looked at."""
    optimiser = torch.optim.Adam(method.parameters(), lr=lr)
    for step in range(steps):
        found = method(seen(method, sample, step), Progress(step, steps))
        optimiser.zero_grad()
        found.loss.mean().backward()
        optimiser.step()
        method.update(found.carry, Progress(step, steps))
    return method.eval(), sample


def test_simsiam_is_the_papers_in_both_orders():
    method, sample = make("simsiam")
    method.eval()
    views = seen(method, sample)
    z = [method.embedder(view) for view in views]
    cosine = lambda own: F.cosine_similarity(method.predictor(z[own]), z[1 - own].detach())  # noqa: E731
    assert torch.allclose(method(views, Progress(0, 10)).loss, 1 - (cosine(0) + cosine(1)) / 2, atol=1e-5)


def test_fastsiam_predicts_the_mean_of_all_others():
    assert make("simsiam", seen=4)[0].views == ("strong",) * 4
    z = torch.randn(5, 5, 8, requires_grad=True)  # the last one a small crop
    naive = torch.stack([F.normalize(z[[w for w in range(4) if w != v]], dim=2).mean(0) for v in range(5)])
    found = simsiam_page._others(z, full=4)
    assert torch.allclose(found, naive, atol=1e-6)
    assert not found.requires_grad


@pytest.mark.parametrize("without", ["the stop", "the predictor"])
def test_simsiam_collapses_without_either_of_its_two_means(without, monkeypatch):
    """BatchNorm keeps features from standing still, so that all of them become the same few (Chen and He, figure 2)."""
    method, sample = trained(*make("simsiam"))
    kept = effective_rank(method.embedder(sample).detach())
    spoilt, _ = make("simsiam")
    if without == "the stop":
        monkeypatch.setattr(simsiam_page, "_others", lambda z, full: F.normalize(z.flip(0), dim=2))
    else:
        spoilt.predictor = nn.Identity()
    spoilt, _ = trained(spoilt, sample)
    assert effective_rank(spoilt.embedder(sample).detach()) < kept / 2


@pytest.mark.parametrize(("name", "without"), [("vicreg", {"vary": 0.0}), ("lejepa", {"weight": 0.0})])
def test_without_the_price_of_standing_still_all_samples_become_one_point(name, without):
    deviation = {}
    for label, settings in (("with", {}), ("without", without)):
        method, sample = trained(*make(name, out=16, **settings))
        with torch.no_grad():
            deviation[label] = float(method.embedder(sample).std(dim=0).mean())
    assert deviation["with"] > 0.3
    assert deviation["without"] < deviation["with"] / 10


def one_way(method, sample):
    """The mean cosine between samples: 1 where all point one way."""
    with torch.no_grad():
        z = F.normalize(method.student(sample), dim=1)
    return float((z @ z.T).mean())


def test_without_the_price_of_crowding_ticos_samples_all_point_one_way():
    settings = {"out": 16, "momentum": 0.9}
    kept, spoilt = (one_way(*trained(*make("tico", weight=each, **settings), steps=60)) for each in (8.0, 0.0))
    assert kept < 0.5
    assert spoilt > 0.9


def test_without_a_surer_teacher_and_with_what_all_have_in_common_ressls_samples_all_point_one_way(monkeypatch):
    settings = {"out": 16, "momentum": 0.9, "queue": 64}
    assert one_way(*trained(*make("ressl", **settings), steps=60)) < 0.5
    monkeypatch.setattr(ressl_page, "told_apart", mlp)
    assert one_way(*trained(*make("ressl", surer=0.3, **settings), steps=60)) > 0.9


def test_barlow_twins_features_all_say_the_same_without_the_price_of_it():
    """Standardised over the batch they cannot stand still: a weight of 0 is one feature, told many times."""
    rank = {}
    for weight in (0.02, 0.0):
        method, sample = trained(*make("barlow-twins", out=16, weight=weight), steps=60)
        with torch.no_grad():
            rank[weight] = effective_rank(method.embedder(sample))
    assert rank[0.0] < rank[0.02] / 1.5


def test_mmcr_pulls_views_together_and_samples_apart_by_one_number():
    method, sample = make("mmcr", out=16)
    before = {}
    for when in ("before", "after"):
        if when == "after":
            method, _ = trained(method, sample, steps=60)
        with torch.no_grad():
            z = F.normalize(method.eval().embedder.each(seen(method, sample, 1000)), dim=2)
        before[when] = float((z[0] * z[1]).sum(1).mean()), float((z[0] @ z[0].T).mean())
        method.train()
    assert before["after"][1] < before["before"][1] - 0.1
    assert before["after"][0] > before["after"][1] + 0.3


def test_mmcr_collapses_where_the_length_of_centroids_is_all_that_counts(monkeypatch):
    method, sample = make("mmcr", out=16)
    monkeypatch.setattr(mmcr_page, "narrowness", lambda z: 1 - F.normalize(z, dim=2).mean(0).norm(dim=1).mean())
    method, _ = trained(method, sample, steps=60)
    with torch.no_grad():
        z = F.normalize(method.embedder(sample), dim=1)
    assert (z @ z.T).mean() > 0.95


def test_w_mse_compares_whitened_views_over_random_sub_batches():
    """Of 32 samples and 4 features four of 8, drawn anew in each round."""
    method, sample = make("w-mse", out=4, seen=3, rounds=2)
    method.eval()
    views = seen(method, sample)
    assert len(views) == 3
    torch.manual_seed(5)
    found = method(views, Progress(0, 10))
    torch.manual_seed(5)
    orders = Draws.fresh(2, torch.device("cpu")).uniform(shape=(COUNT,)).argsort(dim=1)
    z, naive = torch.stack([method.embedder(view) for view in views]), torch.zeros(COUNT)
    for part in orders.view(8, 8):
        first, second, third = (F.normalize(whitening.whitened(view[part], 1e-3), dim=1) for view in z)
        pairs = ((first, second), (first, third), (second, third))
        naive[part] += sum((one - other).square().sum(1) for one, other in pairs) / 6
    assert torch.allclose(found.loss, naive, atol=1e-4)
    assert found.nothing_learnt == 2
    assert orders[0].tolist() != orders[1].tolist()


def test_w_mses_features_all_say_the_same_without_whitening(monkeypatch):
    kept, sample = trained(*make("w-mse", out=16), steps=20)
    monkeypatch.setattr(whitening, "whitened", lambda z, shrinkage: z - z.mean(dim=1, keepdim=True))
    spoilt, _ = trained(*make("w-mse", out=16), steps=20)
    with torch.no_grad():
        rank, without = (effective_rank(method.embedder(sample)) for method in (kept, spoilt))
    assert without < rank / 1.5


def test_of_too_few_samples_w_mse_says_what_whitening_needs():
    method, sample = make("w-mse", out=8)
    with pytest.raises(UsageError, match=r"4 or more, better 32; here are 3: give a larger --batch"):
        method(seen(method, sample[:3]), Progress(0, 10))


def test_moco_v3_is_cross_entropy_among_the_keys_of_the_batch_in_both_orders():
    """As in the paper's algorithm 1, but for its factor 2 T."""
    method, sample = make("moco-v3", out=8, temperature=0.3)
    method.eval()
    views = seen(method, sample)
    query = [F.normalize(method.predictor(method.student(view)), dim=1) for view in views]
    keys = [F.normalize(method.teacher(view), dim=1) for view in views]
    right = torch.arange(COUNT)
    naive = sum(F.cross_entropy(query[v] @ keys[1 - v].T / 0.3, right, reduction="none") for v in (0, 1)) / 2
    found = method(views, Progress(0, 10))
    assert torch.allclose(found.loss, naive, atol=1e-4)
    assert found.nothing_learnt == pytest.approx(math.log(COUNT))
    assert not found.carry


def test_tico_is_the_papers_loss_in_both_orders_with_a_matrix_that_moves_after_the_step_alone():
    method, sample = make("tico", out=8, weight=3.0, memory=0.75)
    method.eval()
    late = Progress(9_999, 10_000)
    earlier = F.normalize(torch.randn(COUNT, 2, 8), dim=2)
    method.update({"z": earlier}, late)
    held = 0.25 * sum(torch.outer(each, each) for each in earlier.flatten(0, 1)) / (2 * COUNT)
    assert torch.allclose(method.used, held, atol=1e-6)
    views = seen(method, sample)
    z = [F.normalize(method.student(view), dim=1) for view in views]
    t = [F.normalize(method.teacher(view), dim=1) for view in views]
    now = 0.75 * held + 0.25 * sum(each.T @ each for each in z) / (2 * COUNT)
    naive = [sum(1 - z[v][n] @ t[1 - v][n] + 3 * z[v][n] @ now @ z[v][n] for v in (0, 1)) / 2 for n in range(COUNT)]
    found = method(views, late)
    assert torch.allclose(found.loss, torch.stack(naive), atol=1e-5)
    assert torch.allclose(method.used, held, atol=1e-6)
    method.update(found.carry, late)
    assert torch.allclose(method.used, now, atol=1e-6)


def test_ticos_matrix_is_nearly_the_first_batchs_after_it():
    """It begins with nothing, and a price that rises for its first steps would be one for learning."""
    method, _ = make("tico", out=8)
    z = F.normalize(torch.randn(5, 8), dim=1)
    assert torch.allclose(method._with(z, Progress(0, 100)), 0.9 * z.T @ z / 5, atol=1e-6)


def test_a_direction_that_all_take_costs_ticos_weight():
    """On paper: of one point for all, z z^T is the matrix, and z^T (z z^T) z is 1."""
    method, _ = make("tico", out=8, weight=3.0, memory=0.0)
    point = F.normalize(torch.ones(1, 8), dim=1)
    used = method._with(point.expand(5, 8), Progress(99, 100))
    assert float(point @ used @ point.T) == pytest.approx(1, abs=1e-6)


def test_ressl_asks_of_a_strong_view_how_like_a_weak_one_is_to_earlier_samples():
    method, sample = make("ressl", queue=12, out=8)
    assert method.views == ("strong", "weak")
    method.eval()
    views = seen(method, sample)
    student = F.normalize(method.student(views[0]), dim=1).detach()
    teacher = F.normalize(method.teacher(views[1]), dim=1)
    naive = []
    for n in range(COUNT):
        told = [math.exp(float(teacher[n] @ key) / 0.04) for key in method.queue.keys]
        says = [math.exp(float(student[n] @ key) / 0.1) for key in method.queue.keys]
        naive.append(-sum(p / sum(told) * math.log(q / sum(says)) for p, q in zip(told, says, strict=True)))
    found = method(views, Progress(0, 10))
    assert torch.allclose(found.loss, torch.tensor(naive), atol=1e-4)
    before = method.queue.keys.clone()
    assert torch.equal(found.carry["keys"], teacher)
    method.update(found.carry, Progress(0, 10))
    assert not torch.equal(method.queue.keys, before)


def test_visreg_is_lejepa_by_another_measure():
    method, sample = make("lejepa", spread="visreg", weight=0.6, out=8)
    method.eval()
    views = seen(method, sample)
    z = torch.stack([method.embedder(view) for view in views])
    torch.manual_seed(5)
    found = method(views, Progress(0, 10))
    torch.manual_seed(5)
    directions = Draws.fresh(256, z.device).normal((8,))
    apart = (z - z.mean(0)).square().mean(dim=(0, 2))
    spread = redundancy.off_centre(z) + redundancy.off_scale(z) + redundancy.off_shape(z, directions)
    assert torch.allclose(found.loss, 0.4 * apart + 0.6 * spread, atol=1e-5)
    assert found.nothing_learnt == pytest.approx(1.2)


def test_simclr_decoupled_is_not_told_from_its_own_views():
    method, sample = make("simclr", decoupled=True, hardness=0.5, out=8)
    found = method(seen(method, sample), Progress(0, 10))
    assert found.nothing_learnt == pytest.approx(math.log(2 * (COUNT - 1)))
    z = torch.stack([method.embedder(view) for view in seen(method.eval(), sample)])
    expected = nt_xent(z, 0.5, decoupled=True, hardness=0.5)
    assert torch.allclose(method(seen(method, sample), Progress(0, 10)).loss, expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"set method\.decoupled to true"):
        METHODS["simclr"].Config(hardness=0.5)


def test_nnclr_looks_for_the_nearest_earlier_embedding_of_another_sample():
    method, sample = make("nnclr", queue=64, out=8)
    keys = F.normalize(torch.randn(COUNT, 8), dim=1)
    method.update({"keys": keys, "index": sample.index}, Progress(0, 10))
    nearest = method._neighbours(keys, sample.index)
    for own, found in zip(keys, nearest, strict=True):
        others = torch.cat([method.queue.keys[:COUNT], method.queue.keys[COUNT:]])
        cosine = (others @ own).masked_fill((others == own).all(dim=1), -1)
        assert torch.equal(found, others[cosine.argmax()])


def test_nnclr_is_the_papers_loss():
    method, sample = make("nnclr", queue=64, out=8)
    method.eval()
    views = seen(method, sample)
    z = [F.normalize(method.embedder(view), dim=1) for view in views]
    p = [F.normalize(method.predictor(method.embedder(view)), dim=1) for view in views]
    naive = torch.zeros(COUNT)
    for own, other in ((0, 1), (1, 0)):
        near = torch.stack([method.queue.keys[(method.queue.keys @ each).argmax()] for each in z[own]])
        bottom = torch.tensor([sum(math.exp(float(n @ q) / 0.2) for q in p[other].detach()) for n in near])
        naive -= ((near * p[other]).sum(1) / 0.2 - bottom.log()) / 2
    assert torch.allclose(method(views, Progress(0, 10)).loss, naive, atol=1e-4)


def test_swav_shares_all_clusters_out_and_remembers_earlier_samples():
    method, sample = make("swav", clusters=8, queue=40, out=8)
    found = method(seen(method, sample), Progress(0, 10))
    assert int(method.filled) == 0
    method.update(found.carry, Progress(0, 10))
    assert int(method.filled) == COUNT
    method.update(found.carry, Progress(1, 10))
    assert int(method.filled) == 40
    assert torch.equal(method.earlier[0, :COUNT], found.carry["z0"])
    assert torch.equal(method.earlier[0, COUNT:], found.carry["z0"][: 40 - COUNT])
    shares = method._shares(found.carry["z0"], 0)
    assert torch.allclose(shares.sum(dim=1), torch.ones(COUNT), atol=1e-5)
    method, sample = trained(method, sample, steps=60)
    with torch.no_grad():
        taken = method.prototypes(method.embedder(sample)).argmax(dim=1).unique()
    assert len(taken) >= 4


def test_swav_tells_samples_apart_from_the_first_step_on():
    """What all directions have in common is taken off: with it all clusters begin alike, and are shared out evenly."""
    method, sample = make("swav", clusters=16, out=8)
    shares = method._shares(method.embedder(sample).detach(), 0)
    assert shares.amax(dim=1).mean() > 3 / 16


def test_swav_is_the_papers_loss_of_both_orders():
    method, sample = make("swav", clusters=8, queue=0, out=8)
    method.eval()
    views = seen(method, sample)
    z = [method.embedder(view) for view in views]
    cosine = [F.normalize(each, dim=1) @ F.normalize(method.prototypes.weight, dim=1).T for each in z]
    naive = torch.zeros(COUNT)
    for full, other in ((0, 1), (1, 0)):
        shares = (cosine[full].detach() / 0.05).exp()
        for _ in range(3):
            shares = shares / shares.sum(0)
            shares = shares / shares.sum(1, keepdim=True)
        naive -= (shares * F.log_softmax(cosine[other] / 0.1, dim=1)).sum(1) / 2
    assert torch.allclose(method(views, Progress(0, 10)).loss, naive, atol=1e-4)


@pytest.mark.parametrize("name", ["vicreg", "lejepa", "swav", "barlow-twins", "mmcr"])
def test_small_crops_are_views_too(name):
    method, sample = make(name, local=2)
    assert method.views.count("local") == 2
    assert method(seen(method, sample), Progress(0, 10)).loss.shape == (COUNT,)
