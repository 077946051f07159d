"""Folds left out in turn: who learns from whom, one number of all, intervals that cover, penalties by whole groups."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

from tacit.core import View
from tacit.errors import DataError
from tacit.evaluation.bench import evaluate
from tacit.evaluation.bootstrap import Scoring, difference, interval
from tacit.evaluation.crossed import Crossed, Fold
from tacit.evaluation.few_label import _chosen
from tacit.evaluation.linear import held_out, linear_probe
from tacit.evaluation.logistic import LinearClassifier, fit
from tacit.evaluation.scaler import Scaler
from tacit.evaluation.setup import Bench, PredictedRow, Row

torch.set_num_threads(1)


class Rows:
    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def view(self, rows: Tensor) -> View:
        return View(self.x[rows], index=rows)


def crossed(x: Tensor, labels: Tensor, folds: Tensor, **changes: object) -> Crossed:
    count = int(labels.max()) + 1
    shared: dict = {"classes": [f"class {n}" for n in range(count)], "sizes": (1, 5), "draws": 4, **changes}
    parts = []
    for fold in torch.unique(folds):
        train, test = (folds != fold).nonzero().flatten(), (folds == fold).nonzero().flatten()
        bench = Bench(
            train=Rows(x[train]),
            train_labels=labels[train],
            test=Rows(x[test]),
            test_labels=labels[test],
            groups=folds[train],
            partial=True,
            **shared,
        )
        parts.append(Fold(f"{int(fold)}", bench, train, test))
    return Crossed(samples=Rows(x), folds=parts, **shared)


def speakers(count: int = 6, each: int = 40, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features in which every speaker has a place of their own, classes of unequal size, and speakers."""
    generator = torch.Generator().manual_seed(seed)
    folds = torch.arange(count).repeat_interleave(each)
    labels = torch.multinomial(torch.tensor([8.0, 4, 2, 1])[:classes], len(folds), True, generator=generator)
    centres, own = (torch.randn(rows, 12, generator=generator) for rows in (classes, count))
    return centres[labels] + own[folds] + torch.randn(len(folds), 12, generator=generator), labels, folds


def pixels(samples: Rows) -> Tensor:
    return samples.x


def test_features_are_computed_once_and_every_sample_is_tested_by_what_learnt_from_other_folds() -> None:
    x, labels, folds = speakers()
    asked: list[int] = []

    def features(samples: Rows) -> Tensor:
        asked.append(len(samples))
        return samples.x

    setup = crossed(x, labels, folds)
    found = evaluate(setup, [Row("mine", "encoder", features)], ("linear", "few-label", "knn", "health"))
    assert asked == [len(x)]
    right = found.correct["mine", "linear", "all"]
    assert right.shape == (1, len(x))
    for fold, part in zip(setup.folds, right[0].split([len(fold.test) for fold in setup.folds]), strict=True):
        probe = linear_probe(
            x[fold.train], labels[fold.train], x[fold.test], 4, groups=folds[fold.train], seed=setup.seed
        )
        assert torch.equal(part.bool(), probe.predictions == labels[fold.test])
    result = found.find("mine", "linear", "all")
    assert result is not None
    assert result.value == pytest.approx(right.mean().item())
    alone = {fold.name: float(right[0, folds == number].mean()) for number, fold in enumerate(setup.folds)}
    assert result.protocol["folds"] == pytest.approx(alone)
    assert len(result.protocol["C"]) == 6 or isinstance(result.protocol["C"], float)
    assert found.correct["mine", "few-label", "5"].shape == (4, len(x))
    health = found.find("mine", "health", "rankme")
    assert health is not None
    assert health.protocol["part"] == "all"
    assert found.verdict is not None
    majority = found.find("majority", "linear", "all")
    assert majority is not None
    assert majority.value == pytest.approx((labels == 0).double().mean().item())


def test_answers_that_were_brought_are_asked_for_fold_by_fold() -> None:
    x, labels, folds = speakers()

    def answers(bench: Bench) -> dict[tuple[str, str], Tensor]:
        return {("linear", "all"): bench.test_labels[None]}  # all right

    setup = crossed(x, labels, folds)
    found = evaluate(setup, [Row("mine", "encoder", pixels), PredictedRow("oracle", "raw", answers)], ("linear",))
    oracle = found.find("oracle", "linear", "all")
    assert oracle is not None
    assert (oracle.low, oracle.value, oracle.high) == (1, 1, 1)


def test_what_one_fold_cannot_be_asked_is_asked_of_none() -> None:
    x, labels, folds = speakers(each=12)
    setup = crossed(x, labels, folds, sizes=(1, 3, 4, 5, 100))
    few = [int(torch.bincount(labels[fold.train], minlength=4).min()) for fold in setup.folds]
    found = evaluate(setup, [Row("mine", "encoder", pixels)], ("few-label",))
    measured = {metric for _, task, metric in found.correct if task == "few-label"}
    assert measured == {f"{size}" for size in (1, 3, 4, 5, 100) if size <= min(few)}


def test_one_fold_cannot_be_left_out() -> None:
    setup = crossed(*speakers())
    with pytest.raises(DataError, match="two folds or more"):
        replace(setup, folds=setup.folds[:1])


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(5, 80))
@settings(max_examples=60, deadline=None)
def test_balanced_accuracy_is_that_of_scikit_learn(seed: int, classes: int, samples: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    truth, said = (torch.randint(classes, (samples,), generator=generator) for _ in range(2))
    right = (truth == said)[None].float()
    with warnings.catch_warnings():  # of answers that are no class of the truth, which cost their own class alone
        warnings.simplefilter("ignore")
        wanted = balanced_accuracy_score(truth, said)
    assert Scoring(truth).value(right) == pytest.approx(wanted)
    around = interval(right, Scoring(truth), resamples=200)
    assert around.value == pytest.approx(wanted)
    assert around.low <= wanted + 1e-9
    assert around.high >= wanted - 1e-9


def test_of_equal_classes_balanced_accuracy_is_accuracy_and_differences_are_those_of_values() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(4).repeat(50)
    first, second = ((torch.rand(3, 200, generator=generator) < share).float() for share in (0.8, 0.6))
    balanced = Scoring(truth)
    assert balanced.value(first) == pytest.approx(first.mean().item())
    uneven = Scoring(torch.arange(200) // 150)
    gain = difference(first, second, uneven)
    assert gain.value == pytest.approx(uneven.value(first) - uneven.value(second))
    assert 0 < gain.low < gain.value < gain.high


def test_intervals_of_balanced_accuracy_cover_where_a_class_is_rare() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.tensor([0] * 180 + [1] * 20)
    chance = torch.where(truth == 0, 0.9, 0.5)  # the balanced accuracy is .7, the accuracy .86
    covered = 0
    for number in range(200):
        right = (torch.rand(1, 200, generator=generator) < chance).float()
        around = interval(right, Scoring(truth), resamples=400, seed=number)
        covered += around.low <= 0.7 <= around.high
    assert 0.88 <= covered / 200 <= 0.99


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_intervals_over_folds_cover_whether_folds_differ_or_not_and_those_over_samples_do_not(apart: float) -> None:
    generator = torch.Generator().manual_seed(1)
    truth = (apart * torch.randn(200_000, generator=generator) + 0.8).sigmoid().mean().item()
    folds = torch.arange(5).repeat_interleave(60)
    over_folds = over_samples = 0
    for number in range(300):
        chance = (apart * torch.randn(5, 1, generator=generator) + 0.8).sigmoid()
        right = (torch.rand(5, 60, generator=generator) < chance).view(1, -1).float()
        around, narrow = interval(right, Scoring(folds=folds)), interval(right, resamples=200, seed=number)
        over_folds += around.low <= truth <= around.high
        over_samples += narrow.low <= truth <= narrow.high
    assert 0.9 <= over_folds / 300 <= 0.99
    if apart:
        assert over_samples / 300 < 0.6


def test_the_jackknife_of_equal_folds_is_students_t() -> None:
    from scipy.stats import ttest_1samp

    means = torch.tensor([0.5, 0.7, 0.6, 0.9])
    right = (torch.arange(20) < 20 * means[:, None]).float().view(1, -1)
    around = interval(right, Scoring(folds=torch.arange(4).repeat_interleave(20)))
    wanted = ttest_1samp(means.double(), 0).confidence_interval(0.95)
    assert around.low == pytest.approx(wanted.low, abs=1e-6)
    assert around.high == pytest.approx(min(wanted.high, 1), abs=1e-6)


@pytest.mark.parametrize("balanced", [False, True])
def test_metrics_are_named_by_what_they_are(balanced: bool) -> None:
    x, labels, folds = speakers()
    tasks = ("linear", "few-label", "knn", "retrieval")
    found = evaluate(crossed(x, labels, folds, balanced=balanced), [Row("mine", "encoder", pixels)], tasks)
    assert (found.find("mine", "linear", "all, balanced") is not None) == balanced
    assert (found.find("mine", "linear", "all") is not None) == (not balanced)
    assert found.find("mine", "retrieval", "mAP") is not None
    majority = found.find("majority", "linear", "all, balanced" if balanced else "all")
    assert majority is not None
    assert majority.value == pytest.approx(0.25 if balanced else (labels == 0).double().mean().item())
    assert found.verdict is not None
    assert ("a balanced accuracy of" in found.verdict.sentence) == balanced
    assert "5 labels per class" in found.verdict.sentence
    again = {task: metric for row, task, metric in found.correct if row == "mine"}
    folds_of = found.find("mine", "linear", again["linear"])
    assert folds_of is not None
    assert len(folds_of.protocol["folds"]) == 6


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 6)), min_size=2, max_size=60), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_groups_are_held_out_whole_and_no_class_is_lost(samples: list[tuple[int, int]], seed: int) -> None:
    labels, groups = torch.tensor([label for label, _ in samples]), torch.tensor([group for _, group in samples])
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[held_out(labels, seed, groups)] = True
    assert set(labels[~held].tolist()) == set(labels.tolist())
    spare = [
        group
        for group in set(groups[groups >= 0].tolist())
        if set(labels[groups != group].tolist()) == set(labels.tolist())
    ]
    if spare:
        assert held.any()
        for group in set(groups[groups >= 0].tolist()):
            assert len(set(held[groups == group].tolist())) == 1
    assert torch.equal(held_out(labels, seed, groups), held.nonzero().flatten()) or not spare


def test_penalties_are_chosen_by_groups_never_heard() -> None:
    """Speakers give themselves away: by chance halves a weak penalty seems right, which other speakers prove wrong."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(12).repeat_interleave(30)
    labels = groups % 2  # a speaker has one class
    own = torch.randn(12, 40, generator=generator)[groups] + 0.3 * torch.randn(360, 40, generator=generator)
    weak = labels[:, None] + torch.randn(360, 4, generator=generator)
    x = torch.cat([own, weak], 1)
    by_class = linear_probe(x, labels, x[:1], 2)
    by_group = linear_probe(x, labels, x[:1], 2, groups=groups)
    assert by_group.c < by_class.c

    asked = []

    def solve(c: float, weight: Tensor | None) -> LinearClassifier:
        assert weight is not None
        asked.append(weight)
        scaler = Scaler.of(x)
        return fit(scaler(x[rows]), labels[rows], 2, 1 / (c * weight.sum(1).mean().item()), weight=weight).after(scaler)

    rows = torch.stack([torch.arange(360)] * 2)
    assert _chosen(rows, x, labels, solve, groups) <= _chosen(rows, x, labels, solve, None)
    kept = asked[0][0] > 0
    assert all(len(set(kept[groups == group].tolist())) == 1 for group in range(12))
