"""Training in several processes, as users start it."""

import json
import os
import signal
import subprocess
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
    return [sys.executable, "-m", "tacit", "train", "digits", "--devices", "2", "--out", str(out), *words, *SMALL]


def weights(run):
    return load_file(run / "encoder" / "model.safetensors")


def helpers_of(pid):
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def steps_done(run):
    lines = (run / "metrics.jsonl").read_text().splitlines() if (run / "metrics.jsonl").exists() else []
    return json.loads(lines[-1])["step"] if lines else -1


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_dies_ends_the_run_with_its_name_and_the_run_goes_on_to_the_same_bits(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = ("--steps", "12", "--set", "log_every=1")
    subprocess.run(command(whole, *steps), check=True, capture_output=True)
    run = subprocess.Popen(command(broken, *steps), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while steps_done(broken) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    (helper,) = helpers_of(run.pid)
    os.kill(helper, signal.SIGKILL)
    _, said = run.communicate(timeout=100)
    assert run.returncode == 1
    assert "process 2 of 2 was ended by SIGKILL" in said.splitlines()[-1]
    assert "--resume" in said
    assert 3 <= steps_done(broken) < 12
    resumed = subprocess.run([*command(broken, *steps), "--resume"], check=True, capture_output=True, text=True)
    assert "resumed at step" in resumed.stderr
    before, after = weights(whole), weights(broken)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_what_cannot_be_shared_is_refused(capsys, tmp_path):
    with pytest.raises(UsageError, match="batch 10 cannot be shared by 3 devices in equal parts: 9 can"):
        build([{"data": "digits", "batch": 10, "devices": 3}])
    assert cli.run(["train", "digits", "--method", "patches", "--devices", "2", "--out", str(tmp_path / "p")]) == 2
    assert "patches is computed by one process: leave out --devices" in capsys.readouterr().err
