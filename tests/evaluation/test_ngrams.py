import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from tacit.evaluation.ngrams import NGrams


def naive(train, order, vocabulary):
    """Kneser and Ney's formula, read aloud, on tuples."""
    padded = [(vocabulary,) * order + tuple(document) for document in train]
    places = [(text, at) for text in padded for at in range(order, len(text))]
    counts = {order: Counter(text[at - order + 1 : at + 1] for text, at in places)}
    for n in range(order - 1, 0, -1):
        longer = {text[at - n : at + 1] for text, at in places}
        counts[n] = Counter(run[1:] for run in longer)
    discount, total, kinds = {}, {}, {}
    for n, found in counts.items():
        once, twice = (sum(value == k for value in found.values()) for k in (1, 2))
        discount[n] = once / (once + 2 * twice) if once else 0.5
        total[n], kinds[n] = defaultdict(int), defaultdict(int)
        for run, value in found.items():
            total[n][run[:-1]] += value
            kinds[n][run[:-1]] += 1

    def p(run):
        n = len(run)
        if n == 0:
            return 1 / vocabulary
        shorter, front = p(run[1:]), run[:-1]
        if not total[n][front]:
            return shorter
        kept = max(counts[n][run] - discount[n], 0)
        return (kept + discount[n] * kinds[n][front] * shorter) / total[n][front]

    return lambda text: [
        -math.log(p(((vocabulary,) * order + tuple(text))[at + 1 : at + order + 1])) for at in range(len(text))
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_formula_read_aloud(order):
    generator = np.random.default_rng(0)
    train = [generator.integers(0, 6, size) for size in (40, 1, 25, 60)]
    test = [generator.integers(0, 6, 30), np.array([5, 5, 5, 5, 5, 5, 5])]
    told = naive([document.tolist() for document in train], order, 7)
    expected = [value for document in test for value in told(document.tolist())]
    assert NGrams(train, 7, order).surprise(test) == pytest.approx(expected)


def test_probabilities_of_all_that_may_come_sum_to_one():
    generator = np.random.default_rng(1)
    model = NGrams([generator.integers(0, 9, 200)], 10, 4)
    for front in ([], [3], [3, 1, 2], [8, 8, 8, 8]):
        last = [model.surprise([np.array([*front, token])])[-1] for token in range(10)]
        assert sum(math.exp(-value) for value in last) == pytest.approx(1)


def test_what_always_follows_is_no_surprise_and_longer_runs_know_more():
    text = np.tile(np.arange(8), 200)
    assert NGrams([text], 8, 3).surprise([text])[10:].mean() < 0.02
    assert NGrams([text], 8, 1).surprise([text]).mean() == pytest.approx(math.log(8), rel=0.01)
