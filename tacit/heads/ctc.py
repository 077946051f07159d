"""Recognition: what is said in a recording, letter by letter, learnt from transcripts that say nothing of when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.heads.decoding import BLANK, greedy, prefix_beam, spelled
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.pooled import LINEAR_RATE
from tacit.heads.tokens import TokenNorm
from tacit.nn.recurrent import Bidirectional


class TranscriptTargets(Targets):
    """What is said in each of N recordings; the classes are its letters, the space among them."""

    def __init__(self, texts: Sequence[str], classes: tuple[str, ...]) -> None:
        """`texts`: not empty, of the letters `classes`."""
        self.texts, self.classes = tuple(texts), classes
        self._number = {letter: number for number, letter in enumerate(classes, BLANK + 1)}

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, view: View) -> tuple[Tensor, Tensor]:
        """The numbers of the letters, long `[B, S]`, and how many there are, long `[B]`."""
        assert view.index is not None
        said = [torch.tensor([self._number[letter] for letter in self.texts[row]]) for row in view.index.tolist()]
        count = torch.tensor([len(each) for each in said])
        return pad_sequence(said, batch_first=True).to(view.x.device), count.to(view.x.device)

    def select(self, rows: Tensor) -> TranscriptTargets:
        """The transcripts of the recordings `rows`."""
        return TranscriptTargets([self.texts[row] for row in rows.tolist()], self.classes)

    def to(self, device: torch.device | str) -> TranscriptTargets:
        """Itself: what is asked for goes to the view's device."""
        return self

    def content(self) -> Iterator[Any]:
        """The transcripts, and the letters."""
        yield from (self.texts, self.classes)


@dataclass(frozen=True, eq=False)
class Heard:
    """What a recogniser says of every moment."""

    log_probabilities: Tensor
    """`[B, L, 1 + K]`, of no letter and of each letter."""
    lengths: Tensor
    """Long `[B]`, how many moments there are."""


class Ctc(Head):
    """Connectionist temporal classification (Graves et al. 2006) over a small recurrent network on the tokens.

    The network reads in both directions, as in SUPERB (Yang et al. 2021, arXiv 2105.01051, section 3): a frozen encoder
    is judged by what it hears, and not by whether a linear layer can put letters in order. A transcript that has more
    letters than there are tokens teaches nothing; a token may be made several moments. With a fifth of the learning
    rate, and two moments, 400 steps on 100 utterances of AN4 never left the answer that there is no letter.
    """

    floor = "commonest transcript"
    recipe = {
        "optimiser": {"lr": LINEAR_RATE, "weight_decay": 0.01, "clip": 5.0},
        "method": {"linear": 0.05, "rate": 0.05},
    }

    class Config(Named):
        name: Literal["recognise"] = "recognise"
        width: int = Field(default=128, ge=1, le=2048, description="of the recurrent network, in each direction")
        layers: int = Field(default=1, ge=1, le=8, description="of the recurrent network")
        moments: int = Field(default=1, ge=1, le=16, description="letters that a token can hold at most")
        beam: int = Field(default=8, ge=1, le=1000, description="beginnings that decoding keeps; 1 takes the best path")

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.config, self.classes = config, tuple(classes)
        self.norm = TokenNorm(encoder, sample, config.name)
        self.network = Bidirectional(self.norm.dim, config.width, config.layers)
        self.layer = nn.Linear(2 * config.width, config.moments * (1 + len(classes)))

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset()

    def prepare(self, targets: Targets) -> None:
        """Nothing: the loss of who has learnt nothing depends on how long recordings last."""

    def forward(self, features: Features) -> Heard:
        """Logarithms of probabilities, in float32."""
        tokens, valid = self.norm(features)
        order = (~valid).to(torch.uint8).argsort(dim=1, stable=True)  # the valid ones first, as they follow each other
        tokens, count = tokens.gather(1, order[..., None].expand_as(tokens)), valid.sum(1).clamp_min(1)
        with torch.autocast(tokens.device.type, enabled=False):
            states = self.network(tokens[:, : int(count.max())], count)
            logits = self.layer(states).unflatten(2, (self.config.moments, -1)).flatten(1, 2)
        return Heard(logits.log_softmax(2), self.config.moments * count)

    def loss(self, outputs: Heard, truth: tuple[Tensor, Tensor]) -> Tensor:
        """`[B]`, per letter; 0 for a transcript that does not fit."""
        letters, count = truth
        said = outputs.log_probabilities.transpose(0, 1)
        nats = F.ctc_loss(said, letters, outputs.lengths, count, BLANK, reduction="none", zero_infinity=True)
        return nats / count

    def answers(self, outputs: Heard) -> Answers:
        """`texts`, a text a recording."""
        texts = []
        for said, length in zip(outputs.log_probabilities.exp().cpu(), outputs.lengths.tolist(), strict=True):
            beam = self.config.beam
            letters = prefix_beam(said[:length], beam) if beam > 1 else greedy(said[:length])
            texts.append(spelled(letters, self.classes))
        return {"texts": texts}

    def blind(self, targets: Targets, count: int) -> Answers:
        """The transcript that is commonest."""
        assert isinstance(targets, TranscriptTargets)
        return {"texts": [Counter(targets.texts).most_common(1)[0][0]] * count}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """Error rates, of letters (CER, spaces count) and of words (WER): all errors by all letters or words."""
        assert isinstance(targets, TranscriptTargets)
        said = [text for batch in answers for text in batch["texts"]]
        counts = torch.tensor([_errors(true, each) for true, each in zip(targets.texts, said, strict=True)])
        wrong, size = counts.double().unbind(1)  # [N, 2] each

        def scores(weights: Tensor) -> Mapping[str, Tensor]:
            rates = (weights @ wrong) / (weights @ size)
            return {"CER": rates[:, 0], "WER": rates[:, 1]}

        return scores


def _errors(true: str, said: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """(errors of letters, of words), (letters, words)."""
    import jiwer

    letters, words = jiwer.process_characters(true, said), jiwer.process_words(true, said)
    wrong = tuple(each.substitutions + each.deletions + each.insertions for each in (letters, words))
    return (wrong[0], wrong[1]), (len(true), len(true.split()))
