"""Words that two texts share, weighted by how telling they are: what finds texts without learning.

All words of the texts themselves, by scikit-learn: no word is lost to a vocabulary, whatever the encoder's is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tacit.core import Raw, Terms
from tacit.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

K1, B = 1.2, 0.75
_WORD = r"(?u)\b\w+\b"


def weighted_terms(raws: Sequence[Raw]) -> Terms:
    """TF-IDF (Salton and Buckley 1988): 1 + log of a word's count, times its rarity in `raws`; rows of length one."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = TfidfVectorizer(sublinear_tf=True, token_pattern=_WORD)
    try:
        weights.fit(_texts(raws))
    except ValueError:
        raise _no_words(raws) from None
    return Terms(lambda some: weights.transform(_texts(some)))


def bm25(raws: Sequence[Raw]) -> Terms:
    """Okapi BM25 (Robertson and Zaragoza 2009, section 3.1): counts saturate, long documents count less.

    A query's words count as often as they stand there. A word's rarity is log(1 + (N - n + .5) / (n + .5)), n being
    how many of the N texts `raws` hold it.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(token_pattern=_WORD, dtype=np.float32)
    try:
        counts = counter.fit_transform(_texts(raws))
    except ValueError:
        raise _no_words(raws) from None
    held = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p((len(raws) - held + 0.5) / (held + 0.5))
    mean = float(counts.sum()) / len(raws)

    def document(some: Sequence[Raw]) -> csr_matrix:
        found = counter.transform(_texts(some))
        lengths = np.asarray(found.sum(axis=1)).ravel()
        room = np.repeat(K1 * (1 - B + B * lengths / mean), np.diff(found.indptr))
        found.data = rarity[found.indices] * found.data * (K1 + 1) / (found.data + room)
        return found

    return Terms(document, lambda some: counter.transform(_texts(some)))


def _texts(raws: Sequence[Raw]) -> list[str]:
    return [raw.decode(errors="replace") if isinstance(raw, bytes) else "" for raw in raws]


def _no_words(raws: Sequence[Raw]) -> DataError:
    return DataError(f"none of {len(raws):,} texts holds a word: is this the column of texts?")
