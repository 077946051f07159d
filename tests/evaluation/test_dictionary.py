"""Translating without a network, against what is known on paper."""

import numpy as np
import pytest
from translation_toys import HERE, THERE, sentences

from tacit.evaluation.dictionary import Dictionary, nearest


def naive(sources, targets, rounds):
    """IBM model 1 as Brown et al. write it: nested loops over words."""
    told = [{"", *text.split()} for text in sources]
    said = [text.split() for text in targets]
    chance = {(e, f): 1.0 for own, words in zip(told, said, strict=True) for e in words for f in own}
    for _ in range(rounds):
        count, total = dict.fromkeys(chance, 0.0), {}
        for own, words in zip(told, said, strict=True):
            for e in words:
                whole = sum(chance[e, f] for f in own)
                for f in own:
                    count[e, f] += chance[e, f] / whole
                    total[f] = total.get(f, 0.0) + chance[e, f] / whole
        chance = {(e, f): value / total[f] for (e, f), value in count.items()}
    return chance


def test_it_learns_as_the_loops_of_the_paper_do():
    sources = ["das haus", "das buch", "ein buch", "das kleine haus da"]
    targets = ["the house", "the book", "a book", "the small house the"]
    own = Dictionary(sources, targets, rounds=7)
    from_, to = list(own.sources), list(own.targets)
    wanted = naive(sources, targets, 7)
    assert len(own.probability) == len(wanted)
    for source, target, value in zip(own._source, own._target, own.probability, strict=True):
        assert value == pytest.approx(wanted[to[target], from_[source]], abs=1e-12)
    sums = np.bincount(own._source, own.probability)
    assert np.allclose(sums, 1)


def test_the_classic_example_comes_apart():
    own = Dictionary(["das haus", "das buch", "ein buch"], ["the house", "the book", "a book"])
    assert own.translate(["ein haus"]) == ["A house"]


def test_words_of_a_made_up_language_are_all_found():
    rows = sentences(400)
    own = Dictionary(*zip(*rows, strict=True))
    best = own.best()
    assert {word: best[word] for word in HERE} == dict(zip(HERE, THERE, strict=True))
    assert own.translate(["hund sieht Zebra."]) == ["Dog sees Zebra."]


def test_words_are_spelled_as_within_texts():
    """German nouns have a capital everywhere, other words where they begin a text."""
    targets = ["Der Hund", "Ein Hund", "Da ist ein Haus", "Schnell", "Hier ist der Hund"]
    own = Dictionary(["the dog", "a dog", "there is a house", "quick", "here is the dog"], targets)
    words = {"der": "der", "hund": "Hund", "ein": "ein", "da": "da", "ist": "ist", "haus": "Haus"}
    assert own.spelled == {**words, "schnell": "schnell", "hier": "hier"}
    assert own.translate(["a quick dog"]) == ["Ein schnell Hund"]


def test_the_nearest_source_gives_its_target():
    sources = ["ein hund im haus", "zwei katzen", "ein mann mit hund"]
    assert nearest(sources, ["A", "B", "C"], ["zwei graue katzen", "ein hund im haus"]) == ["B", "A"]
