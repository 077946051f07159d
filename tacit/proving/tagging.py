"""Does pre-training help to find names? `tacit evaluate --task tag`: one tagger from several starts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from tacit import interrupt
from tacit.data.shelf import Kept
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.evaluation.spans import OUTSIDE
from tacit.heads.head import Answers
from tacit.heads.tag import NONE, TagTargets
from tacit.proving.outcome import Proof
from tacit.proving.starts import Floor, four, judged
from tacit.proving.trial import Effort, Trial, parts_of, trial_of

TASK = "tag"
METRICS = ("span F1", "precision", "recall")
EFFORT = Effort(steps={100: 100, 1000: 200}, steps_all=400, draws=2, batch=32, draws_all=1)


def tag(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    effort: Effort = EFFORT,
) -> Proof:
    """Judge `encoder` by what it is worth to a tagger of the words in `data`, beside its floors.

    The same linear layer on tokens is trained on `totals` of the tagged texts in the training part (100, 1,000 and
    all), with the same steps and draws, from the pre-trained encoder and from random weights, each learning as a whole
    and standing still under the layer; the lexicon gives each word the tag that it has most often in the same texts.
    F1, precision and recall of spans in the test part are means over the draws, with intervals over draws and texts.
    Raises `DataError` where there are no tags to learn from or to judge by, and `UsageError` for an encoder without
    tokens.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        parts = parts_of(encoder, dataset, TASK, what="tags", max_bad=max_bad)
        trial = trial_of(encoder, dataset, TASK, parts, effort, METRICS, seed=seed, totals=totals, draws=draws)
        train, test = (_words(trial, part.samples) for part in (trial.train, trial.test))

        def lexicon(trial: Trial, rows: Tensor) -> Kept:
            said = _looked_up(trial, [train[row] for row in rows.tolist()], rows, test)
            return trial.judge(trial, iter([(torch.arange(len(test)), said)]))

        return Proof(judged(trial, four(trial), [Floor("lexicon", "raw", lexicon)]), dataset, encoder, "tagging")


def _words(trial: Trial, samples: Subset) -> list[Sequence[str]]:
    """The words of each text."""
    words = trial.encoder.modality.words
    assert words is not None, "parts_of has asked for them"
    return [words(trial.dataset.raw(row), trial.dataset.layout)[0] for row in samples.source_rows.tolist()]


def _looked_up(trial: Trial, texts: Sequence[Sequence[str]], rows: Tensor, asked: Sequence[Sequence[str]]) -> Answers:
    """Of each word of the texts `asked` the tag that it has most often in `texts`, those in `rows`; else none."""
    targets, test = trial.train.targets, trial.test.targets
    assert isinstance(targets, TagTargets)
    assert isinstance(test, TagTargets)
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for words, row in zip(texts, targets.tags[rows].tolist(), strict=True):
        for word, number in zip(words, row, strict=False):
            counts[word][number] += 1
    usual = {word: some.most_common(1)[0][0] for word, some in counts.items()}
    said = []
    for words, places in zip(asked, test.places, strict=True):
        tags = torch.full((1 + int(places.max()),), OUTSIDE, dtype=torch.int16)
        for word, place in zip(words, places.tolist(), strict=False):
            if place != NONE:
                tags[place] = usual.get(word, OUTSIDE)
        said.append(tags)
    return {"tags": said}
