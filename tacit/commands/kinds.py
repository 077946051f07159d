"""What the modules of commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from cyclopts import Parameter

Commands = tuple[tuple[Callable[..., None], str], ...]
"""Commands with the examples at the end of their help."""
Switch = Parameter(negative="", show_default=False)
"""An option that is given or not."""


def flowing(docstring: str) -> str:
    """Each paragraph in one line, so that help fills the width of any terminal."""
    lines: list[str] = []
    described = False
    for line in inspect.cleandoc(docstring).splitlines():
        described = described or line == "Parameters"
        room = len(line) - len(line.lstrip())
        before = lines[-1] if lines else ""
        if line and before and room == len(before) - len(before.lstrip()) and (room or not described):
            lines[-1] += " " + line.lstrip()
        else:
            lines.append(line)
    return "\n".join(lines)
