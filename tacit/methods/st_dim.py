"""ST-DIM: tell which moment follows, from the whole of one and from each of its places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Features, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.losses.moments import placewise
from tacit.methods.similar import negatives, positive
from tacit.nn.look import looked_at
from tacit.ranks import gathered


class STDIM(Method):
    """Learns to find, place by place, the moment that follows among those that follow others in the batch.

    What is whole in a moment (pooled features) and what lies in each of its places (tokens) both look for that place
    one step later. So places have to say what changes there, and the whole what all places have in common. The
    negatives are of other moments, of the same episode too; an episode's last moment follows nothing and is no sample.
    """

    contrasts = True
    paper = "Anand et al. 2019, Unsupervised State Representation Learning in Atari, arXiv 1906.08226"
    formula = (
        "loss = mean over places of -log softmax_j( g(t) W_g p(t+1)_j ) - log softmax_j( p(t) W_l p(t+1)_j ),  "
        "g = pooled, p = token at the place, j = moments of the batch"
    )
    presets = {"default": {"optimiser": {"lr": 5e-4}, "usual_batch": 64}}
    views = ("plain", "next")

    class Config(Named):
        name: Literal["st-dim"] = "st-dim"

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.backbone = encoder
        tokens = looked_at(encoder, sample).tokens
        if tokens is None:
            raise UsageError(
                "st-dim compares places, and the features of this encoder have none: for frames choose --encoder "
                "nature or convnet; for vectors another method, such as inverse-dynamics or moco"
            )
        self.whole = nn.Linear(encoder.dim, tokens.shape[2], bias=False)
        self.place = nn.Linear(tokens.shape[2], tokens.shape[2], bias=False)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "moments"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        now, later = (self.backbone(view) for view in views)
        whole, places = self._asked(now)
        keys, own = gathered(_tokens(later))
        each = [placewise(gathered(query)[0], keys)[own] for query in (whole, places)]
        nothing = math.log(len(keys))
        metrics = {name: loss.detach().mean() for name, loss in zip(("global", "local"), each, strict=True)}
        return Step(each[0] + each[1], 2 * nothing, metrics)

    def _asked(self, now: Features) -> tuple[Tensor, Tensor]:
        """What the whole and what each place looks for: `[B, 1, D]` and `[B, L, D]`."""
        return self.whole(now.pooled)[:, None], self.place(_tokens(now))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        now, later = (self.backbone(view) for view in views)
        _, places = self._asked(now)
        score = torch.einsum("bld,cld->bc", places[:count], _tokens(later)) / places.shape[1]
        own = torch.eye(count, score.shape[1], dtype=torch.bool, device=score.device)
        other = score.masked_fill(own, -torch.inf)
        return [
            Exhibit("a moment", views[0][:count]),
            positive("the one that follows", views[1][:count], score[own], other.amax(dim=1)),
            *negatives("as likely", other, lambda which: views[1][which]),
        ]


def _tokens(features: Features) -> Tensor:
    assert features.tokens is not None, "an encoder gives tokens for all views or for none"
    return features.tokens
