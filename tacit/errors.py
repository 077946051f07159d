"""What can go wrong, as the user meets it: one class per exit code, and messages that say what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TacitError(ValueError):
    """A failure that is explained to the user: what was given, what was expected, what to do."""

    exit_code = 1


class RunError(TacitError):
    """The run itself failed: a full disk, a damaged checkpoint, a loss that is no number."""

    exit_code = 1


class UsageError(TacitError):
    """The command or a setting is wrong."""

    exit_code = 2


class DataError(TacitError):
    """The data cannot be used as they are."""

    exit_code = 3


class GateError(TacitError):
    """A quality gate was missed (`--fail-under`)."""

    exit_code = 4


class Interrupted(TacitError):  # noqa: N818 - nothing went wrong
    """SIGINT (exit code 130) or SIGTERM (143) arrived; what was done so far is saved."""

    def __init__(self, signal_number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Unreadable(Exception):  # noqa: N818 - a verdict on one sample, not a failure of the run
    """One sample cannot be read; its text is the reason. The sample is skipped and listed."""


_SPENT = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")


def out_of_memory(error: BaseException) -> bool:
    """Whether a failure is that a device, or the machine, has no memory left; torch says so in words alone on a CPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _SPENT)
    )


def nearest(name: str, valid: Iterable[str]) -> str:
    """A phrase that names the valid choices, the closest one first: `did you mean 'moco'? Valid: ...`."""
    choices = sorted(valid)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Valid: {', '.join(choices)}"
