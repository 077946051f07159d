"""The speedrun in small, on a CPU: its loss, its optimiser, a run from bytes to accuracy, its table."""

import pytest
import speedrun
import torch
import torch.nn.functional as F
from sprint.loop import Phase, learn, phases
from sprint.muon import Muon, orthogonal
from sprint.net import loss_of
from sprint.settings import Settings

from tacit.errors import UsageError

SMALL = Settings(batch=16, width=8, filters=8, hidden=32, out=16, small=2)


def test_a_view_looks_for_the_mean_of_the_others_among_those_of_all_images():
    z = F.normalize(torch.randn(3, 5, 4, dtype=torch.float64), dim=-1)
    total = 0.0
    for view in range(3):
        for image in range(5):
            means = [sum(z[other, one] for other in range(3) if other != view) for one in range(5)]
            scores = torch.stack([z[view, image] @ mean / mean.norm() / 0.2 for mean in means])
            total += float(scores.logsumexp(0) - scores[image])
    assert loss_of(z, Settings(temperature=0.2)).item() == pytest.approx(total / 15)


def test_pairs_are_what_tacit_trains_simclr_by():
    from tacit.losses.contrastive import nt_xent

    z = F.normalize(torch.randn(3, 7, 6), dim=-1)
    found = loss_of(z, Settings(loss="pairs", temperature=0.5))
    assert found.item() == pytest.approx(nt_xent(z, 0.5).mean().item(), rel=1e-5)


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_muon_moves_along_what_is_nearly_orthogonal(shape):
    matrix = torch.randn(shape)
    found = torch.linalg.svdvals(orthogonal(matrix))
    assert found.min() > 0.6
    assert found.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert F.cosine_similarity(orthogonal(matrix).flatten(), (left @ right).flatten(), dim=0) > 0.97


def test_muon_finds_the_least_of_a_bowl():
    weight = torch.nn.Parameter(torch.randn(4, 3, 2, 2))
    goal = torch.randn(4, 3, 2, 2)
    optimiser = Muon([weight], torch.tensor(0.1), weight_decay=0.0)
    start = (weight - goal).norm()
    for _ in range(120):
        optimiser.zero_grad()
        (weight - goal).square().sum().backward()
        optimiser.step()
    assert (weight - goal).norm() < 0.1 * start


def test_phases_that_take_no_time_are_none():
    assert phases(Settings(early=0.7, late=0.1, small=4)) == [Phase(0.7, 0, 6), Phase(0.9, 1, 4), Phase(1.0, 2, 0)]
    assert phases(Settings(early=0, late=0, full=2, small=0)) == [Phase(1, 2, 0)]


@pytest.mark.parametrize("optimiser", ["muon", "adamw", "lars"])
def test_a_run_goes_from_bytes_to_accuracy(optimiser):
    # two kinds of image that nothing but their pattern tells apart
    stripes = torch.arange(32).div(4, rounding_mode="floor").remainder(2) * 200
    kinds = torch.stack([stripes.expand(32, 32), stripes[:, None].expand(32, 32)])
    labels = torch.arange(200) % 2
    images = (kinds[labels][:, None].expand(-1, 3, -1, -1) + torch.randint(50, (200, 3, 32, 32))).byte()
    run = learn(images, SMALL.told({"optimiser": optimiser}), seconds=0.01, seed=0)
    assert (run.steps, run.views) == (8, 4 * 16 * (4 + 3))
    assert speedrun.accuracy(run.learner.backbone, (images[:150], labels[:150], images[150:], labels[150:])) > 0.9


def test_a_setting_that_is_unknown_or_of_another_kind_is_named():
    with pytest.raises(UsageError, match=r"no setting 'widht'.*width"):
        Settings().told({"widht": "3"})
    with pytest.raises(UsageError, match="batch is to be of the kind int, not 'many'"):
        Settings().told({"batch": "many"})
    assert Settings().told({"compile": "true", "lr": ".1"}) == Settings(compile=True, lr=0.1)


def test_the_table_shows_runs_that_were_judged_on_the_test_set():
    run = {"device": "a card", "seconds": 60.0, "seed": 0, "knn": 0.5, "steps": 1234, "views": 5_000_000}
    text = speedrun.table([run | {"held out": True}, run | {"held out": False}])
    assert text.splitlines()[2:] == ["| a card | 60 | 0 | 0.500 [0.490, 0.510] | 1,234 | 5.0 |"]
