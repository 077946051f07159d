"""The harness: what it says of two runs, when it says no ratio, and a whole duel in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_contest
from contests import CONTESTS
from contests.contest import DisagreementError
from harness import Duel, duel
from speed import main, merged, table

SPEED = Path(__file__).parent.parent.parent / "benchmarks" / "speed.py"


def run(*seconds, memory=100.0):
    return {"wall": [2 * each for each in seconds], "cpu": list(seconds), "memory": memory, "before": 300.0}


def a_duel(ours, theirs, contest="knn", other="other 1.0"):
    return Duel(contest, "a task", ("tacit 0", other), (ours, theirs), "all 0", (0.5, 0.7), 1)


def test_ratios_are_of_the_least_seconds_and_of_the_most_memory():
    duel = a_duel([run(1.0, 1.2), run(1.1, 1.3)], [run(3.0, 3.1, memory=500.0), run(3.2, 3.3, memory=450.0)])
    assert duel.seconds(0, "wall") == (2.0, 2.3)
    assert duel.ratio("cpu") == pytest.approx(3.0)
    assert duel.spared() == pytest.approx(5.0)


@pytest.mark.parametrize("side", [0, 1])
def test_no_ratio_is_said_where_two_runs_of_a_side_are_a_quarter_apart(side):
    steady, shaken = [run(1.0), run(1.24)], [run(1.0), run(1.26)]
    assert a_duel(steady, steady).ratio("cpu") == 1.0
    duel = a_duel(*((shaken, steady), (steady, shaken))[side])
    assert duel.ratio("cpu") is None
    assert table([duel.as_json()]).splitlines()[-1].endswith("| 100 |  |  | 1 |")


def test_memory_that_is_unknown_or_nothing_is_compared_with_nothing():
    unknown, nothing, some = ([run(1.0, memory=memory)] * 2 for memory in (None, 0.0, 50.0))
    assert a_duel(some, unknown).spared() is None
    assert a_duel(nothing, some).spared() is None
    assert a_duel(some, nothing).spared() == 0.0
    assert "|  |  |" in table([a_duel(unknown, unknown).as_json()])


def test_a_new_duel_takes_the_place_of_the_older_one_whatever_its_version():
    steady = [run(1.0)] * 2
    old, kept = a_duel(steady, steady).as_json(), a_duel(steady, steady, other="another 3").as_json()
    new = a_duel(steady, steady, other="other 2.0").as_json()
    first = a_duel(steady, steady, contest="nt-xent").as_json()
    assert merged([old, kept], [new, first]) == [first, new, kept]


def test_a_duel_is_measured_in_processes_of_its_own_and_only_where_both_agree(monkeypatch):
    """A loop over a list of 300,000 numbers takes longer than NumPy, and holds 8 bytes a place and more."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    loop, mistake = toy_contest.CONTEST.others
    found = duel(toy_contest.CONTEST, loop, "tiny", 1)
    assert found.title == "the sum of 300,000 ones"
    assert found.agreement == "sum 0e+00"
    assert [len(run["cpu"]) for runs in found.runs for run in runs] == [2, 2, 2, 2]
    assert found.seconds(0, "cpu") < found.seconds(1, "cpu")
    assert found.memory(1) > 2.4
    with pytest.raises(DisagreementError, match=r"sum is .* apart"):
        duel(toy_contest.CONTEST, mistake, "tiny", 1)


def test_a_side_that_fails_says_why(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    with pytest.raises(RuntimeError, match="tacit failed in the contest toy") as failed:
        duel(toy_contest.CONTEST, toy_contest.CONTEST.others[0], "full", 1)
    assert "KeyError: 'full'" in str(failed.value)


def test_the_program_measures_and_shows_a_table(monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    monkeypatch.setitem(CONTESTS, "toy", toy_contest.CONTEST)
    monkeypatch.setattr(sys, "argv", ["speed.py", "toy", "--size", "tiny"])
    main()
    shown = capsys.readouterr().out
    assert "they do not agree, so that their times say nothing: sum is" in shown
    assert "toy: tacit and a loop, load average" in shown
    assert "they agree: sum 0e+00" in shown
    assert "| the sum of 300,000 ones: tacit" in shown


def test_a_contest_that_is_none_is_refused_with_those_that_are():
    done = subprocess.run([sys.executable, SPEED, "nt-xnet"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        "no contest is called nt-xnet; there are nt-xent, nt-xent-65536, epoch-convnet, epoch-resnet18" in done.stderr
    )


def test_the_kept_results_are_those_of_the_documents_table():
    results = json.loads((SPEED.parent / "results.json").read_text())
    page = (SPEED.parent.parent / "docs" / "performance.md").read_text()
    assert table(results) in page
