import pytest
import torch

from tacit.core import View
from tacit.errors import UsageError
from tacit.methods.manifold import Manifold
from tacit.modalities.image import IMAGE
from tacit.nn.manifold import ManifoldEncoder
from tacit.nn.patches import PatchEncoder


def learner_of(x, encoder=ManifoldEncoder, **settings):
    built = encoder(encoder.Config(filters=8, **({"threshold": 0.0} if encoder is ManifoldEncoder else {})), View(x))
    built.atoms.normal_(generator=torch.Generator().manual_seed(0))
    return Manifold(Manifold.Config(each=4, **settings), built, IMAGE, View(x))


def test_neighbours_lie_as_far_away_as_is_said():
    """Where a picture repeats itself every three pixels, a patch's neighbours three pixels away are the same patch."""
    x = torch.rand(2, 3, 3, 3).tile(1, 1, 6, 6)
    learner = learner_of(x)
    learner.absorb(View(x), learner.kmeans.stages)
    assert learner.count == 8
    assert learner.second.abs().max() > 0.01
    assert torch.allclose(learner.cross, learner.second, atol=1e-4)
    assert torch.allclose(learner.near, learner.own, atol=1e-4)
    nearer = learner_of(x, reach=2)
    nearer.absorb(View(x), nearer.kmeans.stages)
    assert not torch.allclose(nearer.near, nearer.own, atol=1e-2)


def test_what_is_learnt_has_unit_covariance_and_is_centred():
    x = torch.nn.functional.avg_pool2d(torch.rand(40, 3, 24, 24, generator=torch.Generator().manual_seed(1)), 5, 1)
    learner = learner_of(x)
    stage = learner.kmeans.stages
    own = torch.cat([learner._neighbours(x)[0] for _ in range(3)])
    torch.manual_seed(0)
    for _ in range(3):
        learner.absorb(View(x), stage)
    learner.solve(stage)
    torch.manual_seed(0)
    own = torch.cat([learner._neighbours(tile)[0] for _ in range(3) for tile in x.split(16)])
    z = own @ learner.learnt.project - learner.learnt.shift
    assert z.mean(0).abs().max() < 1e-3
    assert torch.allclose(torch.cov(z.T, correction=0), torch.eye(8), atol=0.05)


def test_of_few_samples_there_are_few_components():
    x = torch.nn.functional.avg_pool2d(torch.rand(12, 3, 24, 24, generator=torch.Generator().manual_seed(1)), 5, 1)
    learner = learner_of(x)
    learner.learnt.project.normal_(generator=torch.Generator().manual_seed(2))
    learner.absorb(View(x), learner.kmeans.stages + 1)
    learner.solve(learner.kmeans.stages + 1)
    pooled = learner.encoder(View(x)).pooled
    assert pooled[:, :3].square().mean(0).min() > 1e-3
    assert pooled[:, 3:].eq(0).all()


def test_other_encoders_and_images_without_neighbours_are_refused():
    with pytest.raises(UsageError, match="leave --encoder away"):
        learner_of(torch.rand(2, 3, 32, 32), PatchEncoder)
    with pytest.raises(UsageError, match=r"no patch of 6 has neighbours 3 pixels away.*method\.reach"):
        learner_of(torch.rand(2, 3, 11, 11))
