"""A small learner with everything that makes resuming hard, and a process to kill while it trains.

python engine_toys.py FOLDER METHOD SECONDS_A_STEP OPTIMISER
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit import interrupt
from tacit.core import ClosedForm, Draws, Encoder, Features, Method, Progress, Step, View
from tacit.engine import closed, loop
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.errors import TacitError


class Blobs:
    """`n` grey images `[1, 8, 8]` of a blob at one of 16 places; `delay` seconds a read."""

    def __init__(self, n: int = 96, delay: float = 0.0, contrast: float = 1.0) -> None:
        noise = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        place = F.one_hot(torch.arange(n) % 16, 16).float().view(n, 1, 4, 4)
        self.x = 0.5 + contrast * (0.3 * (noise - 0.5) + F.interpolate(place, scale_factor=2))
        self.delay = delay

    def __len__(self) -> int:
        return len(self.x)

    def view(self, rows: Tensor) -> View:
        time.sleep(self.delay)
        return View(self.x[rows], index=rows)


def noisy(view: View, draws: Draws) -> View:
    """Noise, a random gain and a flip of some."""
    x = view.x * draws.uniform(0.8, 1.2)[:, None, None, None] + 0.2 * draws.normal(view.x.shape[1:])
    return view.with_x(torch.where(draws.chance(0.5)[:, None, None, None], x.flip(-1), x))


AUGMENT = {"weak": noisy}


class Net(Encoder):
    """Two convolutions with BatchNorm and dropout, in channels_last."""

    dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Dropout(0.1),
        ).to(memory_format=torch.channels_last)

    def forward(self, view: View) -> Features:
        x = view.x.contiguous(memory_format=torch.channels_last)
        return Features(self.body(x).mean((2, 3)))


class Toy(Method):
    """A contrast with a momentum teacher and a queue of its keys."""

    views = ("weak", "weak")
    needs = classmethod(lambda cls, config: frozenset(("weak",)))

    def __init__(self, temperature: float = 0.2) -> None:
        nn.Module.__init__(self)
        self.temperature = temperature
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.student = nn.ModuleDict({"net": Net(), "head": nn.Linear(16, 8)})
            self.register_buffer("queue", F.normalize(torch.randn(64, 8), dim=1))
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @property
    def encoder(self) -> Encoder:
        return self.student["net"]

    def forward(self, views: list[View], progress: Progress) -> Step:
        query = F.normalize(self.student["head"](self.student["net"](views[0]).pooled), dim=1)
        with torch.no_grad():
            keys = F.normalize(self.teacher["head"](self.teacher["net"](views[1]).pooled), dim=1)
        logits = torch.cat([(query * keys).sum(1, keepdim=True), query @ self.queue.T], 1) / self.temperature
        loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long), reduction="none")
        return Step(loss, nothing_learnt=float(np.log(65)), carry={"keys": keys.float()})

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        keys = carry["keys"]
        momentum = 0.9 + 0.1 * progress.fraction
        for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)
        self.queue[(self.place + torch.arange(len(keys))) % 64] = keys
        self.place.add_(len(keys)).remainder_(64)


class Whitening(ClosedForm):
    """Mean, then covariance about that mean, in two stages."""

    needs = classmethod(lambda cls, config: frozenset())

    def __init__(self, noise: float = 0.1) -> None:
        nn.Module.__init__(self)
        self.net = nn.Linear(64, 4)
        self.net.requires_grad_(False)
        self.noise = noise
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("total", torch.zeros(64, dtype=torch.float64))
        self.register_buffer("square", torch.zeros(64, 64, dtype=torch.float64))
        self.wrapped = _Linear(self.net)

    @property
    def encoder(self) -> Encoder:
        return self.wrapped

    def wanted(self, stage: int) -> int:
        return (80, 10**9, 0)[stage]

    def absorb(self, view: View, stage: int) -> None:
        x = view.x.flatten(1).double() + self.noise * torch.randn(len(view), 64)
        if stage == 0:
            self.count += len(x)
            self.total += x.sum(0)
        else:
            x = x - self.total / self.count
            self.square += x.T @ x

    def solve(self, stage: int) -> None:
        if stage == 1:
            _, vectors = torch.linalg.eigh(self.square / self.count)
            self.net.weight.copy_(vectors[:, -4:].T)


class _Linear(Encoder):
    dim = 4

    def __init__(self, net: nn.Linear) -> None:
        super().__init__()
        self.net = net

    def forward(self, view: View) -> Features:
        return Features(self.net(view.x.flatten(1)))


def settings(name: str = "adamw", steps: int = 60, **changes: object) -> EngineConfig:
    """Accumulation, clipping, and a checkpoint after every step."""
    usual = {
        "optimiser": Optimiser(name=name, lr=0.01 if name == "adamw" else 0.3, clip=1.0),
        "budget": Budget(steps=steps),
        "batch": 32,
        "accumulate": 2,
        "threads": 1,
        "checkpoint_seconds": 0,
    }
    return EngineConfig(**{**usual, **changes})


def main(folder: Path, method: str, delay: float, optimiser: str) -> None:
    """Start the run in `folder`, or go on with it."""
    resume = (folder / "config.yaml").exists()
    config = settings(optimiser)
    with interrupt.listening(), RunFolder(folder, resume=resume) as run:
        run.write(run.config, config.to_yaml())
        if method == "toy":
            loop.fit(Toy(), Blobs(delay=delay), AUGMENT, config, run, resume=resume)
        else:
            torch.manual_seed(0)
            closed.fit(Whitening(), Blobs(delay=delay), config, run, resume=resume)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4])
    except TacitError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
