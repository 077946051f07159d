"""Sentences with tags: CoNLL files and lists of tokens, and where their words stand among packed pieces."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_toys import conll, lines, sentence, tagged

from tacit.data.kind import kind_of
from tacit.data.source import open_source
from tacit.errors import Unreadable
from tacit.evaluation.spans import spelled
from tacit.modalities import MODALITIES
from tacit.modalities.text import TEXT, TextConfig


def opened(path):
    return open_source(str(path), TEXT.suffixes, records=TEXT.records)


def tags_of(source, row):
    return spelled(source.annotations.read(row), source.annotations.classes)


def test_a_conll_folder_is_sentences_with_tags_and_parts(tmp_path):
    source = opened(tagged(tmp_path / "set", 4, 3))
    conll(tmp_path / "set" / "dev.conll", range(50, 52))
    source = opened(tmp_path / "set")
    assert kind_of(str(tmp_path / "set"), MODALITIES) == "text"
    assert source.splits.tolist() == [1, 1, 2, 2, 2, 0, 0, 0, 0]  # dev, test, train
    assert source.annotations.classes == ("city", "person")
    for row, seed in ((0, 50), (5, 0), (8, 3)):
        words, tags = sentence(seed)
        assert source.raw(row).decode().split(" ") == words
        assert tags_of(source, row) == tags


@pytest.mark.parametrize(
    ("content", "texts", "tags"),
    [
        ("a O\nRome B-x\n\nb O\n", ["a Rome", "b"], [["O", "B-x"], ["O"]]),
        ("-DOCSTART- -X- O O\n\na DT B-NP I-x\nb NN I-NP I-x\n", ["a b"], [["B-x", "I-x"]]),
        ("# id 7 domain=x\na\t_\t_\tB-x\n\n\n# text = b\nb\t_\t_\tO", ["a", "b"], [["B-x"], ["O"]]),
        ("#\tO\nb\tS-x\n", ["# b"], [["O", "B-x"]]),
        ("\ufeffa\tB-x\r\n\r\nnew york\tB-x\r\n", ["a", "new\u00a0york"], [["B-x"], ["B-x"]]),
        ("a\nb\n\nRome\tB-x\n", ["a b", "Rome"], [[], ["B-x"]]),
    ],
)
def test_what_a_conll_file_may_look_like(content, texts, tags, tmp_path):
    (tmp_path / "x.conll").write_text(content, newline="")
    source = opened(tmp_path / "x.conll")
    assert [source.raw(row).decode() for row in range(len(source))] == texts
    assert [tags_of(source, row) if source.annotations.present[row] else [] for row in range(len(source))] == tags


def test_tokens_and_tags_are_read_from_lines_and_from_parquet(tmp_path):
    rows = [{"tokens": ["see", "New York"], "tags": ["O", "S-city"], "split": "train", "id": "one"}]
    rows += [{"tokens": ["nobody"], "split": "test", "id": "two"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    for path in (lines(tmp_path / "x.jsonl", rows), tmp_path / "x.parquet"):
        source = opened(path)
        assert kind_of(str(path), MODALITIES) == "text"
        assert [source.raw(row).decode() for row in range(2)] == ["see New\u00a0York", "nobody"]
        assert source.annotations.present.tolist() == [True, False]
        assert tags_of(source, 0) == ["O", "B-city"]
        assert source.splits.tolist() == [0, 2]
        assert source.names[1] == "two"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "row 2 has 2 words and 1 tags"),
        ({"tokens": ["a", " "], "tags": ["O", "O"]}, "a word of row 2 is empty"),
        ({"tokens": [], "tags": []}, "row 2 has no words"),
        ({"tokens": ["a"], "tags": [3]}, "the tags of row 2 are no list of texts"),
        ({"tokens": "a b", "tags": ["O", "O"]}, "the tokens of row 2 are no list of texts"),
        ({"tokens": ["a", "\ud800"], "tags": ["O", "O"]}, "row 2 holds half a character"),
    ],
)
def test_a_sentence_that_makes_no_sense_is_named(row, reason, tmp_path):
    source = opened(lines(tmp_path / "x.jsonl", [{"tokens": ["a"], "tags": ["B-x"]}, row]))
    with pytest.raises(Unreadable, match=reason):
        source.raw(1)


def test_a_bad_line_spoils_its_sentence_alone(tmp_path):
    (tmp_path / "x.conll").write_bytes(b"a\tO\n\nb\xff\tO\nc\tO\n\nd\tB-x\n\n\tO\n\ne O\nf\n")
    source = opened(tmp_path / "x.conll")
    assert len(source) == 5
    assert source.raw(2) == b"d"
    for row, reason in (
        (1, "line 3 is no UTF-8 at byte 6"),
        (3, "a word of row 8 is empty"),
        (4, "2 words and 1 tags"),
    ):
        with pytest.raises(Unreadable, match=reason):
            source.raw(row)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1))
def test_every_piece_belongs_to_the_word_that_it_is_of(words):
    text = " ".join("".join(word.split()) or "x" for word in words)
    for kind in ("bpe", "words"):
        layout = _LAYOUTS[kind]
        told, owner = TEXT.words(text.encode(), layout)
        assert [word for word in text.split(" ") if word] == list(told)
        assert (np.diff(owner) >= 0).all()
        if kind == "bpe":
            assert len(owner) == min(layout.length, int((TEXT.read(text.encode(), layout) > 0).sum()))
            assert set(owner) <= set(range(len(told)))
            if len(owner) < layout.length:
                assert set(owner) == set(range(len(told)))


_TEXTS = [" ".join(sentence(seed)[0]).encode() for seed in range(40)]
_LAYOUTS = {
    kind: TEXT.survey(_TEXTS, TextConfig(tokenizer=kind, vocabulary=300, length=64)) for kind in ("bpe", "words")
}


def test_words_come_back_as_they_were_written():
    """What NFC writes anew (a compatibility ideograph, an accent of its own) is read composed, and told as it was."""
    for kind in ("bpe", "words"):
        words, owner = TEXT.words("\U0002f800 cafe\u0301 x".encode(), _LAYOUTS[kind])
        assert words == ["\U0002f800", "cafe\u0301", "x"]
        assert set(owner) == {0, 1, 2}


def test_words_by_hand():
    words, owner = TEXT.words(b"  Ada  lives ", _LAYOUTS["bpe"])
    assert words == ["Ada", "lives"]
    assert (owner[-1], owner[0], owner.max()) == (-1, -1, 1)  # the space behind the last word belongs to none
    assert owner.tolist().count(-1) == 3  # nor do spaces beyond the one in front of a word
    words, owner = TEXT.words(b"Rome , Ada", _LAYOUTS["words"])
    assert words == ["Rome", ",", "Ada"]
    assert owner.tolist() == [0, 2]  # this tokenizer drops the comma
