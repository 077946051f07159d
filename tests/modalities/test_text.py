import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tacit.augment.text import Recipe, text_view
from tacit.core import Draws, View
from tacit.errors import DataError, Unreadable
from tacit.modalities.counts import latent_semantics, tfidf
from tacit.modalities.text import TEXT, TextConfig
from tacit.modalities.words import SPECIALS, tokenizer_of

SENTENCES = [
    "The cat sat on the mat, didn't it?",
    "A dog and a cat sat together!",
    "Ein Café ist kein Hund.",
    "the mat the mat the mat",
]
RAWS = [sentence.encode() for sentence in SENTENCES] * 3


class Held:
    """Packed texts in memory."""

    def __init__(self, raws, layout):
        self.packed, self.layout = torch.from_numpy(np.stack([TEXT.read(raw, layout) for raw in raws])), layout

    def __len__(self):
        return len(self.packed)

    def view(self, rows):
        return TEXT.collate(self.packed[rows], self.layout)


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_ids_stand_at_the_left_and_say_what_the_text_said(kind):
    layout = TEXT.survey(RAWS, TextConfig(tokenizer=kind, vocabulary=400))
    packed = TEXT.read(RAWS[0], layout)
    assert packed.shape == layout.shape
    assert packed.dtype == np.dtype(layout.dtype)
    count = int((packed > 0).sum())
    assert (packed[:count] > 0).all()
    told = tokenizer_of(layout.tokenizer).decode(packed[:count].tolist(), skip_special_tokens=False)
    assert told == ("the cat sat on the mat didn't it ?" if kind == "words" else SENTENCES[0])


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_a_text_that_names_a_special_token_does_not_become_one(kind):
    layout = TEXT.survey(RAWS, TextConfig(tokenizer=kind, vocabulary=400))
    packed = TEXT.read(b"cat [PAD] cat [MASK] <0x41> cat", layout)
    ids = packed[: int(packed.nonzero()[0].max()) + 1]
    assert not {0, 3} & set(ids.tolist())


def test_bytes_that_no_vocabulary_knows_come_back_with_byte_pairs():
    layout = TEXT.survey(RAWS, TextConfig(tokenizer="bpe", vocabulary=400))
    packed = TEXT.read("naïve 猫".encode(), layout)
    assert tokenizer_of(layout.tokenizer).decode(packed[packed > 0].tolist(), skip_special_tokens=False) == "naïve 猫"


def test_a_batch_is_cut_at_its_longest_text_and_padding_is_marked():
    layout = TEXT.survey(RAWS, TextConfig(length=64))
    view = Held(RAWS[:4], layout).view(torch.arange(4))
    assert view.vocabulary == layout.vocabulary
    lengths = view.valid.sum(dim=1)
    assert view.x.shape[1] == int(lengths.max()) < 64
    assert torch.equal(view.valid, view.x > 0)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"", "no words"), (b" \n", "no words"), (b"caf\xe9", r"no UTF-8 at byte 3 \(0xe9\)"), (np.zeros(3), "array")],
)
def test_what_is_no_text_is_unreadable(raw, reason):
    with pytest.raises(Unreadable, match=reason):
        TEXT.read(raw, TEXT.survey(RAWS, TextConfig()))


def test_many_texts_are_read_as_each_alone():
    layout = TEXT.survey(RAWS, TextConfig())
    raws = [RAWS[0], b"caf\xe9", b"", RAWS[2], np.zeros(3), b"..."]
    found = TEXT.read_many(raws, layout)
    for raw, one in zip(raws, found, strict=True):
        if isinstance(one, Unreadable):
            with pytest.raises(Unreadable, match=re.escape(str(one))):
                TEXT.read(raw, layout)
        else:
            assert np.array_equal(one, TEXT.read(raw, layout))
    assert [isinstance(one, Unreadable) for one in found] == [False, True, True, False, True, True]


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_a_letter_with_its_accent_apart_is_the_same_letter(kind):
    layout = TEXT.survey(RAWS, TextConfig(tokenizer=kind, vocabulary=400))
    assert np.array_equal(TEXT.read("Cafe\u0301".encode(), layout), TEXT.read("Café".encode(), layout))


def test_texts_without_words_cannot_be_surveyed():
    with pytest.raises(DataError, match="holds a word"):
        TEXT.survey([b"...", b""], TextConfig())


def test_texts_in_which_no_word_stands_twice_cannot_be_surveyed_by_words():
    with pytest.raises(DataError, match=r"no word stands twice in 2 texts.*tokenizer=bpe"):
        TEXT.survey([b"one two", b"three"], TextConfig())
    assert TEXT.survey([b"one two", b"three"], TextConfig(tokenizer="bpe")).vocabulary > 5


@given(st.integers(0, 1000), st.integers(1, 40))
def test_two_halves_divide_the_words_of_a_text_between_them(seed, length):
    valid = torch.arange(40)[None] < torch.tensor([[length], [40]])
    view = View(torch.ones(2, 40, dtype=torch.long), valid)
    index = torch.tensor([3, 5])
    left, right = (text_view(view, Recipe(), Draws.of(seed, 0, index, number)).valid for number in (0, 1))
    for row in range(2):
        if (left[row] != right[row]).any():
            whole = left[row] | right[row]
            assert not (left[row] & right[row]).any() or torch.equal(whole, valid[row])
            assert torch.equal(whole, valid[row])
    assert left.any(dim=1).all()
    assert right.any(dim=1).all()


@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_span_is_one_run_of_the_words(seed, length):
    valid = (torch.arange(40) < length)[None]
    view = View(torch.ones(1, 40, dtype=torch.long), valid)
    kept = text_view(view, Recipe(keep="span", share=(0.3, 0.6)), Draws.of(seed, 0, torch.tensor([0]), 0)).valid[0]
    places = kept.nonzero().flatten()
    assert len(places) == places[-1] - places[0] + 1
    assert places[-1] < length
    assert 0.3 * length <= len(places) <= 0.6 * length + 1


def test_word_counts_are_of_unit_length_and_leave_special_ids_out():
    layout = TEXT.survey(RAWS, TextConfig())
    view = Held(RAWS[:4], layout).view(torch.arange(4))
    counts = TEXT.floors["word counts"](view)
    assert torch.allclose(counts.norm(dim=1), torch.ones(4))
    own = torch.bincount(view.x[3][view.valid[3]], minlength=layout.vocabulary)[len(SPECIALS) :].float().log1p()
    assert torch.allclose(counts[3], own / own.norm())


def topics(count, seed):
    """Texts of two topics that share half of their words, and their topics."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    shared, own = generator.integers(0, 20, (2, count, 30))
    words = np.where(generator.random((count, 30)) < 0.5, shared, 20 + 5 * labels[:, None] + own % 5)
    return [" ".join(f"w{number}" for number in one) for one in words], torch.from_numpy(labels)


def test_tf_idf_is_what_scikit_learn_makes_of_the_texts_themselves():
    train, labels = topics(60, 0)
    test, _ = topics(40, 1)
    layout = TEXT.survey([text.encode() for text in train + test], TextConfig())
    ours = tfidf(*(Held([text.encode() for text in part], layout) for part in (train, test)))
    words = TfidfVectorizer(ngram_range=(1, 2), analyzer="word", sublinear_tf=True)
    model = LogisticRegression(C=10.0, max_iter=1000).fit(words.fit_transform(train), labels.numpy())
    assert ours(torch.arange(60), labels).tolist() == model.predict(words.transform(test)).tolist()


def test_latent_semantics_tell_topics_apart_without_labels():
    texts, labels = topics(80, 0)
    layout = TEXT.survey([text.encode() for text in texts], TextConfig())
    held = Held([text.encode() for text in texts], layout)
    features = torch.nn.functional.normalize(latent_semantics(held)(held.view(torch.arange(80)))[:, 1:6], dim=1)
    similarity = (features @ features.T).fill_diagonal_(0)
    same = labels[:, None] == labels
    assert similarity[same].mean() > similarity[~same].mean() + 0.1
