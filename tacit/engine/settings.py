"""What a user can set about a run, apart from the method and the data."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tacit.config import Config

DEFAULT_SECONDS = 600.0
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def duration(value: Any) -> Any:
    """Seconds from a text such as `90s`, `10m`, `2h` or `1h30m`; anything but text is returned as it is."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.replace(" ", "").lower())
    if match is None or not any(match.groups()):
        raise ValueError("not a duration; write it as 90s, 10m, 2h or 1h30m")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + rest


class Optimiser(Config):
    """How weights follow gradients. The rate rises over `warmup`, then falls along half a cosine to 0.

    Weight decay spares one-dimensional parameters (biases, the scales of normalisations).
    """

    name: Literal["adamw", "sgd", "lars", "muon"] = Field(
        default="adamw", description="adamw, sgd, lars, or muon: orthogonal steps for matrices, adamw for the rest"
    )
    lr: float = Field(default=2e-3, gt=0, description="learning rate at the end of the warm-up")
    weight_decay: float = Field(default=0.02, ge=0, description="not applied to norms and biases")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="for adamw the first of two, the second is .999")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="fraction of the run")
    clip: float | None = Field(default=None, gt=0, description="largest norm of the whole gradient")


class Budget(Config):
    """How long to train: at most one of the three; ten minutes where nothing is said."""

    time: Annotated[float, BeforeValidator(duration), Field(gt=0)] | None = Field(
        default=None, description="seconds, or text such as 90s, 10m, 2h, 1h30m"
    )
    epochs: int | None = Field(default=None, ge=1, description="passes over the data")
    steps: int | None = Field(default=None, ge=1, description="optimiser steps")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        given = [name for name, value in self if value is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; a run has one budget, so keep one of them")
        return self

    @property
    def seconds(self) -> float | None:
        """The time to train, or None where epochs or steps rule."""
        if self.epochs is None and self.steps is None:
            return DEFAULT_SECONDS if self.time is None else self.time
        return None


class EngineConfig(Config):
    """Everything the engine is told."""

    optimiser: Optimiser = Optimiser()
    budget: Budget = Budget()
    batch: int | None = Field(default=None, ge=1, description="samples per optimiser step; by default as many as suit")
    usual_batch: int = Field(
        default=256, ge=2, description="the batch where none is given; fewer data get a smaller one"
    )
    accumulate: int = Field(default=1, ge=1, description="micro-batches per optimiser step, to save memory")
    chunk: int | None = Field(
        default=None,
        ge=1,
        description="samples that are read at once: saves memory as accumulate does, for a third more time, and "
        "samples are still compared with all of the batch",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto is bf16 where the processor computes in it, fp32 elsewhere"
    )
    weights: Literal["auto", "whole", "parts"] = Field(
        default="auto",
        description="what each of several devices holds of weights, gradients and the optimiser's state: all, or a "
        "part; auto is parts where all of it would fill more than half of a GPU",
    )
    seed: int = Field(default=0, ge=0, description="of all random numbers")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; torch's own choice if not set")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto is a GPU where there is one")
    log_every: int | None = Field(
        default=None, ge=1, description="steps between lines of metrics.jsonl; a 200th of the run, at most 50"
    )
    evaluations: int = Field(default=10, ge=0, description="looks at the representation, beside a few at the start")
    checkpoint_seconds: float = Field(
        default=60.0, ge=0, description="time between checkpoints: when state is written, never what it is"
    )

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        if self.batch is not None and self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} is not a multiple of accumulate {self.accumulate}")
        return self

    def batch_size(self, samples: int) -> int:
        """Samples per optimiser step for a set of `samples`.

        As given; or else `usual_batch`, or for fewer samples than four of those the largest power of two that leaves
        four batches an epoch (at least 2), rounded to a multiple of `accumulate`.
        """
        if self.batch is not None:
            return self.batch
        power = 1 << max(1, (samples // 4).bit_length() - 1)
        return max(1, min(self.usual_batch, power) // self.accumulate) * self.accumulate
