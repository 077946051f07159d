"""The decoder: told a text at once or token by token it says the same, sees no future, and searches as brute force."""

from itertools import product

import pytest
import torch

from tacit.core import View
from tacit.nn.beam import beam_search
from tacit.nn.decoder import Decoder, Memory
from tacit.nn.transformer import Transformer
from tacit.view import FIRST_WORD, MARK

V, WIDTH = 12, 128


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return Decoder(WIDTH, WIDTH, 2).eval()


def memory(lengths=(5, 2, 7), scale=1.0, vocabulary=V):
    generator = torch.Generator().manual_seed(1)
    size = max(lengths)
    valid = torch.arange(size) < torch.tensor(lengths)[:, None]
    tokens = torch.randn(len(lengths), size, WIDTH, generator=generator) * valid[..., None]
    return Memory(tokens, valid, scale * torch.randn(vocabulary, WIDTH, generator=generator))


def written(lengths=(6, 1, 3)):
    ids = torch.randint(FIRST_WORD, V, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(2))
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return ids * valid, valid


def test_each_token_and_the_end_are_asked_for_once(decoder):
    ids, valid = written()
    told = decoder(ids, valid, memory())
    wanted = [number for row, keep in zip(ids, valid, strict=True) for number in (*row[keep].tolist(), MARK)]
    assert told.wanted.tolist() == wanted
    assert told.asked.sum(dim=1).tolist() == [7, 2, 4]
    assert told.logits.shape == (13, V)


def test_told_at_once_or_token_by_token_it_says_the_same(decoder):
    ids, valid = written()
    at_once = decoder(ids, valid, memory())
    logits = torch.zeros(3, 7, V)
    logits[at_once.asked] = at_once.logits
    writing, last = decoder.begin(memory()), torch.full((3,), MARK)
    for place in range(7):
        said, writing = decoder.step(last, writing)
        asked = at_once.asked[:, place]
        torch.testing.assert_close(said[asked], logits[asked, place], atol=1e-4, rtol=1e-4)
        last = ids[:, place] if place < 6 else last


def test_no_future_and_no_padding_enters(decoder):
    ids, valid = written()
    before = decoder(ids, valid, memory())
    other = ids.clone()
    other[0, 4] = FIRST_WORD + (other[0, 4] - FIRST_WORD + 1) % (V - FIRST_WORD)
    after = decoder(other, valid, memory())
    same = (before.logits[:7] - after.logits[:7]).abs().amax(dim=1) < 1e-5
    assert same.tolist() == [True] * 5 + [False] * 2
    loud = memory()
    loud = Memory(loud.tokens.masked_fill(~loud.valid[..., None], 100.0), loud.valid, loud.table)
    torch.testing.assert_close(decoder(ids.masked_fill(~valid, 7), valid, loud).logits, before.logits)


def test_what_is_read_matters(decoder):
    ids, valid = written()
    other = memory()
    other = Memory(other.tokens.roll(1, dims=0), other.valid.roll(1, dims=0), other.table)
    assert (decoder(ids, valid, memory()).logits - decoder(ids, valid, other).logits).abs().max() > 1e-3


def test_memory_comes_from_features():
    view = View(torch.randint(4, V, (2, 5)), vocabulary=V)
    features = Transformer(Transformer.Config(), view)(view)
    assert Memory.of(features).tokens.shape == (2, 5, 128)
    one = Memory.pooled(features)
    assert one.tokens.shape == (2, 1, 128)
    assert one.valid.all()
    with torch.no_grad():
        assert not Transformer(Transformer.Config(), view)(view).table.requires_grad


@torch.no_grad()
def likelihood(decoder, text, own):
    """Log-probability of a text, its end included."""
    ids = torch.tensor([text], dtype=torch.long).reshape(1, -1)
    told = decoder(ids, torch.ones_like(ids, dtype=torch.bool), own)
    logp = told.logits.log_softmax(dim=1)
    return float(logp.gather(1, told.wanted[:, None]).sum())


def test_a_wide_beam_finds_what_brute_force_finds(decoder):
    """Six words, at most three of them: 259 texts. An end that is not likely makes the longer ones win."""
    words, own = range(FIRST_WORD, FIRST_WORD + 6), memory((4,), 0.6, FIRST_WORD + 6)
    texts = [list(text) for length in range(4) for text in product(words, repeat=length)]
    best = max(texts, key=lambda text: likelihood(decoder, text, own))
    assert beam_search(decoder, own, width=300, longest=4, power=0.0) == [best]


def test_length_is_made_up_for(decoder):
    """The mean log-probability decides, and so longer texts are found than by the sum."""
    own = memory((4,) * 16, 0.3)
    summed, mean = (beam_search(decoder, own, width=8, longest=12, power=power) for power in (0.0, 1.0))
    assert sum(map(len, mean)) > sum(map(len, summed))
    for row, (first, second) in enumerate(zip(summed, mean, strict=True)):
        one = Memory(own.tokens[row : row + 1], own.valid[row : row + 1], own.table)
        a, b = (likelihood(decoder, text, one) for text in (first, second))
        assert a >= b - 1e-4
        assert len(second) == 12 or b / (len(second) + 1) >= a / (len(first) + 1) - 1e-4


def test_a_beam_of_one_takes_the_likeliest_each_time(decoder):
    own = memory((5, 2, 7), 0.4)
    found = beam_search(decoder, own, width=1, longest=6)
    for row in range(3):
        one = Memory(own.tokens[row : row + 1], own.valid[row : row + 1], own.table)
        writing, last, text = decoder.begin(one), torch.tensor([MARK]), []
        while len(text) < 6:
            said, writing = decoder.step(last, writing)
            allowed = torch.tensor([MARK, *range(FIRST_WORD, V)])
            last = allowed[said[0, allowed].argmax()][None]
            if int(last) == MARK:
                break
            text.append(int(last))
        assert found[row] == text


def test_what_is_found_does_not_depend_on_the_batch(decoder):
    own = memory((5, 2, 7), 0.4)
    together = beam_search(decoder, own, width=4, longest=8)
    for row, length in enumerate((5, 2, 7)):
        one = Memory(own.tokens[row : row + 1, :length], own.valid[row : row + 1, :length], own.table)
        assert beam_search(decoder, one, width=4, longest=8) == [together[row]]
        assert len(together[row]) <= 8
        assert all(number >= FIRST_WORD for number in together[row])
