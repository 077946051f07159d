"""What the modules of commands share."""

from __future__ import annotations

from collections.abc import Callable

from cyclopts import Parameter

Commands = tuple[tuple[Callable[..., None], str], ...]
"""Commands with the examples at the end of their help."""
Switch = Parameter(negative="", show_default=False)
"""An option that is given or not."""
