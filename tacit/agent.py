"""The artefact of acting: an encoder and what it makes of its features, with all that is needed to play."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.core import Encoder, View
from tacit.encoder import CARD, CONFIG, WEIGHTS, Spec, TrainedEncoder, blank, build, read_weights
from tacit.engine import checkpoint, files
from tacit.errors import RunError, Unreadable, UsageError
from tacit.evaluation.features import inference
from tacit.modalities.moments import MomentLayout
from tacit.nn.heads import Embedder, scores

FORMAT = 1
AGENT = "agent"
"""Where a run of `tacit play` keeps its agent."""


@dataclass(frozen=True)
class AgentSpec:
    """`config.json` of an agent. Plain values only."""

    env: str
    """Where it learnt to act."""
    choices: int
    """How many actions it chooses from."""
    hidden: int
    """Width of the layer between features and values."""
    encoder: Mapping[str, Any]
    """The encoder's `Spec`, with how moments are packed."""
    pixels: int | None = None
    colour: bool = False
    repeat: int = 1
    """How it looks at the environment, as for `tacit collect`."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: steps, seed, the encoder that it started from, returns."""
    kind: str = AGENT
    format: int = FORMAT
    sha256: str | None = None
    """Of the weights; None until a run has ended."""


class TrainedAgent:
    """Values of actions, ready to act, on the CPU or, where there is one, on the GPU."""

    def __init__(self, values: Embedder, spec: AgentSpec, path: Path | None = None) -> None:
        self.base = TrainedEncoder(values.encoder, Spec(**spec.encoder), path)
        self.values, self.spec, self.path = values.to(self.base.device).eval(), spec, path

    def best(self, observed: Sequence[np.ndarray]) -> int:
        """The choice of the largest value, from 0 on, after what was observed since the episode began."""
        return int(self.of(observed).argmax())

    def of(self, observed: Sequence[np.ndarray]) -> Tensor:
        """The values of all choices, `[A]`."""
        layout = self.base.layout
        assert isinstance(layout, MomentLayout), "agents see moments"
        held = np.stack(observed[-layout.stack :])
        packed = torch.from_numpy(self.base.modality.read(held, layout))[None]
        with inference(self.values):
            said: Tensor = self.values(self.base.modality.collate(packed, layout).to(self.base.device))
        return said[0].cpu()

    def sight(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """How it looks at an environment; `told`: what the user asked for, None for nothing. Raises `UsageError`."""
        own = {name: getattr(self.spec, name) for name in ("pixels", "colour", "repeat")}
        for name, value in told.items():
            if value is not None and value != own[name]:
                raise UsageError(
                    f"--{name} {value}: this agent learnt with {name} {own[name]} and sees nothing else; leave it out"
                )
        return own

    def must_know(self, seen: np.ndarray, choices: int | None) -> None:
        """Raises `UsageError` where it cannot act on what is seen, or among so many choices."""
        if choices != self.spec.choices:
            raise UsageError(
                f"this agent chooses among {self.spec.choices} actions of {self.spec.env}, and here there are "
                f"{choices or 'none to choose from'}"
            )
        try:
            self.base.modality.read(seen[None], self.base.layout)
        except Unreadable as error:
            raise UsageError(
                f"this agent learnt to act in {self.spec.env}, and cannot see what is here: {error}"
            ) from None

    def save(self, folder: Path) -> None:
        """Write the artefact: weights, a card, and `config.json` with their hash last."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = checkpoint.serialise(checkpoint.State(self.values.state_dict()))
        spec = replace(self.spec, sha256=hashlib.sha256(weights).hexdigest())
        files.write(folder / WEIGHTS, weights)
        files.write(folder / CARD, card(spec).encode())
        files.write(folder / CONFIG, json.dumps(asdict(spec), indent=1, ensure_ascii=False).encode())


def values_of(encoder: Encoder, sample: View, hidden: int, choices: int) -> Embedder:
    """The network that gives each choice its value, `[B, A]`; its features are standardised by those of `sample`."""
    with inference(encoder):
        features = encoder(sample).pooled.float()
    return Embedder(encoder, scores(features, hidden, choices))


def is_agent(path: Path) -> bool:
    """Whether there is an agent at `path`: a run of `tacit play`, or the agent's folder in it."""
    return any(_kind(folder) == AGENT for folder in (path / AGENT, path))


def load_agent(path: str | Path) -> TrainedAgent:
    """The agent at `path`: a run of `tacit play`, or the agent's folder in it. Raises `UsageError`, `RunError`."""
    given = Path(path)
    for folder in (given / AGENT, given):
        if _kind(folder) == AGENT:
            spec = _read_spec(folder)
            assert spec.sha256 is not None
            return _with(read_weights(folder, spec.sha256, "play again"), spec, folder)
    raise UsageError(f"{given} holds no agent: give the run of a `tacit play` that has ended")


def _kind(folder: Path) -> str | None:
    try:
        values = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None
    return str(values.get("kind")) if isinstance(values, dict) else None


def _read_spec(folder: Path) -> AgentSpec:
    path = folder / CONFIG
    try:
        spec = AgentSpec(**json.loads(path.read_bytes()))
        known = spec.format == FORMAT and isinstance(spec.sha256, str)
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error}. Copy the agent anew, or play again.") from None
    if not known:
        raise RunError(f"{path} was written by another version of tacit (format {spec.format}): upgrade tacit")
    return spec


def _with(tensors: Mapping[str, Tensor], spec: AgentSpec, folder: Path) -> TrainedAgent:
    base = Spec(**spec.encoder)
    values = values_of(build(base), blank(base), spec.hidden, spec.choices)
    try:
        values.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise RunError(f"{folder}: the weights do not fit the agent that {CONFIG} describes: {error}") from None
    return TrainedAgent(values, spec, folder)


def card(spec: AgentSpec) -> str:
    """The card: what the agent is, where it comes from, how to use it."""
    training = spec.training
    lines = [
        f"# An agent for {spec.env}",
        "",
        f"Trained by tacit with double DQN for {training.get('steps')} steps, seed {training.get('seed')}; its encoder "
        f"started from {training.get('init_from') or 'random weights'}.",
        "",
        "```",
        f"tacit collect {spec.env} --policy this/folder --out episodes",
        "```",
        "",
        f"Returns of {len(training.get('returns', ()))} episodes that were not learnt from: "
        f"{', '.join(f'{value:g}' for value in training.get('returns', ()))}.",
    ]
    return "\n".join(lines) + "\n"
