"""Translating without a network: the target of the nearest source, and word by word with a dictionary from pairs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from tacit import console, interrupt

ROUNDS = 10
"""Steps of expectation and maximisation."""
_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
_ANY = r"(?u)\b\w+\b"
_NO_SPACE = re.compile(r" ([.,!?;:%)\]])")
NULL = ""
"""The word that stands in every source unseen, and from which comes what has no word of its own there."""


def nearest(sources: Sequence[str], targets: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The target of the most similar source for each text `asked`: cosine of TF-IDF of words and pairs of them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=_ANY)
    known = words.fit_transform(sources)
    found = []
    with console.progress("nearest sources", len(asked)) as tick:
        for start in range(0, len(asked), 256):
            interrupt.check()
            alike = words.transform(asked[start : start + 256]) @ known.T
            found += [targets[row] for row in np.asarray(alike.argmax(axis=1)).ravel()]
            tick(start)
    return found


class Dictionary:
    """IBM model 1 (Brown et al. 1993, section 4.2): how likely a word of a source becomes a word of its target.

    Each target word comes from one word of its source, or from none, all alike likely; what a word becomes is learnt by
    expectation and maximisation.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str], rounds: int = ROUNDS) -> None:
        self.sources, self.targets = {NULL: 0}, dict[str, int]()
        self.spelled = _spellings(targets)
        """The commonest spelling of each word of the targets, which are learnt in lower case."""
        told = [np.unique([0, *_numbers(text, self.sources)]) for text in sources]
        said = [_numbers(text, self.targets) for text in targets]
        width = max(1, len(self.targets))
        # one row for each target word and each source word that it may come from
        pair = [own[None] * width + word[:, None] for own, word in zip(told, said, strict=True)]
        links, self._link = np.unique(np.concatenate([each.ravel() for each in pair]), return_inverse=True)
        self._source, self._target = links // width, links % width
        sizes = np.concatenate([np.full(len(word), len(own)) for own, word in zip(told, said, strict=True)])
        self._of = np.repeat(np.arange(len(sizes)), sizes)
        self.probability = np.ones(len(links))
        """`[K]`, of the target word given the source word, for the K pairs of words that occur together."""
        for _ in range(rounds):
            interrupt.check()
            self._round()

    def _round(self) -> None:
        share = self.probability[self._link]
        share /= np.bincount(self._of, share)[self._of]
        count = np.bincount(self._link, share)
        self.probability = count / np.bincount(self._source, count)[self._source]

    def best(self) -> dict[str, str]:
        """What each word of the sources most likely becomes."""
        order = np.lexsort((self._target, -self.probability, self._source))
        first = order[np.unique(self._source[order], return_index=True)[1]]
        from_, to = list(self.sources), list(self.targets)
        return {from_[self._source[row]]: self.spelled[to[self._target[row]]] for row in first}

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Word by word, in the order of the source; unknown words stay as they are."""
        best = self.best()
        return [_joined([best.get(word.lower(), word) for word in _WORD.findall(text)]) for text in texts]


def _spellings(texts: Sequence[str]) -> dict[str, str]:
    """Word in lower case -> how it is written most often, German nouns with a capital; not at the beginning of a text,
    where all words have one, unless it stands nowhere else."""
    first, later = (defaultdict[str, Counter[str]](Counter) for _ in range(2))
    for text in texts:
        for place, word in enumerate(_WORD.findall(text)):
            (later if place else first)[word.lower()][word if place else word.lower()] += 1
    return {word: forms.most_common(1)[0][0] for word, forms in {**first, **later}.items()}


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _numbers(text: str, known: dict[str, int]) -> np.ndarray:
    return np.array([known.setdefault(word, len(known)) for word in _words(text)], np.int64)


def _joined(words: Sequence[str]) -> str:
    text = _NO_SPACE.sub(r"\1", " ".join(words))
    return text[:1].upper() + text[1:]
