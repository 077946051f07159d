"""Masks that follow views, and the head that learns them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mask_toys import CLASSES, scene

from tacit.augment.image import Recipe, image_view
from tacit.core import Draws, View
from tacit.errors import DataError, UsageError
from tacit.evaluation.overlap import VOID
from tacit.heads.masks import MaskTargets, into_view
from tacit.heads.segment import Segment
from tacit.nn.convnet import ConvNet
from tacit.nn.patches import PatchEncoder

SCENES = [scene(seed, 32, 32) for seed in range(16)]
X = torch.from_numpy(np.stack([picture for picture, _ in SCENES])).permute(0, 3, 1, 2).float() / 255
MASKS = torch.from_numpy(np.stack([mask for _, mask in SCENES]))


def targets(masks=MASKS):
    return MaskTargets(lambda rows: masks[rows].clone(), torch.arange(len(masks)), CLASSES)


def head(encoder, classes=CLASSES, **config):
    return Segment(Segment.Config(width=16, **config), encoder, View(X), classes)


@given(st.integers(0, 10_000), st.floats(0, 30), st.floats(0.2, 1.0))
@settings(max_examples=30)
def test_a_mask_goes_where_its_picture_goes(seed, rotate, scale):
    """A picture whose values are those of its mask, cut by the recipe with nearest cells, is the mask that follows."""
    recipe = Recipe(crop=(0.3, 1.0), rotate=rotate, shear=10, scale=scale)
    view = image_view(View(X, index=torch.arange(16)), recipe, Draws.of(seed, 0, torch.arange(16), 0))
    followed = targets().of(view)
    assert followed.shape == (16, *view.x.shape[2:])
    grid = view.grid(*view.x.shape[2:])
    place = (grid + 1) * 16
    x, y = place.floor().long().clamp(0, 31).unbind(-1)
    by_hand = MASKS[torch.arange(16)[:, None, None], y, x].long()
    inside = (grid.abs() <= 1).all(-1)
    assert (followed[~inside] == VOID).all()
    on_an_edge = ((place - place.round()).abs() < 1e-3).any(-1)  # of two cells: either will do
    assert torch.equal(followed[inside & ~on_an_edge], by_hand[inside & ~on_an_edge])


def test_a_plain_view_and_a_mirrored_one_are_exact():
    view = View(X, index=torch.arange(16))
    assert torch.equal(targets().of(view), MASKS.long())
    line = (torch.arange(32) + 0.5) / 16 - 1
    y, x = torch.meshgrid(line, -line, indexing="ij")
    assert torch.equal(into_view(MASKS, torch.stack([x, y], -1).expand(16, -1, -1, -1)), MASKS.flip(2))


def test_some_of_the_samples_are_numbered_anew():
    some = targets().select(torch.tensor([4, 2])).select(torch.tensor([1]))
    assert len(some) == 1
    assert torch.equal(some.masks(torch.tensor([0])), MASKS[2:3])


def test_it_learns_shapes_and_says_so():
    torch.manual_seed(0)
    encoder = ConvNet(ConvNet.Config(width=24), View(X))
    own, truth, view = head(encoder), targets(), View(X, index=torch.arange(16))
    own.prepare(truth)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *own.parameters()], lr=5e-3)
    first = last = None
    for _ in range(60):
        loss = own.loss(own(encoder(view)), truth.of(view)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = first or loss.item(), loss.item()
    assert last < 0.3 * own.nothing_learnt
    encoder.eval()
    with torch.no_grad():
        answers = own.answers(own(encoder(view)))
    assert answers["masks"].shape == (16, 32, 32)
    once = torch.ones(1, 16, dtype=torch.float64)
    scores, floor = own.judge([answers], truth)(once), own.judge([own.blind(truth, 16)], truth)(once)
    assert next(iter(scores)) == "mIoU"
    assert set(scores) == {"mIoU", "accuracy", *(f"IoU {name}" for name in CLASSES)}
    assert scores["mIoU"] > 0.6 > 0.4 > floor["mIoU"]
    halves = {"masks": answers["masks"][:10]}, {"masks": answers["masks"][10:]}
    assert torch.equal(own.judge(halves, truth)(once)["mIoU"], scores["mIoU"])


def test_the_loss_of_somebody_who_has_learnt_nothing_is_told():
    own = head(ConvNet(ConvNet.Config(width=8), View(X)), class_weights=True)
    own.prepare(targets())
    share = torch.bincount(MASKS.flatten().long(), minlength=3).double() / MASKS.numel()
    best = (share * own.weight).log_softmax(0) * 0 + ((share * own.weight) / (share * own.weight).sum()).log()
    constant = best.float().view(1, 3, 1, 1).expand(16, -1, 8, 8)
    assert own.loss(constant, MASKS.long()).mean().item() == pytest.approx(own.nothing_learnt, rel=1e-4)
    assert own.weight[0] < own.weight[1:].min()
    assert (share * own.weight).sum().item() == pytest.approx(1, rel=1e-5)


def test_void_counts_for_nothing():
    own = head(ConvNet(ConvNet.Config(width=8), View(X)))
    own.prepare(targets())
    outputs = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    truth = MASKS[:2].long().clone()
    truth[0, :16] = VOID
    truth[1] = VOID
    upper, lower = own.loss(outputs, truth)
    assert lower == 0
    upper.backward()
    assert outputs.grad[0, :, :3].abs().max() == 0
    assert outputs.grad[0, :, 5:].abs().max() > 0


def test_masks_of_nothing_but_void_are_refused():
    with pytest.raises(DataError, match="nothing but void"):
        head(ConvNet(ConvNet.Config(width=8), View(X))).prepare(targets(torch.full_like(MASKS, VOID)))


def test_an_encoder_without_maps_is_refused():
    with pytest.raises(UsageError, match="no feature maps"):
        head(PatchEncoder(PatchEncoder.Config(filters=4), View(X)))
