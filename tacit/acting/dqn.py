"""Double DQN on an encoder: which of a few actions is worth how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.acting.replay import Memory, Replay
from tacit.agent import values_of
from tacit.config import Named
from tacit.core import Augmentation, Draws, Encoder, Method, Progress, View
from tacit.engine import order
from tacit.engine.optimiser import build
from tacit.engine.settings import Optimiser
from tacit.nn.ema import EMA

_OWN = 64
"""Views of a method come before: random numbers are a function of the view's place."""
_CLIP = 10.0
"""Largest norm of the gradient."""


class DQN(nn.Module):
    """Learns what each action is worth, Q(s, a), from its own play.

    van Hasselt, Guez and Silver 2016, Deep Reinforcement Learning with Double Q-learning, arXiv 1509.06461, eq. 4, with
    the rewards of n steps (Sutton 1988):

        loss = huber(Q(s, a) - (r_1 + g r_2 + ... + g^n Q'(s_n, argmax_b Q(s_n, b))))

    Q' is an average of Q over its last updates. A method of self-supervision may stand beside, whose loss is added.
    """

    class Config(Named):
        name: Literal["dqn"] = "dqn"
        discount: float = Field(default=0.99, ge=0, le=1, description="g, by which a reward a step later counts less")
        n: int = Field(default=3, ge=1, le=64, description="steps whose rewards are taken as they came")
        hidden: int = Field(default=256, ge=1, le=8192, description="width of the layer behind the features")
        lr: float = Field(default=3e-4, gt=0, description="learning rate, the same throughout")
        batch: int = Field(default=32, ge=2, le=4096, description="moments that an update learns from")
        every: int = Field(default=2, ge=1, description="steps to an update")
        target: float = Field(default=0.99, ge=0, lt=1, description="share of itself that Q' keeps at an update")
        begin: int = Field(default=500, ge=2, description="steps of chance in front, which the floor is measured on")
        explore: float = Field(default=0.2, ge=0, le=1, description="share of the run until chance is down to `chance`")
        chance: float = Field(default=0.05, ge=0, le=1, description="share of actions that stay to chance")
        replay: int = Field(default=50_000, ge=100, le=5_000_000, description="observations that are remembered")
        view: Literal["plain", "weak", "strong"] = Field(
            default="plain", description="how moments are shown while values are learnt; weak moves frames as DrQ does"
        )
        detach: bool = Field(
            default=False, description="whether rewards leave the encoder alone: it stays, or learns from the method"
        )
        weight: float = Field(default=1.0, ge=0, description="of the loss of the method beside")

        def chance_at(self, step: int, total: int) -> float:
            """The share of actions that are drawn at random at `step`: 1 in the beginning, then down along a line."""
            share = (step - self.begin) / max(1.0, self.explore * (total - self.begin))
            return 1.0 - (1.0 - self.chance) * min(1.0, max(0.0, share))

    def __init__(
        self,
        config: Config,
        encoder: Encoder,
        sample: View,
        choices: int,
        augment: Mapping[str, Augmentation],
        method: Method | None,
    ) -> None:
        """`sample`: some plain views, by whose features all are standardised."""
        super().__init__()
        self.config, self.augment = config, augment
        self.online = values_of(encoder, sample, config.hidden, choices)
        self.target = EMA(self.online)
        self.method = method
        self.frozen = config.detach and method is None
        self.train()
        self.optimiser = build(Optimiser(lr=config.lr, weight_decay=0), self._learning())

    def train(self, mode: bool = True) -> DQN:
        """An encoder that stays as it is stays in evaluation mode, too."""
        super().train(mode)
        if self.frozen:
            self.online.encoder.requires_grad_(False).eval()
        return self

    def _learning(self) -> nn.Module:
        return nn.ModuleList([self.online, *([self.method] if self.method is not None else [])])

    def update(self, replay: Replay, number: int, total: int, seed: int) -> dict[str, float]:
        """Update `number` of `total`, from `replay`: a function of these, the seed and what was learnt so far."""
        config = self.config
        generator = np.random.default_rng([seed, number])
        memory = replay.draw(config.batch, config.n, config.discount, generator)
        torch.manual_seed(order.fold("update", seed, number))
        device = next(self.online.parameters()).device
        loss = self.loss(memory, seed, number, device).mean()
        record = {"loss": loss.item()}
        carry: Mapping[str, Tensor] = {}
        progress = Progress(number, total)
        kept = memory.whole.nonzero().flatten()
        if self.method is not None and len(kept) > 1:
            step = self.method(self._views(memory.now[kept].to(device), seed, number), progress)
            own = step.loss.float().mean()
            record["method_loss"], carry = own.item(), step.carry
            loss = loss + config.weight * own
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._learning().parameters(), _CLIP)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            if carry and self.method is not None:
                self.method.update({name: rows.detach() for name, rows in carry.items()}, progress)
        self.target.follow(self.online, config.target)
        return record

    def loss(self, memory: Memory, seed: int, number: int, device: torch.device) -> Tensor:
        """`[B]`."""
        now, after = (
            self._shown(self.config.view, view.to(device), seed, number, _OWN + place)
            for place, view in enumerate((memory.now, memory.after))
        )
        chosen = self._values(now).gather(1, memory.action.to(device)[:, None])[:, 0]
        with torch.no_grad():
            best = self.online(after).argmax(dim=1, keepdim=True)
            later = self.target(after).gather(1, best)[:, 0]
            wanted = memory.reward.to(device) + memory.discount.to(device) * later
        return F.smooth_l1_loss(chosen, wanted, reduction="none")

    def _values(self, view: View) -> Tensor:
        if not self.config.detach:
            values: Tensor = self.online(view)
            return values
        with torch.no_grad():
            pooled = self.online.encoder(view).pooled
        said: Tensor = self.online.head(pooled)
        return said.float()

    def _views(self, plain: View, seed: int, number: int) -> list[View]:
        """What the method asks for, of each moment."""
        assert self.method is not None
        return [self._shown(kind, plain, seed, number, place) for place, kind in enumerate(self.method.views)]

    def _shown(self, kind: str, plain: View, seed: int, number: int, place: int) -> View:
        assert plain.index is not None, "what is remembered is numbered"
        return plain if kind == "plain" else self.augment[kind](plain, Draws.of(seed, number, plain.index, place))
