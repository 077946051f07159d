"""The loop: images stay on the GPU, views are made there, steps are replayed as CUDA graphs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sprint.muon import Muon
from sprint.net import Learner, halved, loss_of
from sprint.settings import Settings
from tacit.augment.image import Recipe, image_view
from tacit.core import Draws, Progress, View
from tacit.engine.optimiser import LARS
from tacit.schedule import warmup_cosine

EAGER = 3
"""Steps of a phase before it is captured: libraries choose their algorithms in them."""
AHEAD = 2
"""Steps that may wait for the GPU: enough to keep it busy, so few that the clock on the wall tells how far it is."""
FINE = 100_000
"""Into how many parts the time is divided for the schedule."""
Step = Callable[[list[Tensor]], Tensor]


@dataclass(frozen=True)
class Phase:
    """A part of the time in which views have the same shapes."""

    end: float
    full: int
    small: int


@dataclass(frozen=True)
class Run:
    """What came of it."""

    learner: Learner
    seconds: float
    captured: float
    """Seconds until the first step was replayed, which are in `seconds`."""
    steps: int
    views: int
    loss: float


def phases(settings: Settings) -> list[Phase]:
    """Those that take any time."""
    parts = [
        Phase(settings.early, 0, settings.small + 2),
        Phase(1 - settings.late, settings.full, settings.small),
        Phase(1.0, 2, 0),
    ]
    return [part for before, part in zip([Phase(0, 0, 0), *parts], parts, strict=False) if part.end > before.end]


def learn(images: Tensor, settings: Settings, seconds: float, seed: int) -> Run:
    """Learn from `images [N, 3, H, W]` (bytes) for `seconds`, in which all is done that is not reading the files."""
    with stream_of(images.device):
        return _learnt(images, settings, seconds, seed)


def _learnt(images: Tensor, settings: Settings, seconds: float, seed: int) -> Run:
    start = time.perf_counter()
    torch.manual_seed(seed)
    learner = Learner(settings, images[:4000].float() / 255).to(images.device)
    if settings.compile:
        learner.backbone.compile(dynamic=False)
    rates, optimisers = _optimisers(learner, settings, images.device)
    batches, pace = _batches(images, settings.batch), _Pace(images.device)
    loss, steps, views, captured = torch.zeros(()), 0, 0, 0.0
    for phase in phases(settings):
        step, taken = _eager(learner, optimisers, settings), 0
        while (progress := (time.perf_counter() - start) / seconds) < phase.end or taken <= EAGER:
            for rate, most in rates:
                rate.fill_(most * warmup_cosine(Progress(round(min(progress, 1) * FINE), FINE), settings.warmup))
            made = _views(next(batches), phase, settings)
            if taken == EAGER and settings.graphs and images.is_cuda:
                step = _captured(step, made)
                captured = captured or time.perf_counter() - start
            loss = step(made)
            pace.wait()
            taken, steps, views = taken + 1, steps + 1, views + sum(map(len, made))
    value = float(loss)
    return Run(learner, time.perf_counter() - start, captured, steps, views, value)


def stream_of(device: torch.device) -> AbstractContextManager[object]:
    """One stream for steps that are run and steps that are captured: gradients are bound to where they were made."""
    return torch.cuda.stream(torch.cuda.Stream()) if device.type == "cuda" else nullcontext()


class _Pace:
    """Lets the CPU be a few steps ahead of the GPU, and no more."""

    def __init__(self, device: torch.device) -> None:
        self.marks: deque[torch.cuda.Event] = deque()
        self.needed = device.type == "cuda"

    def wait(self) -> None:
        if self.needed:
            mark = torch.cuda.Event()
            mark.record()
            self.marks.append(mark)
            if len(self.marks) > AHEAD:
                self.marks.popleft().synchronize()


def _batches(images: Tensor, size: int) -> Iterator[Tensor]:
    """Batches of floats without end, each epoch in an order of its own; the odd rest of an epoch is left out."""
    size = min(size, len(images))
    while True:
        order = torch.randperm(len(images), device=images.device)
        for rows in order[: len(order) // size * size].split(size):
            yield images[rows].float() / 255


def _views(images: Tensor, phase: Phase, settings: Settings) -> list[Tensor]:
    """The views of a step: `[full B, 3, H, W]` and `[small B, 3, H / 2, W / 2]`, or one of them."""
    colours = {"jitter": settings.jitter, "strength": settings.strength, "grey": settings.grey}
    made = []
    for count, scale, least in ((phase.full, 1.0, settings.crop), (phase.small, 0.5, settings.small_crop)):
        if count:
            many = images.repeat(count, 1, 1, 1)
            recipe = Recipe(scale=scale, crop=(least, 1.0), **colours)
            made.append(image_view(View(many), recipe, Draws.fresh(len(many), images.device)).x)
    return made


def _eager(learner: Learner, optimisers: list[Optimizer], settings: Settings) -> Step:
    """A step as it is written: forwards, backwards, and what the optimisers make of it."""

    def step(views: list[Tensor]) -> Tensor:
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        with halved(views[0]):
            z = learner(views, settings.batch)
        loss = loss_of(z, settings)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        return loss.detach()

    return step


def _captured(step: Step, views: list[Tensor]) -> Step:
    """`step` as a CUDA graph, of views of these shapes: one call replays all its kernels."""
    held = [view.clone() for view in views]
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        loss = step(held)

    def replay(views: list[Tensor]) -> Tensor:
        for into, view in zip(held, views, strict=True):
            into.copy_(view)
        graph.replay()
        return loss

    return replay


def _optimisers(
    learner: Learner, settings: Settings, device: torch.device
) -> tuple[list[tuple[Tensor, float]], list[Optimizer]]:
    """Optimisers, and the rates that they read with the most that each is to be."""
    weights = [each for each in learner.parameters() if each.requires_grad]
    matrices = [each for each in weights if each.ndim > 1]
    if settings.optimiser == "lars":
        rate = torch.zeros((), device=device)
        return [(rate, settings.lr)], [LARS(weights, lr=rate, weight_decay=settings.weight_decay)]
    turned = matrices if settings.optimiser == "muon" else []
    chosen = {id(each) for each in turned}
    rest = [each for each in weights if id(each) not in chosen]
    rates = [(torch.zeros((), device=device), settings.adam_lr)]
    optimisers: list[Optimizer] = [_adamw(rest, rates[0][0], settings, device)]
    if turned:
        rates.append((torch.zeros((), device=device), settings.lr))
        optimisers.append(Muon(turned, rates[1][0], settings.weight_decay))
    return rates, optimisers


def _adamw(weights: list[nn.Parameter], rate: Tensor, settings: Settings, device: torch.device) -> Optimizer:
    """Decay for matrices alone, as usual."""
    groups = [
        {"params": [each for each in weights if each.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [each for each in weights if each.ndim <= 1], "weight_decay": 0.0},
    ]
    graphs = device.type == "cuda"
    return AdamW([group for group in groups if group["params"]], lr=rate, fused=True, capturable=graphs)
