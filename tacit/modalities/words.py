"""Texts to ids and back: a tokenizer learnt from the texts themselves, which travels with the encoder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from tacit.core import Layout, Raw
from tacit.errors import DataError, Unreadable

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.trainers import Trainer

Kind = Literal["words", "bpe"]
SUFFIXES = frozenset({".txt"})
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[MASK]")
LONGEST = 1024
"""Tokens that are kept of a text, unless another length is asked for."""
_SURVEYED = 64 * 2**20
"""Characters that a tokenizer is learnt from at most: more change no vocabulary, and fill the memory."""
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_UNBROKEN = re.compile(r"[^ \t\r\n\f\v]+")
_WORD = r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}]+)*|[!?]"


class TextLayout(Layout):
    """How the texts of one set are packed: ids `[length]`, 0 behind the end."""

    length: int = Field(ge=1, le=65_536)
    """L, tokens that are kept of a text."""
    vocabulary: int = Field(ge=len(SPECIALS) + 1, le=65_536)
    """V, how many ids there are."""
    tokenizer: str
    """The tokenizer as the JSON of the `tokenizers` library."""
    fixed: ClassVar[frozenset[str]] = frozenset({"vocabulary", "tokenizer"})

    @property
    def shape(self) -> tuple[int]:
        """`(L,)`."""
        return (self.length,)

    @property
    def dtype(self) -> str:
        """numpy's name of the ids' type."""
        return "uint16"

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        return {"length": self.length, "vocabulary": self.vocabulary}


def survey(raws: Iterable[Raw], kind: Kind, vocabulary: int | None, length: int | None) -> TextLayout:
    """The layout for `raws`: a tokenizer of at most `vocabulary` ids learnt from them, and the length that 99 % have.

    Without a `vocabulary` there are 30,000 words, or a piece of words for every thousand characters, 512 to 8,000.
    Raises `DataError` where they hold no words.
    """
    texts = list(_readable(raws))
    tokenizer = _untrained(kind)
    usual = 30_000 if kind == "words" else min(8000, max(512, sum(map(len, texts)) // 1000))
    tokenizer.train_from_iterator(texts, trainer=_trainer(kind, vocabulary or usual), length=len(texts))
    counts = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    if not any(counts):
        raise DataError(f"none of {len(texts):,} texts holds a word: is this the column of texts?")
    fits = int(np.quantile(counts, 0.99)) + 1
    return TextLayout(
        length=length or min(LONGEST, max(8, -(-fits // 8) * 8)),
        vocabulary=tokenizer.get_vocab_size(),
        tokenizer=tokenizer.to_str(),
    )


def read(raw: Raw, layout: TextLayout) -> np.ndarray:
    """Ids of a text, uint16 `[L]`, cut at L, 0 behind its end. Raises `Unreadable`."""
    ids = tokenizer_of(layout.tokenizer).encode(_text(raw), add_special_tokens=False).ids
    if not ids:
        raise Unreadable("it holds no words")
    packed = np.zeros(layout.length, np.uint16)
    kept = ids[: layout.length]
    packed[: len(kept)] = kept
    return packed


def spell(ids: Tensor, layout: TextLayout) -> Sequence[str]:
    """What the ids `[B, L]` say, 0 behind the end of each."""
    known = [row[row > 0].tolist() for row in ids.cpu()]
    return tokenizer_of(layout.tokenizer).decode_batch(known, skip_special_tokens=False)


def words(raw: Raw, layout: TextLayout) -> tuple[Sequence[str], np.ndarray]:
    """A text's words, which spaces separate, and to which of them each of its ids belongs, `[L]`.

    A piece that begins with the space in front of a word belongs to that word; what a tokenizer adds, and other spaces,
    belong to none. Raises `Unreadable`.
    """
    text = _text(raw)
    found = list(_UNBROKEN.finditer(text))
    offsets = tokenizer_of(layout.tokenizer).encode(text, add_special_tokens=False).offsets[: layout.length]
    starts, ends = np.array(offsets, np.int64).reshape(-1, 2).T
    owner = np.searchsorted(np.array([word.end() for word in found], np.int64), ends - 1, side="right")
    begins = np.array([*(word.start() for word in found), len(text) + 1], np.int64)
    return [word.group() for word in found], np.where((ends > starts) & (ends >= begins[owner]), owner, -1)


@lru_cache(maxsize=8)
def tokenizer_of(text: str) -> Tokenizer:
    """The tokenizer that `text` describes. Raises `DataError` where it is none."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare exceptions
        raise DataError(f"the tokenizer of this layout is damaged: {error}") from None
    tokenizer.encode_special_tokens = True  # a text that says [PAD] says it in letters
    return tokenizer


def _text(raw: Raw) -> str:
    if isinstance(raw, np.ndarray):
        raise Unreadable("an array of numbers, where a text is expected")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start:,} (0x{raw[error.start]:02x})") from None


def _readable(raws: Iterable[Raw]) -> Iterator[str]:
    """The texts that can be read, until there are enough characters to learn a tokenizer from."""
    room = _SURVEYED
    for raw in raws:
        try:
            text = _text(raw)
        except Unreadable:
            continue  # it is listed when the set is packed
        yield text[:room]
        room -= len(text)
        if room <= 0:
            return


def _untrained(kind: Kind) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    if kind == "words":
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))  # noqa: S106 - a token of text
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
        return tokenizer
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return tokenizer


def _trainer(kind: Kind, vocabulary: int) -> Trainer:
    from tokenizers import trainers

    if kind == "words":
        return trainers.WordLevelTrainer(
            vocab_size=vocabulary, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False
        )
    return trainers.BpeTrainer(
        vocab_size=max(vocabulary, len(SPECIALS) + len(_BYTES) + 1),
        special_tokens=[*SPECIALS, *_BYTES],
        show_progress=False,
        limit_alphabet=1000,
    )
