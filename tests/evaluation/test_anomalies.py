"""Areas under curves that forgive a little delay."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from tacit.evaluation.anomalies import THRESHOLDS, runs, volumes, widened


def loop(scores, marks, buffer):
    """Both volumes, threshold by threshold and step by step (TSB-AD's definition, written anew)."""
    steps, pr, roc = len(marks), 0.0, 0.0
    own = runs(marks)
    thresholds = [np.sort(scores)[::-1][int(at)] for at in np.linspace(0, steps - 1, THRESHOLDS)]
    for tolerance in range(buffer + 1):
        near = [
            [t for t in range(steps) if any(a - tolerance // 2 <= t <= b + tolerance // 2 for a, b in group)]
            for group in groups(own, tolerance // 2)
        ]
        curve = [(0.0, 0.0, 1.0)]
        for threshold in thresholds:
            told = scores >= threshold
            hits = positive = 0.0
            for step in range(steps):
                gaps = [max(a - step, step - b, 0) for a, b in own]
                shares = [np.sqrt(1 - gap / tolerance) if gap else 1.0 for gap in gaps if gap <= tolerance // 2]
                amount = min(1.0, sum(shares))
                hits += amount * told[step]
                positive += 1.0 if marks[step] else amount * told[step]
            positive = (marks.sum() + positive) / 2
            found = np.mean([any(told[step] for step in steps_of) for steps_of in near])
            recall = min(1.0, hits / positive) * found
            curve.append(((told.sum() - hits) / (steps - positive), recall, hits / told.sum()))
        pr += sum((after[1] - before[1]) * after[2] for before, after in pairwise(curve))
        ends = [*curve, (1.0, 1.0, 0.0)]
        roc += sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(ends))
    return pr / (buffer + 1), roc / (buffer + 1)


def groups(own, half):
    """Anomalies whose widened ranges overlap are one."""
    found = []
    for each in own:
        if found and each[0] - half <= found[-1][-1][1] + half:
            found[-1].append(each)
        else:
            found.append([each])
    return found


@pytest.mark.parametrize("seed", range(2))
def test_volumes_are_those_of_a_loop(seed):
    generator = np.random.default_rng(seed)
    marks = np.zeros(40, bool)
    for begin in generator.integers(0, 36, 3):
        marks[begin : begin + generator.integers(1, 9)] = True
    scores = generator.normal(size=40) + marks
    scores = np.round(scores) if seed % 2 else scores
    assert volumes(scores[None], marks, 7)[0] == pytest.approx(loop(scores, marks, 7), abs=1e-9)


def test_values_of_the_authors_library():
    """As vus 0.0.6 gives them, whose definition TSB-AD shares."""
    generator = np.random.default_rng(3)
    marks = np.zeros(300, bool)
    marks[40:60] = marks[63:64] = marks[290:] = True
    scores = np.round(generator.normal(size=300) + marks, 1)
    assert volumes(scores[None], marks, 20)[0] == pytest.approx(AUTHORS, abs=1e-9)


AUTHORS = (0.3094222145242207, 0.8174851920364121)


def test_who_tells_the_marked_steps_alone_has_all_of_both():
    marks = np.zeros(500, bool)
    marks[100:140] = True
    found = volumes(np.stack([marks, ~marks]).astype(float), marks)
    assert found[0, 0] == pytest.approx(1)
    assert found[0, 1] > 0.97, "the tolerance takes the rest, which nobody has to tell"
    assert found[1, 0] < 0.15
    assert found[1, 1] < 0.4


def test_without_tolerance_it_is_average_precision_times_what_was_found():
    """One anomaly of one step is found with its first step, so precision and recall are those of points."""
    generator = np.random.default_rng(0)
    marks = np.zeros(200, bool)
    marks[77] = True
    scores = generator.normal(size=200)
    assert volumes(scores[None], marks, 0)[0, 0] == pytest.approx(average_precision_score(marks, scores), abs=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 5), st.booleans())
def test_volumes_are_shares_and_know_the_order_of_scores_alone(seed, scale, reverse):
    generator = np.random.default_rng(seed)
    marks = generator.random(80) < 0.2
    marks[:2] = (True, False)
    scores = np.round(generator.normal(size=80), 1)
    found = volumes(np.stack([scores, np.expm1(scale * scores)]), marks, 6)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()
    assert found[0] == pytest.approx(found[1])
    if reverse:
        again = volumes(scores[None, ::-1], marks[::-1], 6)
        assert again[0] == pytest.approx(found[0]), "time may run backwards"


def test_a_step_half_a_tolerance_away_counts_by_the_root_of_a_half():
    marks = np.zeros(20, bool)
    marks[10] = True
    labels, ranges = list(widened(marks, 4))[4]
    assert labels[8:13] == pytest.approx([0.5**0.5, 0.75**0.5, 1, 0.75**0.5, 0.5**0.5])
    assert labels.sum() == pytest.approx(labels[8:13].sum())
    assert ranges.tolist() == [[8, 13]]


def test_point_adjustment_would_let_random_numbers_win():
    """Why nothing is adjusted (Kim et al. 2022): who gets a whole range for one hit needs chance alone."""
    generator = np.random.default_rng(0)
    marks = np.zeros(5_000, bool)
    for begin in range(500, 5_000, 1_000):
        marks[begin : begin + 100] = True
    honest = np.convolve(marks, np.ones(50) / 50, "same") + 0.5 * generator.normal(size=5_000)
    chance = generator.random(5_000)

    def adjusted(scores):
        best = scores.copy()
        for first, last in runs(marks):
            best[first : last + 1] = scores[first : last + 1].max()
        return average_precision_score(marks, best)

    assert adjusted(chance) > 0.8 > average_precision_score(marks, honest)
    plain = volumes(np.stack([chance, honest]), marks)[:, 0]
    assert plain[0] < 0.2
    assert plain[1] > 0.4
