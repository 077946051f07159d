import numpy as np
import pytest
import torch

from tacit.core import KINDS, Draws, View
from tacit.errors import DataError
from tacit.modalities import MODALITIES
from tacit.modalities.image import IMAGE, ImageConfig
from tacit.modalities.pictures import ImageLayout


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
    view = IMAGE.collate(packed, ImageLayout(channels=packed.shape[1], size=packed.shape[2]))
    assert torch.equal((view.x * 255).round().to(torch.uint8), packed)


@pytest.mark.parametrize("size", [8, 16, 28, 33, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_decoder_draws_what_the_target_is(size, channels):
    truth = IMAGE.targets["values"].of(View(torch.rand(2, channels, size, size)))
    assert IMAGE.decoder(7, truth)(torch.rand(2, 7)).shape == truth.shape


@pytest.mark.parametrize("name", IMAGE.transformations)
@pytest.mark.parametrize(("size", "channels"), [(32, 3), (33, 1), (8, 4)])
def test_a_family_shows_as_many_pieces_as_it_says_and_undoes_each_label(name, size, channels):
    family = IMAGE.transformations[name]
    labels = torch.arange(family.labels)
    view = View(torch.rand(family.labels, channels, size, size))
    shown = family.apply(view, labels, Draws.fresh(len(labels), view.x.device))
    assert len(shown) == family.pieces * family.labels
    assert shown.x.isfinite().all()
    assert len(family.undo(shown, labels)) == family.labels
    assert len(family.names) in (0, family.labels)


def test_the_family_of_rotations_is_the_four_quarter_turns():
    family, x = IMAGE.transformations["rotation"], torch.rand(4, 1, 4, 4)
    shown = family.apply(View(x), torch.arange(4), Draws.fresh(4, x.device))
    for turns in range(4):
        assert torch.equal(shown.x[turns], torch.rot90(x[turns], turns, (1, 2)))
    assert torch.equal(family.undo(shown, torch.arange(4)).x, x)


@pytest.mark.parametrize("name", IMAGE.targets)
def test_who_draws_the_truth_paints_the_sample(name):
    target, view = IMAGE.targets[name], View(torch.rand(3, 3, 16, 16))
    assert torch.allclose(target.paint(view, target.of(view)).x, view.x, atol=2e-3)
    coarse = torch.nn.functional.avg_pool2d(target.of(view), 4)
    assert target.paint(view, coarse).x.shape == view.x.shape


def test_only_images_with_colours_have_a_target_of_colours():
    for channels in (1, 2, 4):
        with pytest.raises(DataError, match=f"{channels} channel"):
            IMAGE.targets["colour"].of(View(torch.rand(2, channels, 8, 8)))


def test_every_number_of_channels_has_a_picture():
    for channels in (1, 2, 3, 4, 7):
        picture = IMAGE.picture(View(torch.rand(2, channels, 5, 6)))
        assert picture.shape == (2, 5, 6, 3)
        assert picture.dtype == np.uint8
    x = torch.rand(1, 3, 4, 4)
    assert np.array_equal(IMAGE.picture(View(x))[0], (x[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
    clear = torch.cat([x, torch.zeros(1, 1, 4, 4)], dim=1)
    assert (IMAGE.picture(View(clear)) == 128).all(), "through what is transparent the middle grey shows"


def test_a_local_view_is_native_and_half_as_large():
    augment = IMAGE.augment(ImageConfig())
    view = View(torch.rand(4, 3, 32, 32))
    assert augment["local"](view, Draws.of(0, 0, torch.arange(4), 1)).x.shape == (4, 3, 16, 16)
    assert augment["global"](view, Draws.of(0, 0, torch.arange(4), 0)).x.shape == (4, 3, 32, 32)


def test_global_is_the_users_word_in_yaml():
    assert "global" in ImageConfig().model_dump(mode="json")
    assert ImageConfig.parse({"global": {"crop": [0.9, 1.0]}}).global_.crop == (0.9, 1.0)
