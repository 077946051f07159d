import torch
import torch.nn.functional as F

from tacit.nn.codes import Clusters, RandomCodes


def test_a_random_code_is_the_nearest_direction_of_the_projection():
    torch.manual_seed(0)
    code = RandomCodes(12, 50)
    x = torch.randn(3, 4, 12)
    turned = F.normalize(x @ code.projection, dim=-1)
    expected = torch.cdist(turned, code.directions.expand(3, -1, -1)).argmin(dim=-1)
    assert torch.equal(code(x), expected)
    assert torch.equal(code(7 * x), expected)
    assert not list(code.parameters())


def blobs(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = 20 * torch.eye(4, 6)
    which = torch.randint(4, (count,), generator=generator)
    return centres[which] + torch.randn(count, 6, generator=generator), which


def same_parts(code, which):
    return all(len(which[code == one].unique()) == 1 for one in code.unique())


def test_clusters_start_where_data_lie_and_follow_them():
    x, which = blobs(400)
    clusters = Clusters(6, 4)
    torch.manual_seed(0)
    clusters.start(x)
    assert same_parts(clusters(x), which)
    for step in range(300):
        moved, which = blobs(64, seed=step)
        clusters.follow(moved + 5 * step / 300)
    moved, which = blobs(400, seed=999)
    assert same_parts(clusters(moved + 5), which)
    assert torch.allclose(clusters.centres.mean(dim=1), torch.full((4,), 20 / 6 + 5), atol=2)


def test_a_centre_that_nobody_is_near_comes_back():
    x, _ = blobs(400)
    clusters = Clusters(6, 4)
    clusters.start(x)
    with torch.no_grad():
        clusters.centres[0] = 1e4
        clusters.counts[0] = 0
        clusters.sums[0] = 0
    clusters.follow(x)
    assert clusters.centres[0].abs().max() < 100
