"""Translation: a decoder that writes another text, looking at what the encoder has made of the first one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.console import say
from tacit.core import Encoder, Features, TokenEncoder, View
from tacit.errors import UsageError
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.texts import TextTargets, padded, scores
from tacit.losses.tokens import by_sample
from tacit.nn.beam import beam_search
from tacit.nn.decoder import Decoder, Memory
from tacit.view import MARK

DECODER = "decoder."
"""Where a learner keeps its decoder."""
LONGER, MORE = 2, 10
"""An answer has at most twice as many tokens as what was read, and ten more."""


class Translate(Head):
    """Sequence to sequence (Sutskever et al. 2014; Vaswani et al. 2017): cross-entropy with the truth told up to there.

    The decoder of `denoising-seq2seq` is taken over where the encoder comes with its run. Answers are the best of a
    beam search.
    """

    class Config(Named):
        name: Literal["translate"] = "translate"
        layers: int = Field(default=2, ge=1, le=48, description="of the decoder")
        dropout: float = Field(default=0.1, ge=0, lt=1, description="in the decoder")
        smoothing: float = Field(default=0.1, ge=0, lt=1, description="share of the truth given to all ids alike")
        beam: int = Field(default=4, ge=1, le=64, description="beginnings that are followed while a text is written")
        power: float = Field(default=1.0, ge=0, description="of the length that divides a text's log-probability")

    recipe = {
        "modality": {"weak": {"keep": "all"}},  # all of a text is translated, not some of its words
        "method": {"linear": 0.0, "rate": 1.0},  # what is written by the encoder's own table learns with it
        "optimiser": {"lr": 2e-3, "weight_decay": 0.01, "clip": 1.0},
        "evaluations": 8,
    }
    floor = "usual text"
    looks = 200

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        if not isinstance(encoder, TokenEncoder) or encoder.table is None or encoder.causal:
            kind = type(encoder).__name__
            raise UsageError(
                f"task translate needs an encoder that reads ids from both sides, and this one, a {kind}, does not: "
                "pre-train one with --method denoising-seq2seq"
            )
        self.config = config
        self.decoder = Decoder(encoder.width, encoder.width, config.layers, config.dropout)

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset({"spell"})

    def inherit(self, learner: Callable[[], Mapping[str, Tensor]]) -> None:
        own = self.decoder.state_dict()
        state = {name.removeprefix(DECODER): x for name, x in learner().items() if name.startswith(DECODER)}
        if not state:
            say("note: the decoder begins at random: the encoder brings none (--method denoising-seq2seq trains one)")
            return
        if {name: x.shape for name, x in state.items()} != {name: x.shape for name, x in own.items()}:
            layers = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
            raise UsageError(
                f"the run's decoder has {layers} layers, and {self.config.layers} are asked for: take it over with "
                f"--set head.layers={layers}, or start without it from a copy of the encoder folder inside the run"
            )
        self.decoder.load_state_dict(state)

    def prepare(self, targets: Targets) -> None:
        """Nothing learnt is to know how often ids occur: the entropy of their frequencies, ends included."""
        assert isinstance(targets, TextTargets)
        counts = torch.bincount(targets.ids[targets.ids > 0]).double()
        counts[MARK] += len(targets)
        self.nothing_learnt = float(torch.special.entr(counts / counts.sum()).sum())

    def forward(self, features: Features) -> Memory:
        """What the decoder looks at."""
        memory = Memory.of(features)
        return replace(memory, tokens=memory.tokens.float())

    def loss(self, outputs: Memory, truth: Tensor) -> Tensor:
        """Cross-entropy `[B]`, the mean over the tokens and the end; `truth`: ids, long `[B, L]`."""
        told = self.decoder(truth, truth > 0, outputs)
        smoothing = self.config.smoothing if self.training else 0.0
        losses = F.cross_entropy(told.logits.float(), told.wanted, reduction="none", label_smoothing=smoothing)
        return by_sample(losses, told.asked)

    def answers(self, outputs: Memory) -> Answers:
        """`ids`, those of each text."""
        longest = LONGER * outputs.tokens.shape[1] + MORE
        found = beam_search(self.decoder, outputs, width=self.config.beam, longest=longest, power=self.config.power)
        return {"ids": found}

    def blind(self, targets: Targets, count: int) -> Answers:
        """The most frequent text, for all."""
        assert isinstance(targets, TextTargets)
        (usual, _), *_ = Counter(tuple(row[row > 0].tolist()) for row in targets.ids).most_common(1)
        return {"ids": [list(usual)] * count}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """BLEU and chrF of all texts, as sacrebleu measures them."""
        assert isinstance(targets, TextTargets)
        return scores(spelt(answers, targets), targets.texts)


def spelt(answers: Sequence[Answers], targets: TextTargets) -> list[str]:
    """What the answers to all samples say."""
    return [text for batch in answers for text in targets.spell(padded(batch["ids"]))]
