"""All that `tacit evaluate --task knn` asks of neighbours: two votes, of few and of many, which one search answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from contests.contest import Contest, Found, Side, Size
from contests.knn import CLASSES, check, data


def _tacit(size: Size) -> Callable[[], Found]:
    from tacit.evaluation.knn import neighbours, vote
    from tacit.evaluation.tasks import VOTES

    train, labels, test = data(size)

    def run() -> Found:
        near, which = neighbours(train, test, max(k for k, _ in VOTES))
        return {
            f"votes of {k}": vote(near[:, :k], which[:, :k], labels, CLASSES, temperature).numpy()
            for k, temperature in VOTES
        }

    return run


def _lightly(size: Size) -> Callable[[], Found]:
    from lightly.utils.benchmarking.knn import knn_predict

    from tacit.evaluation.tasks import VOTES

    train, labels, test = data(size)
    bank = train.T.contiguous()  # as it is asked for
    return lambda: {
        f"votes of {k}": knn_predict(test, bank, labels, CLASSES, k, temperature)[:, 0].numpy()
        for k, temperature in VOTES
    }


def _sklearn(size: Size) -> Callable[[], Found]:
    """One search, too: its classifiers would search once each."""
    from sklearn.neighbors import NearestNeighbors

    from tacit.evaluation.tasks import VOTES

    train, labels, test = (part.numpy() for part in data(size))

    def run() -> Found:
        model = NearestNeighbors(n_neighbors=max(k for k, _ in VOTES), metric="cosine", algorithm="brute").fit(train)
        far, which = model.kneighbors(test)
        named, found = np.eye(CLASSES)[labels], {}
        for k, temperature in VOTES:
            weight = np.exp((1 - far[:, :k]) / temperature)
            found[f"votes of {k}"] = np.einsum("mk,mkc->mc", weight, named[which[:, :k]]).argmax(1)
        return found

    return run


CONTEST = Contest(
    __name__,
    "knn-votes",
    "votes of the 20 and of the 200 nearest of {rows:,} rows of {width} for {queries:,} others",
    Side("tacit", "tacit", _tacit),
    (Side("lightly", "lightly", _lightly), Side("scikit-learn", "scikit-learn", _sklearn)),
    {
        "full": {"rows": 20_000, "queries": 2_000, "width": 512},
        "tiny": {"rows": 600, "queries": 50, "width": 16},
    },
    check,
    rounds=3,
)
