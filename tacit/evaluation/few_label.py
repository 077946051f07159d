"""Few labels: what a representation is worth to somebody who can label a handful of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tacit import interrupt
from tacit.errors import UsageError
from tacit.evaluation.linear import held_out_groups
from tacit.evaluation.logistic import STEERED, LinearClassifier, condense, fit
from tacit.evaluation.scaler import Scaler

SIZES = (1, 2, 5, 10, 25, 100)
"""Labels per class."""
DRAWS = 20
C = 100.0
"""scikit-learn's C on features whose mean squared norm is one, where a handful of labels cannot choose a penalty. With
fewer than ten labels per class anything from 1 to 100 gives the same accuracy within half a point on digits, CIFAR-10
and IMDb, for raw features, untrained and trained networks alike."""
CHOICES = (C, 10.0, 1.0)
"""With ten and more it matters and the data differ: digits lose 1.4 points at C = 3, CIFAR-10 gains 2 to 5."""
TUNED_FROM = 10
TUNED_ON = 5
"""Draws whose held-out fifths choose C for all draws of an amount."""
TOLERANCE = 3e-4
"""Norm of the gradient; a tenth of it changed no accuracy by more than .0003 on CIFAR-10."""
IN_ALL = " in all"
"""What a metric ends with where labels are counted over all classes: `40 in all`."""
BALANCED = ", balanced"
"""What it ends with where it is a balanced accuracy: `40 in all, balanced`."""
_GATHERED_BYTES = 2**28
Solve = Callable[[float, Tensor | None], LinearClassifier]
"""(C, how much each row counts `[S, L]`, all alike where it is None) -> the classifiers of raw features."""


def amounts(classes: int, labels: Tensor, sizes: Sequence[int], totals: Sequence[int]) -> Mapping[str, int]:
    """Metric -> how many labels in all: `totals`, or where there are none, those of `sizes` (labels per class).

    Sizes that the rarest class of `labels` (long `[N]`) cannot serve are left out. A total is a wish of the user's:
    raises `UsageError` where it cannot be served.
    """
    rarest = int(torch.bincount(labels, minlength=classes).min())
    if not totals:
        return {str(size): size * classes for size in sizes if size <= rarest}
    for total in totals:
        if total < classes:
            raise UsageError(f"--labels {total}: fewer than the {classes} classes; give {classes} or more")
        if -(-total // classes) > rarest:
            raise UsageError(
                f"--labels {total}: drawn evenly from {classes} classes these are {-(-total // classes)} of each, and "
                f"the rarest has {rarest} training samples; give {rarest * classes} or less"
            )
    return {f"{total}{IN_ALL}": total for total in sorted(set(totals))}


def number(metric: str) -> int:
    """The number of labels in the metric `10` or `40 in all`."""
    return int(plain(metric).removesuffix(IN_ALL))


def plain(metric: str) -> str:
    """A metric as it is called where it is an accuracy."""
    return metric.removesuffix(BALANCED)


def per_class(metric: str, classes: int) -> float:
    """How many labels per class the metric speaks of."""
    return number(metric) / (classes if plain(metric).endswith(IN_ALL) else 1)


def words(metric: str) -> str:
    """A metric in words: `10 labels per class`, `40 labels in all`."""
    count = number(metric)
    return f"{count} label{'s' if count != 1 else ''}{IN_ALL if plain(metric).endswith(IN_ALL) else ' per class'}"


def draw(labels: Tensor, classes: int, total: int, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """Rows, long `[draws, total]`, evenly from all classes: their numbers differ by one at most in each draw.

    A draw is a function of `seed` and its number: every representation is judged on the same rows, and the rows of a
    smaller total are among those of a larger one. For CIFAR-10 with 40, 250 and 4,000 these are the field's splits
    (five of them; Berthelot et al. 2019, arXiv 1905.02249; Sohn et al. 2020, arXiv 2001.07685).
    """
    members = [(labels == label).nonzero().flatten() for label in range(classes)]
    each, more = divmod(total, classes)
    picked = []
    for number in range(draws):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        shuffled = [rows[torch.randperm(len(rows), generator=generator)] for rows in members]
        first = torch.randperm(classes, generator=generator)[:more].tolist()
        picked.append(torch.cat([rows[: each + (label in first)] for label, rows in enumerate(shuffled)]))
    return torch.stack(picked)


def drawn(
    labels: Tensor,
    classes: int,
    sizes: Sequence[int],
    totals: Sequence[int],
    *,
    units: Tensor | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The draws of all `amounts`: metric -> rows, long `[draws, L]`.

    With `units` (long `[N]`, equal for pieces of one sample) whole samples are drawn and counted, each with all of its
    pieces; a draw of fewer rows than others is filled up with its first one.
    """
    of, own = wholes(labels, units)
    pieces = torch.split(of.argsort(stable=True), torch.bincount(of).tolist())
    found = {}
    for metric, total in amounts(classes, own, sizes, totals).items():
        rows = draw(own, classes, total, draws=draws, seed=seed)
        if units is not None:
            each = [torch.cat([pieces[unit] for unit in some]) for some in rows.tolist()]
            longest = max(map(len, each))
            rows = torch.stack([torch.cat([some, some[:1].expand(longest - len(some))]) for some in each])
        found[metric] = rows
    return found


def wholes(labels: Tensor, units: Tensor | None) -> tuple[Tensor, Tensor]:
    """Which of the U whole samples each of `labels` (long `[N]`) belongs to, and their labels: `[N]` and `[U]`."""
    if units is None:
        return torch.arange(len(labels)), labels
    known, of = torch.unique(units, return_inverse=True)
    return of, torch.zeros(len(known), dtype=torch.long).scatter(0, of, labels)


def unrepeated(rows: Tensor) -> Tensor:
    """A draw (long `[L]`) without what fills it up."""
    others = (rows != rows[0]).nonzero()
    return rows[: int(others.max()) + 1] if len(others) else rows[:1]


def _shares(labels: Tensor, units: Tensor | None) -> Tensor:
    """How much each of `labels` (long `[N]`) counts, `[N]`: all whole samples alike."""
    of, _ = wholes(labels, units)
    return 1 / torch.bincount(of)[of]


def _weights(rows: Tensor, share: Tensor) -> Tensor:
    """How much each of the drawn `rows` (long `[S, L]`) counts: its `share [N]`, and what fills a draw up nothing."""
    again = rows == rows[:, :1]
    again[:, 0] = False
    return share[rows].masked_fill(again, 0)


@dataclass(frozen=True, eq=False)
class Answers:
    """What the classifiers of all draws of one amount say."""

    predictions: Tensor
    """Classes of the test part, long `[S, M]`."""
    c: float
    """scikit-learn's C by which they were fitted."""


def few_label(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    classes: int,
    drawn: Sequence[Tensor],
    groups: Tensor | None = None,
    units: Tensor | None = None,
) -> Iterator[Answers]:
    """Logistic regression on `drawn` rows (long `[S, L]`, each) of `train [N, D]`, asked for classes of `test [M, D]`.

    The scaler is fitted on all of `train`, since features need no labels, once for all amounts. From ten labels per
    class on, C is chosen by accuracy on held-out fifths of the drawn rows: whole `groups` (long `[N]`) if given. Of
    pieces of one sample, told by `units` (long `[N]`), all together count as one label.
    """
    scaler, share = Scaler.of(train), _shares(labels, units)
    steered = train.shape[1] <= min(STEERED, max((rows.shape[1] for rows in drawn), default=0))
    gram = scaler.gram(train) if steered else None

    def solver(rows: Tensor) -> Solve:
        """What fits classifiers to some of the `rows`, whose features are prepared once for all penalties."""
        z, own = scaler(train[rows]), _weights(rows, share)
        z, widen = condense(z) if z.shape[2] > z.shape[1] else (z, _as_it_is)
        bound = gram if train.shape[1] <= rows.shape[1] else None

        def solve(c: float, kept: Tensor | None) -> LinearClassifier:
            weight = own if kept is None else own * kept
            penalty = 1 / (c * weight.sum(1).mean().item())
            found = fit(z, labels[rows], classes, penalty, weight=weight, gram=bound, tolerance=TOLERANCE)
            return widen(found).after(scaler)

        return solve

    for rows in drawn:
        count = int(_weights(rows[:1], share).sum().round())
        some = rows[:TUNED_ON]
        c = _chosen(some, train, labels, solver(some), groups) if count >= TUNED_FROM * classes else C
        at_once = max(1, _GATHERED_BYTES // (rows.shape[1] * train.shape[1] * train.element_size()))
        predictions = []
        for part in torch.split(rows, at_once):
            interrupt.check()
            model = solver(part)(c, None)
            predictions.append(torch.cat([model.predict(tile) for tile in torch.split(test, 4096)], 1))
        yield Answers(torch.cat(predictions), c)


def _as_it_is(model: LinearClassifier) -> LinearClassifier:
    return model


def _chosen(rows: Tensor, train: Tensor, labels: Tensor, solve: Solve, groups: Tensor | None) -> float:
    """The C of `CHOICES` that says most held-out rows right; the first of equals."""
    held = [own[_held(own, labels, groups)] for own in map(unrepeated, rows)]
    kept = torch.stack([~torch.isin(own, out) for own, out in zip(rows, held, strict=True)]).float()
    right = {}
    for c in CHOICES:
        interrupt.check()
        model = solve(c, kept)
        right[c] = sum(int((model.predict(train[out])[draw] == labels[out]).sum()) for draw, out in enumerate(held))
    return max(CHOICES, key=lambda c: right[c])


def _held(rows: Tensor, labels: Tensor, groups: Tensor | None) -> Tensor:
    """Which of the drawn `rows` (long `[L]`) judge the penalties: long, about a fifth."""
    generator = torch.Generator().manual_seed(0)
    if groups is not None and len(whole := held_out_groups(labels[rows], groups[rows], generator)):
        return whole
    return torch.randperm(len(rows), generator=generator)[: len(rows) // 5]
