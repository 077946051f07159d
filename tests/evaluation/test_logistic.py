"""The solver against scikit-learn's objective and predictions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tacit.evaluation.logistic import LinearClassifier, _minimise, condense, fit
from tacit.evaluation.scaler import Scaler
from tacit.evaluation.softmax import Problem


def problems(draws: int, rows: int, dim: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(draws, rows, dim, generator=generator)
    noise = 2 * torch.randn(draws, rows, classes, generator=generator)
    return x, (x @ torch.randn(dim, classes, generator=generator) + noise).argmax(-1)


def objective(x: Tensor, y: Tensor, weights: Tensor, bias: Tensor, penalty: float) -> float:
    loss = F.cross_entropy(x.double() @ weights.double() + bias.double(), y)
    return (loss + penalty / 2 * weights.double().square().sum()).item()


@pytest.mark.parametrize(("rows", "dim", "classes", "penalty"), [(300, 20, 5, 1e-3), (60, 128, 10, 1e-2)])
def test_reaches_the_optimum_of_scikit_learn(rows: int, dim: int, classes: int, penalty: float) -> None:
    x, y = problems(3, rows, dim, classes)
    model = fit(x, y, classes, penalty, tolerance=1e-6)
    for s in range(3):
        other = LogisticRegression(C=1 / (penalty * rows), tol=1e-9, max_iter=5000).fit(x[s].double().numpy(), y[s])
        coefficients, intercept = torch.tensor(other.coef_.T), torch.tensor(other.intercept_)
        best = objective(x[s], y[s], coefficients, intercept, penalty)
        assert objective(x[s], y[s], model.weights[s], model.bias[s], penalty) == pytest.approx(best, abs=1e-7)
        torch.testing.assert_close(model.weights[s].double(), coefficients, atol=2e-4, rtol=0)
        fresh = torch.randn(500, dim, generator=torch.Generator().manual_seed(1))
        assert (model.predict(fresh)[s] == torch.tensor(other.predict(fresh.double().numpy()))).double().mean() > 0.995


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), exponent=st.integers(-6, 0), loudness=st.sampled_from([0.01, 1.0, 100.0]))
def test_no_problem_ever_goes_up(seed: int, exponent: int, loudness: float) -> None:
    x, y = problems(3, 30, 8, 3, seed)
    problem = Problem.of(loudness * x, y, 10.0**exponent, None, None)
    losses = []
    for steps in (0, 1, 2, 4, 8, 16, 32):
        theta, _ = _minimise(problem, torch.zeros(3, 3, 9), None, 1e-7, steps)
        losses.append(problem.place(theta, problem.logits(theta)).loss)
    falls = torch.stack(losses).diff(dim=0)
    assert (falls <= 1e-6 * torch.stack(losses)[:-1].abs()).all()  # float32 parameters round the last bits


def test_a_solved_problem_waits_for_the_others() -> None:
    x, y = problems(2, 50, 10, 4)
    x = torch.stack([x[0], 3 * x[1]])
    both = fit(x, y, 4, 1e-3, tolerance=1e-5)
    for s in range(2):
        alone = fit(x[s], y[s], 4, 1e-3, tolerance=1e-5)
        values = [objective(x[s], y[s], m.weights[k], m.bias[k], 1e-3) for m, k in ((both, s), (alone, 0))]
        assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_scaling_on_the_fly_equals_scaling_before() -> None:
    x, y = problems(1, 200, 12, 4)
    x = 3 * x[0] + torch.arange(12)
    scaler = Scaler.of(x)
    folded = fit(x, y[0], 4, 1e-3, scaler=scaler, tolerance=1e-6)
    before = fit(scaler(x), y[0], 4, 1e-3, tolerance=1e-6)
    torch.testing.assert_close(folded.weights, before.weights, atol=1e-3, rtol=1e-3)
    assert torch.equal(folded.after(scaler).predict(x), folded.predict(scaler(x)))


def test_a_row_of_weight_zero_is_left_out() -> None:
    x, y = problems(1, 100, 6, 3)
    weight = torch.ones(100)
    weight[60:] = 0
    masked = fit(x[0], y[0], 3, 1e-2, weight=weight, tolerance=1e-6)
    alone = fit(x[0, :60], y[0, :60], 3, 1e-2, tolerance=1e-6)
    torch.testing.assert_close(masked.weights, alone.weights, atol=1e-4, rtol=0)


def test_a_warm_start_needs_no_step() -> None:
    x, y = problems(1, 100, 6, 3)
    solved = fit(x[0], y[0], 3, 1e-2)
    again = fit(x[0], y[0], 3, 1e-2, start=solved, iterations=0)
    assert torch.equal(again.weights, solved.weights)
    assert again.slope.item() <= 1e-4


def test_the_scaler_makes_the_mean_squared_norm_one_and_survives_constants() -> None:
    x = torch.randn(500, 30, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 2, 30)
    x[:, 0] = 7
    scaled = Scaler.of(x)(x)
    assert scaled.square().sum(1).mean().item() == pytest.approx(1, abs=1e-4)
    assert Scaler.of(torch.ones(5, 3))(torch.ones(5, 3)).abs().max() == 0


def test_predict_reads_every_classifier() -> None:
    model = LinearClassifier(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.zeros(2, 2), torch.zeros(2))
    assert model.predict(torch.tensor([[1.0], [-1.0]])).tolist() == [[0, 1], [1, 0]]


def test_the_curvature_steers_the_search_and_not_the_solution() -> None:
    """On features of very different loudness the steered search needs a fraction of the passes."""
    x, y = problems(1, 2000, 30, 5)
    x = x * torch.logspace(0, -3, 30)
    scaler = Scaler(torch.zeros(30), torch.ones(30))
    steered = fit(x[0], y[0], 5, 1e-6, gram=scaler.gram(x[0]), tolerance=1e-6, iterations=60)
    plain = fit(x[0], y[0], 5, 1e-6, tolerance=1e-6, iterations=60)
    patient = fit(x[0], y[0], 5, 1e-6, tolerance=1e-7, iterations=5000)
    reached = [objective(x[0], y[0], model.weights[0], model.bias[0], 1e-6) for model in (steered, plain, patient)]
    assert reached[0] == pytest.approx(reached[2], abs=1e-5)
    assert reached[1] > reached[0] + 1e-4


def test_the_gram_of_scaled_features_has_a_trace_of_one() -> None:
    x = torch.randn(500, 12) * torch.logspace(-1, 1, 12) + 3
    scaler = Scaler.of(x)
    assert scaler.gram(x).diagonal().sum() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(scaler.gram(x), scaler(x).T @ scaler(x) / 500, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("repeated", [False, True])
def test_few_rows_of_many_dimensions_are_solved_in_their_span(repeated: bool) -> None:
    x, y = problems(2, 40, 300, 5)
    if repeated:  # rows that do not span all their number
        x[:, 20:], y[:, 20:] = x[:, :20], y[:, :20]
    rows, widen = condense(x)
    torch.testing.assert_close(rows @ rows.mT, x @ x.mT, atol=1e-2, rtol=1e-4)
    scaler = Scaler(torch.zeros(300), torch.ones(300))
    wide = fit(x, y, 5, 1e-2, scaler=scaler, tolerance=1e-6)
    short = fit(x, y, 5, 1e-2, tolerance=1e-6)
    fresh = torch.randn(200, 300, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(short.logits(fresh), wide.logits(fresh), atol=5e-3, rtol=0)
    assert torch.equal(widen(fit(rows, y, 5, 1e-2, tolerance=1e-6)).predict(fresh), short.predict(fresh))
