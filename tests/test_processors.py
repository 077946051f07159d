"""How many processors a process may use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tacit.processors import allotted, bound, limit


@pytest.mark.parametrize(
    ("told", "processors"),
    [("200000 100000\n", 2), ("150000 100000", 2), ("5000 100000", 1), ("max 100000", None), ("", None), ("1 0", None)],
)
def test_a_container_s_limit_of_cgroup_2(told: str, processors: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(told)
    assert limit(tmp_path) == processors


@pytest.mark.parametrize(("quota", "processors"), [("400000\n", 4), ("-1\n", None)])
def test_a_container_s_limit_of_cgroup_1(quota: str, processors: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert limit(tmp_path) == processors


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert limit(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not bind processes to processors")
def test_a_process_that_is_bound_to_one_processor_is_told_so() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from tacit.processors import allotted; print(allotted())"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "1\n"
    assert 1 <= allotted() <= bound() <= (os.cpu_count() or 1)
