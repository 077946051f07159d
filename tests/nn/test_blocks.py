import pytest
import torch
from torch import nn

from tacit.core import Features, View, concatenate
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.nn.queue import Memory, Queue
from tacit.nn.standardise import Standardise
from tacit.nn.whiten import zca


class Toy(nn.Module):
    """A layer with BatchNorm, as an encoder."""

    dim = 5

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 5)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, view):
        return Features(self.norm(self.layer(view.x)))


def embedder():
    return Embedder(Toy(), mlp(5, 8, 4))


def test_the_teacher_moves_by_the_formula_statistics_included():
    student = embedder()
    teacher = EMA(student)
    before = {name: value.clone() for name, value in teacher.model.state_dict().items()}
    student(View(torch.randn(16, 3)))  # moves the student's running statistics
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1)
    teacher.follow(student, 0.9)
    for name, mine in teacher.model.state_dict().items():
        theirs = student.state_dict()[name]
        expected = 0.9 * before[name] + 0.1 * theirs if mine.is_floating_point() else theirs
        assert torch.allclose(mine, expected), name


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.99, 1.0])
def test_the_teacher_moves_to_the_bits_of_one_tensor_after_the_other(momentum):
    student = nn.Sequential(nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last), nn.BatchNorm2d(8), nn.PReLU())
    teacher = EMA(student)
    student(torch.randn(4, 3, 9, 9))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter))
        theirs = student.state_dict()
        expected = {
            name: mine.lerp(theirs[name], 1 - momentum) if mine.is_floating_point() else theirs[name].clone()
            for name, mine in teacher.model.state_dict().items()
        }
    teacher.follow(student, momentum)
    for name, mine in teacher.model.state_dict().items():
        assert torch.equal(mine, expected[name]), name
        assert mine.stride() == theirs[name].stride(), name


def test_a_teacher_of_what_has_no_weights_follows():
    EMA(nn.Flatten()).follow(nn.Flatten(), 0.9)


def test_the_teacher_gets_no_gradient_and_never_trains():
    teacher = EMA(embedder())
    teacher.train()
    assert not teacher.model.training
    assert not teacher(View(torch.randn(4, 3))).requires_grad
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_a_teachers_output_for_a_sample_does_not_depend_on_the_batch():
    teacher = EMA(embedder())
    x = torch.randn(8, 3)
    assert torch.allclose(teacher(View(x))[:3], teacher(View(x[:3])))


def test_the_queue_is_first_in_first_out():
    queue = Queue(5, 2)
    rows = torch.arange(14.0).view(7, 2)
    for start, stop in ((0, 2), (2, 4), (4, 7)):
        queue.push(rows[start:stop], torch.arange(start, stop))
    assert sorted(queue.index.tolist()) == [2, 3, 4, 5, 6]
    for key, index in zip(queue.keys, queue.index, strict=True):
        assert torch.equal(key, rows[index])


def test_a_batch_larger_than_the_queue_leaves_its_last_keys():
    queue = Queue(3, 2)
    queue.push(torch.arange(10.0).view(5, 2), torch.arange(5))
    assert sorted(queue.index.tolist()) == [2, 3, 4]


def test_the_queue_knows_whose_keys_it_holds():
    queue = Queue(4, 2)
    queue.push(torch.randn(2, 2), torch.tensor([7, 9]))
    others = queue.others(torch.tensor([7, 1]))
    assert others.sum(1).tolist() == [3, 4]


def test_views_of_one_shape_are_embedded_together_and_in_order():
    net = embedder().eval()
    small, large = View(torch.randn(4, 3)), View(torch.randn(4, 3))
    together = net.each([small, large, small])
    assert together.shape == (3, 4, 4)
    assert torch.allclose(together, torch.stack([net(view) for view in (small, large, small)]), atol=1e-6)
    assert torch.allclose(net(concatenate([small, large])), together[:2].flatten(0, 1), atol=1e-6)


def test_standardise_gives_every_channel_mean_zero_and_variance_one():
    x = torch.rand(64, 3, 8, 8) * torch.tensor([1.0, 5.0, 0.0]).view(3, 1, 1) + 2
    out = Standardise(x)(x)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(out.std((0, 2, 3)), torch.tensor([1.0, 1.0, 0.0]), atol=1e-2)


@pytest.mark.parametrize("width", [2, 9])
def test_zca_whitens(width):
    rows = torch.randn(4000, width, dtype=torch.float64) @ torch.randn(width, width, dtype=torch.float64)
    covariance = torch.cov(rows.T)
    white = rows @ zca(covariance, 0.0)
    assert torch.allclose(torch.cov(white.T), torch.eye(width, dtype=torch.float64), atol=1e-8)
    assert torch.allclose(zca(covariance, 0.1), zca(covariance, 0.1).T)


def test_a_memory_keeps_the_newest_key_of_each_sample_and_of_samples_that_share_a_place_the_last():
    memory, keys = Memory(4, 2), torch.arange(12.0).view(6, 2)
    memory.put(keys[:3], torch.tensor([0, 5, 0]))
    found, known = memory.recall(torch.tensor([0, 5, 1, 4]))
    assert known.tolist() == [True, True, False, False]
    assert torch.equal(found[:2], keys[[2, 1]])
    memory.put(keys[3:], torch.tensor([4, 2, 8]))
    assert memory.recall(torch.tensor([0, 4, 8, 2, 5]))[1].tolist() == [False, False, True, True, True]
    assert torch.equal(memory.held, keys[[5, 1, 4]])
