"""What glibc keeps, in processes of their own."""

import platform
import subprocess
import sys

import pytest

from tacit import heap

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

SCRIPT = """
import resource, torch
from tacit import heap

{before}
base = most = heap._resident()
kept = []
for _ in range(20):
    torch.ones(2**26, dtype=torch.uint8)
    kept.append(torch.ones(1000))  # a block in use behind each that is free
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    torch.ones(2**26, dtype=torch.uint8)
    most = max(most, heap._resident())
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
import time; time.sleep(2 * heap.EVERY)
print(faults, most - base, heap._resident() - base)
"""


def figures(before: str) -> tuple[int, int, int]:
    """Page faults of a hundred blocks of 64 MB, the most that was held meanwhile, and what is held behind them."""
    told = subprocess.run([sys.executable, "-c", SCRIPT.format(before=before)], capture_output=True, check=True)
    faults, most, left = map(int, told.stdout.split())
    return faults, most, left


def test_what_is_freed_is_had_again_without_new_pages():
    usual, _, _ = figures("")
    if not usual:
        pytest.skip("this system counts no page faults")
    faults, _, _ = figures("heap.hold()")
    assert faults < usual
    assert faults < 100 * 2**26 / 4096 / 10


def test_what_lies_idle_is_given_back():
    _, most, left = figures(f"heap.hold({2**27})")
    assert left < 2**25 + 2**26
    assert most < 2**31


@pytest.mark.parametrize(("name", "said", "fewer"), [("memory.max", "max", False), ("memory.max", "4096", True)])
def test_a_container_may_have_less_than_its_machine(tmp_path, name, said, fewer):
    whole = heap._memory(tmp_path)
    assert 2**28 < whole < 2**50
    (tmp_path / name).write_text(said)
    assert heap._memory(tmp_path) == (4096 if fewer else whole)
