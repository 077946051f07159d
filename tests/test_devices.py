"""Training in several processes, as users start it."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tacit import cli
from tacit.errors import UsageError
from tacit.settings import build

SMALL = ("--set", "encoder.width=8", "--set", "checkpoint_seconds=0", "--set", "method.local=0", "--batch", "64")


def command(out, *words):
    return ["train", "digits", "--devices", "2", "--out", str(out), *words, *SMALL]


def weights(run):
    return load_file(run / "encoder" / "model.safetensors")


def helpers_of(pid):
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def steps_done(run):
    lines = (run / "metrics.jsonl").read_text().splitlines() if (run / "metrics.jsonl").exists() else []
    return json.loads(lines[-1])["step"] if lines else -1


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_dies_ends_the_run_with_its_name_and_the_run_goes_on_to_the_same_bits(tmp_path, programs):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = ("--steps", "12", "--set", "log_every=1")
    assert programs.start(command(whole, *steps), tmp_path / "said").wait() == 0
    run = programs.start(command(broken, *steps), tmp_path / "said")
    until = time.monotonic() + 120
    while steps_done(broken) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    (helper,) = helpers_of(run.pid)
    os.kill(helper, signal.SIGKILL)
    assert run.wait(100) == 1
    assert "process 2 of 2 was ended by SIGKILL" in run.err.splitlines()[-1]
    assert "--resume" in run.err
    assert 3 <= steps_done(broken) < 12
    resumed = programs.start([*command(broken, *steps), "--resume"], tmp_path / "said")
    assert resumed.wait() == 0, resumed.err
    assert "resumed at step" in resumed.err
    before, after = weights(whole), weights(broken)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_what_cannot_be_shared_is_refused(capsys, tmp_path):
    with pytest.raises(UsageError, match="batch 10 cannot be shared by 3 devices in equal parts: 9 can"):
        build([{"data": "digits", "batch": 10, "devices": 3}])
    with pytest.raises(UsageError, match="weights in parts are for several devices: give --devices 2"):
        build([{"data": "digits", "weights": "parts"}])
    assert cli.run(["train", "digits", "--method", "patches", "--devices", "2", "--out", str(tmp_path / "p")]) == 2
    assert "patches is computed by one process: leave out --devices" in capsys.readouterr().err
