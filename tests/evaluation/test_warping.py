import pytest
import torch

from tacit.evaluation.warping import cells, dtw


def naive(first, second, band):
    """The recursion as it is written in books, cell by cell."""
    length = len(first)
    table = torch.full((length + 1, length + 1), torch.inf, dtype=torch.float64)
    table[0, 0] = 0
    visited = 0
    for i in range(length):
        for j in range(length):
            if abs(i - j) <= band:
                visited += 1
                cost = ((first[i] - second[j]).double() ** 2).sum()
                table[i + 1, j + 1] = cost + min(table[i, j], table[i, j + 1], table[i + 1, j])
    return float(table[length, length]), visited


@pytest.mark.parametrize(("length", "band"), [(1, 1), (2, 1), (7, 1), (12, 3), (12, 11), (9, 20)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_recursion(length, band, channels):
    generator = torch.Generator().manual_seed(length)
    first, second = torch.randn(2, 5, length, channels, generator=generator)
    found = dtw(first, second, band)
    expected = [naive(a, b, band) for a, b in zip(first, second, strict=True)]
    assert found.tolist() == pytest.approx([value for value, _ in expected], rel=1e-5)
    if band < length:
        assert cells(length, band) == expected[0][1]


def test_a_series_that_lags_is_near_and_one_that_lags_more_than_the_band_is_not():
    time = torch.arange(50.0)
    peak = [torch.exp(-((time - at) ** 2) / 8)[None, :, None] for at in (20, 24, 35)]
    assert dtw(peak[0], peak[1], 5) < 0.05
    assert dtw(peak[0], peak[2], 5) > 1
    assert dtw(peak[0], peak[0], 5) == 0
