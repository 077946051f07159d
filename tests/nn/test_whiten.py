import scipy.linalg
import torch

from tacit.nn.whiten import principal, related


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
