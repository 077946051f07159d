"""Spans by their tags: against seqeval, and what is known on paper."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

from tacit.evaluation.spans import (
    f1,
    numbered,
    of_numbers,
    parsed,
    precision,
    recall,
    spans,
    spelled,
    tally,
)

CLASSES = ("city", "creative-work", "person")
PLACE = {name: number for number, name in enumerate(CLASSES)}
TAG = st.one_of(st.just("O"), st.tuples(st.sampled_from("BIES"), st.sampled_from(CLASSES)).map("-".join))
SENTENCE = st.lists(TAG, min_size=1, max_size=12)


def of(tags):
    return spans(map(parsed, tags))


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["B-city", "I-city", "O", "B-city"], [("city", 0, 2), ("city", 3, 4)]),
        (["B-city", "B-city", "I-city"], [("city", 0, 1), ("city", 1, 3)]),
        (["I-city", "I-person", "O", "I-city"], [("city", 0, 1), ("person", 1, 2), ("city", 3, 4)]),
        (["S-city", "B-city", "E-city", "S-person"], [("city", 0, 1), ("city", 1, 3), ("person", 3, 4)]),
        (["U-city", "B-city", "I-city", "L-city"], [("city", 0, 1), ("city", 1, 4)]),
        (["B-creative-work", "I-creative-work"], [("creative-work", 0, 2)]),
        (["NOUN", "NOUN", "_", "VERB"], [("NOUN", 0, 1), ("NOUN", 1, 2), ("VERB", 3, 4)]),
        ([], []),
    ],
)
def test_every_scheme_says_its_spans(tags, found):
    assert of(tags) == found


@given(SENTENCE)
def test_numbers_say_the_spans_that_the_tags_say(tags):
    numbers = numbered(tags, PLACE)
    assert [(CLASSES[kind], first, end) for kind, first, end in of_numbers(numbers.tolist())] == of(tags)
    assert of(spelled(numbers, CLASSES)) == of(tags)


def test_tags_are_spelled_as_bio():
    numbers = numbered(["S-person", "O", "B-city", "E-city"], PLACE)
    assert spelled(numbers, CLASSES) == ["B-person", "O", "B-city", "I-city"]
    assert numbers.dtype == np.int16


@given(st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1, max_size=6))
def test_figures_are_those_of_seqeval(pairs):
    pairs = [(true[: len(said)], said[: len(true)]) for true, said in pairs]
    true, said = map(list, zip(*pairs, strict=True))
    counts = torch.stack([tally(numbered(a, PLACE), numbered(b, PLACE), len(CLASSES)) for a, b in pairs])
    total = counts.sum((0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns where there is no span
        for ours, theirs in ((f1, f1_score), (precision, precision_score), (recall, recall_score)):
            assert float(ours(total)) == pytest.approx(theirs(true, said, zero_division=0))


def test_a_span_is_right_when_its_class_and_both_ends_are():
    true = numbered(["B-city", "I-city", "O", "B-person", "B-city"], PLACE)
    said = numbered(["B-city", "O", "O", "B-city", "B-city"], PLACE)
    counts = tally(true, said, 3)
    assert counts.tolist() == [[1, 3, 2], [0, 0, 0], [0, 0, 1]]
    assert float(f1(counts.sum(0))) == pytest.approx(2 / 6)
