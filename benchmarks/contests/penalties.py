"""Multinomial logistic regression for several penalties, each from the one before.

tacit's solver stops where the probe's does: with one penalty at `TOLERANCE`, while several are compared at `CHOOSING`.
Both are norms of the gradient, and below what scikit-learn leaves, which stops by the largest entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from contests.contest import Contest, DisagreementError, Found, Side, Size
from contests.features import CLASSES, PICTURES, features

CS = (30.0, 100.0, 300.0, 1000.0)
"""scikit-learn's C, strongest penalty first: what the search for one passes through."""
ABOVE = 1e-6
"""How far above the other's objective ours may lie."""
CHANGED = 0.1
"""The share of predictions that an unfinished minimum may turn: scikit-learn stops as soon as no entry of the gradient
is larger than 1e-4, 1e-3 above the minimum on such features."""

Fitted = tuple[Any, Any, list[tuple[float, Any, Any]]]
"""Features, labels, and of each penalty C, weights `[D, C]` and bias."""


def _found(x: Any, y: Any, c: float, weights: Any, bias: Any) -> Found:
    """The objective, its sums in double precision, and what is predicted, of weights `[D, C]`."""
    import torch.nn.functional as F

    logits = (x @ weights.float()).double() + bias.double()
    objective = F.cross_entropy(logits, y) + weights.double().square().sum() / (2 * c * len(x))
    return {"objective": objective.numpy(), "predictions": logits.argmax(dim=1).numpy()}


def tacit(cs: tuple[float, ...]) -> Callable[[Size], Callable[[], Fitted]]:
    """Prepares tacit's solver as the linear probe calls it."""

    def prepare(size: Size) -> Callable[[], Fitted]:
        from tacit.evaluation.linear import CHOOSING, TOLERANCE
        from tacit.evaluation.logistic import fit
        from tacit.evaluation.scaler import Scaler

        x, y = features(size)
        tolerance = TOLERANCE if len(cs) == 1 else CHOOSING
        as_it_is = Scaler(x.new_zeros(x.shape[1]), x.new_ones(x.shape[1]))

        def run() -> Fitted:
            gram, model, models = as_it_is.gram(x), None, []
            for c in cs:
                model = fit(
                    x, y, CLASSES, 1 / (c * len(x)), scaler=as_it_is, gram=gram, start=model, tolerance=tolerance
                )
                models.append((c, model.weights[0], model.bias[0]))
            return x, y, models

        return run

    return prepare


def sklearn(cs: tuple[float, ...]) -> Callable[[Size], Callable[[], Fitted]]:
    """Prepares scikit-learn's, which starts warm too."""

    def prepare(size: Size) -> Callable[[], Fitted]:
        import torch
        from sklearn.linear_model import LogisticRegression

        x, y = features(size)

        def run() -> Fitted:
            model, models = LogisticRegression(max_iter=10_000, warm_start=True), []
            for c in cs:
                model.set_params(C=c).fit(x.numpy(), y.numpy())
                models.append((c, torch.tensor(model.coef_.T), torch.tensor(model.intercept_)))
            return x, y, models

        return run

    return prepare


def settle(fitted: Fitted) -> Found:
    """What came of it; the reckoning is not measured."""
    x, y, models = fitted
    each = [_found(x, y, *one) for one in models]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


def check(ours: Found, theirs: Found) -> str:
    """For every penalty ours is no worse, and predicts the same but for what is not finished."""
    above = ours["objective"] - theirs["objective"]
    if not (above <= ABOVE).all():
        raise DisagreementError(f"the objective is {above.max():.1e} above the other's, and may be {ABOVE:g}")
    changed = float(np.mean(ours["predictions"] != theirs["predictions"]))
    if changed > CHANGED:
        raise DisagreementError(f"{changed:.2%} of the predictions differ, and {CHANGED:.2%} may")
    return f"objective {above.max():+.0e}, predictions {changed:.0e}"


def contest(module: str, name: str, title: str, cs: tuple[float, ...]) -> Contest:
    """Both sides on the same features, for the penalties of `cs`."""
    return Contest(
        module,
        name,
        f"{title}, {{rows:,}} rows of {{width}}, features of {PICTURES}, {CLASSES} classes",
        Side("tacit", "tacit", tacit(cs)),
        (Side("scikit-learn", "scikit-learn", sklearn(cs)),),
        {"full": {"rows": 10_000, "width": 512}, "tiny": {"rows": 300, "width": 64}},
        check,
        settle=settle,
    )


CONTEST = contest(__name__, "penalties", f"logistic regression for {len(CS)} penalties", CS)
