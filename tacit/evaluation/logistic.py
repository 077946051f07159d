"""Multinomial logistic regression: many problems in one solve, on features too large to copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from tacit import interrupt
from tacit.evaluation.lbfgs import Memory
from tacit.evaluation.scaler import Scaler
from tacit.evaluation.softmax import Place, Problem

HISTORY = 10
"""Pairs of steps and gradient changes that L-BFGS remembers."""
HALVINGS = 30
"""How often a step is halved before its problem counts as solved to the last bit."""
SUFFICIENT = 1e-4
"""Armijo's constant: the share of the decrease promised by the slope that a step has to deliver."""

STEERED = 16_384
"""The most dimensions for which the curvature is worth computing: its factor costs their cube."""
ROUNDING = 1e-5
"""What inner products of rows are known to, as a share of a row's mean square."""
TRIES = 5
"""How often that is made ten times as much."""
JITTER = 1e-6
"""Added to the curvature, whose trace is one, where single precision would make it indefinite."""


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """S linear classifiers of features of width D into C classes."""

    weights: Tensor
    """`[S, D, C]`."""
    bias: Tensor
    """`[S, C]`."""
    slope: Tensor
    """`[S]`, the norm of the objective's gradient where the solver stopped."""
    trail: tuple[float, Memory] | None = field(default=None, repr=False)
    """The penalty, and what the search has learnt of the curvature, for one that starts here."""

    def predict(self, x: Tensor) -> Tensor:
        """Classes, long `[S, M]`, of the features `x [M, D]` that all S classifiers read."""
        return self.logits(x).argmax(-1).T

    def logits(self, x: Tensor) -> Tensor:
        """`[M, S, C]` for `x [M, D]`."""
        stacked = self.weights.permute(1, 0, 2).flatten(1)
        return torch.unflatten(x @ stacked, 1, self.bias.shape) + self.bias

    def after(self, scaler: Scaler) -> LinearClassifier:
        """The classifiers of raw features that equal these behind `scaler`."""
        weights = self.weights / scaler.scale[:, None]
        return LinearClassifier(weights, self.bias - scaler.shift @ weights, self.slope)


def condense(z: Tensor) -> tuple[Tensor, Callable[[LinearClassifier], LinearClassifier]]:
    """Rows `[S, N, N]` with the inner products of `z [S, N, D]`, and the way back to classifiers of width D.

    A penalised linear model lies in the span of its rows (the representer theorem), so that with fewer rows than
    dimensions the same model is found among N numbers a row: those of the Cholesky factor of their inner products,
    which costs a small part of their axes. These are known to single precision, so that rows that repeat each other
    have no factor: a small number that is each row's own, `ROUNDING` of a mean square, makes one, ten times as much
    where that is too little.
    """
    inner = (z @ z.mT).double()
    mean = inner.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(torch.finfo(z.dtype).tiny)
    own = ROUNDING * mean
    for _ in range(TRIES):
        root, failed = torch.linalg.cholesky_ex(inner + torch.diag_embed(own[..., None].expand(inner.shape[:-1])))
        if not failed.any():
            break
        own = torch.where(failed > 0, 10 * own, own)

    def widen(model: LinearClassifier) -> LinearClassifier:
        shares = torch.linalg.solve_triangular(root.mT, model.weights.double(), upper=True)
        return LinearClassifier(z.mT @ shares.to(z.dtype), model.bias, model.slope)

    return root.to(z.dtype), widen


def fit(
    x: Tensor,
    y: Tensor,
    classes: int,
    penalty: float,
    *,
    scaler: Scaler | None = None,
    weight: Tensor | None = None,
    start: LinearClassifier | None = None,
    gram: Tensor | None = None,
    tolerance: float = 1e-4,
    iterations: int = 300,
) -> LinearClassifier:
    """Minimise mean cross-entropy + penalty / 2 |W|^2 for S problems at once; the bias is free.

    With N rows this is scikit-learn's `LogisticRegression(C=1 / (penalty * N))`. The solver is L-BFGS (Nocedal 1980)
    on all rows, started from the curvature that `gram` gives where all classes are as likely (Boehning 1992 has a bound
    of the same form), its scale taken from the newest step. Two facts about linear models make an
    iteration cheap: along a search direction the logits are a straight line, so a line search never touches the
    features, and the objective is convex, so every accepted step has positive curvature. Each class has a length of
    its own on that line: Newton's method gives them, from logits alone. All are halved, in each problem for itself,
    until the objective has decreased enough (Armijo 1966): no problem ever goes up.

    Args:
        x: features, `[S, N, D]`, or `[N, D]` for one problem; read twice an iteration, never copied. Where D is larger
            than N and they need no scaling, the problem is solved among N dimensions (`condense`).
        y: classes, long `[S, N]` or `[N]`.
        penalty: positive; in units of the scaled features.
        scaler: applied to `x` on the fly; the result reads scaled features (`LinearClassifier.after` undoes that).
        weight: `[S, N]` or `[N]`, how much each row counts in the mean; 0 leaves a row out.
        start: where to start (the solution for a stronger penalty of the same features); what was learnt of the
            curvature on the way there is used again.
        gram: `Scaler.gram` of features like these, `[D, D]`; steers the search, never the solution.
        tolerance: a problem is solved when its gradient's norm is no larger.
        iterations: the most steps to take.
    """
    if x.dim() == 2:
        x, y, weight = x[None], y[None], None if weight is None else weight[None]
    if x.shape[2] > x.shape[1] and scaler is None and start is None:
        rows, widen = condense(x)
        return widen(fit(rows, y, classes, penalty, weight=weight, tolerance=tolerance, iterations=iterations))
    problem = Problem.of(x, y, penalty, scaler, weight)
    theta = x.new_zeros(len(x), classes, x.shape[2] + 1)
    memory = Memory(HISTORY, theta)
    if start is not None:
        theta[..., :-1], theta[..., -1] = start.weights.mT, start.bias
        if start.trail is not None and start.trail[1].shape == memory.shape:
            more = torch.full_like(theta[0], penalty - start.trail[0])
            more[:, -1] = 0
            memory = start.trail[1].bent(more.flatten())
    factor = None if gram is None else _factor(gram, penalty * classes)
    theta, slope = _minimise(problem, theta, factor, tolerance, iterations, memory)
    weights = theta[..., :-1].mT.contiguous()
    return LinearClassifier(weights, theta[..., -1], slope.norm(dim=(1, 2)), (penalty, memory))


def _factor(gram: Tensor, penalty: float) -> Tensor:
    """The Cholesky factor `[D, D]` of G + penalty."""
    bent = gram.clone()
    bent.diagonal().add_(max(penalty, 2 * JITTER))
    factor: Tensor = torch.linalg.cholesky(bent)
    return factor


def _minimise(
    problem: Problem,
    theta: Tensor,
    factor: Tensor | None,
    tolerance: float,
    iterations: int,
    memory: Memory | None = None,
) -> tuple[Tensor, Tensor]:
    """Parameters and gradient, both `[S, C, D + 1]`, after at most `iterations` steps of L-BFGS, kept in `memory`."""
    memory = memory or Memory(HISTORY, theta)
    place = problem.place(theta, problem.logits(theta))
    slope = problem.gradient(place)
    active = torch.ones(len(theta), dtype=torch.bool, device=theta.device)
    for _ in range(iterations):
        interrupt.check()
        active = active & (slope.norm(dim=(1, 2)) > tolerance)
        if not active.any():
            break
        direction = -memory.direction(slope, partial(_steered, factor=factor))
        step, place = _line_search(problem, place, direction, slope, active)
        active = active & (step != 0).flatten(1).any(1)
        after = problem.gradient(place)
        memory.add(step, after - slope)
        slope = after
    return place.theta, slope


def _line_search(
    problem: Problem, place: Place, direction: Tensor, slope: Tensor, active: Tensor
) -> tuple[Tensor, Place]:
    """A step `[S, C, D + 1]` along `direction`, 0 where none decreases the objective, and the place behind it."""
    along = problem.logits(direction)
    bent = problem.curvature(place, along, direction)
    falls = -(slope * direction).double().sum(2, keepdim=True)
    if bent.shape[1] == 1:
        falls = falls.sum(1, keepdim=True)
    lengths = torch.linalg.solve_ex(bent, falls)[0]
    promised = -(lengths * falls).sum((1, 2))
    # what all classes have in common changes no probability, and would cost a penalty
    step, along = _apart(lengths.to(direction.dtype) * direction), _apart(lengths * along)

    def moved(share: Tensor) -> Place:
        far = share[:, None, None]
        return problem.place(place.theta + far.to(step.dtype) * step, place.logits + far * along)

    share = (active & (promised < 0)).double()
    for _ in range(HALVINGS):
        found = moved(share)
        enough = (found.loss <= place.loss + SUFFICIENT * share * promised) | (share == 0)
        if enough.all():
            break
        share = torch.where(enough, share, share / 2)
    else:
        share = torch.where(enough, share, 0.0)
        found = moved(share)
    return share.to(step.dtype)[:, None, None] * step, found


def _apart(each: Tensor) -> Tensor:
    """`each [S, C, ...]` less the mean of all classes."""
    return each - each.mean(1, keepdim=True)


def _steered(slope: Tensor, factor: Tensor | None) -> Tensor:
    """`slope [S, C, D + 1]` over the curvature of the features, whose bias is 1."""
    if factor is None:
        return slope
    columns = slope[..., :-1].flatten(0, 1).T
    solved = torch.cholesky_solve(columns, factor).T.reshape(*slope.shape[:2], -1)
    return torch.cat([solved, slope[..., -1:]], 2)
