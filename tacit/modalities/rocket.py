"""MiniRocket: ten thousand fixed convolutions and a linear classifier, the field's fast classifier of series."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import progress, say
from tacit.core import Classifier, Samples
from tacit.modalities.described import of_one_length

SHORTEST = 9
"""Steps of a kernel; shorter series are stretched to it."""
ROWS = 10_000
"""Training series at most: their inner products are decomposed, once a fit."""
_PENALTIES = np.logspace(-3, 3, 10)
_BLOCK = 64


def minirocket(train: Samples, test: Samples) -> Classifier | None:
    """The transform of Dempster et al. 2021 (arXiv 2012.08791) by aeon, biases from the training series; then a ridge
    regression on the labels, its penalty chosen by leaving one out.

    None, and a word on it, where aeon is not installed or there are too many series.
    """
    if importlib.util.find_spec("aeon") is None:
        say("note: MiniRocket is left out: it takes aeon: pip install 'tacit[aeon]'")
        return None
    if len(train) > ROWS:
        say(f"note: MiniRocket is left out: of {len(train):,} training series it would take too long")
        return None
    from aeon.transformations.collection.convolution_based import MiniRocket

    transform = MiniRocket(random_state=0).fit(_values(train))
    first, second = (_transformed(transform, _values(samples)) for samples in (train, test))

    def classify(rows: Tensor, labels: Tensor) -> Tensor:
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        interrupt.check()
        found = make_pipeline(StandardScaler(with_mean=False), RidgeClassifierCV(alphas=_PENALTIES))
        found.fit(first[rows.numpy()], labels.numpy())
        return torch.from_numpy(found.predict(second))

    return classify


def _values(samples: Samples) -> np.ndarray:
    """All series at the length of their set, float32 `[N, C, L]`."""
    parts = [samples.view(rows) for rows in torch.split(torch.arange(len(samples)), 256)]
    length = max(SHORTEST, parts[0].x.shape[1])
    return torch.cat([of_one_length(view, length) for view in parts]).transpose(1, 2).numpy()


def _transformed(transform: Any, x: np.ndarray) -> np.ndarray:
    """`[N, 9996]`, some series at a time, so that it can be interrupted."""
    parts = []
    with progress("MiniRocket", len(x)) as tick:
        for start in range(0, len(x), _BLOCK):
            interrupt.check()
            parts.append(np.asarray(transform.transform(x[start : start + _BLOCK])))
            tick(start + len(parts[-1]))
    return np.concatenate(parts)
