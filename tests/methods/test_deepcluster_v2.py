"""DeepCluster-v2: its equation, which cluster a sample is in, and when samples are divided anew."""

import math

import torch
import torch.nn.functional as F
from test_joint_embedding import COUNT, make, seen

from tacit.core import Progress
from tacit.nn.prototypes import centres

SETTINGS = {"out": 6, "clusters": 5, "memory": 40, "each": 4, "temperature": 0.5}


def made(**settings):
    method, sample = make("deepcluster-v2", **{**SETTINGS, **settings})
    method.eval()
    return method, seen(method, sample)


def test_the_loss_is_that_of_a_loop_over_samples_and_views():
    method, views = made()
    z = F.normalize(method.embedder.each(views).detach(), dim=2)
    method.update({"keys": F.normalize(torch.randn(20, 6), dim=1), "index": torch.arange(20)}, Progress(0, 10))
    method.memory.put(F.normalize(torch.randn(20, 6), dim=1), torch.arange(20))
    with torch.no_grad():
        step = method(views, Progress(1, 10))
    assert int(method.count) == 5
    for row in range(COUNT):
        own = method.memory.keys[row] if row < 20 else z[0, row] + z[1, row]
        cluster = max(range(5), key=lambda k: float(own @ method.centres[k]))
        odds = [[math.exp(float(z[v, row] @ method.centres[k]) / 0.5) for k in range(5)] for v in (0, 1)]
        wanted = sum(-math.log(each[cluster] / sum(each)) for each in odds) / 2
        assert abs(float(step.loss[row]) - wanted) < 1e-4
    assert step.nothing_learnt == math.log(5)


def test_views_that_lie_on_their_centre_cost_what_is_known_on_paper():
    """Centres at right angles: -log of e^(1/T) / (e^(1/T) + K - 1)."""
    method, views = made()
    method.centres.copy_(torch.eye(5, 6))
    method.embedder.each = lambda views: torch.eye(5, 6)[torch.arange(COUNT) % 5].expand(2, -1, -1)
    wanted = -math.log(math.e**2 / (math.e**2 + 4))
    assert torch.allclose(method(views, Progress(0, 10)).loss, torch.full((COUNT,), wanted), atol=1e-5)


def test_samples_are_divided_when_half_of_them_are_new_into_as_many_clusters_as_there_are_samples_for():
    method, _ = made()
    keys = F.normalize(torch.randn(40, 6), dim=1)
    begun = method.centres.clone()
    counts = []
    for start in range(0, 40, 8):
        rows = slice(start, start + 8)
        method.update({"keys": keys[rows], "index": torch.arange(40)[rows]}, Progress(0, 10))
        counts.append(int(method.count))
    assert counts == [2, 4, 4, 5, 5], "8, 16 and 32 samples; 24 and 40 when 8 of them are new"
    assert torch.allclose(method.centres, centres(keys[:32], 5))
    assert not torch.equal(method.centres, begun)


def test_the_clusters_are_those_of_the_last_embedding_of_each_sample():
    method, views = made()
    old, new = F.normalize(torch.randn(2, COUNT, 6), dim=2)
    for keys in (old, new):
        method.update({"keys": keys, "index": torch.arange(COUNT)}, Progress(0, 10))
    assert torch.allclose(method.centres, centres(new, 5))
    z = F.normalize(method.embedder.each(views), dim=2)
    assert torch.equal(method._clusters(z, torch.arange(COUNT)), (new @ method.centres.T).argmax(1))
