"""Label propagation against a dense solve, and where it is known to work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_moons

from tacit.evaluation import few_label, propagation
from tacit.evaluation.knn import neighbours


def cloud(count: int = 60) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(1))


def test_the_graph_is_symmetric_without_loops_and_has_the_largest_eigenvalue_one() -> None:
    edges = propagation.graph(cloud(), 6).toarray()
    np.testing.assert_allclose(edges, edges.T, atol=1e-6)
    assert (np.diagonal(edges) == 0).all()
    assert np.abs(np.linalg.eigvalsh(edges)).max() == pytest.approx(1, abs=1e-5)


def test_an_edge_is_the_cube_of_the_cosine_once_for_each_end_that_names_the_other() -> None:
    x = cloud(12)
    near, which = neighbours(x, x, 4)
    weight = torch.zeros(12, 12).scatter(1, which, near.clamp_min(0) ** 3).fill_diagonal_(0)
    weight = weight + weight.T
    scale = weight.sum(1).clamp_min(1e-12).rsqrt()
    np.testing.assert_allclose(propagation.graph(x, 3).toarray(), scale[:, None] * weight * scale, atol=1e-6)


def test_conjugate_gradients_agree_with_a_dense_solve() -> None:
    edges = propagation.graph(cloud(), 6)
    sources = np.zeros((60, 3), np.float32)
    sources[[0, 7, 30], [0, 1, 1]] = 1  # the last column is empty
    dense = np.linalg.solve(np.eye(60) - 0.95 * edges.toarray(), sources)
    np.testing.assert_allclose(propagation.diffuse(edges, sources, 0.95), dense, atol=2e-3)


def test_labels_spread_along_two_moons() -> None:
    """One label each: the nearer of them is often the wrong one, the way along the moon is not."""
    points, truth = make_moons(100, noise=0.03, random_state=0)
    angles = 3 * points @ np.random.default_rng(0).standard_normal((2, 60))
    x = torch.from_numpy(np.concatenate([np.cos(angles), np.sin(angles)], 1)).float()  # cosines that tell distances
    labels, places = torch.tensor(truth), torch.tensor(points)
    rows = torch.tensor([[_at(points, truth, 0, 15), _at(points, truth, 1, 35)]])
    guessed, certainty = propagation.pseudo_labels(propagation.graph(x, 10), rows, labels[rows], 2)
    nearest = labels[rows[0]][torch.cdist(places, places[rows[0]]).argmin(1)]
    assert (nearest == labels).double().mean() < 0.8
    assert (guessed[0] == labels).double().mean() > 0.98
    assert (certainty[0, rows[0]] == 1).all()
    assert ((certainty >= 0) & (certainty <= 1)).all()


def _at(points: np.ndarray, truth: np.ndarray, label: int, place: int) -> int:
    """The row of a moon's point, counted from the left."""
    rows = np.flatnonzero(truth == label)
    return int(rows[points[rows, 0].argsort()[place]])


def test_what_no_label_reaches_does_not_count() -> None:
    islands = torch.cat([torch.eye(2).repeat_interleave(5, 0), -torch.eye(2).repeat_interleave(5, 0)])
    islands = islands + 0.01 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    guessed, certainty = propagation.pseudo_labels(
        propagation.graph(islands, 4), torch.tensor([[0, 5]]), torch.tensor([[0, 1]]), 2
    )
    assert guessed[0, :10].tolist() == [0] * 5 + [1] * 5
    assert (certainty[0, :10] > 0.99).all()
    assert (certainty[0, 10:] == 0).all()


def test_pseudo_labels_help_on_digits_and_no_other_label_is_read() -> None:
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    train, labels, test, test_labels = x[:1297], y[:1297], x[1297:], y[1297:]
    drawn = [few_label.draw(labels, 10, 20, draws=4)]
    (alone,) = few_label.few_label(train, labels, test, 10, drawn)
    (spread,) = propagation.propagate(train, labels, test, 10, drawn)
    assert spread.shape == (4, 500)
    gain = (spread == test_labels).double().mean() - (alone.predictions == test_labels).double().mean()
    assert gain > 0.08
    hidden = torch.zeros_like(labels)
    hidden[drawn[0].unique()] = labels[drawn[0].unique()]
    (again,) = propagation.propagate(train, hidden, test, 10, drawn)
    assert torch.equal(spread, again)
