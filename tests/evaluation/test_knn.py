"""kNN against a loop over samples."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tacit.evaluation.knn import ROWS, knn, neighbours


def naive(train: Tensor, labels: Tensor, test: Tensor, classes: int, k: int, temperature: float) -> list[int]:
    mean = train.mean(0)
    found = []
    for query in test - mean:
        cosines = [torch.cosine_similarity(query, row, dim=0).item() for row in train - mean]
        nearest = sorted(range(len(train)), key=lambda row: -cosines[row])[:k]
        votes = [0.0] * classes
        for row in nearest:
            votes[int(labels[row])] += torch.tensor(cosines[row] / temperature).exp().item()
        found.append(max(range(classes), key=votes.__getitem__))
    return found


@pytest.mark.parametrize(("k", "temperature", "tile"), [(1, 0.07, 256), (5, 0.07, 7), (20, 0.1, 256), (200, 0.1, 3)])
def test_equals_the_loop(k: int, temperature: float, tile: int) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (60,), generator=generator)
    centres = 2 * torch.randn(4, 8, generator=generator)
    train = centres[labels] + torch.randn(60, 8, generator=generator) + 5  # far from the origin: centring matters
    test = centres.repeat(6, 1) + torch.randn(24, 8, generator=generator) + 5
    found = knn(train, labels, test, 4, k=k, temperature=temperature, tile=tile)
    assert found.tolist() == naive(train, labels, test, 4, k, temperature)


def test_a_constant_representation_is_no_error() -> None:
    found = knn(torch.ones(6, 3), torch.tensor([0, 0, 0, 1, 1, 1]), torch.ones(2, 3), 2, k=20, temperature=0.07)
    assert found.shape == (2,)


@pytest.mark.parametrize("k", [1, 12, 300])
@pytest.mark.parametrize("rows", [2 * ROWS + 9, 1000, 37])
def test_rows_of_several_blocks_and_groups_are_found_together(rows: int, k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    train, test = (torch.randn(rows, 3, generator=generator) for rows in (rows, 7))
    near, which = neighbours(train, test, k, tile=3)
    centred = train - train.mean(0)
    cosines = torch.cosine_similarity((test - train.mean(0))[:, None], centred[None], dim=2)
    torch.testing.assert_close(near, cosines.topk(min(k, rows), dim=1).values)
    torch.testing.assert_close(near, cosines.gather(1, which))
