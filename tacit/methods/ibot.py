"""iBOT: agree with a slow copy of oneself on what a sample is, and on what each of its hidden tokens is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, TokenEncoder, View
from tacit.losses.tokens import by_sample
from tacit.methods.masked_prediction import of_tokens
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.ema import EMA
from tacit.nn.heads import pooled_of, told_apart
from tacit.nn.masking import covered, hidden_of
from tacit.nn.prototypes import Prototypes, given, near, swapped
from tacit.schedule import cosine, young


class IBOT(Method):
    """Learns, as `dino`, the choice that a teacher makes of another view, from tokens some of which are hidden, and for
    each hidden token the choice that the teacher, who sees it, makes of it.

    Samples and tokens have choices of their own (as in DINOv2; the paper's are the same). Both are shared out over the
    batch, those of tokens over all that are hidden in it, and lose what all have in common, in place of the paper's
    centre. Tokens are hidden in all samples, and by themselves, where the paper hides blocks in half of them. With a
    price on features that lie near another sample's (`koleo`) it is DINOv2's recipe: images have a preset of it.
    """

    paper = (
        "Zhou et al. 2022, iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832; shares in place of "
        "the centre, heads of their own and KoLeo: Oquab et al. 2023, DINOv2, arXiv 2304.07193"
    )
    formula = (
        "loss = dino's of views with hidden tokens  +  mean over hidden u of -sum_k s(t_u)_k log softmax_k( cos(z_u, "
        "d_k) / T ),  t = teacher of the same view, all of it,  s = shares by Sinkhorn's rounds"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "clip": 1.0},
            "usual_batch": 64,
        },
    }

    class Config(Named):
        name: Literal["ibot"] = "ibot"
        share: float = Field(default=0.3, gt=0, lt=1, description="of the tokens of full views that are hidden")
        span: int = Field(
            default=1, ge=1, description="neighbouring tokens that are hidden together; on a grid, the side of a square"
        )
        choices: int = Field(default=256, ge=2, description="prototypes of samples, and as many of tokens")
        temperature: float = Field(default=0.1, gt=0, description="divides the student's cosines to the prototypes")
        sharing: float = Field(default=0.03, gt=0, description="temperature of sharing out the teacher's, lower")
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of the projectors")
        out: int = Field(default=128, ge=1, description="width of what choices are directions in")
        local: int = Field(default=0, ge=0, description="small crops a sample, whole ones, beside two full views")
        koleo: float = Field(
            default=0.0, ge=0, description="price on features that lie near another sample's in the batch (DINOv2: .1)"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, full=2)
        backbone = of_tokens(encoder, config.name)
        self.mask = nn.Parameter(torch.randn(backbone.width) * 0.02)
        self.student = _Both(backbone, config)
        self.teacher = EMA(self.student)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        config, full = self.config, views[:2]
        hide, pooled, parts = zip(*(self._seen(view) for view in full), strict=True)
        small = pooled_of(self.encoder, views[2:], full=0) if config.local else ()
        whole_shares, part_shares = self._shares(full, hide)
        whole = self.student.whole(torch.cat([*pooled, *small])).view(len(views), len(views[0]), -1)
        part = self.student.part(torch.cat(parts))
        found = swapped(whole_shares, (whole / config.temperature).log_softmax(dim=2))
        likely = (part / config.temperature).log_softmax(dim=1)
        each = (part_shares * likely).sum(dim=1).neg().split([*map(len, parts)])
        told = torch.stack([by_sample(losses, of) for losses, of in zip(each, hide, strict=True)]).mean(dim=0)
        loss, metrics = found + told, {"of_samples": found.detach().mean(), "of_tokens": told.detach().mean()}
        if config.koleo:
            nearness = near(torch.stack(pooled))
            loss, metrics = loss + config.koleo * nearness, {**metrics, "koleo": nearness.detach().mean()}
        return Step(loss, 2 * math.log(config.choices), metrics)

    def _seen(self, view: View) -> tuple[Tensor, Tensor, Tensor]:
        """Which tokens of `view` are hidden, `[B, L]`, M times True; what the student makes of the others and of where
        these are: pooled `[B, dim]`, and the states of those that are hidden, `[M, D']`."""
        config, draws = self.config, Draws.fresh(len(view), view.x.device)
        backbone = self.student.encoder
        tokens = backbone.cut(view)
        hide = hidden_of(tokens, config.share, config.span, draws)
        states = backbone.layers(covered(tokens, hide, self.mask, 0.0, 0.0, draws))[-1]
        return hide, backbone.pool(tokens, states), states[hide]

    @torch.no_grad()
    def _shares(self, views: Sequence[View], hide: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What the teacher gives each sample, in each of its full views, of each choice, `[2, B, choices]`, and each
        token that is hidden from its student, view by view: `[M, choices]`."""
        teacher, sharing, pooled, parts = self.teacher.model, self.config.sharing, [], []
        for view, hidden in zip(views, hide, strict=True):
            tokens = teacher.encoder.cut(view)
            states = teacher.encoder.layers(tokens)[-1]
            pooled.append(teacher.encoder.pool(tokens, states))
            parts.append(states[hidden])
        whole = torch.stack([teacher.whole.said(each) for each in pooled])
        part = teacher.part.said(torch.cat(parts))[None]
        return given(whole, teacher.whole.choices, sharing), given(part, teacher.part.choices, sharing)[0]

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, cosine(progress, self.config.momentum, 1.0)))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        z = [self.student.whole.said(self.encoder(view).pooled) for view in views]
        return recognised(torch.stack(z), views, count)


class _Both(nn.Module):
    """An encoder, and what is chosen of samples and of tokens."""

    def __init__(self, encoder: TokenEncoder, config: IBOT.Config) -> None:
        super().__init__()
        self.encoder = encoder
        self.whole, self.part = _Chooser(encoder.dim, config), _Chooser(encoder.out, config)


class _Chooser(nn.Module):
    """A projector and its prototypes."""

    def __init__(self, dim: int, config: IBOT.Config) -> None:
        super().__init__()
        self.head = told_apart(dim, config.hidden, config.out)
        self.choices = Prototypes(config.out, config.choices)

    def said(self, states: Tensor) -> Tensor:
        """`[N, out]` float32 of `states [N, D]`."""
        out: Tensor = self.head(states)
        return out.float()

    def forward(self, states: Tensor) -> Tensor:
        """Cosines to the prototypes, `[N, choices]`."""
        found: Tensor = self.choices(self.said(states))
        return found
