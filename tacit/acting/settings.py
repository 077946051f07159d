"""The configuration of learning to act: put together once, from the weights, the method and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from tacit.acting.dqn import DQN
from tacit.collecting.worlds import World, open_world
from tacit.config import Config, merge
from tacit.core import Raw
from tacit.errors import UsageError, nearest
from tacit.initial.start import Start
from tacit.modalities import MODALITIES
from tacit.modalities.moments import MomentLayout, survey
from tacit.settings import EncoderConfig, MethodConfig, ModalityConfig, build
from tacit.training import resumed

MODALITY = next(modality for modality in MODALITIES.values() if modality.moments)


class PlayConfig(Config):
    """Everything that a run of `tacit play` is told; `config.yaml` of its folder, word for word."""

    env: str = Field(description="the environment's id")
    pixels: int | None = Field(default=None, description="side of rendered frames; by default what it observes")
    colour: bool = Field(default=False, description="whether frames keep their colours")
    repeat: int = Field(default=1, ge=1, description="how often an action is repeated")
    steps: int = Field(default=20_000, ge=10, description="steps to play, each as often as actions are repeated")
    dqn: DQN.Config = DQN.Config()
    method: MethodConfig | None = Field(default=None, description="a method whose loss is learnt by beside")
    encoder: EncoderConfig
    modality: ModalityConfig
    init_from: str | None = Field(default=None, description="the encoder's weights: a run, an encoder or a checkpoint")
    judged: int = Field(default=20, ge=0, le=10_000, description="episodes that the agent is judged by at the end")
    seed: int = Field(default=0, ge=0, description="of all random numbers")
    checkpoint_seconds: float = Field(default=60.0, ge=0, description="time between checkpoints, at ends of episodes")

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if self.steps < self.dqn.begin + self.dqn.every:
            raise ValueError(
                f"{self.steps} steps are all drawn at random (dqn.begin={self.dqn.begin}): play more steps than these"
            )
        return self

    def open(self) -> World:
        """The environment, as the agent looks at it. Raises `UsageError`."""
        world = open_world(self.env, pixels=self.pixels, colour=self.colour, repeat=self.repeat)
        if world.choices is None:
            world.env.close()
            raise UsageError(
                f"an action of {self.env} is one of {world.env.action_space}: `tacit play` learns to choose among a "
                "few, as in CartPole-v1; tacit.features_extractor puts an encoder into agents for others"
            )
        return world


def configure(
    layers: Sequence[Mapping[str, Any]], *, preset: str | None = None, resume: Path | None = None
) -> PlayConfig:
    """The configuration that `layers` describe, the last one on top, or that of the run at `resume`.

    Weights bring their encoder, how moments are packed and how large frames are; a method its recipe for moments.
    Raises `UsageError`.
    """
    if resume is not None:
        return resumed(resume, layers, lambda every: _build(every, preset), PlayConfig)
    return _build(layers, preset)


def _build(layers: Sequence[Mapping[str, Any]], preset: str | None) -> PlayConfig:
    told = merge(*layers)
    if "env" not in told:
        raise UsageError("say where to play, such as `tacit play CartPole-v1`")
    unknown = sorted(set(told) - set(PlayConfig.model_fields))
    if unknown:
        raise UsageError(f"{unknown[0]}: no such setting; {nearest(unknown[0], PlayConfig.model_fields)}")
    if preset is not None and not told.get("method"):
        raise UsageError(f"--preset {preset} is one of a method: name it, as in --method moco --preset atc")
    inherited = _inherited(told)
    base = merge(inherited, told)
    if "encoder" not in base:
        base["encoder"] = {"name": _suited(base)}
    parts = {name: base[name] for name in ("method", "encoder", "modality") if base.get(name)}
    named = {"modality": {"name": MODALITY.name}}
    run = build([named, {"data": str(told["env"])}, parts], preset)
    own = {name: value for name, value in base.items() if name not in parts}
    values = {
        **own,
        "method": run.method.model_dump(mode="json") if told.get("method") else None,
        "encoder": run.encoder.model_dump(mode="json"),
        "modality": run.modality.model_dump(mode="json"),
    }
    return PlayConfig.parse(merge({"dqn": DQN.Config().model_dump(mode="json")}, values), "the settings")


def _inherited(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the weights to start from bring along."""
    if told.get("init_from") is None:
        return {}
    start = Start.at(str(told["init_from"]))
    if start.trained is None:
        if "encoder" not in told:
            raise UsageError(f"{told['init_from']} holds published weights: say by --encoder which network they are of")
        return {}
    layout = start.trained.layout
    if not isinstance(layout, MomentLayout):
        raise UsageError(
            f"{told['init_from']} reads {start.trained.modality.unit}, and an agent sees moments: train it on "
            "episodes, as `tacit collect` writes them"
        )
    seen: dict[str, Any] = {}
    if layout.frames and layout.observed[1] == layout.observed[2]:
        seen = {"pixels": layout.observed[1], "colour": layout.observed[0] == 3}
    settings = start.settings()
    packed = {name: value for name, value in settings["modality"].items() if name not in ("actions", "size")}
    return {**seen, "encoder": settings["encoder"], "modality": {**packed, "frames": layout.stack}}


def _suited(told: Mapping[str, Any]) -> str:
    """The encoder for what the environment shows."""
    if told.get("pixels") is not None:
        return next(iter(MODALITY.encoders))
    world = open_world(str(told["env"]), pixels=None, colour=False)
    try:
        assert MODALITY.suited is not None
        return MODALITY.suited(first(world))
    finally:
        world.env.close()


def first(world: World) -> Raw:
    """What is seen first, as an episode `[1, ...]`."""
    return world.seen(world.reset(0)[0])[None]


def layout_of(config: PlayConfig, world: World) -> MomentLayout:
    """How moments of `world` are packed. Raises `DataError` where none can be made of what is seen."""
    wished = config.modality.model_dump()
    found = survey([first(world)], size=wished["size"], stack=wished["frames"], ahead=wished["ahead"], choices=None)
    return found.model_copy(update={"choices": world.choices})
