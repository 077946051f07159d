"""Typed configurations: frozen, strict about names, to and from YAML; nobody rewrites one after it was parsed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tacit.errors import UsageError, nearest


class Config(BaseModel):
    """Base of all configurations: keyword-only, frozen, unknown names refused, text converted by declared type."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        validate_by_name=False,
        serialize_by_alias=True,  # `global` is a word of the user's and of Python's
    )

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str = "settings") -> Self:
        """A validated configuration; every mistake is reported at once, with the nearest valid name."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(explain(error, cls, source)) from None

    def to_yaml(self) -> str:
        """YAML text that `from_yaml` reads back to an equal configuration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str, source: str = "settings") -> Self:
        """The configuration written in `text`."""
        return cls.parse(read_yaml(text, source), source)


class Named(Config):
    """A configuration of one member of a family; `name` says of which."""

    name: str


def explain(error: ValidationError, cls: type[BaseModel], source: str) -> str:
    """All mistakes of a configuration, one line each: where, what was given, what is expected."""
    lines = []
    for fault in error.errors():
        place = [str(part) for part in fault["loc"]]
        given = fault.get("input")
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {'.'.join(place)}: no such setting; {nearest(place[-1], _siblings(cls, place[:-1]))}")
        elif fault["type"] == "union_tag_invalid":
            context = fault["ctx"]
            valid = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
            lines.append(f"  {'.'.join(place)}: no {context['tag']!r}; {nearest(context['tag'], valid)}")
        else:
            reason = str(fault.get("ctx", {}).get("error", fault["msg"]))  # pydantic puts `Value error, ` before ours
            section = isinstance(given, Mapping | BaseModel) and not fault["type"].endswith("_type")
            shown = "" if section else f", given {given!r}"  # a whole section holds more than what is wrong in it
            lines.append(f"  {'.'.join(place) or 'settings'}: {reason}{shown}")
    count = "one setting is" if len(lines) == 1 else f"{len(lines)} settings are"
    return f"{count} wrong in {source}:\n" + "\n".join(lines)


def _siblings(cls: type[BaseModel], path: list[str]) -> list[str]:
    """The names that are valid at `path` inside `cls`, through nested and discriminated configurations."""
    types: list[Any] = [cls]
    for part in path:
        below: list[Any] = []
        for kind in types:
            if part in kind.model_fields:
                below += _models(kind.model_fields[part].annotation)
            elif kind.model_fields.get("name") is not None and kind.model_fields["name"].default == part:
                below.append(kind)  # pydantic puts the tag of a discriminated union into the path
        types = below or types
    return sorted({field.alias or name for kind in types for name, field in kind.model_fields.items()})


def _models(annotation: Any) -> list[Any]:
    """The configuration classes inside an annotation such as `A | B | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML without aliases and duplicate keys: both change a configuration behind its author's back."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed: write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.YAMLError(f"{key!r} stands twice, line {key_node.start_mark.line + 1}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """The mapping in a YAML text; without aliases, duplicate keys, or anything but plain values."""
    try:
        loaded = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader made stricter
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise UsageError(f"{source} must be a mapping of names to values, such as 'seed: 1'")
    return loaded


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings laid over each other, the last one on top.

    A part that names another member of its family (`name`) replaces what lies below it, since the options of one
    method mean nothing to the next.
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping):
                other = "name" in value and value["name"] != below.get("name", value["name"])
                result[key] = dict(value) if other else merge(below, value)
            else:
                result[key] = merge(value) if isinstance(value, Mapping) else value
    return result


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted paths."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return leaves
