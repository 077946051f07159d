"""PIRL: find a sample among all others from its shuffled pieces alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.contrastive import info_nce
from tacit.methods.similar import recognised
from tacit.nn.heads import Recogniser, mlp
from tacit.nn.queue import Memory
from tacit.ranks import gathered


class PIRL(Method):
    """Learns what stays the same where a sample is taken apart: its tiles, in any order, say whose they are.

    `jigsaw` asks for the order, so that features have to keep it. Here they have to leave it out: what the encoder
    makes of the tiles, and what it makes of the whole, are both told from all other samples by a mean over earlier
    embeddings of the sample.
    """

    contrasts = True
    paper = (
        "Misra and van der Maaten 2019, Self-Supervised Learning of Pretext-Invariant Representations, arXiv 1912.01991"
    )
    formula = (
        "loss = lambda L(m, g(t(x))) + (1 - lambda) L(m, f(x)),  L(m, z) = -log softmax_k( cos(m_k, z) / T )_own,  "
        "t: tiles in another order,  m <- m / 2 + f / 2"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"temperature": 0.07, "memory": 1_281_167, "hidden": 2048},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 225,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2},
            },
            "optimiser": {"name": "sgd", "lr": 0.12, "weight_decay": 1e-4, "warmup": 0.0},
            "batch": 1024,
            "budget": {"epochs": 800},
        },
    }

    class Config(Named):
        name: Literal["pirl"] = "pirl"
        family: str = Field(default="jigsaw", description="which of the modality's families is to leave no trace")
        share: float = Field(
            default=0.5, gt=0, le=1, description="of the pieces in the loss, lambda; the whole has 1 - it"
        )
        temperature: float = Field(default=0.1, gt=0, description="divides the similarities; small looks at near ones")
        slowness: float = Field(default=0.5, ge=0, lt=1, description="what a sample's mean keeps of itself at a visit")
        memory: int = Field(default=16_384, ge=2, description="samples whose mean is kept; all, best")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        piece: int = Field(
            default=128, ge=1, description="width of what is known of a piece when they are put together"
        )
        out: int = Field(default=128, ge=1, description="width in which samples are compared")

    views = ("strong", "strong")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.family = modality.transformations[config.family]
        self.pieces = Recogniser(encoder, self.family.pieces, config.out, config.piece)
        self.whole = mlp(encoder.dim, config.hidden, config.out)
        self.memory = Memory(config.memory, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, f"transformations:{config.family}"))

    @property
    def encoder(self) -> Encoder:
        return self.pieces.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        index = views[0].index
        assert index is not None, "the engine gives every view its index"
        whole, pieces, _ = self._seen(views)
        key = F.normalize(whole.detach(), dim=1)
        held, known = self.memory.recall(index)
        mean = torch.where(known[:, None], held.to(key), key)
        others, owners = self._others(*(gathered(each)[0] for each in (mean, index, known)))
        losses = [info_nce(z, mean, others, self.config.temperature, index, owners) for z in (pieces, whole)]
        share = self.config.share
        loss = share * losses[0] + (1 - share) * losses[1]
        slow = self.config.slowness
        keys = F.normalize(slow * mean + (1 - slow) * key, dim=1)
        return Step(loss, math.log(len(owners)), carry={"keys": keys, "index": index})

    def _seen(self, views: Sequence[View]) -> tuple[Tensor, Tensor, View]:
        """What is made of the first view, `[B, out]`, and of pieces of the second in any order, `[B, out]`; these."""
        first, second = views
        draws = Draws.fresh(len(second), second.x.device)
        shuffled = self.family.apply(second, draws.integers(self.family.labels), draws)
        whole: Tensor = self.whole(self.encoder(first).pooled)
        return whole.float(), self.pieces(shuffled), shuffled

    def _others(self, keys: Tensor, index: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The means of all samples, `[M, out]`, of those that have none yet their first; and whose they are, `[M]`."""
        first = ~known
        return torch.cat([self.memory.held.to(keys), keys[first]]), torch.cat([self.memory.owners, index[first]])

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.memory.put(carry["keys"], carry["index"])

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        whole, pieces, shuffled = self._seen(views)
        puzzle = self.family.undo(shuffled, torch.zeros(len(whole), dtype=torch.long, device=whole.device))
        return recognised(torch.stack([whole, pieces]), [views[0], puzzle], count)
