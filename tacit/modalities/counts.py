"""What the field compares representations of texts with: weighted counts of words, by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.core import Samples, View

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DIMENSIONS = 300
_BATCH = 4096


def latent_semantics(samples: Samples) -> Callable[[View], Tensor]:
    """Latent semantic analysis (Deerwester et al. 1990): TF-IDF of the words, on its first 300 singular vectors."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = _counts(samples)
    weights = TfidfTransformer(sublinear_tf=True)
    weighted = weights.fit_transform(counts)
    rank = min(DIMENSIONS, min(weighted.shape) - 1)
    svd = TruncatedSVD(rank, n_iter=3, random_state=0).fit(weighted)

    def features(view: View) -> Tensor:
        return torch.from_numpy(svd.transform(weights.transform(_matrix(view)))).float()

    return features


def tfidf(train: Samples, test: Samples) -> Callable[[Tensor, Tensor], Tensor]:
    """TF-IDF of words and pairs of neighbours, then logistic regression: the field's first answer to a text.

    Both are fitted on the labelled rows alone; of more than a thousand, grams that one row has are left out.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    known, counts, asked = _grams(train, test)

    def classify(rows: Tensor, labels: Tensor) -> Tensor:
        interrupt.check()
        some = counts[rows.numpy()]
        held = np.bincount(some.indices, minlength=known)
        columns = np.flatnonzero(held >= (2 if len(rows) > 1000 else 1))
        weights = TfidfTransformer(sublinear_tf=True)
        model = LogisticRegression(C=10.0, max_iter=1000).fit(weights.fit_transform(some[:, columns]), labels.numpy())
        return torch.from_numpy(model.predict(weights.transform(asked[:, columns]))).long()

    return classify


def _grams(train: Samples, test: Samples) -> tuple[int, csr_matrix, csr_matrix]:
    """How often each sample holds each word and each pair of neighbours that the training samples hold.

    Returns the number of columns V, and the counts `[N, V]` and `[M, V]`.
    """
    codes, ends = _codes(train)
    known, columns = np.unique(codes, return_inverse=True)
    counts = _sparse(columns, ends, len(known))
    codes, ends = _codes(test)
    place = np.searchsorted(known, codes).clip(max=len(known) - 1)
    found = known[place] == codes
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(found)])
    return len(known), counts, _sparse(place[found], before[ends], len(known))


def _codes(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """A number for each token and each two neighbours, sample by sample, and where each sample ends."""
    parts, lengths = [], []
    for rows in torch.split(torch.arange(len(samples)), _BATCH):
        interrupt.check()
        view = samples.view(rows)
        assert view.valid is not None
        for ids, valid in zip(view.x.numpy(), view.valid.numpy(), strict=True):
            words = ids[valid]
            parts += [words, (words[:-1] + 1 << 32) + words[1:]]
            lengths.append(2 * len(words) - 1)
    return np.concatenate(parts), np.cumsum(lengths)


def _sparse(columns: np.ndarray, ends: np.ndarray, width: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    starts = np.concatenate([np.zeros(1, np.int64), ends])
    found = csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(ends), width))
    found.sum_duplicates()
    return found


def _counts(samples: Samples) -> csr_matrix:
    """How often each sample holds each id: sparse `[N, V]`."""
    from scipy.sparse import vstack

    parts = []
    for rows in torch.split(torch.arange(len(samples)), _BATCH):
        interrupt.check()
        parts.append(_matrix(samples.view(rows)))
    return vstack(parts, format="csr")


def _matrix(view: View) -> csr_matrix:
    from scipy.sparse import csr_matrix

    assert view.valid is not None
    assert view.vocabulary is not None
    row, place = view.valid.nonzero(as_tuple=True)
    ids = view.x[row, place].numpy()
    shape = (len(view), view.vocabulary)
    found = csr_matrix((np.ones(len(ids), np.float32), (row.numpy(), ids)), shape=shape)
    found.sum_duplicates()
    return found
