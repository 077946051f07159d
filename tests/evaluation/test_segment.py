"""Segmentation on frozen features, on pictures whose colours say everything."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from mask_toys import scene

from tacit.core import View
from tacit.evaluation import segment
from tacit.evaluation.overlap import VOID, mean_iou


@dataclass(frozen=True)
class Pictures:
    """Scenes of one size with their masks."""

    x: torch.Tensor
    masks: torch.Tensor

    @classmethod
    def of(cls, first, count):
        scenes = [scene(seed, 32, 32) for seed in range(first, first + count)]
        x = torch.from_numpy(np.stack([picture for picture, _ in scenes])).permute(0, 3, 1, 2).float() / 255
        return cls(x, torch.from_numpy(np.stack([mask for _, mask in scenes])))

    def __len__(self):
        return len(self.x)

    def view(self, rows):
        return View(self.x[rows], index=rows)

    def drawn(self, rows):
        return self.masks[rows]


TRAIN, TEST = Pictures.of(0, 24), Pictures.of(100, 12)
SCENE = segment.Scene(TRAIN, TRAIN.drawn, TEST, TEST.drawn, 3)
EVERY = torch.arange(24)


def colours(view):
    return segment.raw_values(view.x, (16, 16))


@pytest.mark.parametrize("probe", [segment.linear, segment.nearest])
def test_what_colours_say_is_found(probe):
    answer = probe(*segment.gather(colours, TRAIN, TRAIN.drawn, EVERY, SCENE), 3)
    found = segment.judge(colours, {"it": [answer, answer]}, SCENE, "toy")["it"]
    assert found.shape == (2, 12, 3, 3)
    assert mean_iou(found.sum(1)).min() > 0.75
    blank = probe(*segment.gather(lambda view: 0 * colours(view), TRAIN, TRAIN.drawn, EVERY, SCENE), 3)
    nothing = segment.judge(lambda view: 0 * colours(view), {"it": [blank]}, SCENE, "toy")["it"]
    assert mean_iou(nothing.sum(1)).max() < 0.34


def test_clusters_get_classes_one_to_one():
    x = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]).repeat_interleave(20, 0)
    x = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([2, 0, 1]).repeat_interleave(20)
    answer = segment.clustered(x, y, 3, seed=0)
    assert torch.equal(answer(x).argmax(1), y)
    # most of two clusters is of class 0: the smaller one has to take what is left
    mixed = torch.cat([torch.zeros(20), torch.zeros(12), torch.ones(8), torch.full((20,), 2)]).long()
    assert answer(x).sum(0).tolist() == [20, 20, 20]
    assert sorted(segment.clustered(x, mixed, 3, seed=0)(x).argmax(1)[::20].tolist()) == [0, 1, 2]


def test_a_cell_is_of_its_most_frequent_class_and_void_where_nothing_is_known():
    mask = torch.tensor([[0, 0, VOID, VOID], [0, 1, VOID, VOID], [VOID, 2, 1, 1], [VOID, VOID, 2, 1]])
    assert segment.labels_of(mask[None].to(torch.uint8), (2, 2), 3).tolist() == [[[0, 3], [2, 1]]]


def test_all_representations_are_fitted_on_the_same_cells_and_no_more_than_allowed():
    rows = torch.tensor([3, 5, 7])
    one, labels = segment.gather(colours, TRAIN, TRAIN.drawn, rows, SCENE, most=90)
    other, same = segment.gather(lambda view: -colours(view), TRAIN, TRAIN.drawn, rows, SCENE, most=90)
    assert len(one) == 90
    assert torch.equal(labels, same)
    assert torch.equal(one, -other)


def test_draws_are_nested_and_repeat():
    few, more = segment.draw(30, 5), segment.draw(30, 20)
    assert torch.equal(few, more[:, :5])
    assert len({tuple(row.tolist()) for row in few}) == segment.DRAWS
    assert all(len(row.unique()) == 20 for row in more)


def test_a_place_is_from_minus_1_to_1_and_left_comes_first():
    placed = segment.with_place(torch.zeros(2, 4, 3, 5))
    assert placed.shape == (2, 6, 3, 5)
    assert placed[0, 4, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert placed[1, 5, :, 0].tolist() == [-1, 0, 1]
