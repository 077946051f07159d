"""How well an encoder that was trained to write knows what comes next: `--task language`, in bits per byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import console, interrupt
from tacit.core import TokenEncoder, View
from tacit.data.dataset import Dataset
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import inference
from tacit.evaluation.ngrams import NGrams
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.losses.tokens import unigram_loss
from tacit.proving.fitting import untrained
from tacit.proving.outcome import Proof, name_of
from tacit.writer import seen_at_once, writer

TASK, METRIC = "language", "bits per byte"
TESTED = 2000
"""Test samples that are told, evenly spread where there are more."""
COUNTED = 10_000_000
"""Tokens of the training part that are counted."""
ORDER = 5
_BATCH = 32

Told = Callable[[], Tensor]
"""Nats of each test sample, float64 `[M]`."""


@dataclass(frozen=True, eq=False)
class Texts:
    """What is to be told."""

    train: list[np.ndarray]
    """Ids of each sample."""
    test: list[np.ndarray]
    vocabulary: int
    context: int
    """Tokens that a model sees at once: as many as in training."""

    def split(self, surprise: Tensor) -> Tensor:
        """Sums `[M]` over the samples of nats `[T]`, one test sample after the other."""
        owner = torch.arange(len(self.test)).repeat_interleave(torch.tensor([len(text) for text in self.test]))
        return torch.zeros(len(self.test), dtype=torch.float64).index_add(0, owner, surprise.double())


def language(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by the bits that it takes to tell the test part to somebody who has it, beside its floors.

    Bits per byte of the text, so that tokenizers compare. A text is told in pieces of as many tokens as were seen at
    once in training, each with the last half of the one before; a text's first token by its frequency. Floors: the
    network untrained, and counts of 5 neighbouring tokens and of single ones in the training part. Needs no labels.
    Raises `UsageError` where the encoder was not trained to write.
    """
    writer(encoder, f"--task {TASK}")
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        texts, units = _texts(encoder, dataset)
        spell = encoder.modality.spell
        assert spell is not None, "what writes can be spelled"
        size = [len(text.encode()) for text in spell(_padded(texts.test), encoder.layout)]
        lengths = torch.tensor(size, dtype=torch.float64)
        drawn = sample_weights(len(size), seed=seed, units=units)
        weights = torch.cat([torch.ones(1, len(size), dtype=torch.float64), drawn])
        protocol = {
            "data": dataset.name,
            "content_hash": dataset.content_hash,
            "split": dataset.protocol,
            "texts": len(size),
            "bytes": int(lengths.sum()),
            "tokens": sum(map(len, texts.test)),
            "context": f"{texts.context} tokens, half of them from before",
            "counted": f"{sum(map(len, texts.train)):,} tokens of train, Kneser-Ney",
        }
        measured = []
        for name, kind, told in _rows(encoder, dataset, texts):
            nats = told()
            bits = (weights @ nats) / (weights @ lengths) / log(2)
            measured.append(Resampled(name, kind, METRIC, bits[None, 0], bits[None, 1:], protocol))
        deciding = {METRIC: f"{len(size):,} {encoder.modality.unit} to tell"}
        return Proof(compare(TASK, measured, deciding, seed=seed), dataset, encoder, TASK)


def _texts(encoder: TrainedEncoder, dataset: Dataset) -> tuple[Texts, Tensor | None]:
    """What is to be told, and which of the test samples are pieces of one."""
    train, test = dataset.part("train"), dataset.part("test")
    test = test.select(torch.linspace(0, len(test) - 1, min(TESTED, len(test))).long())
    context = seen_at_once(encoder, train)
    known = list(_ids(train, COUNTED))
    vocabulary = test.view(torch.arange(1)).vocabulary
    assert vocabulary is not None, "what writes reads ids"
    return Texts(known, list(_ids(test)), vocabulary, max(2, context)), test.units


def _ids(samples: Subset, most: int | None = None) -> Iterator[np.ndarray]:
    """Ids of each sample, until there are `most` of them."""
    count = 0
    for rows in torch.split(torch.arange(len(samples)), 1024):
        interrupt.check()
        view = samples.view(rows)
        assert view.valid is not None
        for ids, valid in zip(view.x.numpy(), view.valid.numpy(), strict=True):
            yield ids[valid]
            count += int(valid.sum())
            if most is not None and count >= most:
                return


def _padded(texts: Sequence[np.ndarray]) -> Tensor:
    """Long `[M, L]`, 0 behind the end."""
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(text) for text in texts], batch_first=True)


def _rows(encoder: TrainedEncoder, dataset: Dataset, texts: Texts) -> Iterator[tuple[str, Kind, Told]]:
    counts = torch.bincount(torch.from_numpy(np.concatenate(texts.train)), minlength=texts.vocabulary)

    def by(network: TokenEncoder, title: str) -> Told:
        return lambda: tell(TrainedEncoder(network, encoder.spec), texts, counts, title)

    def by_counts(order: int) -> Told:
        return lambda: texts.split(torch.from_numpy(NGrams(texts.train, texts.vocabulary, order).surprise(texts.test)))

    assert isinstance(encoder.network, TokenEncoder)
    yield name_of(encoder), "encoder", by(encoder.network, "telling")
    fresh = untrained(encoder, dataset.part("train"), 0)
    assert isinstance(fresh, TokenEncoder)
    yield "untrained", "untrained", by(fresh, "telling untrained")
    yield f"{ORDER}-gram counts", "raw", by_counts(ORDER)
    yield "frequencies", "raw", by_counts(1)


def tell(encoder: TrainedEncoder, texts: Texts, counts: Tensor, title: str) -> Tensor:
    """Nats that each test sample takes, float64 `[M]`; `counts [V]` tell first tokens."""
    network, found = encoder.network, torch.zeros(len(texts.test), dtype=torch.float64)
    assert isinstance(network, TokenEncoder)
    pieces = [piece for number, text in enumerate(texts.test) for piece in _pieces(number, text, texts.context)]
    pieces.sort(key=lambda piece: len(piece[1]))
    for number, text in enumerate(texts.test):
        found[number] = unigram_loss(counts, torch.from_numpy(text[:1])).sum()
    with console.progress(title, len(pieces)) as tick, inference(network):
        for start in range(0, len(pieces), _BATCH):
            interrupt.check()
            some = pieces[start : start + _BATCH]
            ids = _padded([piece[1] for piece in some]).to(encoder.device)
            view = View(ids, ids > 0, vocabulary=texts.vocabulary)
            states = network.layers(network.cut(view))[-1][:, :-1]
            asked = (ids > 0)[:, 1:] & (
                torch.arange(1, ids.shape[1], device=ids.device)
                >= torch.tensor([piece[2] for piece in some], device=ids.device)[:, None]
            )
            assert network.table is not None
            nats = F.cross_entropy(states[asked] @ network.table.T, ids[:, 1:][asked], reduction="none")
            owner = torch.tensor([piece[0] for piece in some]).repeat_interleave(asked.sum(1).cpu())
            found.index_add_(0, owner, nats.double().cpu())
            tick(start + len(some))
    return found


def _pieces(number: int, text: np.ndarray, context: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """(number of the text, the tokens of a piece, the first of them that is asked for)."""
    if len(text) < 2:
        return
    yield number, text[:context], 1
    step = max(1, context // 2)
    for start in range(step, len(text), step):
        told = start + context - step  # up to here all was asked for in the piece before
        if told >= len(text):
            return
        yield number, text[start : start + context], context - step
