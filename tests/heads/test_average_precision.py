"""Average precision against pycocotools' own sums, and on sets that are small enough to know the answer."""

import io
from contextlib import redirect_stdout

import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tacit.heads.average_precision import scores
from tacit.heads.boxes import padded

SHAPE = (100, 100)


def random_boxes(generator, count):
    low = torch.rand(count, 2, generator=generator) * 70
    return torch.cat([low, low + 5 + 25 * torch.rand(count, 2, generator=generator)], dim=1)


def random_problem(samples=12, classes=3, seed=0):
    """Boxes, and answers of which most are near one of them."""
    generator = torch.Generator().manual_seed(seed)
    corners, labels, said = [], [], {"boxes": [], "labels": [], "scores": []}
    for _ in range(samples):
        count = int(torch.randint(0, 5, (1,), generator=generator))
        corners.append(random_boxes(generator, count))
        labels.append(torch.randint(classes, (count,), generator=generator))
        near = corners[-1] + (2 * torch.randn(count, 4, generator=generator)).clamp(-2.4, 2.4)
        said["boxes"].append(torch.cat([near, random_boxes(generator, 3)]))
        said["labels"].append(torch.cat([labels[-1], torch.randint(classes, (3,), generator=generator)]))
        said["scores"].append(torch.rand(count + 3, generator=generator))
    return said, padded(corners, labels, ("a", "b", "c"), SHAPE)


def by_pycocotools(said, targets):
    """AP, AP50, AP75 by the library from end to end."""
    images = [{"id": row} for row in range(len(targets))]
    categories = [{"id": number, "name": name} for number, name in enumerate(targets.classes)]
    entries, results = [], []
    for row in range(len(targets)):
        for box, label in zip(targets.corners[row].tolist(), targets.labels[row].tolist(), strict=True):
            if label >= 0:
                size = [box[2] - box[0], box[3] - box[1]]
                entries.append({"id": len(entries) + 1, "image_id": row, "category_id": label, "iscrowd": 0,
                                "bbox": [*box[:2], *size], "area": size[0] * size[1]})  # fmt: skip
        for box, label, score in zip(*(said[key][row].tolist() for key in ("boxes", "labels", "scores")), strict=True):
            results.append({"image_id": row, "category_id": label, "score": score,
                            "bbox": [*box[:2], box[2] - box[0], box[3] - box[1]]})  # fmt: skip
    with redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "categories": categories, "annotations": entries}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:3].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_pycocotools_says(seed, capsys):
    said, targets = random_problem(seed=seed)
    found = scores([said], targets)(torch.ones(1, len(targets)))
    own = [found[name].item() for name in ("AP", "AP50", "AP75")]
    assert own == pytest.approx(by_pycocotools(said, targets), abs=1e-9)
    assert torch.stack([found[f"AP of {name}"] for name in "abc"]).mean().item() == pytest.approx(found["AP"].item())
    assert capsys.readouterr().out == ""


def test_a_weight_of_two_is_a_sample_that_stands_there_twice():
    said, targets = random_problem()
    weights = torch.tensor([[2, 0, 1, 1, 3, 0, 1, 1, 0, 1, 1, 1]])
    rows = torch.arange(12).repeat_interleave(weights[0])
    repeated = {name: [values[row] for row in rows.tolist()] for name, values in said.items()}
    found = scores([said], targets)(weights)
    direct = scores([repeated], targets.select(rows))(torch.ones(1, len(rows)))
    for name in ("AP", "AP50", "AP75"):
        # equal scores are ordered as they stand, so that the two differ by a hair
        assert found[name].item() == pytest.approx(direct[name].item(), abs=2e-3)


def test_batches_are_read_in_order():
    said, targets = random_problem()
    halves = [{name: values[part] for name, values in said.items()} for part in (slice(5), slice(5, None))]
    ones = torch.ones(1, 12)
    assert scores(halves, targets)(ones)["AP"] == scores([said], targets)(ones)["AP"]


def test_perfect_answers_and_none():
    _, targets = random_problem()
    keep = [targets.labels[row] >= 0 for row in range(12)]
    right = {
        "boxes": [targets.corners[row][keep[row]] for row in range(12)],
        "labels": [targets.labels[row][keep[row]] for row in range(12)],
        "scores": [torch.ones(int(keep[row].sum())) for row in range(12)],
    }
    ones = torch.ones(2, 12)
    assert scores([right], targets)(ones)["AP"].tolist() == pytest.approx([1, 1])
    none = torch.zeros(0)
    nothing = {"boxes": [none.view(0, 4)] * 12, "labels": [none.long()] * 12, "scores": [none] * 12}
    assert scores([nothing], targets)(ones)["AP"].tolist() == [0, 0]


def test_a_resample_without_a_class_says_nothing_about_it():
    corners = [torch.tensor([[0.0, 0, 10, 10]])] * 2
    targets = padded(corners, [torch.tensor([0]), torch.tensor([1])], ("a", "b", "never"), SHAPE)
    said = {"boxes": corners, "labels": [torch.tensor([0]), torch.tensor([0])], "scores": [torch.ones(1)] * 2}
    found = scores([said], targets)(torch.tensor([[1.0, 1], [2, 0], [0, 2]]))
    assert set(found) == {"AP", "AP50", "AP75", "AP of a", "AP of b"}
    assert found["AP"].tolist() == pytest.approx([0.5, 1, 0])
    assert all(values.isfinite().all() for values in found.values())
