"""Segmentation on frozen features: every cell of a feature map is a sample, and its answers are drawn on the mask.

N cells, D features, K classes, S draws, M test samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import console, interrupt
from tacit.core import Samples, View
from tacit.evaluation.knn import neighbours
from tacit.evaluation.logistic import STEERED, LinearClassifier, fit
from tacit.evaluation.overlap import tally
from tacit.evaluation.scaler import Scaler

DRAWS = 3
CELLS = 50_000
"""The most cells that are fitted on, spread evenly over the samples."""
BANK = 10_000
"""The most cells among which nearest neighbours are looked for, and that k-means clusters."""
C = 100.0
"""As for few labels: scikit-learn's C on features whose mean squared norm is one."""
NEIGHBOURS, TEMPERATURE = 20, 0.07
TOLERANCE, ITERATIONS = 1e-4, 100
BATCH = 32

Dense = Callable[[View], Tensor]
"""Plain views -> features of the cells of a grid, `[B, D, h, w]`."""
Drawn = Callable[[Tensor], Tensor]
"""Rows (long `[B]`) -> their masks, uint8 `[B, H, W]`."""
Answer = Callable[[Tensor], Tensor]
"""Features of cells `[N, D]` -> what speaks for each class, `[N, K]`, to be interpolated between cells."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Samples with masks, split once."""

    train: Samples
    train_masks: Drawn
    test: Samples
    test_masks: Drawn
    classes: int
    seed: int = 0


def draw(count: int, size: int, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """Rows, long `[draws, size]`, of `count`: a function of the seed and the draw, so that all rows share them.

    Those of a smaller size are among those of a larger one.
    """
    generators = [torch.Generator().manual_seed(seed * 1_000_003 + number) for number in range(draws)]
    return torch.stack([torch.randperm(count, generator=generator)[:size] for generator in generators])


def labels_of(masks: Tensor, size: Sequence[int], classes: int) -> Tensor:
    """The most frequent class in each cell of a grid of `size`, long `[B, h, w]`; `classes` where all is void."""
    shares = [F.adaptive_avg_pool2d((masks == number).float(), (size[0], size[1])) for number in range(classes)]
    most, label = torch.stack(shares, dim=1).max(1)
    return torch.where(most > 0, label, classes)


def with_place(grid: Tensor) -> Tensor:
    """The features `[B, D, h, w]` and where each cell lies, x and y from -1 to 1: `[B, D + 2, h, w]`.

    Every row gets it, since it costs nothing: what is compared is what a representation adds to it.
    """
    B, _, h, w = grid.shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return torch.cat([grid, torch.stack([x, y]).to(grid).expand(B, -1, -1, -1)], dim=1)


def raw_values(x: Tensor, size: Sequence[int]) -> Tensor:
    """What there is without a network: the mean values of each cell, its place, and all products of two of them.

    `x [B, C, H, W]` from 0 to 1 -> `[B, D, h, w]`.
    """
    plain = with_place(F.adaptive_avg_pool2d(x, (size[0], size[1])) - 0.5)
    first, second = torch.triu_indices(plain.shape[1], plain.shape[1])
    return torch.cat([plain, plain[:, first] * plain[:, second]], dim=1)


def gather(
    dense: Dense, samples: Samples, masks: Drawn, rows: Tensor, scene: Scene, most: int = CELLS
) -> tuple[Tensor, Tensor]:
    """At most `most` labelled cells of the samples `rows`: features `[N, D]`, classes long `[N]`.

    The same ones whatever the features are, as long as their grid is the same.
    """
    generator = torch.Generator().manual_seed(scene.seed)
    features, labels = [], []
    for some in torch.split(rows, BATCH):
        interrupt.check()
        grid = dense(samples.view(some)).float().cpu()
        meant = labels_of(masks(some), grid.shape[2:], scene.classes)
        for cells, classes in zip(grid.flatten(2).mT, meant.flatten(1), strict=True):
            order = torch.randperm(len(classes), generator=generator)
            chosen = order[classes[order] < scene.classes][: max(1, most // len(rows))]
            features.append(cells[chosen])
            labels.append(classes[chosen])
    return torch.cat(features), torch.cat(labels)


def linear(x: Tensor, y: Tensor, classes: int) -> Answer:
    """Logistic regression on cells `x [N, D]` with classes `y [N]`, each weighed as a decoder's are.

    Every class counts alike in mean IoU, and rare ones would hardly be answered: on CamVid the root of the inverse
    frequency as weight took an encoder from .313 to .335 and an untrained one from .305 to .322.
    """
    scaler = Scaler.of(x)
    gram = scaler.gram(x) if x.shape[1] <= min(STEERED, len(x)) else None
    model = fit(
        x,
        y,
        classes,
        1 / (C * len(x)),
        scaler=scaler,
        gram=gram,
        weight=torch.bincount(y, minlength=classes)[y].float().rsqrt(),
        tolerance=TOLERANCE,
        iterations=ITERATIONS,
    )
    behind: LinearClassifier = model.after(scaler)
    return lambda cells: behind.logits(cells)[:, 0].softmax(1)


def nearest(x: Tensor, y: Tensor, classes: int) -> Answer:
    """The votes of the nearest neighbours by cosine, weighted as in `knn.vote`."""
    scaler = Scaler.of(x)
    bank = scaler(x)
    one_hot = F.one_hot(y, classes).float()

    def answer(cells: Tensor) -> Tensor:
        near, which = neighbours(bank, scaler(cells), NEIGHBOURS, tile=2048)
        weight = (near / TEMPERATURE).softmax(1)
        return torch.einsum("nk,nkc->nc", weight, one_hot[which])

    return answer


def clustered(x: Tensor, y: Tensor, classes: int, seed: int) -> Answer:
    """k-means with as many clusters as classes; clusters get classes one to one, so that most cells `y` are right.

    The matching is the Hungarian method's (Kuhn 1955), as in Ji et al. 2019, arXiv 1807.06653; only it sees labels.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import KMeans

    scaler = Scaler.of(x)
    found = KMeans(classes, n_init=3, random_state=seed).fit(scaler(x).numpy())
    counts = torch.zeros(classes, classes)
    counts.index_put_((torch.from_numpy(found.labels_).long(), y), torch.ones(len(y)), accumulate=True)
    _, meaning = linear_sum_assignment(counts.numpy(), maximize=True)
    centres, named = torch.from_numpy(found.cluster_centers_), torch.eye(classes)[torch.from_numpy(meaning)]
    return lambda cells: named[torch.cdist(scaler(cells), centres.to(cells.dtype)).argmin(1)]


def judge(dense: Dense, answers: Mapping[str, Sequence[Answer]], scene: Scene, title: str) -> dict[str, Tensor]:
    """Tallies `[S, M, 3, K]` (see `overlap`) of each of the `answers` on the test part, read once, batch by batch."""
    K = scene.classes
    found: dict[str, list[Tensor]] = {key: [] for key in answers}
    with console.progress(title, len(scene.test)) as tick:
        for rows in torch.split(torch.arange(len(scene.test)), BATCH):
            interrupt.check()
            grid = dense(scene.test.view(rows)).float().cpu()
            truth = scene.test_masks(rows)
            cells = grid.flatten(2).mT.flatten(0, 1)
            for key, several in answers.items():
                drawn = (
                    torch.unflatten(answer(cells), 0, (len(rows), *grid.shape[2:])).permute(0, 3, 1, 2)
                    for answer in several
                )
                found[key].append(torch.stack([tally(_enlarged(each, truth), truth, K) for each in drawn]))
            tick(int(rows[-1]) + 1)
    return {key: torch.cat(parts, dim=1) for key, parts in found.items()}


def _enlarged(scores: Tensor, truth: Tensor) -> Tensor:
    """The best class of each cell of `truth [B, H, W]`, from scores `[B, K, h, w]`."""
    return F.interpolate(scores, truth.shape[1:], mode="bilinear", align_corners=False).argmax(1)
