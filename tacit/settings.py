"""The configuration of a run: one typed tree, put together once from defaults, preset, file and command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from tacit.config import Config, Named, merge, read_yaml
from tacit.core import LABELS, TEACHER, Encoder, Learner, Modality
from tacit.data.kind import kind_of
from tacit.engine.settings import EngineConfig
from tacit.errors import UsageError, nearest
from tacit.methods import METHODS
from tacit.modalities import MODALITIES

ENCODERS: dict[str, type[Encoder]] = {
    name: kind for modality in MODALITIES.values() for name, kind in modality.encoders.items()
}
DEFAULT_MODALITY = "image"


def modality_of(data: str) -> Modality:
    """The modality of DATA as its files tell it, images where nothing tells."""
    return MODALITIES[kind_of(data, MODALITIES) or DEFAULT_MODALITY]


def any_of(kinds: Sequence[type[Config]]) -> Any:
    """One of several configurations, told apart by their `name`."""
    return Annotated[reduce(or_, kinds), Field(discriminator="name")] if len(kinds) > 1 else kinds[0]


if TYPE_CHECKING:
    MethodConfig = Named
    EncoderConfig = Named
    ModalityConfig = Named
else:
    MethodConfig = any_of([method.Config for method in METHODS.values()])
    EncoderConfig = any_of([encoder.Config for encoder in ENCODERS.values()])
    ModalityConfig = any_of([modality.config for modality in MODALITIES.values()])


class RunConfig(EngineConfig):
    """Everything that a training run is told; `config.yaml` of the run folder, word for word."""

    data: str = Field(description="folder, archive, list, array file or built-in name")
    method: MethodConfig
    encoder: EncoderConfig
    modality: ModalityConfig
    init_from: str | None = Field(
        default=None, description="start from these weights: a run, an encoder or a checkpoint"
    )
    chosen: str | None = Field(default=None, description="the method and why it was taken, where none was asked for")
    teacher: str | None = Field(
        default=None, description="the encoder on disk that is learnt from, by methods that have a teacher"
    )
    max_bad: float = Field(default=0.01, ge=0, le=1, description="largest share of unreadable samples")
    devices: int = Field(
        default=1, ge=1, description="processes that share each batch, one a GPU, or each with its share of the cores"
    )

    probe: bool = Field(
        default=False, description="whether to show, at each look, how well labels can be told; nothing is learnt of it"
    )

    @model_validator(mode="after")
    def _batch_is_shared(self) -> Self:
        parts = self.accumulate * self.devices
        if self.batch is not None and self.batch % parts:
            near = max(1, round(self.batch / parts)) * parts
            raise ValueError(
                f"batch {self.batch} cannot be shared by {self.devices} devices in equal parts: {near} can"
            )
        return self

    @model_validator(mode="after")
    def _parts_are_shared(self) -> Self:
        if self.weights == "parts" and self.devices == 1:
            raise ValueError("weights in parts are for several devices: give --devices 2 or more, or leave weights out")
        return self

    @property
    def learner(self) -> type[Learner]:
        """The class of the method."""
        return METHODS[self.method.name]

    @property
    def kind(self) -> Modality:
        """The modality."""
        return MODALITIES[self.modality.name]


def build(layers: Sequence[Mapping[str, Any]], preset: str | None = None, source: str = "the settings") -> RunConfig:
    """The configuration that `layers` describe, the last one on top of the method's defaults and `preset`.

    Raises `UsageError` that names every mistake, each with the nearest valid name.
    """
    told = merge(*layers)
    modality = _name(told, "modality", DEFAULT_MODALITY, MODALITIES)
    kind = MODALITIES[modality]
    method = _name(told, "method", kind.method, METHODS)
    presets = {**METHODS[method].presets, **kind.presets.get(method, {})}
    if preset is not None and preset not in presets:
        raise UsageError(f"method {method} has no preset {preset!r} for {kind.unit}; {nearest(preset, presets)}")
    own = [presets.get("default", {}), kind.recipes.get(method, {}), presets.get(preset, {}) if preset else {}]
    recipe = merge(*own)
    usual = _name(recipe, "encoder", next(iter(kind.encoders)), ENCODERS)
    # a recipe's settings of an encoder are that one's: `merge` leaves them out where another one is named
    known = merge(recipe, {"encoder": {"name": usual}}, told)
    encoder = _name(known, "encoder", usual, ENCODERS)
    if encoder not in kind.encoders:
        raise UsageError(f"encoder {encoder} does not read {kind.unit}; {nearest(encoder, kind.encoders)}")
    base = {
        "modality": kind.config().model_dump(mode="json"),
        "method": METHODS[method].Config().model_dump(mode="json"),
        "encoder": ENCODERS[encoder].Config().model_dump(mode="json"),
    }
    config = RunConfig.parse(merge(base, known), source)
    _must_fit(config)
    return config


def _must_fit(config: RunConfig) -> None:
    """Raise `UsageError` where the method asks for what neither the kind of data nor the settings have."""
    method, kind = config.method.name, config.kind
    needs = config.learner.needs(config.method)
    if TEACHER in needs and config.teacher is None:
        raise UsageError(
            f"method {method} learns from a teacher, an encoder on disk: name a run, an encoder or a checkpoint by "
            "--set teacher=PATH"
        )
    if TEACHER not in needs and config.teacher is not None:
        raise UsageError(f"method {method} has no teacher: give --method distillation, or leave {config.teacher} out")
    missing = needs - kind.offers - {TEACHER}
    if LABELS in missing:
        raise UsageError(
            f"method {method} learns from labels of samples, and {kind.unit} have none (they are judged by "
            f"{', '.join(kind.tasks)}): take a method that needs none, such as --method {kind.method}"
        )
    if missing:
        raise UsageError(
            f"method {method} needs {', '.join(sorted(missing))}, which {kind.name} data do not have; "
            "`tacit methods` lists what each method learns from"
        )


def _name(values: Mapping[str, Any], part: str, default: str, table: Mapping[str, Any]) -> str:
    """The member of a family that `values` names."""
    given = values.get(part, {})
    name = given.get("name", default) if isinstance(given, Mapping) else given
    if name not in table:
        raise UsageError(f"no {part} {name!r}; {nearest(str(name), table)}")
    return str(name)


def assign(settings: Sequence[str]) -> dict[str, Any]:
    """`["method.temperature=.2", "seed=1"]` as a nested mapping; values are read as YAML."""
    layers = []
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not path:
            raise UsageError(f"--set {setting!r} must look like method.temperature=0.2")
        tree: Any = read_yaml(f"value: {value}", f"--set {path}").get("value")
        for part in reversed(path.split(".")):
            tree = {part: tree}
        layers.append(tree)
    return merge(*layers)


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings in a YAML file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} cannot be read: {error}") from None
    return read_yaml(text, str(path))
