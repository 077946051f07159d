import pytest
import torch
import torch.nn.functional as F

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.manifold import GRID, ManifoldEncoder


def encoder_of(size=16, **settings):
    told = {"filters": 9, "width": 4, "dim": 5, "threshold": 0.05, **settings}
    encoder = ManifoldEncoder(ManifoldEncoder.Config(**told), View(torch.rand(2, 3, size, size)))
    generator = torch.Generator().manual_seed(0)
    for buffer in encoder.buffers():
        buffer.normal_(generator=generator)
    encoder.atoms.copy_(F.normalize(encoder.atoms, dim=1))
    encoder.mean.mul_(0.1)
    encoder.whiten.mul_(0.1).diagonal().add_(1)
    return encoder


@pytest.mark.parametrize("stride", [1, 2])
def test_features_equal_the_formula_read_aloud(stride):
    encoder, x = encoder_of(stride=stride), torch.rand(2, 3, 16, 16)
    side = 10 // stride + 1
    z = torch.zeros(side, side, 4)
    for row in range(side):
        for column in range(side):
            top, left = stride * row, stride * column
            p = 255 * x[1, :, top : top + 6, left : left + 6].flatten()
            u = ((p - p.mean()) / (p.var(unbiased=False) + 10).sqrt() - encoder.mean) @ encoder.whiten
            a = torch.stack([(u @ c / u.norm() - encoder.config.threshold).clamp_min(0) for c in encoder.atoms])
            z[row, column] = F.normalize(a @ encoder.project - encoder.shift, dim=0)
    edges = [(cell * side // GRID, -(-(cell + 1) * side // GRID)) for cell in range(GRID)]
    cells = [z[low:high, left:right].mean((0, 1)) for low, high in edges for left, right in edges]
    expected = (torch.cat(cells) - encoder.centre) @ encoder.components
    assert torch.allclose(encoder(View(x)).pooled[1], expected, atol=1e-4)
    assert encoder.dim == len(expected) == 5


def test_with_mirror_an_image_and_its_mirror_image_are_one():
    encoder, x = encoder_of(mirror=True), torch.rand(2, 3, 16, 16)
    first, second = encoder(View(x)).pooled, encoder(View(x.flip(-1))).pooled
    assert torch.allclose(first, second, atol=1e-5)
    assert not torch.allclose(encoder.cells(x), encoder_of().cells(x), atol=1e-2)


def test_bfloat16_keeps_what_features_say():
    encoder, x = encoder_of(size=32), F.avg_pool2d(torch.rand(20, 3, 40, 40), 9, 1)
    exact = encoder(View(x)).pooled
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(View(x)).pooled
    assert (rough - exact).std() < 0.1 * exact.std(0).mean()


def test_widths_are_at_most_what_there_is():
    encoder = encoder_of(filters=3, dim=1000)
    assert encoder.project.shape == (3, 3)
    assert encoder(View(torch.rand(2, 3, 16, 16))).pooled.shape == (2, encoder.dim) == (2, 48)


def test_patches_larger_than_images_are_refused():
    with pytest.raises(UsageError, match="patch of 9 pixels"):
        encoder_of(size=8, patch=9)
