import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.losses import crowd
from tacit.losses.contrastive import info_nce, mixed_nce, nt_xent, paired_nce


def naive_nt_xent(z, temperature):
    """Equation 1 of SimCLR read aloud; with more views each other view is the positive in turn."""
    views, batch, _ = z.shape
    cosine = lambda a, b: float(F.cosine_similarity(a, b, dim=0))  # noqa: E731
    losses = []
    for i in range(batch):
        total = 0.0
        for v in range(views):
            others = [(w, k) for w in range(views) for k in range(batch) if (w, k) != (v, i)]
            bottom = sum(math.exp(cosine(z[v, i], z[w, k]) / temperature) for w, k in others)
            for w in range(views):
                if w != v:
                    total -= math.log(math.exp(cosine(z[v, i], z[w, i]) / temperature) / bottom)
        losses.append(total / (views * (views - 1)))
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("views", [2, 3, 5])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_nt_xent_equals_a_naive_loop(views, temperature):
    z = torch.randn(views, 4, 6, dtype=torch.float64)
    assert torch.allclose(nt_xent(z, temperature), naive_nt_xent(z, temperature))


def naive_decoupled(z, temperature, hardness=None):
    """Equations 6 and 7 of DCL read aloud: no view of the sample itself is in the sum below."""
    views, batch, _ = z.shape
    cosine = lambda a, b: float(F.cosine_similarity(a, b, dim=0))  # noqa: E731
    near = [[sum(cosine(z[v, i], z[w, i]) for w in range(views) if w != v) / (views - 1) for i in range(batch)]
            for v in range(views)]  # fmt: skip
    losses = []
    for i in range(batch):
        total = 0.0
        for v in range(views):
            others = [z[w, k] for w in range(views) for k in range(batch) if k != i]
            weight = 1.0
            if hardness is not None:
                loud = [math.exp(each / hardness) for each in near[v]]
                weight = 2 - loud[i] / (sum(loud) / batch)
            bottom = sum(math.exp(cosine(z[v, i], other) / temperature) for other in others)
            total += math.log(bottom) - weight * near[v][i] / temperature
        losses.append(total / views)
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("hardness", [None, 0.5])
def test_the_decoupled_loss_equals_a_naive_loop(views, hardness):
    z = torch.randn(views, 4, 6, dtype=torch.float64)
    assert torch.allclose(nt_xent(z, 0.1, decoupled=True, hardness=hardness), naive_decoupled(z, 0.1, hardness))


def test_nt_xent_is_the_decoupled_loss_with_the_positive_back_in_its_sum():
    """log(e^p + sum e^n) - p = log(1 + e^(log sum e^n - p)); of equal views, since both are means over views."""
    z = torch.randn(1, 5, 6, dtype=torch.float64).repeat(2, 1, 1)
    assert torch.allclose(nt_xent(z, 0.5), F.softplus(nt_xent(z, 0.5, decoupled=True)))


@pytest.mark.parametrize("hardness", [None, 0.5])
def test_the_decoupled_loss_of_equal_similarities_and_the_pull_of_a_positive_that_is_found(hardness):
    equal = nt_xent(torch.ones(2, 5, 3), 0.2, decoupled=True, hardness=hardness)
    assert torch.allclose(equal, torch.tensor(8.0).log().expand(5))
    z = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    z = (z + 0.1 * torch.randn_like(z)).requires_grad_()
    pulls = [torch.autograd.grad(nt_xent(z, 0.05, decoupled=which).sum(), z)[0].norm() for which in (True, False)]
    assert pulls[0] > 100 * pulls[1]


def test_the_decoupled_losses_agree_with_lightly():
    losses = pytest.importorskip("lightly.loss")
    z = torch.randn(2, 30, 8)
    mine = [float(nt_xent(z, 0.2, decoupled=True, hardness=hardness).mean()) for hardness in (None, 0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs copies a tensor in a way that torch warns of
        theirs = [float(each(0.2)(*z)) for each in (losses.DCLLoss, losses.DCLWLoss)]
    assert mine == pytest.approx(theirs, rel=1e-5)


def test_pairs_of_which_none_are_alike_are_those_of_nt_xent_and_others_equal_a_naive_loop(monkeypatch):
    z = torch.randn(2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(paired_nce(*z, 0.3, torch.arange(6)), nt_xent(z, 0.3))
    group = torch.tensor([0, 1, 0, 2, 1, 0])
    cosine = lambda a, b: float(F.cosine_similarity(a.detach(), b.detach(), dim=0))  # noqa: E731
    expected = []
    for i in range(6):
        total = 0.0
        for v in range(2):
            right = math.exp(cosine(z[v, i], z[1 - v, i]) / 0.3)
            others = [z[w, k] for w in range(2) for k in range(6) if group[k] != group[i]]
            total -= math.log(right / (right + sum(math.exp(cosine(z[v, i], other) / 0.3) for other in others))) / 2
        expected.append(total)
    found = paired_nce(*z, 0.3, group)
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64))
    (whole,) = torch.autograd.grad(found.sum(), z)
    monkeypatch.setattr(crowd, "FEW", 0)
    monkeypatch.setattr(crowd, "TILES", {"cpu": (20, 5)})
    tiled = paired_nce(*z, 0.3, group)
    assert torch.allclose(tiled, found)
    assert torch.allclose(*torch.autograd.grad(tiled.sum(), z), whole)
    equal = paired_nce(torch.ones(4, 3), torch.ones(4, 3), 0.2, torch.tensor([0, 0, 1, 2]))
    assert torch.allclose(equal, torch.tensor([5.0, 5.0, 7.0, 7.0]).log())
    assert paired_nce(*torch.ones(2, 3, 2), 0.2, torch.zeros(3)).tolist() == [0, 0, 0]
    assert paired_nce(*torch.ones(2, 0, 2), 0.2, torch.zeros(0)).tolist() == []


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("temperature", [0.3, 0.001])
def test_tiles_change_neither_the_value_nor_the_gradient(views, temperature, monkeypatch):
    """Whole, in tiles that divide the batch, and in tiles that do not, also where exp(1 / T) is no float32: against
    plain autograd over all similarities."""
    z = torch.randn(views, 8, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(8, dtype=torch.float64)
    unit = F.normalize(z, dim=-1)
    similarity = (unit.flatten(0, 1) @ unit.flatten(0, 1).T / temperature).fill_diagonal_(-torch.inf)
    positive = (unit * (unit.sum(0) - unit) / (views - 1)).sum(-1) / temperature
    plain = (similarity.logsumexp(1).view(views, 8) - positive).mean(0)
    (expected,) = torch.autograd.grad((plain * weight).sum(), z)
    monkeypatch.setattr(crowd, "FEW", 0)
    for side in (512, 4, 3, 1):
        monkeypatch.setitem(crowd.TILES, "cpu", (side**2, side))
        loss = nt_xent(z, temperature)
        (found,) = torch.autograd.grad((loss * weight).sum(), z)
        assert torch.allclose(loss, plain)
        assert torch.allclose(found, expected)


@given(st.floats(1 / 60, 2), st.integers(2, 60), st.integers(0, 99))
def test_nt_xent_in_single_precision_is_finite_and_near_double_at_every_temperature(temperature, batch, seed):
    """Also for embeddings that are opposite to all others, whose exponentials are the smallest there are."""
    single = torch.randn(2, batch, 4, generator=torch.Generator().manual_seed(seed))
    single[:, 0] = torch.tensor([1.0, 0, 0, 0])
    single[:, 1:] = torch.tensor([-1.0, 0, 0, 0]) + 1e-3 * single[:, 1:]
    double = single.double().requires_grad_()
    single = single.requires_grad_()
    found, expected = nt_xent(single, temperature), nt_xent(double, temperature)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-4)
    ((one,), (other,)) = torch.autograd.grad(found.sum(), single), torch.autograd.grad(expected.sum(), double)
    assert torch.allclose(one.double(), other, rtol=1e-3, atol=1e-4 * float(other.abs().max()) + 1e-5)


def test_nt_xent_and_its_gradient_agree_with_lightly():
    """In single precision, as it is used, over more than one tile."""
    losses = pytest.importorskip("lightly.loss")
    mine = torch.randn(2, 300, 16, requires_grad=True)
    theirs = mine.detach().clone().requires_grad_()
    value, other = nt_xent(mine, 0.2).mean(), losses.NTXentLoss(temperature=0.2)(*theirs)
    value.backward()
    other.backward()
    assert value.item() == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(mine.grad, theirs.grad, rtol=1e-5, atol=1e-5 * float(theirs.grad.abs().max()))


def test_nt_xent_under_autocast_is_near_that_in_full_precision():
    z = torch.randn(2, 700, 32, requires_grad=True)
    whole = nt_xent(z, 0.5).mean()
    (expected,) = torch.autograd.grad(whole, z)
    with torch.autocast("cpu", torch.bfloat16):
        half = nt_xent(z, 0.5).mean()
    (found,) = torch.autograd.grad(half, z)
    assert torch.allclose(half, whole, rtol=1e-3)
    assert F.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.999


@given(batch=st.integers(2, 9), views=st.integers(2, 4), temperature=st.floats(0.05, 2))
@settings(max_examples=25, deadline=None)
def test_equal_similarities_give_the_logarithm_of_the_number_of_choices(batch, views, temperature):
    z = torch.ones(views, batch, 3, dtype=torch.float64)
    expected = torch.full((batch,), math.log(views * batch - 1), dtype=torch.float64)
    assert torch.allclose(nt_xent(z, temperature), expected)


def test_nt_xent_has_the_gradient_of_its_value():
    z = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: nt_xent(t, 0.3), z)
    three = torch.randn(3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: nt_xent(t, 0.3), three)


def test_nt_xent_and_its_gradient_agree_with_pytorch_metric_learning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = pytest.importorskip("pytorch_metric_learning.losses")
    mine = torch.randn(2, 16, 8, dtype=torch.float64, requires_grad=True)
    theirs = mine.detach().clone().requires_grad_()
    value = nt_xent(mine, 0.2).mean()
    other = losses.NTXentLoss(temperature=0.2)(theirs.flatten(0, 1), torch.arange(16).repeat(2))
    value.backward()
    other.backward()
    assert torch.allclose(value, other)
    assert torch.allclose(mine.grad, theirs.grad)


def test_the_positive_is_the_other_view_and_not_the_sample_itself():
    """Perfect agreement of the views is worth more than perfect agreement with oneself, which is always there."""
    z = F.normalize(torch.randn(1, 32, 64, dtype=torch.float64), dim=-1)
    agreeing = nt_xent(torch.cat([z, z]), 0.1).mean()
    strangers = nt_xent(torch.cat([z, z.roll(1, dims=1)]), 0.1).mean()
    assert agreeing < 0.1
    assert strangers > 5


def train_on_pairs(loss):
    """How often a linear encoder finds a sample's other view, after training on noisy pairs: before, after."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(512, 4, generator=generator)
    noise = [3 * torch.randn(512, 28, generator=generator) for _ in range(2)]
    first, second = (torch.cat([signal + 0.1 * n[:, :4], n], dim=1) for n in noise)
    weight = (0.1 * torch.randn(32, 8, generator=generator)).requires_grad_()

    def found():
        with torch.no_grad():
            a, b = F.normalize(first @ weight, dim=1), F.normalize(second @ weight, dim=1)
            return float(((a @ b.T).argmax(1) == torch.arange(512)).float().mean())

    before = found()
    optimiser = torch.optim.Adam([weight], lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss(torch.stack([first @ weight, second @ weight])).backward()
        optimiser.step()
    return before, found()


def test_the_copied_tutorials_label_learns_nothing_and_ours_learns():
    """The mistake: row i labelled with column i of a similarity matrix that holds the sample itself there."""

    def mistaken(z):
        flat = F.normalize(z, dim=-1).flatten(0, 1)
        return F.cross_entropy(flat @ flat.T / 0.1, torch.arange(len(flat)))

    before, wrong = train_on_pairs(mistaken)
    _, right = train_on_pairs(lambda z: nt_xent(z, 0.1).mean())
    assert wrong < before + 0.02
    assert right > before + 0.3


def naive_info_nce(query, key, negatives, temperature, usable):
    losses = []
    for b in range(len(query)):
        top = math.exp(float(F.cosine_similarity(query[b], key[b], dim=0)) / temperature)
        rest = sum(
            math.exp(float(F.cosine_similarity(query[b], negatives[k], dim=0)) / temperature)
            for k in range(len(negatives))
            if usable[b, k]
        )
        losses.append(-math.log(top / (top + rest)))
    return torch.tensor(losses, dtype=torch.float64)


def test_info_nce_equals_a_naive_loop_and_skips_what_is_no_true_negative():
    query, key, negatives = (torch.randn(n, 6, dtype=torch.float64) for n in (5, 5, 7))
    own, owners = torch.arange(5), torch.tensor([0, 4, 4, 9, 2, 0, -1])
    usable = own[:, None] != owners
    assert not usable.all()
    assert torch.allclose(
        info_nce(query, key, negatives, 0.2, own, owners), naive_info_nce(query, key, negatives, 0.2, usable)
    )
    everyone = torch.ones(5, 7, dtype=torch.bool)
    assert torch.allclose(info_nce(query, key, negatives, 0.2), naive_info_nce(query, key, negatives, 0.2, everyone))


@pytest.mark.parametrize("few", [0, 1_000])
def test_info_nce_of_equal_similarities_and_its_gradient(few, monkeypatch):
    """Whole and in tiles, of which the last are not full; the third query has no true negative, and no loss."""
    monkeypatch.setattr(crowd, "FEW", few)
    monkeypatch.setitem(crowd.TILES, "cpu", (6, 3))
    same = torch.ones(3, 4, dtype=torch.float64)
    assert torch.allclose(info_nce(same, same, torch.ones(9, 4).double(), 0.07), torch.tensor(math.log(10)).double())
    three = [torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 3, 5)]
    assert torch.autograd.gradcheck(lambda q, k, n: info_nce(q, k, n, 0.5), three)
    own, owners = torch.tensor([1, 2, 7]), torch.tensor([7, 7, 7, 7, 7])
    assert torch.autograd.gradcheck(lambda q, k, n: info_nce(q, k, n, 0.5, own, owners), three)
    loss = info_nce(*three, 0.5, own, owners)
    assert loss[2] == 0
    assert (loss[:2] > 0).all()


def test_info_nce_of_many_negatives_agrees_with_cross_entropy_over_all_of_them():
    """Those of MoCo's queue, in single precision, and with keys gathered from elsewhere that learn, too."""
    query, key, negatives = (torch.randn(n, 16, requires_grad=True) for n in (40, 40, 30_000))
    assert len(query) * len(negatives) > crowd.FEW
    found = info_nce(query, key, negatives, 0.1)
    unit = [F.normalize(x.double(), dim=1) for x in (query, key, negatives)]
    scores = torch.cat([(unit[0] * unit[1]).sum(1, keepdim=True), unit[0] @ unit[2].T], dim=1) / 0.1
    expected = F.cross_entropy(scores, torch.zeros(40, dtype=torch.long), reduction="none")
    assert torch.allclose(found.double(), expected, rtol=1e-5)
    mine, theirs = (torch.autograd.grad(loss.mean(), (query, key, negatives)) for loss in (found, expected))
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_mixed_nce_equals_a_naive_loop_and_the_papers_two_sums():
    """Over the keys of both parts, as the paper has them, it is more by ln 2."""
    mixed, keys = torch.randn(2, 5, 6, dtype=torch.float64)
    partner, share = torch.tensor([3, 0, 4, 1, 2]), torch.rand(5, dtype=torch.float64)
    found = mixed_nce(mixed, keys, partner, share, 0.5)
    for i in range(5):
        near = [math.exp(float(F.cosine_similarity(mixed[i], key, dim=0)) / 0.5) for key in keys]
        m, j = float(share[i]), int(partner[i])
        twice = sum(near) + sum(near[k] for k in partner)
        paper = -m * math.log(near[i] / twice) - (1 - m) * math.log(near[j] / twice)
        assert found[i].item() == pytest.approx(paper - math.log(2))
    even = mixed_nce(torch.ones(4, 3), torch.ones(4, 3), torch.arange(4).roll(1), torch.full((4,), 0.3), 0.1)
    assert torch.allclose(even, torch.tensor(4.0).log().expand(4))


def test_mixed_nce_of_whole_parts_is_info_nce():
    mixed, keys = torch.randn(2, 5, 6)
    whole = mixed_nce(mixed, keys, torch.arange(5).roll(1), torch.ones(5), 0.2)
    each = [info_nce(mixed[i : i + 1], keys[i : i + 1], keys[torch.arange(5) != i], 0.2) for i in range(5)]
    assert torch.allclose(whole, torch.cat(each), atol=1e-6)
