import numpy as np
import pytest
import torch

from tacit.core import View
from tacit.errors import DataError
from tacit.evaluation.encoding import encode
from tacit.modalities.text import TEXT

TEXTS = [b"one", b"two words", b"three words here", b"a b c d e f g h", b"one", b"two words", b"x y"] * 3


@pytest.fixture(scope="module")
def layout():
    return TEXT.survey(TEXTS, TEXT.config())


def summed(view: View):
    return torch.stack([(view.x * view.valid).sum(1), view.valid.sum(1)], dim=1).float()


@pytest.mark.parametrize("given", [{"budget": 1}, {"budget": 20}, {"budget": 10_000}, {"budget": 9, "batch": 2}])
def test_the_order_is_that_of_the_samples_whatever_the_batches(layout, given):
    wanted = summed(TEXT.collate(torch.from_numpy(np.stack([TEXT.read(raw, layout) for raw in TEXTS])), layout))
    found = encode(summed, TEXT, layout, TEXTS, dim=2, **{"batch": None, **given})
    assert np.array_equal(found, wanted.numpy())


def test_batches_hold_texts_of_like_length_within_the_budget(layout):
    seen = []

    def look(view: View):
        seen.append(view.x.shape)
        return summed(view)

    encode(look, TEXT, layout, TEXTS, dim=2, batch=None, budget=16)
    assert all(rows * length <= 16 for rows, length in seen)
    positions = sum(rows * length for rows, length in seen)
    assert positions <= 1.2 * sum(len(text.split()) for text in TEXTS), "little of it is padding"


def test_the_number_of_a_bad_sample_is_told(layout):
    with pytest.raises(DataError, match="sample 2 cannot be read"):
        encode(summed, TEXT, layout, [b"one", b"two", b"\xff"], dim=2, batch=None, budget=16)
    assert encode(summed, TEXT, layout, [], dim=2, batch=None, budget=16).shape == (0, 2)
