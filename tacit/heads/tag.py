"""Tagging: a linear layer on tokens, and a tag for every word of a text, as named entities have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.evaluation.spans import OUTSIDE, f1, precision, recall, tally
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.pooled import LINEAR_RATE
from tacit.heads.tokens import TokenNorm

NONE = -1
"""Where nothing is known: behind a text's last word, at pieces of a word that are not its first, and for words of which
the encoder sees no piece."""


class TagTargets(Targets):
    """The tags of the words of N texts, each at the first piece of its word (Devlin et al. 2019, section 5.3)."""

    def __init__(self, tags: Tensor, places: Tensor, classes: tuple[str, ...]) -> None:
        """`[N, W]`: `tags` int16, each word's number (see `spans.OUTSIDE`); `places` int32, the packed position of its
        first piece, `NONE` where there is none."""
        self.tags, self.places, self.classes = tags, places, classes

    def __len__(self) -> int:
        return len(self.tags)

    def of(self, view: View) -> Tensor:
        """Long `[B, L]`, the tags as they stand in the view."""
        assert view.index is not None
        places, tags = self.places[view.index].long(), self.tags[view.index].long()
        where = _where(view)
        end = 1 + int(torch.maximum(places.max(), where.max()))
        table = torch.full((len(view), end + 1), NONE, device=places.device)
        table.scatter_(1, torch.where(places >= 0, places, end), tags)
        table[:, end] = NONE
        return table.gather(1, where)

    def select(self, rows: Tensor) -> TagTargets:
        """The tags of the texts `rows`."""
        return TagTargets(self.tags[rows], self.places[rows], self.classes)

    def to(self, device: torch.device | str) -> TagTargets:
        """The same tags on another device."""
        return TagTargets(self.tags.to(device), self.places.to(device), self.classes)

    def content(self) -> Iterator[Any]:
        """The tags, their places, and the classes."""
        yield from (self.tags, self.places, self.classes)


def _where(view: View) -> Tensor:
    """The packed position of each place of the view, long `[B, L]`."""
    if view.where is None:
        return torch.arange(view.x.shape[1], device=view.x.device).expand(len(view), -1)
    return view.where.long()


class Tag(Head):
    """Softmax over the tags, trained by cross-entropy at the first piece of each word, the mean over a text's words."""

    floor = "no span"
    recipe = {"optimiser": {"lr": LINEAR_RATE}}

    class Config(Named):
        name: Literal["tag"] = "tag"

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.classes = tuple(classes)
        self.norm = TokenNorm(encoder, sample, config.name)
        self.layer = nn.Linear(self.norm.dim, 1 + 2 * len(classes))

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset({"words"})

    def prepare(self, targets: Targets) -> None:
        """The loss of who knows how often each tag occurs."""
        assert isinstance(targets, TagTargets)
        numbers = targets.tags[targets.tags != NONE].long()
        share = torch.bincount(numbers, minlength=self.layer.out_features) / len(numbers)
        self.nothing_learnt = float(-torch.xlogy(share, share).sum())

    def forward(self, features: Features) -> Tensor:
        """Logits `[B, L, 2 K + 1]`."""
        tokens, _ = self.norm(features)
        with torch.autocast(tokens.device.type, enabled=False):
            logits: Tensor = self.layer(tokens)
        return logits

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """`[B]`; 0 for a text of which nothing is known."""
        each = F.cross_entropy(outputs.transpose(1, 2), truth, ignore_index=NONE, reduction="none")
        return each.sum(1) / (truth != NONE).sum(1).clamp_min(1)

    def answers(self, outputs: Tensor) -> Answers:
        """`tags`: for each text int16 `[L]`, a number at every packed position."""
        return {"tags": list(outputs.argmax(2).to(torch.int16).cpu())}

    def blind(self, targets: Targets, count: int) -> Answers:
        """No span at all: most words are in none."""
        return {"tags": [torch.full((1,), OUTSIDE, dtype=torch.int16)] * count}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """F1, precision and recall of spans, of which class and both ends have to be right; F1 of each class."""
        assert isinstance(targets, TagTargets)
        said = [each for batch in answers for each in batch["tags"]]
        counts = torch.stack(
            [
                tally(tags[tags != NONE].tolist(), at_words(each, places[tags != NONE]), len(self.classes))
                for each, tags, places in zip(said, targets.tags.cpu(), targets.places.cpu(), strict=True)
            ]
        )

        def scores(weights: Tensor) -> Mapping[str, Tensor]:
            by_class = torch.einsum("rn,nkc->rkc", weights, counts)
            total = by_class.sum(1)
            each = {f"F1 {name}": f1(by_class[:, number]) for number, name in enumerate(self.classes)}
            return {"span F1": f1(total), "precision": precision(total), "recall": recall(total), **each}

        return scores


def at_words(tags: Tensor, places: Tensor) -> list[int]:
    """The number of each word: that at the place `[W]` of its first piece, none where `tags [L]` does not reach."""
    seen = (places >= 0) & (places < len(tags))
    return torch.where(seen, tags[places.clamp(0, len(tags) - 1).long()], OUTSIDE).tolist()


def first_pieces(owner: Tensor, words: int) -> Tensor:
    """The position of the first piece of each word, int32 `[W]`, from the word of each piece, long `[L]`."""
    places = torch.full((words + 1,), len(owner))
    places.scatter_reduce_(0, torch.where(owner >= 0, owner, words), torch.arange(len(owner)), "amin")
    return torch.where(places < len(owner), places, NONE)[:words].to(torch.int32)
