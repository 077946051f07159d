"""The head that tags words: its targets follow views, and its figures are those of the words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from token_toys import sentence

from tacit.augment.text import Recipe, text_view
from tacit.core import Draws
from tacit.errors import UsageError
from tacit.evaluation.spans import numbered
from tacit.heads.tag import NONE, Tag, TagTargets, at_words, first_pieces
from tacit.modalities.text import TEXT, TextConfig
from tacit.nn.bag import Bag
from tacit.nn.transformer import Transformer

CLASSES = ("city", "person")
SENTENCES = [sentence(seed) for seed in range(24)]
RAWS = [" ".join(words).encode() for words, _ in SENTENCES]
LAYOUT = TEXT.survey(RAWS, TextConfig(tokenizer="bpe", vocabulary=300, length=40))
NUMBERS = [numbered(tags, {"city": 0, "person": 1}) for _, tags in SENTENCES]
PLACES = [
    first_pieces(torch.from_numpy(TEXT.words(raw, LAYOUT)[1]), len(words))
    for raw, (words, _) in zip(RAWS, SENTENCES, strict=True)
]


def padded(parts):
    return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True, padding_value=NONE)


TARGETS = TagTargets(padded(map(torch.from_numpy, NUMBERS)), padded(PLACES), CLASSES)


def view(rows=None):
    rows = torch.arange(len(RAWS)) if rows is None else rows
    packed = torch.from_numpy(np.stack([TEXT.read(RAWS[row], LAYOUT) for row in rows.tolist()]))
    return replace(TEXT.collate(packed, LAYOUT), index=rows)


def naive(row, position):
    """The tag of the word whose first piece lies at a packed position."""
    for number, place in zip(NUMBERS[row].tolist(), PLACES[row].tolist(), strict=True):
        if place == position:
            return number
    return NONE


@given(st.sampled_from(["all", "window", "words", "span"]), st.integers(0, 1000))
def test_a_tag_stands_at_the_first_piece_of_its_word_in_every_view(keep, seed):
    draws = Draws.of(seed, 0, torch.arange(len(RAWS)), 0)
    seen = text_view(view(), Recipe(keep=keep, tokens=6), draws)
    truth = TARGETS.of(seen)
    assert truth.shape == seen.x.shape
    expected = [[naive(row, at) for at in places] for row, places in enumerate(seen.where.tolist())]
    assert truth.tolist() == expected


def test_some_of_the_targets_are_numbered_anew():
    rows = torch.tensor([5, 2, 7])
    some = TARGETS.select(rows)
    assert len(some) == 3
    seen = view(rows)
    assert torch.equal(some.of(replace(seen, index=torch.arange(3))), TARGETS.of(seen))


def test_first_pieces_by_hand():
    assert first_pieces(torch.tensor([0, 0, -1, 2, 2, 3]), 5).tolist() == [0, NONE, 3, 5, NONE]
    assert first_pieces(torch.tensor([], dtype=torch.long), 2).tolist() == [NONE, NONE]
    assert at_words(torch.tensor([3, 0, 0, 2]), torch.tensor([0, NONE, 3, 9])) == [3, 0, 2, 0]


def made():
    torch.manual_seed(0)
    encoder = Transformer(Transformer.Config(), view())
    return encoder, Tag(Tag.Config(), encoder, view(), CLASSES)


def test_the_loss_is_the_mean_over_the_words_of_a_text():
    encoder, head = made()
    seen = view()
    outputs, truth = head.eval()(encoder(seen)), TARGETS.of(seen)
    losses = head.loss(outputs, truth)
    surprise = -outputs.detach().log_softmax(2)
    for row in (0, 7):
        words = [float(surprise[row, at, truth[row, at].item()]) for at in range(truth.shape[1]) if truth[row, at] >= 0]
        assert losses[row].item() == pytest.approx(np.mean(words), rel=1e-5)
    nothing = torch.full_like(truth, NONE)
    assert head.loss(outputs, nothing).tolist() == [0.0] * len(RAWS)


def test_padding_enters_nothing():
    encoder, head = made()
    alone = head.eval()(encoder.eval()(view(torch.tensor([3]))))
    among = head(encoder(view()))
    assert torch.allclose(alone[0], among[3, : alone.shape[1]], atol=1e-5)


def test_what_it_has_learnt_is_judged_by_spans():
    encoder, head = made()
    head.prepare(TARGETS)
    share = np.bincount(np.concatenate(NUMBERS)) / sum(map(len, NUMBERS))
    assert head.nothing_learnt == pytest.approx(-(share * np.log(share.clip(1e-12))).sum(), rel=1e-5)
    seen, optimiser = view(), torch.optim.AdamW([*encoder.parameters(), *head.parameters()], 3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        head.loss(head(encoder(seen)), TARGETS.of(seen)).mean().backward()
        optimiser.step()
    head.eval()
    once = torch.ones(1, len(RAWS), dtype=torch.float64)
    found = head.judge([head.answers(head(encoder.eval()(seen)))], TARGETS)(once)
    assert list(found) == ["span F1", "precision", "recall", "F1 city", "F1 person"]
    assert float(found["span F1"][0]) > 0.9
    blind = head.judge([head.blind(TARGETS, len(RAWS))], TARGETS)(once)
    assert [float(value[0]) for value in blind.values()] == [0.0] * 5


def test_words_that_nobody_sees_count_as_in_no_span():
    _, head = made()
    behind = TagTargets(torch.tensor([[1, 2], [1, 0]]), torch.tensor([[0, NONE], [0, 1]]), CLASSES)
    said = {"tags": [torch.tensor([1, 2]), torch.tensor([1, 0])]}
    scores = head.judge([said], behind)(torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64))
    assert scores["span F1"].tolist() == [0.0, 1.0]


def test_an_encoder_without_tokens_is_refused():
    encoder = Bag(Bag.Config(), view())
    with pytest.raises(UsageError, match="one vector a sample alone: pre-train with --encoder transformer"):
        Tag(Tag.Config(), encoder, view(), CLASSES)
