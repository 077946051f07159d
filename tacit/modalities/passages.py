"""Texts of any length as passages: the rows of a text that is longer than what a row holds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tacit.core import Raw
from tacit.errors import Unreadable
from tacit.modalities.pieces import even
from tacit.modalities.words import TextLayout, packed_ids, text_of, tokenizer_of

_BLOCK = 2**18
"""Characters that are tokenised at a time: a token takes the library a hundred bytes and more."""


def passages(raw: Raw, layout: TextLayout) -> Iterator[tuple[np.ndarray, str]]:
    """All tokens of a text in the fewest passages of like length that a row can hold.

    Where a passage lies is said in characters, `char=0,512` (RFC 5147); a tokenizer of others adds its special tokens
    to each. Raises `Unreadable` before the first one.
    """
    text = text_of(raw, composed=not layout.foreign)
    if isinstance(text, Unreadable):
        raise text
    before, behind = _added(layout.tokenizer, layout.length) if layout.foreign else ((), ())
    ids, begins, ends = _tokens(text, layout)
    most = max(1, layout.length - len(before) - len(behind))
    for begin, end in even(max(1, len(ids)), most):
        row = packed_ids([*before, *ids[begin:end].tolist(), *behind], layout)
        if isinstance(row, Unreadable):
            raise row
        yield row, f"char={begins[begin]},{ends[end - 1]}" if len(ids) > most else ""


def _tokens(text: str, layout: TextLayout) -> tuple[npt.NDArray[np.int32], ...]:
    """The ids of all T tokens of a text, and where in it each begins and ends: `[T]` each."""
    tokenizer = tokenizer_of(layout.tokenizer)
    ids, begins, ends = [], [], []
    for start, block in _blocks(text):
        encoding = tokenizer.encode(block, add_special_tokens=False)
        spans = np.array(encoding.offsets, np.int32).reshape(-1, 2) + start
        ids.append(np.array(encoding.ids, np.int32))
        begins.append(spans[:, 0])
        ends.append(spans[:, 1])
    return np.concatenate(ids), np.concatenate(begins), np.concatenate(ends)


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Parts of a text and where they begin, cut before spaces where there are any: words stay whole."""
    start = 0
    while start == 0 or start < len(text):
        end = start + _BLOCK
        if end < len(text):
            space = max(text.rfind(" ", start, end), text.rfind("\n", start, end))
            end = space if space > start else end
        yield start, text[start:end]
        start = end


@lru_cache(maxsize=8)
def _added(tokenizer: str, length: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that a tokenizer puts before and behind every text."""
    encoding = tokenizer_of(tokenizer, length).encode("a")
    special = np.array(encoding.special_tokens_mask, bool)
    inside = np.flatnonzero(~special)
    first, last = (inside[0], inside[-1] + 1) if len(inside) else (len(special), len(special))
    return tuple(encoding.ids[:first]), tuple(encoding.ids[last:])
