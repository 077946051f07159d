"""Retrieval against naive loops and scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from tacit.evaluation.bench import evaluate
from tacit.evaluation.retrieval import average_precision, by_class, centred, nearest, pairs, pooled_average_precision
from tacit.evaluation.setup import Bench, Row
from tacit.evaluation.tasks import DEFAULT_TASKS, TASKS


def clusters(rows: int, dim: int = 6, classes: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % classes
    places = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99))
    return places[labels] + torch.randn(rows, dim, generator=generator), labels


def naive_cosines(gallery: torch.Tensor, queries: torch.Tensor) -> np.ndarray:
    mean = gallery.mean(0)
    return (centred(queries, mean) @ centred(gallery, mean).T).numpy()


def test_by_class_is_what_a_loop_with_scikit_learn_gives() -> None:
    gallery, labels = clusters(90)
    queries, wanted = clusters(40, seed=1)
    found = by_class(gallery, labels, queries, wanted, (1, 5, 10), tile=7)
    for row, scores in enumerate(naive_cosines(gallery, queries)):
        relevant = (labels == wanted[row]).numpy()
        order = np.argsort(-scores)
        for number, k in enumerate((1, 5, 10)):
            assert found[number, row].item() == pytest.approx(relevant[order[:k]].mean())
        assert found[3, row].item() == pytest.approx(average_precision_score(relevant, scores), abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40))
def test_average_precision_shares_among_ties_as_scikit_learn_does(ranked: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in ranked], np.float32)
    relevant = np.array([flag for _, flag in ranked])
    relevant[0] = True
    assert average_precision(scores, scores[relevant]) == pytest.approx(average_precision_score(relevant, scores))


def test_features_that_are_all_the_same_find_a_class_as_often_as_it_is_there() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)  # in an order that an arbitrary answer to ties would profit from
    found = by_class(torch.ones(40, 4), labels, torch.ones(2, 4), torch.tensor([0, 1]), (1, 5))
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]] * 3, dtype=torch.float64))


@given(
    st.integers(1, 30), st.integers(1, 12), st.integers(1, 9), st.lists(st.integers(-2, 2), min_size=31, max_size=31)
)
def test_nearest_in_blocks_is_nearest_at_once(count: int, k: int, block: int, values: list[int]) -> None:
    gallery = torch.tensor(values[:count], dtype=torch.float32)[:, None]
    queries = torch.tensor([[1.0], [-1.0]])
    similarity, rows = nearest(torch.split(gallery, block), queries, k)
    expected = (queries @ gallery.T).sort(dim=1, descending=True).values[:, :k]
    assert torch.equal(similarity, expected)
    assert torch.equal((queries @ gallery.T).gather(1, rows), similarity), "rows are those of the similarities"
    assert all(len(set(row)) == len(row) for row in rows.tolist())


@given(st.integers(1, 40), st.integers(1, 15), st.integers(-4, 4), st.integers(0, 99))
def test_pairs_are_all_pairs_once(count: int, tile: int, least: int, seed: int) -> None:
    vectors = torch.randint(-1, 2, (count, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.int8)
    found = {}
    for first, second, products in pairs(vectors, least, tile=tile):
        for pair in zip(first.tolist(), second.tolist(), products.tolist(), strict=True):
            assert pair[:2] not in found
            found[pair[:2]] = pair[2]
    products = vectors.float() @ vectors.float().T
    naive = {
        (i, j): products[i, j].item() for i in range(count) for j in range(i + 1, count) if products[i, j] >= least
    }
    assert found == naive


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2)), min_size=2, max_size=30))
def test_a_pooled_ranking_is_scikit_learns_on_repeated_units(guesses: list[tuple[int, bool, int]]) -> None:
    scores = torch.tensor([float(score) for score, _, _ in guesses])
    right = torch.tensor([flag for _, flag, _ in guesses])
    owner = torch.tensor([unit for _, _, unit in guesses])
    right[0] = True
    wanted = torch.tensor([float(right[owner == unit].sum()) + 1 for unit in range(3)])  # one of each is never found
    weights = torch.tensor([[1, 1, 1], [2, 0, 1], [0, 3, 2]])
    found = pooled_average_precision(scores, right, owner, wanted, weights, chunk=2)
    for row, weight in enumerate(weights):
        times = weight[owner]
        hits = right.repeat_interleave(times)
        recall = hits.sum() / (weight * wanted).sum()
        reached = average_precision_score(hits, scores.repeat_interleave(times)) if hits.any() else 0
        assert found[row].item() == pytest.approx(float(recall) * reached, abs=1e-6)


class Points:
    """Features that are there already, as samples."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)


def test_retrieval_stands_in_an_evaluation_with_intervals_floors_and_a_verdict() -> None:
    x, labels = clusters(120)
    y, wanted = clusters(60, seed=1)
    bench = Bench(
        train=Points(x),  # type: ignore[arg-type]
        train_labels=labels,
        test=Points(y),  # type: ignore[arg-type]
        test_labels=wanted,
        classes=("a", "b", "c"),
    )
    rows = [
        Row("good", "encoder", lambda samples: samples.x),  # type: ignore[attr-defined]
        Row("flat", "raw", lambda samples: torch.ones(len(samples), 3)),
    ]
    done = evaluate(bench, rows, ["retrieval"])
    assert [result.metric for result in done.results if result.row == "good"] == ["P@1", "P@5", "P@10", "mAP"]
    for result in done.results:
        assert result.low is not None
        assert result.high is not None
        assert result.low <= result.value <= result.high
    good, flat, chance = (done.find(row, "retrieval", "mAP") for row in ("good", "flat", "majority"))
    assert good is not None
    assert flat is not None
    assert chance is not None
    assert good.value > 0.5
    assert flat.value == pytest.approx(chance.value)
    assert chance.value == pytest.approx(1 / 3)
    assert done.verdict is not None
    assert done.verdict.helped
    assert "retrieval" not in DEFAULT_TASKS
    assert set(DEFAULT_TASKS) < set(TASKS)
