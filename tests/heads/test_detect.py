"""The detection head: who answers for what, against a naive loop; that it learns; and what it says of odd inputs."""

import math

import pytest
import torch
from detection_toys import NAMES, scene
from torch import nn
from torchvision.ops import box_iou

from tacit.core import Draws, Encoder, Features, View
from tacit.errors import DataError, UsageError
from tacit.heads.boxes import NONE, Truth, padded
from tacit.heads.detect import CENTRAL, REACH, Detect, Places, assign, centreness, usual_boxes
from tacit.modalities.image import IMAGE, ImageConfig
from tacit.nn.convnet import ConvNet

SIDE = 48


def scenes(seeds):
    """Views of made-up scenes and their boxes."""
    import numpy as np

    drawn = [scene(seed) for seed in seeds]
    x = torch.stack([torch.from_numpy(np.array(picture)).permute(2, 0, 1) for picture, _ in drawn]).float() / 255
    corners = [torch.tensor([edges for _, edges in boxes]).float().view(-1, 4) for _, boxes in drawn]
    labels = [torch.tensor([NAMES.index(name) for name, _ in boxes]).long() for _, boxes in drawn]
    return View(x, index=torch.arange(len(x))), padded(corners, labels, NAMES, (SIDE, SIDE))


def head_on(view, width=12, channels=24):
    torch.manual_seed(0)
    encoder = ConvNet(ConvNet.Config(width=width), view)
    return encoder, Detect(Detect.Config(width=channels), encoder, view, NAMES)


def naive(points, strides, corners, labels, coarsest):
    """FCOS' rule for one place at a time."""
    found, distances = [], []
    for (x, y), stride in zip(points.tolist(), strides.tolist(), strict=True):
        best = None
        for box, label in zip(corners.tolist(), labels.tolist(), strict=True):
            left, upper, right, lower = x - box[0], y - box[1], box[2] - x, box[3] - y
            if min(left, upper, right, lower) <= 0:
                continue
            if max(abs(x - (box[0] + box[2]) / 2), abs(y - (box[1] + box[3]) / 2)) >= CENTRAL * stride:
                continue
            farthest = max(left, upper, right, lower)
            if stride != min(strides.tolist()) and farthest <= REACH * stride / 2:
                continue
            if stride != coarsest and farthest > REACH * stride:
                continue
            area = (box[2] - box[0]) * (box[3] - box[1])
            if best is None or area < best[0]:
                best = (area, label, [left, upper, right, lower])
        found.append(NONE if best is None else best[1])
        distances.append(None if best is None else best[2])
    return found, distances


@pytest.mark.parametrize("seed", range(5))
def test_places_answer_as_the_naive_loop_says(seed):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(9, 2, generator=generator) * 40
    corners = torch.cat([low, low + 2 + 40 * torch.rand(9, 2, generator=generator) ** 2], dim=1)
    labels = torch.randint(3, (9,), generator=generator)
    points, strides = [], []
    for stride in (4, 8, 16):
        axis = torch.arange(64 // stride) * stride + stride / 2
        points.append(torch.cartesian_prod(axis, axis))
        strides.append(torch.full((len(points[-1]),), float(stride)))
    points, strides = torch.cat(points), torch.cat(strides)
    found, distances = assign(points, strides, corners, labels, 16.0)
    expected, edges = naive(points, strides, corners, labels, 16)
    assert found.tolist() == expected
    assert len(set(expected)) > 1
    for place, known in enumerate(edges):
        if known is not None:
            assert distances[place].tolist() == pytest.approx(known, abs=1e-4)


def test_centreness_is_one_in_the_middle_and_falls_to_the_edges():
    given = torch.tensor([[5.0, 3, 5, 3], [1, 3, 9, 3], [0, 3, 10, 3]])
    assert centreness(given).tolist() == pytest.approx([1, math.sqrt(1 / 9), 0])


def test_perfect_outputs_have_no_loss_and_give_the_boxes_back():
    """Whoever says what the assignment asks for is right, and non-maximum suppression leaves one box each."""
    view, targets = scenes(range(4))
    encoder, head = head_on(view)
    outputs = head(encoder(view))
    truth = targets.of(view)
    labels, distances = head._assigned(outputs, truth)
    logits = torch.full_like(outputs.logits, -20.0)
    batch, place = (labels != NONE).nonzero(as_tuple=True)
    logits[batch, place, labels[batch, place]] = 20.0
    central = torch.logit(centreness(distances.flatten(0, 1)).view_as(outputs.central).nan_to_num(), eps=1e-6)
    perfect = Places(logits, distances, central, outputs.points, outputs.strides)
    assert head.loss(perfect, truth).max() < head.loss(outputs, truth).min() / 2
    said = head.answers(perfect)
    found = head.judge([said], targets)(torch.ones(1, 4))
    assert found["AP"].item() == pytest.approx(1)


def test_it_learns_to_find_things_within_seconds():
    view, targets = scenes(range(48))
    encoder, head = head_on(view)
    ones = torch.ones(1, len(view))

    def reached():
        encoder.eval(), head.eval()
        with torch.no_grad():
            found = head.judge([head.answers(head(encoder(view)))], targets)(ones)
        encoder.train(), head.train()
        return found["AP50"].item()

    before = reached()
    weak = IMAGE.augment(ImageConfig())["weak"]
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=4e-3)
    losses = []
    for step in range(60):
        some = view[torch.arange(step % 3 * 16, step % 3 * 16 + 16)]
        seen = weak(some, Draws.of(0, step, some.index, 0))
        loss = head.loss(head(encoder(seen)), targets.of(seen)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    assert before < 0.1
    assert reached() > 0.5


def test_a_batch_without_boxes_has_a_loss_and_a_gradient():
    view, _ = scenes(range(2))
    encoder, head = head_on(view)
    nothing = Truth(torch.zeros(2, 1, 4), torch.full((2, 1), NONE))
    loss = head.loss(head(encoder(view)), nothing)
    assert loss.shape == (2,)
    loss.mean().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_answers_lie_within_the_sample_best_first():
    view, _ = scenes(range(3))
    encoder, head = head_on(view)
    nn.init.constant_(head.what.bias, 0.0)
    said = head.answers(head(encoder(view)))
    for boxes, labels, values in zip(said["boxes"], said["labels"], said["scores"], strict=True):
        assert 0 < len(boxes) == len(labels) == len(values) <= 100
        assert boxes.min() >= 0
        assert boxes.max() <= SIDE
        assert (values[:-1] >= values[1:]).all()
        alike = box_iou(boxes, boxes) * (labels == labels[:, None])
        assert alike.fill_diagonal_(0).max() <= 0.6
    nn.init.constant_(head.what.bias, -8.0)
    assert [len(boxes) for boxes in head.answers(head(encoder(view)))["boxes"]] == [0, 0, 0]


@pytest.mark.parametrize("side", [16, 36, 50, 100])
def test_any_side_and_levels_of_an_encoder(side):
    """Sides that strides do not divide: the places cover the sample and lie within it."""
    view = View(torch.rand(2, 3, side, side))
    encoder, head = head_on(view)
    outputs = head(encoder(view))
    assert outputs.points.min() > 0
    assert outputs.points.max() < side
    for stride in head.pyramid.strides:
        x = outputs.points[outputs.strides == stride][:, 0].unique()
        assert x[0] == pytest.approx(side - x[-1].item(), abs=1e-3)


class _Blind(Encoder):
    dim = 3

    def stages(self):
        return []

    def forward(self, view):
        return Features(view.x.mean((2, 3)))


def test_an_encoder_without_maps_is_refused():
    view = View(torch.rand(2, 3, 16, 16))
    with pytest.raises(UsageError, match="no feature maps"):
        Detect(Detect.Config(), _Blind(), view, NAMES)


def test_nothing_to_judge_by():
    view, targets = scenes(range(2))
    _, head = head_on(view)
    empty = padded([torch.zeros(0, 4)] * 2, [torch.zeros(0).long()] * 2, NAMES, (SIDE, SIDE))
    with pytest.raises(DataError, match="no sample of this part has a box"):
        head.judge([usual_boxes(targets, 2)], empty)


def test_the_usual_boxes_are_those_that_many_samples_have():
    often, once = torch.tensor([[8.0, 8, 20, 20]]), torch.tensor([[30.0, 30, 40, 40]])
    targets = padded([often, often + 1, torch.cat([often, once])], [torch.tensor([1])] * 2 + [torch.tensor([1, 1])],
                     NAMES, (SIDE, SIDE))  # fmt: skip
    said = usual_boxes(targets, 5)
    assert len(said["boxes"]) == 5
    assert said["scores"][0].tolist() == pytest.approx([1, 1 / 3])
    assert said["labels"][4].tolist() == [1, 1]
    assert len(usual_boxes(targets.select(torch.tensor([], dtype=torch.long)), 1)["boxes"][0]) == 0
