"""Few labels and many unlabelled samples: labels spread to nearest neighbours, and a classifier learns from all.

Label propagation (Zhou et al. 2004, "Learning with local and global consistency") over frozen features, its result as
pseudo-labels (Iscen et al. 2019, arXiv 1904.04717): the simple baseline for everybody who cannot label more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacit import interrupt
from tacit.evaluation.axes import Axes
from tacit.evaluation.few_label import unrepeated
from tacit.evaluation.knn import neighbours
from tacit.evaluation.logistic import STEERED, fit
from tacit.evaluation.scaler import Scaler

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WIDTH = 128
"""Coordinates in which neighbours are found; see `Axes`."""
NEIGHBOURS = 20
POWER = 3
"""A neighbour at cosine s is an edge of weight s^3, as in Iscen et al."""
ALPHA = 0.95
"""The share that a sample takes from its neighbours. On CIFAR-10 the papers' .99 was as good with 40 labels, and a
point worse with 2,000."""
C = 30.0
"""Of the classifier, per labelled sample: a third of that of `few_label`, since pseudo-labels err. See `Axes` for the
set: 10 and 100 were up to a point worse."""
LEARNT = 5000
"""Pseudo-labelled samples that the classifier learns from; 12,000 instead of 3,000 gave .003 more."""
TOLERANCE, ITERATIONS = 1e-3, 100
"""Of the conjugate gradients: relative to the start."""
PROTOCOL = {
    "graph": f"{NEIGHBOURS} neighbours by cosine, {WIDTH} evened axes, weight s^{POWER}",
    "alpha": ALPHA,
    "classifier": f"logistic regression on the labels and {LEARNT} pseudo-labels, weighted by certainty",
    "C": C,
}

Floats = npt.NDArray[np.float32]


def propagate(train: Tensor, labels: Tensor, test: Tensor, classes: int, drawn: Sequence[Tensor]) -> Iterator[Tensor]:
    """Classes, long `[S, M]`, of `test [M, D]` from `drawn` labelled rows of `train [N, D]` (long `[S, L]`, each).

    The labels of the drawn rows alone are read from `labels` (long `[N]`).
    """
    edges = graph(Axes.of(train, WIDTH)(train), NEIGHBOURS)
    scaler = Scaler.of(train)
    gram = scaler.gram(train) if train.shape[1] <= min(STEERED, LEARNT) else None
    some = torch.linspace(0, len(train) - 1, min(LEARNT, len(train))).long()
    for rows in drawn:
        guessed, certainty = pseudo_labels(edges, rows, labels[rows], classes)
        answers = []
        for number, known in enumerate(map(unrepeated, rows)):
            interrupt.check()
            learnt = torch.unique(torch.cat([some, known]))
            model = fit(
                train[learnt],
                guessed[number, learnt],
                classes,
                1 / (C * len(known)),
                scaler=scaler,
                weight=certainty[number, learnt],
                gram=gram,
                tolerance=3e-4,
            ).after(scaler)
            answers.append(torch.cat([model.predict(tile)[0] for tile in torch.split(test, 4096)]))
        yield torch.stack(answers)


def graph(x: Tensor, k: int) -> csr_matrix:
    """The symmetric matrix D^-1/2 W D^-1/2 `[N, N]` of the `k` nearest neighbours of each row of `x [N, K]`."""
    from scipy.sparse import csr_matrix, diags_array

    near, which = neighbours(x, x, k + 1)
    weight = near.clamp_min(0) ** POWER
    weight[which == torch.arange(len(x))[:, None]] = 0  # nobody is a neighbour of his own
    starts = np.arange(len(x) + 1) * which.shape[1]
    directed = csr_matrix((weight.flatten().numpy(), which.flatten().numpy(), starts), (len(x), len(x)))
    edges = directed + directed.T
    degree = np.asarray(edges.sum(1)).ravel()
    scale = diags_array(np.where(degree > 0, np.maximum(degree, 1e-12), 1.0).astype(np.float32) ** -0.5)
    return csr_matrix(scale @ edges @ scale)


def pseudo_labels(edges: csr_matrix, rows: Tensor, given: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The class of all N samples and how certain it is, long and float `[S, N]`, from the labels `given [S, L]`.

    `rows`: the labelled samples, long `[S, L]`; they keep their label, and certainty 1. Each class is given the same
    mass (Zhu et al. 2003), or the best connected one takes all; the certainty is one minus the entropy of a sample's
    shares over its maximum, as in Iscen et al., and 0 where no label reaches.
    """
    draws, count = len(rows), edges.shape[0]
    sources = np.zeros((count, draws, classes), np.float32)
    sources[rows.numpy(), np.arange(draws)[:, None], given.numpy()] = 1
    spread = torch.from_numpy(diffuse(edges, sources.reshape(count, -1), ALPHA)).view(count, draws, classes)
    spread = spread.clamp_min(0)
    spread = spread / spread.sum(0).clamp_min(1e-12)
    reached = spread.sum(2, keepdim=True)
    share = spread / reached.clamp_min(torch.finfo(spread.dtype).tiny)
    entropy = -torch.special.xlogy(share, share).sum(2)
    certainty = torch.where(reached[..., 0] > 0, 1 - entropy / math.log(classes), 0.0).clamp_min(0)
    guessed = share.argmax(2).T.contiguous()
    return guessed.scatter(1, rows, given), certainty.T.contiguous().scatter(1, rows, 1.0)


def diffuse(edges: csr_matrix, sources: Floats, alpha: float) -> Floats:
    """The solution F of (I - alpha S) F = Y for all columns of Y = `sources [N, R]`, S = `edges`.

    By conjugate gradients (Hestenes and Stiefel 1952), which need S only as a product; it is positive definite, since
    no eigenvalue of S exceeds 1.
    """
    found = np.zeros_like(sources)
    rest, along = sources.copy(), sources.copy()
    size = np.square(rest).sum(0)
    enough = TOLERANCE**2 * size
    for _ in range(ITERATIONS):
        interrupt.check()
        if (size <= enough).all():
            break
        product = along - alpha * (edges @ along)
        length = size / np.maximum((along * product).sum(0), np.finfo(np.float32).tiny)
        found += length * along
        rest -= length * product
        before, size = size, np.square(rest).sum(0)
        along = rest + size / np.maximum(before, np.finfo(np.float32).tiny) * along
    return found
