"""What is predicted of hidden tokens: what they hold, a code for it, or what a teacher makes of the whole sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Draws, Progress, TokenEncoder, Tokens, View
from tacit.losses.tokens import known_mean, perplexity, token_loss, unigram_loss
from tacit.nn.codes import Clusters, RandomCodes
from tacit.nn.ema import EMA
from tacit.nn.heads import Vocabulary
from tacit.nn.whiten import zca

FEW = 8
"""Tokens of each sample that k-means learns from at a step."""
STARTERS = 64
"""Samples that k-means starts from."""
FADE = 0.99
"""What the counts of codes keep of themselves at each step."""
FLAT = 0.01
"""Added to the variance of the values in a token, whose variance over all data is 1: noise is no shape."""
RIDGE = 0.1
"""Share of the mean variance that is added to all before whitening."""


@dataclass(frozen=True, eq=False)
class Aim:
    """What is to be predicted of a batch."""

    target: Tensor
    """Ids, long `[B, L]`, or values, float `[B, L, P]` with NaN where nothing is known."""
    carry: Mapping[str, Tensor] = field(default_factory=dict)
    """Rows `[B, ...]` that `Goal.update` needs."""
    scale: tuple[Tensor, Tensor] | None = None
    """Level and spread `[B, L, P]` that answers lack and the target has."""

    def given_back(self, answers: Tensor, of: Tensor) -> Tensor:
        """`answers [M, ...]` about the tokens `of` (boolean `[B, L]`), on the scale of the target."""
        if self.scale is None:
            return answers
        level, spread = (each[of] for each in self.scale)
        return answers * spread + level


class Goal(nn.Module, ABC):
    """Gives each token of a view something to be predicted."""

    @abstractmethod
    def forward(self, view: View, tokens: Tokens) -> Aim:
        """What is to be predicted of the `tokens` of `view`, whether they will be hidden or not."""

    @abstractmethod
    def answer(self, states: Tensor, encoder: TokenEncoder) -> Tensor:
        """Logits `[M, K]` or values `[M, P]` from the encoder's states `[M, D]` of tokens that were hidden."""

    def loss(self, answers: Tensor, target: Tensor) -> Tensor:
        """How far each answer is from its target, `[M]`."""
        return token_loss(answers, target)

    @abstractmethod
    def nothing_learnt(self, target: Tensor) -> Tensor:
        """The loss `[M]` of a model that has learnt nothing, on the targets `[M]` or `[M, P]`."""

    def update(self, carry: Mapping[str, Tensor], encoder: TokenEncoder, progress: Progress) -> None:
        """Move with the data or with the encoder, after a step."""

    def metrics(self) -> Mapping[str, Tensor]:
        """What is worth a line in the log."""
        return {}


class Own(Goal):
    """What the tokens hold themselves: ids (BERT), or values (MAE, TERA), each token's standardised if wished."""

    counts: Tensor

    def __init__(self, encoder: TokenEncoder, sample: View, each: bool, *, absolute: bool = False) -> None:
        """`each`: values are standardised within their token (He et al. 2022, arXiv 2111.06377, table 1d); `absolute`:
        what counts of values is the absolute error (Xie et al. 2022, SimMIM, arXiv 2111.09886, section 3.4)."""
        super().__init__()
        self.each, self.absolute = each, absolute
        counts = torch.zeros(0)
        if sample.vocabulary is None:
            self.head: nn.Module = nn.Linear(encoder.out, values_of(encoder, sample).shape[1])
        else:
            told = sample.x if sample.valid is None else sample.x[sample.valid]
            counts = torch.bincount(told.flatten(), minlength=sample.vocabulary).float()
            self.head = Vocabulary(encoder.out, sample.vocabulary)
        self.register_buffer("counts", counts)

    def forward(self, view: View, tokens: Tokens) -> Aim:
        target = tokens.target
        if not self.each or target.dtype == torch.long:
            return Aim(target, scale=tokens.scale)
        values = target.nan_to_num()
        mean = known_mean(values, target)[..., None]
        variance = known_mean((values - mean).square(), target)[..., None]
        return Aim((target - mean) / (variance + 1e-6).sqrt())

    def answer(self, states: Tensor, encoder: TokenEncoder) -> Tensor:
        found: Tensor = self.head(states) if encoder.table is None else self.head(states, encoder.table)
        return found

    def loss(self, answers: Tensor, target: Tensor) -> Tensor:
        return token_loss(answers, target, absolute=self.absolute)

    def nothing_learnt(self, target: Tensor) -> Tensor:
        return (
            unigram_loss(self.counts, target)
            if target.dtype == torch.long
            else self.loss(torch.zeros_like(target), target)
        )


class Coded(Goal, ABC):
    """A code of each token, of which it is counted how often it occurs."""

    counts: Tensor

    def __init__(self, encoder: TokenEncoder, codes: int) -> None:
        super().__init__()
        self.head = nn.Linear(encoder.out, codes)
        self.register_buffer("counts", torch.zeros(codes))

    def answer(self, states: Tensor, encoder: TokenEncoder) -> Tensor:
        found: Tensor = self.head(states)
        return found

    def nothing_learnt(self, target: Tensor) -> Tensor:
        return unigram_loss(self.counts, target)

    def update(self, carry: Mapping[str, Tensor], encoder: TokenEncoder, progress: Progress) -> None:
        self.counts.mul_(FADE).add_(carry["codes"].sum(dim=0))

    def metrics(self) -> Mapping[str, Tensor]:
        return {"code_perplexity": perplexity(self.counts)}

    def used(self, codes: Tensor, valid: Tensor) -> Tensor:
        """How often each sample's valid tokens have each code: `[B, K]` of `codes [B, L]`."""
        found = codes.new_zeros(len(codes), len(self.counts), dtype=torch.float)
        return found.scatter_add_(1, codes, valid.to(found))


class Projected(Coded):
    """The codes of a random projection of values, which nothing moves (BEST-RQ)."""

    def __init__(self, encoder: TokenEncoder, sample: View, codes: int) -> None:
        super().__init__(encoder, codes)
        self.code = RandomCodes(values_of(encoder, sample).shape[1], codes)

    def forward(self, view: View, tokens: Tokens) -> Aim:
        codes = self.code(tokens.target.nan_to_num())
        return Aim(codes, {"codes": self.used(codes, tokens.valid)})


class Tokenized(Coded):
    """The cluster of what a token holds, whitened and of length one: its shape, whatever its strength.

    Clusters follow the data as the codebook of BEiT v2 does (Peng et al. 2022, arXiv 2208.06366, section 2.2), whose
    vectors of length one are the output of a network, and here values.
    """

    mean: Tensor
    whiten: Tensor

    def __init__(self, encoder: TokenEncoder, sample: View, codes: int, each: bool) -> None:
        """`each`: values are standardised within their token first."""
        super().__init__(encoder, codes)
        self.each = each
        values = self._alone(values_of(encoder, sample))
        about = values - values.mean(dim=0)
        covariance = about.T @ about / max(1, len(about))
        self.register_buffer("mean", values.mean(dim=0))
        self.register_buffer("whiten", zca(covariance, RIDGE * float(covariance.diagonal().mean()) + 1e-6))
        self.codebook = Clusters(values.shape[1], codes)
        self.codebook.start(F.normalize(about @ self.whiten, dim=1))
        self.counts.add_(self.codebook.counts)

    @torch.no_grad()
    def forward(self, view: View, tokens: Tokens) -> Aim:
        values = F.normalize((self._alone(tokens.target.nan_to_num()) - self.mean) @ self.whiten, dim=2)
        codes = self.codebook(values)
        return Aim(codes, {"codes": self.used(codes, tokens.valid), "values": some_of(values, tokens.valid)})

    def update(self, carry: Mapping[str, Tensor], encoder: TokenEncoder, progress: Progress) -> None:
        super().update(carry, encoder, progress)
        self.codebook.follow(carry["values"].flatten(0, 1))

    def _alone(self, values: Tensor) -> Tensor:
        """`[..., P]`, standardised within each token where that is asked for."""
        if not self.each:
            return values
        variance = values.var(dim=-1, correction=0, keepdim=True)
        return (values - values.mean(dim=-1, keepdim=True)) / (variance + FLAT).sqrt()


class Clustered(Coded):
    """k-means of what the tokens hold; later of a middle layer of the encoder as it then was (HuBERT).

    Hsu et al. 2021, arXiv 2106.07447, section 3.4: the clusters of the second iteration are those of the first one's
    encoder, which is kept as it was at that moment.
    """

    iteration: Tensor

    def __init__(self, encoder: TokenEncoder, sample: View, codes: int, second: float) -> None:
        """`second`: the share of the run after which the second iteration begins; 1: never."""
        super().__init__(encoder, codes)
        self.second = second
        self.past = EMA(encoder)
        values = values_of(encoder, sample)
        self.raw, self.own = Clusters(values.shape[1], codes), Clusters(encoder.out, codes)
        self.raw.start(values)
        self.register_buffer("iteration", torch.ones((), dtype=torch.long))
        self.starters = sample[:STARTERS]

    def forward(self, view: View, tokens: Tokens) -> Aim:
        first = int(self.iteration) == 1
        values = tokens.target.nan_to_num() if first else self._middle(view)
        codes = (self.raw if first else self.own)(values)
        return Aim(codes, {"codes": self.used(codes, tokens.valid), "values": some_of(values, tokens.valid)})

    def update(self, carry: Mapping[str, Tensor], encoder: TokenEncoder, progress: Progress) -> None:
        super().update(carry, encoder, progress)
        (self.raw if int(self.iteration) == 1 else self.own).follow(carry["values"].flatten(0, 1))
        if int(self.iteration) == 1 and progress.step + 1 >= self.second * progress.total:
            self.iteration.fill_(2)
            self.past.follow(encoder, 0.0)
            sample = self.starters.to(self.counts.device)
            self.own.start(self._middle(sample)[encoder.cut(sample).valid])
            self.counts.zero_()

    def _middle(self, view: View) -> Tensor:
        """The middle layer of the past encoder, `[B, L, D]`."""
        with torch.no_grad():
            layers = self.past.model.layers(self.past.model.cut(view))
        return layers[(len(layers) - 1) // 2].float()


class Taught(Goal):
    """The upper layers of a teacher, an average of the encoder's own past, that sees the whole sample (data2vec).

    Baevski et al. 2022, arXiv 2202.03555, section 3.3: the mean of the last K layers, each normalised.
    """

    def __init__(self, encoder: TokenEncoder, top: int, momentum: float) -> None:
        super().__init__()
        self.top, self.momentum = top, momentum
        self.teacher = EMA(encoder)
        self.head = nn.Linear(encoder.out, encoder.out)

    def forward(self, view: View, tokens: Tokens) -> Aim:
        with torch.no_grad():
            layers = self.teacher.model.layers(self.teacher.model.cut(view))[-self.top :]
        return Aim(torch.stack([F.layer_norm(each.float(), each.shape[2:]) for each in layers]).mean(dim=0))

    def answer(self, states: Tensor, encoder: TokenEncoder) -> Tensor:
        found: Tensor = self.head(states)
        return found

    def nothing_learnt(self, target: Tensor) -> Tensor:
        """Of an answer that is the same for all tokens: their mean."""
        return (target - target.mean(dim=0)).square().mean(dim=1)

    def update(self, carry: Mapping[str, Tensor], encoder: TokenEncoder, progress: Progress) -> None:
        self.teacher.follow(encoder, self.momentum)


def some_of(values: Tensor, valid: Tensor) -> Tensor:
    """What `FEW` tokens of each sample hold, of all `values [B, L, P]`, the `valid` ones first: `[B, FEW, P]`."""
    score = Draws.fresh(len(valid), valid.device).uniform(shape=valid.shape[1:], ragged=True) + valid
    few = score.topk(min(FEW, valid.shape[1]), dim=1).indices
    return values.gather(1, few[..., None].expand(-1, -1, values.shape[2]))


def values_of(encoder: TokenEncoder, sample: View) -> Tensor:
    """What the valid tokens of some views hold, as vectors `[T, P]`; `sample` holds no ids."""
    with torch.no_grad():
        tokens = encoder.cut(sample[:STARTERS])
    return tokens.target[tokens.valid].nan_to_num()
