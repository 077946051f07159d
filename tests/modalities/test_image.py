import pytest
import torch

from tacit.core import KINDS, View
from tacit.modalities import MODALITIES
from tacit.modalities.image import IMAGE, ImageConfig


@pytest.mark.parametrize("name", MODALITIES)
def test_every_modality_names_kinds_from_the_closed_vocabulary(name):
    modality = MODALITIES[name]
    assert modality.name == name
    kinds = set(modality.augment(modality.config()))
    assert "plain" in kinds
    assert kinds <= set(KINDS)
    assert kinds <= modality.offers


def test_plain_is_what_was_packed():
    packed = torch.randint(0, 256, (3, 2, 8, 8), dtype=torch.uint8)
    view = IMAGE.collate(packed)
    assert torch.equal((view.x * 255).round().to(torch.uint8), packed)


@pytest.mark.parametrize("size", [8, 16, 28, 33, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_decoder_draws_what_the_target_is(size, channels):
    sample = View(torch.rand(2, channels, size, size))
    drawn = IMAGE.decoder(7, sample)(torch.rand(2, 7))
    assert drawn.shape == IMAGE.target(sample).shape


def test_the_labelled_transformations_are_the_four_quarter_turns():
    x = torch.rand(2, 1, 4, 4)
    shown = [turn(View(x)).x for turn in IMAGE.transformations["rotation"]]
    assert len(shown) == 4
    assert torch.equal(shown[0], x)
    assert torch.equal(shown[2], x.flip((2, 3)))
    assert torch.equal(shown[1].flip((2, 3)), shown[3])


def test_a_local_view_is_native_and_half_as_large():
    from tacit.core import Draws

    augment = IMAGE.augment(ImageConfig())
    view = View(torch.rand(4, 3, 32, 32))
    assert augment["local"](view, Draws.of(0, 0, torch.arange(4), 1)).x.shape == (4, 3, 16, 16)
    assert augment["global"](view, Draws.of(0, 0, torch.arange(4), 0)).x.shape == (4, 3, 32, 32)


def test_global_is_the_users_word_in_yaml():
    assert "global" in ImageConfig().model_dump(mode="json")
    assert ImageConfig.parse({"global": {"crop": [0.9, 1.0]}}).global_.crop == (0.9, 1.0)
