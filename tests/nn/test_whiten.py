import scipy.linalg
import torch
from sklearn.decomposition import PCA

from tacit.nn.whiten import EACH, Evened, principal, related


def covariance(seed, width):
    x = torch.randn(50, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.T @ x / len(x)


def test_related_directions_are_those_of_the_generalised_eigenproblem():
    cross, within = covariance(0, 7) - 0.5 * torch.eye(7), covariance(1, 7)
    found = related(cross, within, 3)
    values, vectors = scipy.linalg.eigh(cross.numpy(), within.numpy(), subset_by_index=[4, 6])
    assert torch.allclose(found.T @ within @ found, torch.eye(3, dtype=torch.float64))
    assert torch.allclose((found.T @ cross @ found).diagonal().flip(0), torch.from_numpy(values))
    assert torch.allclose((found.flip(1).T @ within @ torch.from_numpy(vectors)).abs(), torch.eye(3).double())


def test_principal_components_are_evened_out_as_far_as_is_said_and_the_ridge_shrinks_the_last_most():
    within = covariance(2, 6)
    largest = torch.linalg.eigvalsh(within).flip(0)[:4]
    for power in (0.0, 0.25, 1.0):
        directions = principal(within, 4, 0.0, power)
        assert torch.allclose(directions.T @ within @ directions, (largest ** (1 - power)).diag())
    variances = (lambda with_ridge: with_ridge.T @ within @ with_ridge)(principal(within, 4, 0.1, 0.25)).diagonal()
    assert torch.allclose(variances, largest / (largest + 0.1 * within.diagonal().mean()) ** 0.25)


def test_even_rows_are_scikit_learns_components_over_a_power_of_their_deviations():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 1000
    for power in (0.5, 1.0):
        even = Evened(6, 4, power)
        assert not even.solved
        even.solve(torch.split(rows, 70))
        assert even.solved
        model = PCA(4).fit(rows.double().numpy())
        theirs = torch.from_numpy(model.transform(rows.double().numpy()) / model.explained_variance_ ** (power / 2))
        torch.testing.assert_close(even(rows).abs().double(), theirs.abs(), atol=0.02, rtol=0.02)  # up to the ridge


def test_of_few_rows_few_components_are_kept_and_of_none_nothing_is_solved():
    even = Evened(6, 9, 1.0)
    even.solve([])
    assert not even.solved
    even.solve([torch.randn(2 * EACH + 1, 6, generator=torch.Generator().manual_seed(0))])
    assert (even.components != 0).any(dim=0).tolist() == [True] * 2 + [False] * 7
