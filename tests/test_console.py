import os
import signal

import pytest

from tacit import console, interrupt
from tacit.errors import Interrupted


def test_where_stderr_is_no_terminal_a_line_every_half_minute_is_said(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with console.progress("working", 100) as tick:
        for done in range(1, 101):
            now = float(done)
            tick(done, "well")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "working: 30 %, well, 70 s left"


def test_a_signal_sets_a_flag_that_loops_read():
    before = signal.getsignal(signal.SIGTERM)
    with interrupt.listening():
        interrupt.check()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.requested() == signal.SIGTERM
        with pytest.raises(Interrupted) as stop:
            interrupt.check()
        assert stop.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert interrupt.requested() is None


@pytest.mark.parametrize(
    ("number", "units", "said"),
    [(1, "texts", "1 text"), (0, "texts", "0 texts"), (1200, "groups", "1,200 groups"), (1, "series", "1 series")],
)
def test_a_number_and_its_units_agree(number, units, said):
    assert console.counted(number, units) == said
