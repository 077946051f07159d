"""PIRL: its equation, what it keeps of each sample, and that pieces say whose they are."""

import math

import torch
import torch.nn.functional as F
from contract_toys import BATCH, make, views_of

from tacit.core import Progress


def seen():
    learner, config, sample = make("pirl", "image")
    return learner, views_of(learner, config, sample)


def step(learner, views, number=0):
    torch.manual_seed(3)
    return learner(views, Progress(number, 10))


def test_the_loss_is_that_of_a_loop_over_samples():
    learner, views = seen()
    learner.eval()
    torch.manual_seed(3)
    with torch.no_grad():
        whole, pieces, _ = learner._seen(views)
    key = F.normalize(whole, dim=1)
    # of the first half means are known, and of three samples that are not here
    half, away = BATCH // 2, torch.arange(100, 103)
    means = F.normalize(torch.randn(half + 3, learner.config.out), dim=1)
    learner.memory.put(means, torch.cat([views[0].index[:half], away]))
    bank = torch.cat([means[:half], key[half:], means[half:]])
    found = step(learner, views)
    for row in range(BATCH):
        wanted = 0.0
        for z in (pieces, whole):
            cosines = (F.normalize(z[row], dim=0) @ bank.T / learner.config.temperature).exp()
            wanted -= 0.5 * math.log(float(cosines[row] / cosines.sum()))
        assert abs(float(found.loss[row].detach()) - wanted) < 1e-4
    assert found.nothing_learnt == math.log(BATCH + 3)
    kept = F.normalize(torch.cat([means[:half], key[half:]]) / 2 + key / 2, dim=1)
    assert torch.allclose(found.carry["keys"], kept, atol=1e-6)


def test_embeddings_at_right_angles_cost_what_is_known_on_paper():
    """-log of e^(1/T) / (e^(1/T) + B - 1)."""
    learner, views = seen()
    unit = torch.eye(BATCH, learner.config.out)
    learner._seen = lambda views: (unit, unit, views[1])
    wanted = math.log1p((BATCH - 1) * math.exp(-1 / learner.config.temperature))
    assert torch.allclose(step(learner, views).loss, torch.full((BATCH,), wanted), atol=1e-6)


def test_means_get_no_gradient_and_are_those_of_the_sample_itself():
    learner, views = seen()
    found = step(learner, views)
    assert not found.carry["keys"].requires_grad
    learner.update(found.carry, Progress(0, 10))
    held, known = learner.memory.recall(views[0].index)
    assert known.all()
    assert torch.equal(held, found.carry["keys"])
