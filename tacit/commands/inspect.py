"""Look before training: `tacit inspect`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tacit.commands.kinds import Commands


def inspect(
    data: str,
    *,
    method: str | None = None,
    encoder: str | None = None,
    picture: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    json_: Annotated[bool, Parameter(name="--json", negative="", show_default=False)] = False,
) -> None:
    """Look before training: counts, classes, sizes, unreadable files, duplicates, leaks, cost; and advice.

    Reads and packs the data as training would, and tries the method for a few seconds.

    Parameters
    ----------
    data
        As for `tacit train`.
    method
        The method whose time and memory are estimated; the usual one for these data where none is named.
    encoder
        Its encoder: convnet, resnet18, or any model of timm by name.
    picture
        A .png or .jpg file for a contact sheet: random samples of each class, as they are packed.
    set_
        Any setting of the run, such as modality.size=160; may be repeated.
    json_
        Print everything as JSON instead of the text.
    """
    from tacit import settings, training
    from tacit.looking import inspecting
    from tacit.report import sheet
    from tacit.report.inspection import text

    if picture is not None:
        sheet.check(picture)
    layers: list[dict[str, Any]] = [{"data": data}, *([{"method": {"name": method}}] if method else [])]
    layers += [{"encoder": training.encoder_named(encoder)}] if encoder else []
    seen, dataset = inspecting.inspect([*layers, settings.assign(set_)])
    if json_:
        sys.stdout.write(json.dumps(seen.to_json(), indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(text(seen, min(120, shutil.get_terminal_size((100, 24)).columns)))
    if picture is not None:
        inspecting.draw(dataset, picture)
        sys.stderr.write(f"written: {picture}\n")


COMMANDS: Commands = (
    (
        inspect,
        """Examples:
  tacit inspect photos
  tacit inspect photos --picture sheet.png
  tacit inspect scans.zip --method moco --encoder resnet18 --set modality.size=160
  tacit inspect cifar10 --json > cifar10.json""",
    ),
)
