"""Where the verdict is given: at few labels and at all, or at what was asked for instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from tacit.evaluation.bootstrap import Scoring
from tacit.evaluation.few_label import BALANCED, per_class, plain, words
from tacit.evaluation.tasks import Key
from tacit.evaluation.verdict import Contest, Verdict, verdict

FEW_TASKS = ("few-label", "few-label-finetuned")
"""Tasks whose metrics are numbers of labels."""
FEW = 10
"""Labels per class at which the verdict is given, or the nearest there is."""
OTHERS = {("knn", "k=20"): "20 nearest neighbours", ("retrieval", "mAP"): "a search for the class (mAP)"}
"""Where nothing else was measured: the first of these that was."""


def judge(
    trial: str,
    correct: Mapping[tuple[str, str, str], Tensor],
    *,
    floors: Sequence[str],
    rivals: Sequence[str],
    members: Mapping[Key, Sequence[float]],
    scoring: Callable[[str], Scoring],
    classes: int,
    seed: int,
) -> Verdict | None:
    """The verdict on the row `trial`; None where nothing measured of it can decide.

    `correct`: (row, task, metric) -> `[S, M]`, with a row `majority`, which is a floor where it is the best of them;
    `members`: the values of untrained encoders, one a seed; `scoring`: task -> how its numbers are made.
    """
    contests = []
    for (task, metric), budget in _budgets([key for row, *key in correct if row == trial], classes).items():
        at = {row: right for (row, *key), right in correct.items() if tuple(key) == (task, metric)}
        value = scoring(task).value
        standing = {row: at[row] for row in floors if row in at}
        if value(at["majority"]) >= max(map(value, standing.values()), default=0.0):
            standing["majority"] = at["majority"]
        contests.append(
            Contest(
                budget,
                at[trial],
                standing,
                members.get((task, metric), ()),
                {row: at[row] for row in rivals if row in at},
                scoring(task),
                "a balanced accuracy of " if metric.endswith(BALANCED) else "",
            )
        )
    return verdict(contests, seed=seed) if contests else None


def _budgets(keys: Sequence[Sequence[str]], classes: int) -> Mapping[Key, str]:
    """What decides, in words: few labels, then all; or what was asked for where neither was measured."""
    measured = {(task, plain(metric)): (task, metric) for task, metric in keys}
    few = {key: per_class(key[1], classes) for key in measured if key[0] in FEW_TASKS}
    budgets: dict[Key, str] = {}
    if few:
        closest = min(few, key=lambda key: max(few[key] / FEW, FEW / few[key]))
        budgets[measured[closest]] = words(closest[1])
    if ("linear", "all") in measured:
        budgets[measured["linear", "all"]] = "all labels"
    if not budgets and (other := next((key for key in OTHERS if key in measured), None)):
        budgets[measured[other]] = OTHERS[other]
    return budgets
