import pytest
import torch
import torch.nn.functional as F

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.bag import Bag


def views(rows=6, length=9, vocabulary=20):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(2, vocabulary, (rows, length), generator=generator)
    valid = torch.arange(length) < torch.arange(rows)[:, None] % length + 1
    return View(x * valid, valid, vocabulary=vocabulary)


def test_a_text_is_the_weighted_mean_of_its_words():
    view = views()
    bag = Bag(Bag.Config(width=7, common=0.01), view).eval()
    pooled = bag(view).pooled
    for row in range(len(view)):
        words = view.x[row][view.valid[row]]
        naive = sum(bag.keep[word] * bag.words.weight[word] for word in words)
        assert torch.allclose(pooled[row], F.normalize(naive, dim=0), atol=1e-6)


def test_a_word_is_kept_by_the_square_root_of_how_rare_it_is():
    x = torch.tensor([[2] * 99 + [3]])
    keep = Bag(Bag.Config(common=0.04), View(x, x > 0, vocabulary=5)).keep
    assert keep.tolist() == pytest.approx([0, 0, (0.04 / 0.99) ** 0.5, 1, 1])


def test_in_training_a_word_is_there_as_often_as_it_weighs():
    x = torch.tensor([[2] * 50 + [3] * 50]).repeat(2000, 1)
    view = View(x, x > 0, vocabulary=4)
    bag = Bag(Bag.Config(width=2, common=0.1), view)
    with torch.no_grad():
        bag.words.weight.copy_(torch.eye(4)[:, 2:])
    torch.manual_seed(0)
    assert torch.allclose(bag.train()(view).pooled.mean(0), bag.eval()(view).pooled[0], atol=0.02)


def test_padding_and_order_enter_nothing_and_an_unknown_text_is_zero():
    view = views()
    bag = Bag(Bag.Config(width=7), view).eval()
    wider = View(F.pad(view.x, (0, 4), value=5), F.pad(view.valid, (0, 4)), vocabulary=20)
    assert torch.allclose(bag(view).pooled, bag(wider).pooled)
    turned = View(view.x.flip(1), view.valid.flip(1), vocabulary=20)
    assert torch.allclose(bag(view).pooled, bag(turned).pooled, atol=1e-6)
    unknown = torch.ones(1, 3, dtype=torch.long)
    assert not bag(View(unknown, unknown > 0, vocabulary=20)).pooled.any()


def test_no_short_text_loses_all_of_its_words_in_training():
    x = torch.full((500, 1), 2)
    bag = Bag(Bag.Config(width=3, common=1e-4), View(x, x > 0, vocabulary=3)).train()
    assert torch.allclose(bag(View(x, x > 0, vocabulary=3)).pooled.norm(dim=1), torch.ones(500), atol=1e-5)


def test_images_are_refused():
    with pytest.raises(UsageError, match="reads words"):
        Bag(Bag.Config(), View(torch.rand(2, 3, 8, 8)))
