"""What a run computes with where nobody said: how many samples a step, which precision, how many threads; and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tacit.engine.footprint import Placing
from tacit.engine.settings import EngineConfig
from tacit.processors import allotted

SAID = "as set"


@dataclass(frozen=True)
class Chosen:
    """One of these settings."""

    name: str
    """The setting by which another is asked for."""
    value: str
    unit: str
    why: str


def chosen(
    config: EngineConfig, facts: Mapping[str, str], batch: int, samples: int, placing: Placing | None = None
) -> tuple[Chosen, ...]:
    """What `config` comes to in the environment that `facts` describe, for steps of `batch` out of `samples`; where
    several processes share them, `placing` of weights, too."""
    unit = "thread" if facts["threads"] == "1" else "threads"
    several = [] if placing is None or facts["world_size"] == "1" else [placing]
    return (
        Chosen("batch", f"{batch}", "samples a step", _batch(config, batch, samples)),
        Chosen("precision", facts["precision"], "", _precision(config, facts)),
        Chosen("threads", facts["threads"], unit, _threads(config, int(facts["world_size"]))),
        *(Chosen("weights", p.weights, "of weights" if p.weights == "parts" else "weights", p.why) for p in several),
    )


def in_words(all_chosen: tuple[Chosen, ...]) -> str:
    """One line for the user."""
    parts = [f"{each.value} {each.unit}".strip() + f" ({each.why})" for each in all_chosen]
    free = [f"--set {each.name}=..." for each in all_chosen if each.why != SAID]
    others = f": {', '.join(free)} for others" if free else ""
    return f"computes with {', '.join(parts)}{others}"


def _batch(config: EngineConfig, batch: int, samples: int) -> str:
    if config.batch is not None:
        return SAID
    return "as usual" if batch == config.usual_batch else f"no more suit {samples:,} samples"


def _precision(config: EngineConfig, facts: Mapping[str, str]) -> str:
    if config.precision != "auto":
        return SAID
    where = "processor" if facts["device"].startswith("cpu ") else "GPU"
    return f"the {where} computes in it" if facts["precision"] == "bf16" else f"the {where} does not compute in bf16"


def _threads(config: EngineConfig, processes: int) -> str:
    if config.threads is not None:
        return SAID
    cores = allotted()
    whose = "torch's choice" if processes == 1 else f"the share of each of {processes} processes"
    return f"{whose}, of {cores} processor{'s' if cores > 1 else ''}"
