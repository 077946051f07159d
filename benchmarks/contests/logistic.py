"""Multinomial logistic regression with a penalty, to its minimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from contests.contest import Contest, DisagreementError, Found, Side, Size

CLASSES, PENALTY = 10, 1e-3
ABOVE, CHANGED = 1e-6, 5e-3
"""How far above the other's objective ours may lie; the share of predictions that an unfinished minimum may turn."""


def _data(size: Size) -> tuple[Any, Any]:
    """Features whose axes are of very different length, as those of encoders are, with a mean squared norm of one; and
    labels drawn by a linear model of them."""
    import torch

    generator = torch.Generator().manual_seed(0)
    rows, width = size["rows"], size["width"]
    axes = torch.arange(1, width + 1, dtype=torch.float32) ** -0.7
    turned = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    x = (torch.randn(rows, width, generator=generator) * axes) @ turned / axes.square().sum().sqrt()
    scores = 20 * x @ torch.randn(width, CLASSES, generator=generator)
    return x, (scores.softmax(dim=1).multinomial(1, generator=generator)[:, 0])


def _found(x: Any, y: Any, weights: Any, bias: Any) -> Found:
    """The objective in double precision, and what is predicted."""
    import torch.nn.functional as F

    weights, bias = weights.double(), bias.double()
    logits = x.double() @ weights + bias
    objective = F.cross_entropy(logits, y) + PENALTY / 2 * weights.square().sum()
    return {"objective": objective.numpy(), "predictions": logits.argmax(dim=1).numpy()}


def _tacit(size: Size) -> Callable[[], Found]:
    from tacit.evaluation.linear import TOLERANCE
    from tacit.evaluation.logistic import Scaler, fit

    x, y = _data(size)
    as_it_is = Scaler(x.new_zeros(x.shape[1]), x.new_ones(x.shape[1]))

    def run() -> Found:
        model = fit(x, y, CLASSES, PENALTY, gram=as_it_is.gram(x), tolerance=TOLERANCE)
        return _found(x, y, model.weights[0], model.bias[0])

    return run


def _sklearn(size: Size) -> Callable[[], Found]:
    import torch
    from sklearn.linear_model import LogisticRegression

    x, y = _data(size)

    def run() -> Found:
        model = LogisticRegression(C=1 / (PENALTY * len(x)), max_iter=10_000).fit(x.numpy(), y.numpy())
        return _found(x, y, torch.tensor(model.coef_.T), torch.tensor(model.intercept_))

    return run


def _check(ours: Found, theirs: Found) -> str:
    above = float(ours["objective"] - theirs["objective"])
    if not above <= ABOVE:
        raise DisagreementError(f"the objective is {above:.1e} above the other's, and may be {ABOVE:g}")
    changed = float(np.mean(ours["predictions"] != theirs["predictions"]))
    if changed > CHANGED:
        raise DisagreementError(f"{changed:.2%} of the predictions differ, and {CHANGED:.2%} may")
    return f"objective {above:+.0e}, predictions {changed:.0e}"


CONTEST = Contest(
    __name__,
    "logistic",
    "logistic regression, {rows:,} rows of {width}, 10 classes",
    Side("tacit", "tacit", _tacit),
    (Side("scikit-learn", "scikit-learn", _sklearn),),
    {"full": {"rows": 10_000, "width": 512}, "tiny": {"rows": 300, "width": 12}},
    _check,
)
