"""Closed forms of recommendation: against loops over their definitions, and on chains whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.evaluation import lists, mixing
from tacit.evaluation.chains import Chains, hit, ndcg, ranks, reciprocal, without_seen
from tacit.evaluation.lists import best_penalty, closed_forms, ease, item_neighbours, popularity, transitions

USERS = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=8), min_size=2, max_size=8)


def chains(users, count=7):
    return Chains.of([np.array(each, np.int64) for each in users], count)


def ring(users=200, count=12, seed=0):
    """After item i comes i + 1."""
    generator = np.random.default_rng(seed)
    starts = generator.integers(count, size=users)
    return chains([(start + np.arange(generator.integers(4, 8))) % count for start in starts], count)


@given(USERS)
def test_chains_know_their_users(users):
    found = chains(users)
    assert [found.user(number).tolist() for number in range(len(users))] == users
    assert found.at(2).tolist() == [each[-2] if len(each) > 1 else -1 for each in users]
    assert found.without(1).lengths.tolist() == [len(each) - 1 for each in users]
    assert [found.without(1).user(n).tolist() for n in range(len(users))] == [each[:-1] for each in users]
    assert [found.select(np.array([1, 0])).user(n).tolist() for n in range(2)] == [users[1], users[0]]
    assert np.array_equal(found.matrix().toarray() > 0, [[item in each for item in range(7)] for each in users])


@given(st.lists(st.integers(0, 4), min_size=3, max_size=9), st.integers(0, 2))
def test_a_rank_is_the_mean_over_all_orders_of_the_equal_ones(scores, wanted):
    above = sum(score > scores[wanted] for score in scores)
    equal = sum(score == scores[wanted] for score in scores)
    expected = np.mean([above + place for place in range(equal)])
    assert ranks(np.array([scores], np.float32), np.array([wanted]))[0] == pytest.approx(expected)


def test_metrics_are_what_the_field_calls_so():
    found = np.array([0.0, 1.0, 9.0, 10.0])
    assert hit(found, 10).tolist() == [1, 1, 1, 0]
    assert ndcg(found, 10) == pytest.approx([1, 1 / np.log2(3), 1 / np.log2(11), 0])
    assert reciprocal(found, 10) == pytest.approx([1, 0.5, 0.1, 0])


def test_what_was_seen_is_never_ranked():
    before = chains([[1, 2], [3]])
    left = without_seen(np.ones((2, 7), np.float32), before)
    assert ranks(left, np.array([1, 1])).tolist() == [7, 2.5]
    assert np.isneginf(left[0, [1, 2]]).all()
    assert np.isfinite(left[1, [0, 1, 2]]).all()


@given(USERS)
def test_popularity_and_transitions_are_counts(users):
    learnt = chains(users)
    counts = np.bincount(np.concatenate([np.array(each) for each in users]), minlength=7)
    assert np.allclose(popularity(learnt)(chains([[0]])), counts / counts.max())
    asked = [3, 5, 2]
    expected = lists._HALF * counts / counts.max()
    for hop in (1, 2, 3):
        pairs = [(each[at], each[at + hop]) for each in users for at in range(len(each) - hop)]
        after = [second for first, second in pairs if first == asked[-hop]]
        for item in range(7):
            expected[item] += after.count(item) / max(1, len(after)) / hop
    assert np.allclose(transitions(learnt, 3)(chains([asked])), expected, atol=1e-6)


def test_neighbours_are_those_of_the_same_users(monkeypatch):
    learnt = chains([[0, 1], [0, 1, 2], [1, 2], [3]])
    taken = learnt.matrix().toarray()
    norms = np.linalg.norm(taken, axis=0).clip(1)
    cosine = taken.T @ taken / np.outer(norms, norms)
    np.fill_diagonal(cosine, 0)
    assert np.allclose(item_neighbours(learnt)(chains([[0, 2]])), cosine[0] + cosine[2], atol=1e-6)
    monkeypatch.setattr(lists, "NEIGHBOURS", 1)
    nearest = np.where(cosine >= cosine.max(axis=1, keepdims=True), cosine, 0)
    assert np.allclose(item_neighbours(learnt)(chains([[0, 2]])), nearest[:, [0, 2]].sum(1), atol=1e-6)


def test_a_million_items_are_scored_for_a_few_users_at_a_time():
    users = np.arange(1_000)
    for items in (10, 12_101, 1_000_000):
        blocks = lists.blocks_of(users, items)
        assert np.array_equal(np.concatenate(blocks), users)
        assert max(map(len, blocks)) * items <= max(lists._SCORES, 256 * 10)


def test_ease_is_a_ridge_regression_of_each_item_on_the_others():
    generator = np.random.default_rng(0)
    learnt = chains([np.flatnonzero(row) for row in generator.random((40, 7)) < 0.4])
    taken = learnt.matrix().toarray().astype(np.float64)
    found = ease(learnt, 5.0)(learnt)
    for item in range(7):
        others = np.delete(np.arange(7), item)
        x = taken[:, others]
        weights = np.linalg.solve(x.T @ x + 5.0 * np.eye(6), x.T @ taken[:, item])
        assert np.allclose(found[:, item], x @ weights, atol=1e-4)


@pytest.mark.parametrize("quick", [0, 5_000])
@pytest.mark.parametrize("best", range(5))
def test_the_best_penalty_is_found_or_walked_to(best, quick, monkeypatch):
    tried = []
    monkeypatch.setattr(lists, "QUICK", quick)

    def reached(penalty, *_, filtered):
        tried.append(penalty)
        return -abs(lists.PENALTIES.index(penalty) - best) + 10.0

    monkeypatch.setattr(lists, "_reached", reached)
    learnt = chains([[0, 1], [1, 2]])
    assert best_penalty(learnt, learnt.at(1), np.arange(2), filtered=True) == lists.PENALTIES[best]
    assert len(tried) == len(set(tried))


def test_ease_of_many_items_is_solved_for_the_most_popular(monkeypatch):
    learnt = chains([[0, 1, 2], [0, 1], [1, 2, 3], [0, 2, 6]])
    monkeypatch.setattr(lists, "SOLVED", 3)
    found = ease(learnt, 1.0)(learnt)
    assert (found[:, [3, 4, 5, 6]] == 0).all()
    assert np.abs(found[:, :3]).sum() > 0


def test_on_a_ring_transitions_know_what_comes_next_and_popularity_does_not():
    whole = ring()
    early, wanted, users = whole.without(1), whole.at(1), np.arange(len(whole))
    assert best_penalty(early, wanted, users, filtered=True) in lists.PENALTIES
    found = {
        name: ndcg(ranks(without_seen(fit(early)(early), early), wanted), 10).mean()
        for name, fit in closed_forms(10.0).items()
    }
    assert found["transitions"] > 0.99
    assert found["transitions, 3 hops"] > 0.99
    assert found["popularity"] < 0.8
    assert min(found, key=found.get) == "popularity"


def test_weights_go_to_the_list_that_is_right():
    whole = ring()
    early, wanted, users = whole.without(1), whole.at(1), np.arange(len(whole))
    scorers = {"good": transitions(early, 1), "none": lambda some: np.zeros((len(some), some.count), np.float32)}
    scorers["noise"] = lambda some: np.random.default_rng(0).random((len(some), some.count)).astype(np.float32)
    weights = mixing.learn(scorers, early, wanted, users, filtered=True)
    assert weights["good"] > 0.5
    assert weights["noise"] < 0.3 * weights["good"]
    assert all(weight >= 0 for weight in weights.values())
    found = {name: mixing.standardised(score(early)) for name, score in scorers.items()}
    total = mixing.mixed(found, weights)
    assert np.allclose(total, sum(weights[name] * found[name] for name in found), atol=1e-5)
    assert ndcg(ranks(without_seen(total, early), wanted), 10).mean() > 0.99


def test_the_slope_of_the_mix_is_that_of_its_loss():
    """Weights are a minimum: no small step in any direction is better."""
    generator = np.random.default_rng(0)
    choices = [mixing._Choice(generator.standard_normal((9, 2))) for _ in range(50)]
    for choice in choices:
        choice.scores[0] += [1.0, 0.4]
    best = mixing._solved(choices, 2)

    def loss(weights):
        each = [np.log(np.exp(c.scores @ weights).sum()) - c.scores[0] @ weights for c in choices]
        return np.mean(each) + mixing.RIDGE * weights @ weights

    for step in ([0.05, 0], [-0.05, 0], [0, 0.05], [0, -0.05]):
        assert loss(best) < loss(best + step)
