"""Texts given word by word, with a tag for each: sentences of CoNLL files, lists of tokens and tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tacit.data.annotation import Annotations, Tags
from tacit.data.listing import Longs
from tacit.evaluation.spans import numbered, parsed

WORDS, TAGS = "tokens", "tags"
"""The members that hold a text word by word and what is said about each word, in place of the text."""
SENTENCES = (".conll", ".bio", ".iob", ".iob2")
"""What names of CoNLL files end with."""
_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_REMARK = re.compile(r"# ?(id\b|[\w.]+ =)")
"""Remarks of CoNLL files, `# text = ...`; a lone `#` in front of a tag is a word."""


def joined(number: int, words: Any, tags: Any) -> tuple[str, tuple[str, ...], str]:
    """(text, tags, reason) of row `number`; the reason says why there is no text, and is empty where there is one.

    Spaces inside of a word become no-break spaces, so that spaces separate words.
    """
    told, reason = [] if tags is None else tags, ""
    for what, values in ((WORDS, words), (TAGS, told)):
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            reason = reason or f"the {what} of row {number} are no list of texts"
    if reason:
        return "", (), reason
    if not words or not all(word.strip() for word in words):
        return "", (), f"a word of row {number} is empty" if words else f"row {number} has no words"
    if told and len(told) != len(words):
        return "", (), f"row {number} has {len(words)} words and {len(told)} tags"
    text = " ".join(_SPACE.sub("\u00a0", word) for word in words)
    return text, tuple(_SPACE.sub("_", tag.strip()) or "O" for tag in told), ""


def sentences(lines: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, tuple[str, ...], str]]:
    """(number of its first line, text, tags, reason) of each sentence in lines (number, text, why there is none).

    A word a line with its tag in the last column, tabs or spaces between columns, an empty line behind a sentence.
    """
    words: list[str] = []
    tags: list[str] = []
    first, wrong = 0, ""
    for number, line, reason in chain(lines, [(0, "", "")]):
        if reason:
            first, wrong = first or number, wrong or reason
        elif line.strip() and not line.startswith("-DOCSTART-"):
            if not _REMARK.match(line):
                cells = line.split("\t" if "\t" in line else None)
                first = first or number
                words.append(cells[0])
                tags += cells[1:][-1:]
        elif first:
            text, told, own = joined(first, words, tags)
            yield (first, "", (), wrong) if wrong else (first, text, told, own)
            words, tags, first, wrong = [], [], 0, ""


def annotations_of(number: Longs, texts: Sequence[str]) -> Annotations | None:
    """The tags of N records as annotations; None where there are none. Classes are in the order of their names.

    `number [N]`: which of `texts` says the tags of a record, separated by spaces; -1 where nobody tagged it.
    """
    if not texts:
        return None
    kinds = {kind for tag in {tag for text in texts for tag in text.split(" ")} for mark, kind in [parsed(tag)] if kind}
    classes = tuple(sorted(kinds))
    place = {name: index for index, name in enumerate(classes)}

    def read(row: int) -> Tags:
        return numbered(texts[number[row]].split(" "), place)

    return Annotations("tags", classes, read, present=np.asarray(number >= 0))
