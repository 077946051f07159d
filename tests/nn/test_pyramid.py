import pytest
import torch

from tacit.nn.pyramid import Pyramid


@pytest.mark.parametrize(
    ("have", "strides", "sources"),
    [
        ((2, 4, 8), (4, 8, 16, 32), [4, 8, None, None]),
        ((4, 8, 16, 32), (4, 8, 16, 32), [4, 8, 16, 32]),
        ((16,), (8, 16, 32), [16, 16, None]),
        ((14,), (7, 14, 28), [14, 14, None]),
        ((2, 4, 8, 14, 25), (4, 8, 16, 32), [4, 8, 14, 25]),
    ],
)
def test_levels_are_made_of_the_nearest_maps(have, strides, sources):
    side = 224
    channels = {stride: 3 + stride for stride in have}
    maps = {stride: torch.randn(2, width, side // stride, side // stride) for stride, width in channels.items()}
    pyramid = Pyramid(channels, strides, 8)
    assert pyramid.sources == sources
    levels = pyramid(maps)
    assert [level.shape[1] for level in levels] == [8] * len(strides)
    for level, stride in zip(levels, strides, strict=True):
        assert abs(level.shape[2] - side / stride) <= 2


def test_the_finest_level_knows_of_the_coarsest_maps():
    maps = {4: torch.randn(1, 5, 16, 16), 8: torch.randn(1, 6, 8, 8, requires_grad=True)}
    Pyramid({4: 5, 8: 6}, (4, 8), 4)(maps)[0].sum().backward()
    assert maps[8].grad.abs().sum() > 0
