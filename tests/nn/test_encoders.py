import pytest
import torch
from torch import nn

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.convnet import ConvNet, ResNet18, Timm
from tacit.nn.patch_reader import contrast
from tacit.nn.patches import PatchEncoder
from tacit.nn.stem import PatchStem


def multiply_adds(encoder, size):
    """Of all convolutions, for one image."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += module.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [module.register_forward_hook(count) for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    encoder.eval()(View(torch.rand(1, 3, size, size)))
    for hook in hooks:
        hook.remove()
    stems = [module for module in encoder.modules() if isinstance(module, PatchStem)]
    return total + sum(stem.weight.numel() * (size // stem.stride) ** 2 for stem in stems)


def test_the_small_conv_net_costs_what_it_says():
    encoder = ConvNet(ConvNet.Config(), View(torch.rand(8, 3, 32, 32)))
    assert 5e6 <= multiply_adds(encoder, 32) <= 10e6


@pytest.mark.parametrize("size", [8, 16, 28, 32, 64, 96])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_small_conv_net_reads_any_size_and_any_number_of_channels(size, channels):
    sample = View(torch.rand(8, channels, size, size))
    encoder = ConvNet(ConvNet.Config(width=12), sample)
    features = encoder(sample)
    assert features.pooled.shape == (8, encoder.dim)
    assert features.tokens.shape[0] == 8
    assert features.pooled.isfinite().all()


def test_the_small_conv_net_reads_crops_of_half_the_side():
    encoder = ConvNet(ConvNet.Config(width=12), View(torch.rand(8, 3, 32, 32)))
    assert encoder(View(torch.rand(4, 3, 16, 16))).pooled.shape == (4, encoder.dim)


def test_constant_images_give_finite_features():
    sample = View(torch.zeros(4, 3, 32, 32))
    assert ConvNet(ConvNet.Config(width=12), sample)(sample).pooled.isfinite().all()


def test_the_computed_stem_responds_at_unit_scale_and_has_no_parameters():
    x = torch.randn(64, 3, 32, 32).cumsum(-1).cumsum(-2) / 10
    stem = PatchStem(x, 16)
    assert not list(stem.parameters())
    response = torch.nn.functional.conv2d(x, stem.weight, stride=2)
    assert 0.5 < response.std() < 2
    assert stem(x).shape == (64, 32, 16, 16)


@pytest.mark.parametrize(("size", "stride"), [(32, 8), (96, 32)])
def test_the_resnets_stem_follows_the_size_of_the_images(size, stride):
    sample = View(torch.rand(2, 1, size, size))
    features = ResNet18(ResNet18.Config(), sample)(sample)
    assert features.pooled.shape == (2, 512)
    assert features.tokens.shape == (2, (size // stride) ** 2, 512)


@pytest.mark.parametrize("model", ["resnet10t", "vit_tiny_patch16_224", "test_convnext"])
def test_any_timm_model_by_name(model):
    sample = View(torch.rand(2, 4, 64, 64))
    encoder = Timm(Timm.Config(model=model), sample)
    assert encoder(sample).pooled.shape == (2, encoder.dim)


def test_an_unknown_timm_model_names_its_neighbour():
    with pytest.raises(UsageError, match="did you mean 'resnet10t'"):
        Timm(Timm.Config(model="resnet10tt"), View(torch.rand(2, 3, 32, 32)))


@pytest.mark.parametrize(("size", "filters", "cells"), [(16, 7, 2), (32, 20, 3), (16, 3000, 2), (16, 7, 1), (13, 4, 8)])
def test_patches_equal_the_formula_read_aloud(size, filters, cells):
    encoder = PatchEncoder(PatchEncoder.Config(filters=filters, cells=cells), View(torch.rand(2, 3, size, size)))
    for buffer in (encoder.atoms, encoder.mean, encoder.whiten):
        buffer.normal_()
    x = torch.rand(3, 3, size, size)
    white = (contrast(encoder.patches(x)) - encoder.mean) @ encoder.whiten
    z = torch.cdist(white, encoder.atoms.expand(3, -1, -1))
    side = size - 5
    near = (z.mean(-1, keepdim=True) - z).clamp_min(0).view(3, side, side, filters)

    def share(cell):
        """Of each patch along a side, in the cell: all at its centre, nothing at the centres of those beside it."""
        weights = [max(0, 1 - abs((at + 0.5) * cells / side - (cell + 0.5))) for at in range(side)]
        return torch.tensor(weights) / sum(weights)

    shares = [share(cell) for cell in range(cells)]
    expected = [torch.einsum("brck,r,c->bk", near, rows, columns) for rows in shares for columns in shares]
    assert encoder.dim == filters * cells**2
    assert torch.allclose(encoder(View(x)).pooled.square(), torch.cat(expected, 1), atol=1e-4)


def test_patches_keep_their_meaning_in_bfloat16():
    encoder = PatchEncoder(PatchEncoder.Config(filters=50), View(torch.rand(2, 3, 32, 32)))
    encoder.atoms.normal_()
    encoder.whiten.copy_(3 * torch.eye(108))
    x = View(torch.nn.functional.avg_pool2d(torch.rand(20, 3, 40, 40), 9, 1))
    exact = encoder(x).pooled
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(x).pooled
    assert (rough - exact).std() < 0.1 * exact.std(0).mean()


def test_more_cells_than_patches_are_refused():
    with pytest.raises(UsageError, match=r"3 patches along a side .* no 4 cells: set encoder\.cells to less"):
        PatchEncoder(PatchEncoder.Config(filters=5, cells=4), View(torch.rand(2, 3, 8, 8)))


def test_patches_of_an_image_and_of_its_mirror_image_are_one_with_mirror():
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    encoder = PatchEncoder(PatchEncoder.Config(filters=5, mirror=True), View(x))
    encoder.atoms.normal_(generator=torch.Generator().manual_seed(1))
    plain = PatchEncoder(PatchEncoder.Config(filters=5), View(x))
    plain.load_state_dict(encoder.state_dict())
    first, second = plain(View(x)).pooled.square(), plain(View(x.flip(-1))).pooled.square()  # before the root
    assert torch.allclose(encoder(View(x)).pooled.square(), (first + second) / 2)
    assert (first - second).abs().max() > 0.01


def test_large_images_are_reduced_before_patches_are_taken():
    encoder = PatchEncoder(PatchEncoder.Config(filters=5, size=32), View(torch.rand(2, 3, 96, 96)))
    assert encoder.patches(torch.rand(2, 3, 96, 96)).shape == (2, 27 * 27, 108)


@pytest.mark.parametrize(
    ("encoder", "side", "strides"),
    [
        (ConvNet(ConvNet.Config(width=12), View(torch.rand(64, 3, 32, 32))), 32, [2, 4, 8]),
        (ConvNet(ConvNet.Config(width=12), View(torch.rand(64, 3, 16, 16))), 16, [2, 4]),
        (ResNet18(ResNet18.Config(), View(torch.rand(2, 3, 32, 32))), 32, [1, 2, 4, 8]),
        (ResNet18(ResNet18.Config(), View(torch.rand(2, 3, 96, 96))), 96, [4, 8, 16, 32]),
        (Timm(Timm.Config(model="resnet10t"), View(torch.rand(2, 3, 64, 64))), 64, [2, 4, 8, 16, 32]),
        (Timm(Timm.Config(model="vit_tiny_patch16_224"), View(torch.rand(2, 3, 32, 32))), 32, [16]),
    ],
    ids=["convnet", "convnet-small", "resnet18-small", "resnet18", "timm", "timm-vit"],
)
def test_the_pyramid_holds_maps_by_stride_finest_first(encoder, side, strides):
    found = encoder.eval()(View(torch.rand(2, 3, side, side))).maps
    assert list(found) == strides
    assert all(maps.shape[2:] == (side // stride, side // stride) for stride, maps in found.items())


def test_the_width_of_timm_models_is_that_of_what_they_return():
    encoder = Timm(Timm.Config(model="mobilenetv3_small_050"), View(torch.rand(2, 3, 64, 64))).eval()
    pooled = encoder(View(torch.rand(2, 3, 64, 64))).pooled
    assert pooled.shape == (2, encoder.dim)


def test_a_transformer_of_one_size_names_it_where_a_method_shows_parts():
    encoder = Timm(Timm.Config(model="vit_tiny_patch16_224"), View(torch.rand(2, 3, 32, 32)))
    with pytest.raises(UsageError, match=r"32 x 32 pixels alone.*8 x 8"):
        encoder(View(torch.rand(2, 3, 8, 8)))


@pytest.mark.parametrize(("encoder", "side"), [("resnet18", 4), ("timm", 8), ("timm", 16)])
def test_gradients_of_images_of_a_few_pixels_are_numbers(encoder, side):
    """In bfloat16 about every third of these was not."""
    sample = View(torch.rand(8, 3, 32, 32))
    kind, config = (ResNet18, ResNet18.Config()) if encoder == "resnet18" else (Timm, Timm.Config(model="resnet50"))
    network = kind(config, sample)
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pooled = network(View(torch.rand(8, 3, side, side))).pooled
        assert pooled.dtype == torch.float32
        pooled.square().mean().backward()
        assert all(weight.grad.isfinite().all() for weight in network.parameters() if weight.grad is not None)
