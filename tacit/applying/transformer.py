"""An encoder as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from tacit.core import Raw
from tacit.encoder import load


class EncoderTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Samples -> embeddings, inside any scikit-learn pipeline. Frozen: `fit` learns nothing.

    Args:
        encoder: a run folder, an encoder folder or a checkpoint.
        batch: samples at a time.
    """

    def __init__(self, encoder: str | Path, batch: int = 256) -> None:
        self.encoder = encoder
        self.batch = batch

    def fit(self, X: Iterable[Raw | str | Path], y: Any = None) -> Self:
        """Load the encoder."""
        self.encoder_ = load(self.encoder)
        return self

    def transform(self, X: Iterable[Raw | str | Path]) -> np.ndarray:
        """Embeddings, float32 `[N, D]`, of arrays, paths or the bytes of files."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return self.encoder_.embed(X, batch=self.batch)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`tacit0`, `tacit1`, ..., as `set_output` needs them."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return np.asarray([f"tacit{number}" for number in range(self.encoder_.dim)], dtype=object)
