"""SIGINT and SIGTERM set a flag; every loop that can last a second reads it with `check`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tacit.errors import Interrupted

_received: list[int] = []


def requested() -> int | None:
    """The number of the signal that asked the process to stop, or None."""
    return _received[0] if _received else None


def check() -> None:
    """Raise `Interrupted` where a signal has asked the process to stop."""
    if _received:
        raise Interrupted(_received[0])


@contextmanager
def listening() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into the flag inside the block; a second signal ends the process the ordinary way.

    Outside the main thread, where Python cannot install handlers, the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def receive(number: int, frame: FrameType | None) -> None:
        _received.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()
