"""Connectionist temporal classification: decoding against brute force, the head on made-up speech."""

from dataclasses import replace
from itertools import product
from math import prod

import jiwer
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from token_toys import LETTERS, spoken

from tacit.core import Features, View
from tacit.heads.ctc import Ctc, Heard, TranscriptTargets
from tacit.heads.decoding import BLANK, greedy, prefix_beam, spelled
from tacit.nn.tdnn import TDNN
from tacit.nn.transformer import Transformer

CLASSES = (" ", "a", "b", "c")


def folded(path):
    """The letters of a path, by definition: repeats are one, then blanks are none."""
    kept = [letter for place, letter in enumerate(path) if place == 0 or letter != path[place - 1]]
    return tuple(letter for letter in kept if letter != BLANK)


def by_brute_force(probabilities):
    """Letters -> the probability of all their paths."""
    found = {}
    for path in product(range(probabilities.shape[1]), repeat=len(probabilities)):
        letters = folded(path)
        found[letters] = found.get(letters, 0.0) + prod(float(p[k]) for p, k in zip(probabilities, path, strict=True))
    return found


SHAPES = st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10_000))


def made_up(shape, sharp=1.5):
    length, letters, seed = shape
    draw = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(length, letters, generator=draw, dtype=torch.float64)).softmax(1)


@given(SHAPES)
def test_a_beam_that_holds_everything_finds_the_likeliest_letters(shape):
    probabilities = made_up(shape)
    every = by_brute_force(probabilities)
    found = tuple(prefix_beam(probabilities, 10_000, least=0))
    assert every[found] == pytest.approx(max(every.values()), rel=1e-9)


@given(SHAPES)
def test_greedy_folds_the_likeliest_path(shape):
    probabilities = made_up(shape)
    assert tuple(greedy(probabilities)) == folded(probabilities.argmax(1).tolist())


@given(SHAPES)
def test_the_two_agree_where_it_is_plain_what_was_said(shape):
    probabilities = made_up(shape, sharp=200.0)
    if probabilities.amax(1).min() > 0.9999:
        assert greedy(probabilities) == prefix_beam(probabilities, 2)


def test_a_beam_beats_the_best_path():
    """Two moments, blank .6 and a letter .4 in each: no letter has .36, one letter has .64."""
    probabilities = torch.tensor([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(probabilities) == []
    assert prefix_beam(probabilities, 8) == [1]


def test_letters_are_spelled_with_single_spaces():
    assert spelled([1, 2, 1, 1, 3, 1], CLASSES) == "a b"
    assert spelled([], CLASSES) == ""


@given(SHAPES, st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_the_loss_is_that_of_all_paths_per_letter(shape, letters):
    probabilities = made_up((shape[0], 4, shape[2]))
    heard = Heard(probabilities.log()[None].float(), torch.tensor([shape[0]]))
    head = made_head()
    loss = head.loss(heard, (torch.tensor([letters]), torch.tensor([len(letters)])))
    p = by_brute_force(probabilities).get(tuple(letters), 0.0)
    expected = -torch.tensor(p).log() / len(letters) if p else torch.tensor(0.0)  # what does not fit teaches nothing
    assert float(loss[0]) == pytest.approx(float(expected), rel=1e-3, abs=1e-5)


TEXTS = ["a", "ab c", "bb", "cab", "a b", "c c", "abc", "b a"] * 3
FRAMES = [torch.from_numpy(spoken(text, seed)) for seed, text in enumerate(TEXTS)]
TARGETS = TranscriptTargets(TEXTS, CLASSES)


def view(rows=None):
    rows = torch.arange(len(TEXTS)) if rows is None else rows
    x = torch.nn.utils.rnn.pad_sequence([FRAMES[row] for row in rows.tolist()], batch_first=True)
    lengths = torch.tensor([len(FRAMES[row]) for row in rows.tolist()])
    return View(x, torch.arange(x.shape[1]) < lengths[:, None], index=rows)


def made_head(encoder=None, **config):
    torch.manual_seed(0)
    encoder = encoder or Transformer(Transformer.Config(patch=2), view())
    return Ctc(Ctc.Config(width=32, **config), encoder, view(), CLASSES)


def test_letters_are_those_of_the_transcripts():
    assert set("".join(TEXTS)) == set(LETTERS)
    numbers, count = TARGETS.of(view(torch.tensor([1, 0])))
    assert numbers.tolist() == [[2, 3, 1, 4], [2, 0, 0, 0]]
    assert count.tolist() == [4, 1]
    assert TARGETS.select(torch.tensor([2, 1])).texts == ("bb", "ab c")


@pytest.mark.parametrize("kind", ["transformer", "tdnn"])
def test_it_learns_what_is_said(kind):
    torch.manual_seed(0)
    encoder = Transformer(Transformer.Config(patch=2), view()) if kind == "transformer" else TDNN(TDNN.Config(), view())
    head = made_head(encoder)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], 5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        head.loss(head(encoder(view())), TARGETS.of(view())).mean().backward()
        optimiser.step()
    head.eval()
    once = torch.ones(1, len(TEXTS), dtype=torch.float64)
    found = head.judge([head.answers(head(encoder.eval()(view())))], TARGETS)(once)
    assert list(found) == ["CER", "WER"]
    assert float(found["CER"][0]) < 0.15


def test_padding_enters_nothing():
    encoder = Transformer(Transformer.Config(patch=2), view()).eval()
    head = made_head(encoder).eval()
    alone, among = head(encoder(view(torch.tensor([0])))), head(encoder(view()))
    length = int(alone.lengths[0])
    assert int(among.lengths[0]) == length
    assert torch.allclose(alone.log_probabilities[0], among.log_probabilities[0, :length], atol=1e-4)


def test_gaps_among_the_tokens_close():
    """Tokens that are not valid are as if they were not there, wherever they stand."""
    head = made_head().eval()
    tokens = torch.randn(1, 4, head.norm.dim)
    dense = head(Features(tokens[:, 0], tokens, torch.ones(1, 4, dtype=torch.bool)))
    holed = torch.zeros(1, 6, head.norm.dim)
    valid = torch.tensor([[True, False, True, True, False, True]])
    holed[valid] = tokens[0]
    assert torch.allclose(head(Features(tokens[:, 0], holed, valid)).log_probabilities, dense.log_probabilities)


def test_a_token_holds_several_letters():
    head = made_head(moments=3)
    encoder = Transformer(Transformer.Config(patch=2), view())
    heard = head(encoder(view()))
    assert heard.log_probabilities.shape[1:] == (3 * encoder(view()).tokens.shape[1], 1 + len(CLASSES))


def test_errors_are_counted_over_all_recordings():
    head, targets = made_head(), TranscriptTargets(["a b", "cab"], CLASSES)
    said = ["a", "cab b"]
    weights = torch.tensor([[1.0, 1.0], [2.0, 0.0]], dtype=torch.float64)
    found = head.judge([{"texts": said[:1]}, {"texts": said[1:]}], targets)(weights)
    assert float(found["CER"][0]) == pytest.approx(jiwer.cer(list(targets.texts), said)) == pytest.approx(4 / 6)
    assert float(found["WER"][0]) == pytest.approx(jiwer.wer(list(targets.texts), said)) == pytest.approx(2 / 3)
    assert [float(found[name][1]) for name in found] == pytest.approx([2 / 3, 1 / 2])


def test_who_listens_to_nothing_says_the_commonest():
    head = made_head()
    assert head.blind(TranscriptTargets(["a", "b", "b"], CLASSES), 2) == {"texts": ["b", "b"]}
    nothing = head.judge([{"texts": [""]}], TranscriptTargets(["a b"], CLASSES))
    assert {name: float(value[0]) for name, value in nothing(torch.ones(1, 1, dtype=torch.float64)).items()} == {
        "CER": 1.0,
        "WER": 1.0,
    }


def test_targets_follow_the_index_alone():
    seen = view(torch.tensor([4, 2]))
    assert TARGETS.of(replace(seen, x=seen.x * 0))[1].tolist() == [3, 2]
