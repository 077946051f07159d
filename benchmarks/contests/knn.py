"""The exact nearest neighbours by cosine, and their vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from contests.contest import Contest, DisagreementError, Found, Side, Size, near

K, TEMPERATURE, CLASSES = 20, 0.07, 10
AGREE, CHANGED = 1e-4, 1e-3
"""Cosines, as a share; the share of votes that rounding may turn."""


def data(size: Size) -> tuple[Any, Any, Any]:
    """Unit vectors of classes that lie near each other, whose mean is zero; labels; those who ask."""
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(0)
    rows, width = size["rows"], size["width"]
    labels = torch.randint(CLASSES, (rows,), generator=generator)
    train, test = (torch.randn(n, width, generator=generator) for n in (rows // 2, size["queries"]))
    train[:, 0] += labels[: rows // 2]
    train = F.normalize(torch.cat([train, -train]), dim=1)  # the mean is zero, so that centring changes nothing
    return train, labels, F.normalize(test, dim=1)


def _tacit(size: Size) -> Callable[[], Found]:
    from tacit.evaluation.knn import neighbours, vote

    train, labels, test = data(size)

    def run() -> Found:
        cosines, which = neighbours(train, test, K)
        return {"cosines": cosines.numpy(), "votes": vote(cosines, which, labels, CLASSES, TEMPERATURE).numpy()}

    return run


def _lightly(size: Size) -> Callable[[], Found]:
    from lightly.utils.benchmarking.knn import knn_predict

    train, labels, test = data(size)
    bank = train.T.contiguous()  # as it is asked for
    return lambda: {"votes": knn_predict(test, bank, labels, CLASSES, K, TEMPERATURE)[:, 0].numpy()}


def _faiss(size: Size) -> Callable[[], Found]:
    import faiss

    train, _, test = (part.numpy() for part in data(size))

    def run() -> Found:
        index = faiss.IndexFlatIP(train.shape[1])
        index.add(train)
        return {"cosines": index.search(test, K)[0]}

    return run


def _sklearn(size: Size) -> Callable[[], Found]:
    from sklearn.neighbors import NearestNeighbors

    train, _, test = (part.numpy() for part in data(size))

    def run() -> Found:
        model = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(train)
        return {"cosines": 1 - model.kneighbors(test)[0]}

    return run


def check(ours: Found, theirs: Found) -> str:
    """What the other side found is compared: `cosines`, and votes, one set of them or more."""
    said = [near("cosines", ours, theirs, AGREE)] if "cosines" in theirs else []
    for name in sorted(theirs.keys() - {"cosines"}):
        changed = float(np.mean(ours[name] != theirs[name]))
        if changed > CHANGED:
            raise DisagreementError(f"{changed:.2%} of the {name} differ, and {CHANGED:.2%} may")
        said.append(f"{name} {changed:.0e}")
    return ", ".join(said)


CONTEST = Contest(
    __name__,
    "knn",
    "the {k} nearest of {rows:,} rows of {width} to {queries:,} others",
    Side("tacit", "tacit", _tacit),
    (
        Side("lightly", "lightly", _lightly),
        Side("faiss, flat", "faiss-cpu", _faiss),
        Side("scikit-learn", "scikit-learn", _sklearn),
    ),
    {
        "full": {"k": K, "rows": 20_000, "queries": 2_000, "width": 512},
        "tiny": {"k": K, "rows": 600, "queries": 50, "width": 16},
    },
    check,
    rounds=3,
)
