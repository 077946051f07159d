"""Texts to ids and back: a tokenizer learnt from the texts themselves, which travels with the encoder."""

from __future__ import annotations

import re
import unicodedata
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
_MEASURED = 4096
"""Texts whose lengths stand for all: to count the words of every one takes as long as packing them."""
_SURVEYED = 64 * 2**20
"""Characters that a tokenizer is learnt from at most: more change no vocabulary, and fill the memory."""
_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_UNBROKEN = re.compile(r"[^ \t\r\n\f\v]+")
_WORD = r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}]+)*|[!?]"


class TextLayout(Layout):
    """How the texts of one set are packed: ids `[length]`, 0 behind the end."""

    length: int = Field(ge=1, le=65_536)
    """L, tokens of a row."""
    vocabulary: int = Field(ge=len(SPECIALS) + 1, le=2**22)
    """V, how many ids there are."""
    tokenizer: str
    """The tokenizer as the JSON of the `tokenizers` library."""
    foreign: bool = False
    """Whether the tokenizer is not tacit's: it then adds its own special tokens, and its ids stand one higher."""
    pieces: bool = Field(default=False, description="whether longer texts become several rows, or are cut")
    fixed: ClassVar[frozenset[str]] = frozenset({"vocabulary", "tokenizer"})

    @property
    def shape(self) -> tuple[int]:
        """`(L,)`."""
        return (self.length,)

    @property
    def dtype(self) -> str:
        """numpy's name of the ids' type."""
        return "uint16" if self.vocabulary <= 2**16 else "int32"

    @property
    def in_pieces(self) -> bool:
        """Whether longer texts become several rows."""
        return self.pieces

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        known: dict[str, object] = {"length": self.length, "vocabulary": self.vocabulary}
        return known | ({"longer ones": "in pieces"} if self.pieces else {})


def survey(
    raws: Iterable[Raw], kind: Kind, vocabulary: int | None, length: int | None, pieces: bool = False
) -> TextLayout:
    """The layout for `raws`: a tokenizer of at most `vocabulary` ids learnt from them, and the length that 99 % have.

    Without a `vocabulary` there are 30,000 words, or a piece of words for every thousand characters, 512 to 8,000.
    Raises `DataError` where they hold no words, or none twice.
    """
    texts = list(_readable(raws))
    tokenizer = _untrained(kind)
    usual = 30_000 if kind == "words" else min(8000, max(512, sum(map(len, texts)) // 1000))
    tokenizer.train_from_iterator(texts, trainer=_trainer(kind, vocabulary or usual), length=len(texts))
    some = texts[:: max(1, len(texts) // _MEASURED)]
    counts = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(some, add_special_tokens=False)]
    if not any(counts):
        raise DataError(f"none of {len(texts):,} texts holds a word: is this the column of texts?")
    if tokenizer.get_vocab_size() == len(SPECIALS):
        raise DataError(
            f"no word stands twice in {len(texts):,} texts, so that nothing can be learnt of any: give more texts, or "
            "cut words into pieces by --set modality.tokenizer=bpe"
        )
    fits = int(np.quantile(counts, 0.99)) + 1
    return TextLayout(
        length=length or min(LONGEST, max(8, -(-fits // 8) * 8)),
        vocabulary=tokenizer.get_vocab_size(),
        tokenizer=tokenizer.to_str(),
        pieces=pieces,
    )


def read(raw: Raw, layout: TextLayout) -> np.ndarray:
    """Ids of a text `[L]`, cut at L, 0 behind its end. Raises `Unreadable`."""
    found = read_many([raw], layout)[0]
    if isinstance(found, Unreadable):
        raise found
    return found


def read_many(raws: Sequence[Raw], layout: TextLayout) -> list[np.ndarray | Unreadable]:
    """What `read` returns or raises for each of `raws`; the library shares the work among all cores."""
    texts = [text_of(raw, composed=not layout.foreign) for raw in raws]
    known = [text if isinstance(text, str) else "" for text in texts]
    encodings = _tokenizer(layout).encode_batch_fast(known, add_special_tokens=layout.foreign)
    return [
        text if isinstance(text, Unreadable) else packed_ids(encoding.ids, layout)
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def packed_ids(ids: Sequence[int], layout: TextLayout) -> np.ndarray | Unreadable:
    """Ids of tokens as a row `[L]`, cut at L, 0 behind the end; or why there is none."""
    if not ids:
        return Unreadable("it holds no words")
    packed = np.zeros(layout.length, layout.dtype)
    kept = np.array(ids[: layout.length], layout.dtype) + layout.foreign
    packed[: len(kept)] = kept
    return packed


def spell(ids: Tensor, layout: TextLayout) -> Sequence[str]:
    """What the ids `[B, L]` say, 0 behind the end of each."""
    known = [(row[row > 0] - int(layout.foreign)).tolist() for row in ids.cpu()]
    return tokenizer_of(layout.tokenizer).decode_batch(known, skip_special_tokens=False)


def _tokenizer(layout: TextLayout) -> Tokenizer:
    """The layout's tokenizer, which cuts by itself where it adds tokens of its own at the end."""
    return tokenizer_of(layout.tokenizer, layout.length if layout.foreign else None)


def words(raw: Raw, layout: TextLayout) -> tuple[Sequence[str], np.ndarray]:
    """A text's words as they are written, which spaces separate, and to which of them each of its ids belongs, `[L]`.

    A piece that begins with the space in front of a word belongs to that word; what a tokenizer adds, and other spaces,
    belong to none. Raises `Unreadable`.
    """
    text = text_of(raw)
    written = text_of(raw, composed=False)
    if isinstance(text, Unreadable):
        raise text
    if isinstance(written, Unreadable):
        raise written
    found = list(_UNBROKEN.finditer(text))
    offsets = _tokenizer(layout).encode(text, add_special_tokens=layout.foreign).offsets[: layout.length]
    starts, ends = np.array(offsets, np.int64).reshape(-1, 2).T
    owner = np.searchsorted(np.array([word.end() for word in found], np.int64), ends - 1, side="right")
    begins = np.array([*(word.start() for word in found), len(text) + 1], np.int64)
    return _UNBROKEN.findall(written), np.where((ends > starts) & (ends >= begins[owner]), owner, -1)


@lru_cache(maxsize=8)
def stops(tokenizer: str, first: int) -> tuple[int, ...]:
    """The ids of tokens that end a sentence, as `it.` does as much as `.`; `first`: the id of the first token."""
    known = tokenizer_of(tokenizer).get_vocab()
    return tuple(sorted(first + number for token, number in known.items() if token.endswith(_ENDS)))


@lru_cache(maxsize=8)
def tokenizer_of(text: str, length: int | None = None) -> Tokenizer:
    """The tokenizer that `text` describes, which cuts at `length` and never pads. Raises `DataError`."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare exceptions
        raise DataError(f"the tokenizer of this layout is damaged: {error}") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if length is not None:
        tokenizer.enable_truncation(length)  # by which special tokens at the end stay
    tokenizer.encode_special_tokens = length is None  # a text that says [PAD] says it in letters
    return tokenizer


def text_of(raw: Raw, *, composed: bool = True) -> str | Unreadable:
    """The text, `composed` in NFC: the library's own normaliser takes half of all time. Or why it is none."""
    if isinstance(raw, np.ndarray):
        return Unreadable("an array of numbers, where a text is expected")
    try:
        text = raw.decode("utf-8-sig")
        return unicodedata.normalize("NFC", text) if composed else text
    except UnicodeDecodeError as error:
        return Unreadable(f"no UTF-8 at byte {error.start:,} (0x{raw[error.start]:02x})")


def _readable(raws: Iterable[Raw]) -> Iterator[str]:
    """The texts that can be read, until there are enough characters to learn a tokenizer from."""
    room = _SURVEYED
    for raw in raws:
        text = text_of(raw)
        if isinstance(text, Unreadable):
            continue  # it is listed when the set is packed
        yield text[:room]
        room -= len(text)
        if room <= 0:
            return


def _untrained(kind: Kind) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    if kind == "words":
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))  # noqa: S106 - a token of text
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
        return tokenizer
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="[UNK]"))  # noqa: S106
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
