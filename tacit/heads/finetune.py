"""Fine-tuning: first a head on frozen features, then all of the network, the encoder at a lower rate."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit import console, interrupt
from tacit.config import Named
from tacit.core import Encoder, Evaluator, Features, Learner, Method, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.evaluation.direction import sign
from tacit.heads.head import Answers, Head, Targets

VALIDATION = "val "
"""What the names of the scores on validation samples begin with."""


class Finetune(Method):
    """Learns from labels on top of what was learnt without them.

    A new head is noise, and its first gradients would distort the features that it is to use: so it learns alone
    for the first part of the run. Whatever scores best on the validation part is kept, and the run ends when nothing
    better comes.
    """

    paper = "Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features, arXiv 2202.10054"
    formula = "loss = l(head(encoder(x)), y);  the encoder stands still at first, then follows at a lower rate"
    presets = {}
    views = ("weak",)

    class Config(Named):
        name: Literal["finetune"] = "finetune"
        freeze: Literal["all", "none"] | int = Field(
            default="none", description="all: the encoder stays as it is; a number: its first stages do"
        )
        linear: float = Field(default=0.2, ge=0, lt=1, description="fraction of the run in which the head learns alone")
        rate: float = Field(
            default=0.1, gt=0, le=1, description="the encoder's learning rate as a fraction of the head's"
        )
        mixup: float = Field(default=0.0, ge=0, description="strength of mix-up (arXiv 1710.09412, alpha); 0: none")
        patience: int = Field(default=8, ge=1, description="looks without a better score after which the run ends")

    def __init__(self, config: Config, encoder: Encoder, head: Head, targets: Targets) -> None:
        """`head` is prepared; `targets`: the truth about the samples that are trained on. Raises `UsageError`."""
        nn.Module.__init__(self)
        self.config, self.targets, self._device = config, targets, torch.device("cpu")
        self.backbone, self.head = encoder, head
        self.rates = {"backbone.": config.rate}
        self._still = _freeze(encoder, config.freeze)
        self.best = copy.deepcopy(nn.ModuleDict({"backbone": encoder, "head": head})).requires_grad_(False)
        self._score, self._since = -math.inf, 0
        self.kept_at = 0
        """The step whose weights are kept."""

    @classmethod
    def needs(cls, config: Any) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    @property
    def finished(self) -> bool:
        return self._since >= self.config.patience

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        if self._device != view.x.device:
            self.targets, self._device = self.targets.to(view.x.device), view.x.device
        if self.config.mixup:
            return self._mixed(view, progress)
        loss = self.head.loss(self.head(self._features(view, progress)), self.targets.of(view))
        return Step(loss, nothing_learnt=self.head.nothing_learnt)

    def _mixed(self, view: View, progress: Progress) -> Step:
        """Mix-up (Zhang et al. 2018, equation 1): the loss of a mixture is the mixture of the losses."""
        B = len(view)
        spread = torch.tensor(self.config.mixup, device=view.x.device)
        share = torch.distributions.Beta(spread, spread).sample((B,))
        other = view[torch.randperm(B, device=view.x.device)]
        column = share.view(B, *(1 for _ in view.x.shape[1:]))
        outputs = self.head(self._features(view.with_x(column * view.x + (1 - column) * other.x), progress))
        first, second = (self.head.loss(outputs, self.targets.of(each)) for each in (view, other))
        return Step(share * first + (1 - share) * second, nothing_learnt=self.head.nothing_learnt)

    def _features(self, view: View, progress: Progress) -> Features:
        """Whatever does not learn is in evaluation mode, so that the statistics of its norms stay."""
        if self.config.freeze == "all" or progress.fraction < self.config.linear:
            self.backbone.eval()
            with torch.no_grad():
                alone: Features = self.backbone(view)
                return alone
        self.backbone.train(self.training)
        for part in self._still:
            part.eval()
        found: Features = self.backbone(view)
        return found

    def hear(self, found: Mapping[str, float], progress: Progress) -> None:
        """Keep the weights if the first of the validation scores is no worse than all before.

        Patience waits for a score that says something: taggers find no span at first, recognisers no letter.
        """
        if not found:
            return
        name, value = next(iter(found.items()))
        better = sign(name.removeprefix(VALIDATION))
        score = better * value
        alone = self.config.freeze != "all" and progress.fraction <= self.config.linear
        nothing = score <= min(0, better)
        self._since = 0 if score > self._score or alone or nothing else self._since + 1
        if not score < self._score:  # a tie goes to what has learnt longer
            self.best["backbone"].load_state_dict(self.backbone.state_dict())
            self.best["head"].load_state_dict(self.head.state_dict())
            self.kept_at = progress.step
        self._score = max(self._score, score)

    def kept(self) -> tuple[Encoder, Head]:
        """The encoder and the head of the best score; the last ones where nobody gave scores."""
        if self._score == -math.inf:
            return self.backbone, self.head
        encoder, head = self.best["backbone"], self.best["head"]
        assert isinstance(encoder, Encoder)
        assert isinstance(head, Head)
        return encoder, head

    def get_extra_state(self) -> Tensor:
        """The best score, the looks since, and the step of the best: part of the state."""
        return torch.tensor([self._score, self._since, self.kept_at], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        self._score, self._since, self.kept_at = float(state[0]), int(state[1]), int(state[2])


def _freeze(encoder: Encoder, freeze: str | int) -> list[nn.Module]:
    """Exclude parameters from learning; returns the parts that have to stay in evaluation mode. Raises `UsageError`."""
    stages = encoder.stages()
    count = freeze if isinstance(freeze, int) else len(stages) if freeze == "all" else 0
    if not 0 <= count <= len(stages):
        raise UsageError(
            f"--freeze {freeze}: {type(encoder).__name__} has {len(stages)} stages; give a number from 0 to "
            f"{len(stages)}, all or none"
        )
    names = {name for stage in stages[:count] for name in stage}
    for name, parameter in encoder.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    still = []
    for path, part in encoder.named_modules():
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        if any(f"{path}.{name}".lstrip(".") in names for name, _ in own):
            still.append(part)
    return still


def answer(encoder: Encoder, head: Head, view: View, device: torch.device | str, *, bf16: bool = False) -> Answers:
    """What the two say about `view`. Both are on `device` and in evaluation mode."""
    kind = torch.device(device).type
    with torch.no_grad(), torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
        outputs = head(encoder(view.to(device)))
    return head.answers(outputs)


def respond(
    encoder: Encoder,
    head: Head,
    samples: Samples,
    *,
    batch: int = 256,
    device: torch.device | str = "cpu",
    bf16: bool = False,
    title: str = "answers",
) -> Iterator[tuple[Tensor, Answers]]:
    """Rows, long `[B]`, and the answers to them, batch by batch over all `samples`; see `answer`."""
    with console.progress(title, len(samples)) as tick:
        for rows in torch.split(torch.arange(len(samples)), batch):
            interrupt.check()
            yield rows, answer(encoder, head, samples.view(rows), device, bf16=bf16)
            tick(int(rows[-1]) + 1)


def validation(samples: Samples, targets: Targets) -> Evaluator:
    """The head's scores on samples that nothing is learnt from, each called `val ...`, the deciding one first."""

    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        assert isinstance(learner, Finetune)
        device = next(learner.head.parameters()).device
        said = [answers for _, answers in respond(learner.backbone, learner.head, samples, device=device)]
        once = torch.ones(1, len(targets), dtype=torch.float64)
        for name, values in learner.head.judge(said, targets)(once).items():
            yield f"{VALIDATION}{name}", float(values[0])

    return evaluate
