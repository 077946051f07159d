"""Tables whose cells hold the samples' bytes: which column is what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tacit.data.listing import printable
from tacit.data.table import EXTRA_COLUMNS, PATH_COLUMNS, near_misses
from tacit.errors import DataError, nearest


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are."""

    samples: str
    """The column of bytes; one of structs is read at its member `bytes`."""
    nested: bool
    """Whether it holds structs of `bytes` and `path`, as Hugging Face writes them."""
    name: str | None
    """The column of names; None where rows have none of their own."""
    extras: Mapping[str, str]
    """`label`, `split`, `group`, `fold` -> their columns, where they exist."""
    classes: tuple[str, ...] | None
    """Names of the labels' numbers, where the table brings them."""
    notes: tuple[str, ...]

    @property
    def named_by(self) -> str | None:
        """The column that names the rows: one of texts, or the structs with their paths."""
        return self.name or (self.samples if self.nested else None)

    @property
    def light(self) -> list[str]:
        """The paths of the columns that are read when the set is opened."""
        names = [self.name] if self.name else [f"{self.samples}.path"] if self.nested else []
        return [*names, *self.extras.values()]

    @property
    def heavy(self) -> str:
        """The path of the samples' bytes."""
        return f"{self.samples}.bytes" if self.nested else self.samples

    def misfit(self, schema: Any) -> str | None:
        """Why a shard with this Arrow schema cannot be read by these columns, or None."""
        needed = [name for name in (self.samples, self.name, *self.extras.values()) if name]
        missing = [name for name in needed if name not in schema.names]
        if missing:
            return f"it lacks the column {printable(missing[0])} of the first file"
        if not is_bytes(schema.field(self.samples).type) and not self.nested:
            return f"its column {printable(self.samples)} is of type {schema.field(self.samples).type}"
        return None


def choose(title: str, schema: Any, wanted: str | None, features: Mapping[str, Any] | None = None) -> Columns:
    """What the columns of an Arrow `schema` are.

    Samples are in the column `wanted`, or in the only one that holds bytes, or Hugging Face's structs of bytes and
    path. `label`, `split`, `group`, `fold` and a name among those of a list of files are known by name; a column of
    class labels by its type, where it is the only one. `features` describe the columns as Hugging Face does.

    Raises:
        DataError: there is no column of bytes, or more than one.
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(
            f"{title} has more than one column {printable(twice[0])!r}: give every column a name of its own"
        )
    stored = features if features is not None else _features(schema)
    samples = _samples(title, schema, wanted)
    names = [name for name in schema.names if name != samples]
    typed = [name for name in names if _class_names(stored.get(name)) is not None]
    extras = {extra: extra for extra in EXTRA_COLUMNS if extra in names}
    notes = near_misses(title, names)
    if "label" not in extras and len(typed) == 1:
        extras["label"] = typed[0]
        notes = [note for note in notes if repr(typed[0]) not in note]
    elif "label" not in extras and typed:
        notes.append(f"{title}: columns {', '.join(typed)} all hold labels; rename the one that is meant to 'label'")
    return Columns(
        samples=samples,
        nested=is_struct(schema.field(samples).type),
        name=next((name for name in PATH_COLUMNS if name in names and _is_text(schema.field(name).type)), None),
        extras=extras,
        classes=_class_names(stored.get(extras.get("label", ""))),
        notes=tuple(notes),
    )


def _samples(title: str, schema: Any, wanted: str | None) -> str:
    have = [str(field.name) for field in schema if is_bytes(field.type) or is_struct(field.type)]
    all_names = ", ".join(f"{printable(field.name)} ({field.type})" for field in schema) or "none"
    if wanted is not None:
        if wanted not in have:
            hint = nearest(wanted, have) if have else "none holds bytes"
            raise DataError(f"{title} has no column of bytes {printable(wanted)!r}; {hint}. Its columns: {all_names}")
        return wanted
    if not have:
        raise DataError(
            f"{title} has no column of bytes; its columns are {all_names}. Samples are read from a binary column with "
            "the contents of files, or from Hugging Face's struct of bytes and path"
        )
    if len(have) > 1:
        raise DataError(
            f"{title} has {len(have)} columns of bytes: {', '.join(map(printable, have))}. Name the one to read behind "
            f"a #, as in '{title}#{printable(have[0])}'"
        )
    return have[0]


def is_bytes(kind: Any) -> bool:
    """Whether an Arrow type is one of bytes."""
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def is_struct(kind: Any) -> bool:
    """Whether it is Hugging Face's struct of bytes and path."""
    import pyarrow.types as types

    return bool(types.is_struct(kind)) and kind.get_field_index("bytes") >= 0 and is_bytes(kind.field("bytes").type)


def _features(schema: Any) -> Mapping[str, Any]:
    """What Hugging Face wrote into a schema about its columns; nothing where it did not, or where that is damaged."""
    try:
        return dict(json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"])
    except (LookupError, ValueError, TypeError):
        return {}


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """The classes of a column of class labels; None where it is none."""
    if not isinstance(feature, Mapping) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    return tuple(map(str, names)) if isinstance(names, list) and names else None
