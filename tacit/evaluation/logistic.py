"""Multinomial logistic regression: many problems in one solve, on features too large to copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt
from tacit.evaluation.scaler import Scaler

HISTORY = 10
"""Pairs of steps and gradient changes that L-BFGS remembers."""
HALVINGS = 30
"""How often a step is halved before its problem counts as solved to the last bit."""
SUFFICIENT = 1e-4
"""Armijo's constant: the share of the decrease promised by the slope that a step has to deliver."""

STEERED = 8192
"""The most dimensions for which the curvature is worth computing: its factor costs their cube."""
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
    dimensions the same model is found among N numbers a row. They are coordinates along the rows' principal axes;
    axes below the rounding of single precision are left out.
    """
    values, axes = torch.linalg.eigh((z @ z.mT).double())
    floor = values[..., -1:] * torch.finfo(z.dtype).eps * z.shape[1]
    scale = torch.where(values > floor, values, 0.0).sqrt()[..., None, :]
    rows = (axes * scale).to(z.dtype)
    back = (axes * _ratio(torch.ones_like(scale), scale)).to(z.dtype)

    def widen(model: LinearClassifier) -> LinearClassifier:
        return LinearClassifier(z.mT @ (back @ model.weights), model.bias, model.slope)

    return rows, widen


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
    on all rows, started from the bound on the curvature that `gram` gives (Boehning 1992): on CIFAR-10 40 iterations
    instead of several hundred. Two facts about linear models make an iteration cheap: along a search direction the
    logits are a straight line, so a line search never touches the features, and the objective is convex, so every
    accepted step has positive curvature. A step starts at the length that Newton's method gives on that line and is
    halved, in each problem for itself, until the objective has decreased enough (Armijo 1966): no problem ever goes up.

    Args:
        x: features, `[S, N, D]`, or `[N, D]` for one problem; read twice an iteration, never copied. Where D is larger
            than N and they need no scaling, the problem is solved among N dimensions (`condense`).
        y: classes, long `[S, N]` or `[N]`.
        penalty: positive; in units of the scaled features.
        scaler: applied to `x` on the fly; the result reads scaled features (`LinearClassifier.after` undoes that).
        weight: `[S, N]` or `[N]`, how much each row counts in the mean; 0 leaves a row out.
        start: where to start (the solution for a stronger penalty).
        gram: `Scaler.gram` of features like these, `[D, D]`; steers the search, never the solution.
        tolerance: a problem is solved when its gradient's norm is no larger.
        iterations: the most steps to take.
    """
    if x.dim() == 2:
        x, y, weight = x[None], y[None], None if weight is None else weight[None]
    if x.shape[2] > x.shape[1] and scaler is None and start is None:
        rows, widen = condense(x)
        return widen(fit(rows, y, classes, penalty, weight=weight, tolerance=tolerance, iterations=iterations))
    problem = _Problem.of(x, y, penalty, scaler, weight)
    theta = x.new_zeros(len(x), classes, x.shape[2] + 1)
    if start is not None:
        theta[..., :-1], theta[..., -1] = start.weights.mT, start.bias
    factor = None if gram is None else _bound(gram, penalty)
    theta, slope = _minimise(problem, theta, factor, tolerance, iterations)
    return LinearClassifier(theta[..., :-1].mT.contiguous(), theta[..., -1], slope.norm(dim=(1, 2)))


@dataclass(frozen=True, eq=False)
class _Place:
    """Where S problems stand, with all that was computed there."""

    theta: Tensor
    """`[S, C, D + 1]`, the bias in the last column."""
    logits: Tensor
    """`[S, C, N]`."""
    chance: Tensor
    """`[S, C, N]`, their softmax over the classes."""
    loss: Tensor
    """`[S]`: mean cross-entropy + penalty / 2 |W|^2."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """The objective of S problems: two passes over the features, and everything else on logits `[S, C, N]`.

    Logits and losses are float64, so that a decrease can be told from rounding; the features stay as they are. Classes
    come before rows, so that what is done with the logits runs along the rows, which are many.
    """

    x: Tensor
    """`[S, N, D]`."""
    y: Tensor
    """Long `[S, 1, N]`."""
    share: Tensor
    """`[S, 1, N]`, each row's share of the mean."""
    penalty: float
    shift: Tensor
    scale: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor, penalty: float, scaler: Scaler | None, weight: Tensor | None) -> _Problem:
        share = torch.ones_like(y, dtype=torch.float64) if weight is None else weight.double()
        share = (share / share.sum(1, keepdim=True))[:, None]
        scaler = scaler or Scaler(x.new_zeros(x.shape[2]), x.new_ones(x.shape[2]))
        return cls(x, y[:, None], share, penalty, scaler.shift, scaler.scale)

    def logits(self, theta: Tensor) -> Tensor:
        """First pass: `[S, C, N]`."""
        weights = theta[..., :-1] / self.scale
        # one problem is a plain matrix product, many go faster with the features transposed: half the time each
        product = F.linear(self.x[0], weights[0]).T[None] if len(self.x) == 1 else weights @ self.x.mT
        bias = theta[..., -1] - weights @ self.shift
        return product.to(torch.float64, memory_format=torch.contiguous_format).add_(bias[..., None])

    def place(self, theta: Tensor, logits: Tensor) -> _Place:
        """What the logits of `theta` say; one exponential serves the loss, the gradient and the curvature."""
        top = logits.amax(1, keepdim=True)
        chance = (logits - top).exp_()
        total = chance.sum(1, keepdim=True)
        entropy = (top + total.log() - logits.gather(1, self.y)) * self.share
        decay = 0.5 * self.penalty * theta[..., :-1].double().square().sum((1, 2))
        return _Place(theta, logits, chance.div_(total), entropy.sum((1, 2)) + decay)

    def gradient(self, place: _Place) -> Tensor:
        """Second pass: `[S, C, D + 1]`."""
        residual = place.chance * self.share
        residual.scatter_add_(1, self.y, -self.share)
        total = residual.sum(2, keepdim=True).to(self.x.dtype)
        narrow = residual.to(self.x.dtype)
        product = (narrow[0] @ self.x[0])[None] if len(self.x) == 1 else narrow @ self.x
        weights = (product - total * self.shift) / self.scale + self.penalty * place.theta[..., :-1]
        return torch.cat([weights, total], 2)

    def curvature(self, place: _Place, along: Tensor, direction: Tensor) -> Tensor:
        """`[S]`: the second derivative along `direction`, whose logits are `along`."""
        centred = along - (place.chance * along).sum(1, keepdim=True)
        spread = (place.chance * centred.square_()).sum(1, keepdim=True) * self.share
        return spread.sum((1, 2)) + self.penalty * direction[..., :-1].double().square().sum((1, 2))


def _bound(gram: Tensor, penalty: float) -> Tensor:
    """The Cholesky factor `[D, D]` of G / 2 + penalty, which no curvature of softmax regression exceeds."""
    bound = 0.5 * gram
    bound.diagonal().add_(max(penalty, JITTER))
    factor: Tensor = torch.linalg.cholesky(bound)
    return factor


def _minimise(
    problem: _Problem, theta: Tensor, factor: Tensor | None, tolerance: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """Parameters and gradient, both `[S, C, D + 1]`, after at most `iterations` steps of L-BFGS."""
    place = problem.place(theta, problem.logits(theta))
    slope = problem.gradient(place)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    active = torch.ones(len(theta), dtype=torch.bool, device=theta.device)
    for _ in range(iterations):
        interrupt.check()
        active = active & (slope.norm(dim=(1, 2)) > tolerance)
        if not active.any():
            break
        direction = -_two_loops(slope, pairs, factor)
        length, place = _line_search(problem, place, direction, slope, active)
        active = active & (length > 0)
        step = length.to(theta.dtype)[:, None, None] * direction
        after = problem.gradient(place)
        change = after - slope
        pairs = [*pairs, (step, change, _ratio(torch.ones_like(step[:, :1, :1]), _dot(step, change)))][-HISTORY:]
        slope = after
    return place.theta, slope


def _line_search(
    problem: _Problem, place: _Place, direction: Tensor, slope: Tensor, active: Tensor
) -> tuple[Tensor, _Place]:
    """Step lengths `[S]` along `direction`, 0 where no step decreases the objective, and the place behind them."""
    along = problem.logits(direction)

    def moved(length: Tensor) -> _Place:
        far = length[:, None, None]
        return problem.place(place.theta + far.to(direction.dtype) * direction, place.logits + far * along)

    promised = _dot(slope, direction).flatten().double()
    length = torch.where(active & (promised < 0), -promised / problem.curvature(place, along, direction), 0.0)
    for _ in range(HALVINGS):
        found = moved(length)
        enough = (found.loss <= place.loss + SUFFICIENT * length * promised) | (length == 0)
        if enough.all():
            return length, found
        length = torch.where(enough, length, length / 2)
    length = torch.where(enough, length, 0.0)
    return length, moved(length)


def _steered(slope: Tensor, factor: Tensor | None) -> Tensor:
    """The inverse of the curvature's bound times `slope [S, C, D + 1]`; of the bias the bound is 1/2."""
    if factor is None:
        return slope
    columns = slope[..., :-1].flatten(0, 1).T
    solved = torch.cholesky_solve(columns, factor).T.reshape(*slope.shape[:2], -1)
    return torch.cat([solved, 2 * slope[..., -1:]], 2)


def _two_loops(slope: Tensor, pairs: Sequence[tuple[Tensor, Tensor, Tensor]], factor: Tensor | None) -> Tensor:
    """The inverse Hessian's estimate times `slope [S, ...]` (Nocedal 1980, the two-loop recursion), batched.

    `pairs` are steps and gradient changes `[S, ...]`, oldest first, with one over their inner products `[S, 1, 1]`.
    """
    shares = []
    for step, change, inverse in reversed(pairs):
        shares.append(inverse * _dot(step, slope))
        slope = slope - shares[-1] * change
    steered = _steered(slope, factor)
    if pairs:
        step, change, _ = pairs[-1]
        length = _ratio(_dot(step, change), _dot(change, _steered(change, factor)))
        steered = steered * torch.where(length > 0, length, 1.0)
    slope = steered
    for (step, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        slope = slope + (share - inverse * _dot(change, slope)) * step
    return slope


def _ratio(over: Tensor, under: Tensor) -> Tensor:
    """`over / under`, 0 where a problem did not move and both are 0."""
    return torch.where(under > 0, over / under.clamp_min(torch.finfo(under.dtype).tiny), 0.0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products `[S, 1, 1]` of `[S, ...]`."""
    return a.flatten(1)[:, None] @ b.flatten(1)[..., None]
