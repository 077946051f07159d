"""Texts as truth, and how far answers are from them: BLEU and chrF by sacrebleu's own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tacit.core import View
from tacit.errors import UsageError
from tacit.heads.head import Scores, Targets

METRICS = ("BLEU", "chrF")


class TextTargets(Targets):
    """A text for each of N samples, as ids and as it is written."""

    classes = ()

    def __init__(self, ids: Tensor, texts: Sequence[str], spell: Callable[[Tensor], Sequence[str]]) -> None:
        """`ids`: long `[N, L]`, 0 behind the end; `texts [N]`, whole; `spell`: ids `[M, L]` -> what they say."""
        self.ids, self.texts, self.spell = ids, tuple(texts), spell

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, view: View) -> Tensor:
        """Ids, long `[B, L]`, cut at the longest."""
        assert view.index is not None
        ids = self.ids[view.index]
        return ids[:, : max(1, int((ids > 0).sum(dim=1).max()))]

    def select(self, rows: Tensor) -> TextTargets:
        """The texts of the samples `rows`."""
        return TextTargets(self.ids[rows], [self.texts[row] for row in rows.tolist()], self.spell)

    def to(self, device: torch.device | str) -> TextTargets:
        """The same texts on another device."""
        return TextTargets(self.ids.to(device), self.texts, self.spell)

    def content(self) -> Iterator[Any]:
        """The texts, as ids and as they are written."""
        yield from (self.ids, self.texts)


def padded(texts: Sequence[Sequence[int]]) -> Tensor:
    """Ids of M texts as long `[M, L]`, 0 behind the end of each."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(text, dtype=torch.long) for text in texts], batch_first=True)


def measures() -> Mapping[str, Any]:
    """sacrebleu's metrics by name (Post 2018, arXiv 1804.08771). Raises `UsageError` where it is not installed."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise UsageError("judging translations takes sacrebleu: pip install 'tacit[translate]'") from None
    return dict(zip(METRICS, (BLEU(force=True), CHRF()), strict=True))


def signatures() -> dict[str, str]:
    """What sacrebleu did, in its own words: two figures compare where these are alike."""
    found = {}
    for name, metric in measures().items():
        metric.corpus_score(["a"], [["a"]])
        found[name] = str(metric.get_signature())
    return found


def scores(said: Sequence[str], wanted: Sequence[str]) -> Scores:
    """BLEU and chrF of N texts as functions of how often each sample counts; one reference each, 0 to 100.

    The counts of each text are sacrebleu's; they are summed here, for samples that count several times or not at all,
    and made a figure by sacrebleu again.
    """
    metrics = measures()
    found = {
        name: torch.tensor(metric._extract_corpus_statistics(list(said), [list(wanted)]), dtype=torch.float64)
        for name, metric in metrics.items()
    }

    def measured(weights: Tensor) -> dict[str, Tensor]:
        figures = {}
        for name, metric in metrics.items():
            sums = (weights.double() @ found[name]).round().long().tolist()
            values = [float(metric._compute_score_from_stats(each).score) for each in sums]
            figures[name] = torch.tensor(values, dtype=torch.float64)
        return figures

    return measured
