"""CartPole from frames on a CPU: whether an encoder that learnt from random play learns to act in fewer steps.

    python benchmarks/cartpole_cpu.py                   all ways to start, 5 seeds: some 20 minutes of a core
    python benchmarks/cartpole_cpu.py --seeds 0,1       these seeds; others may run beside, in other processes
    python benchmarks/cartpole_cpu.py --write           the table of what was measured into docs/trajectories.md

Needs pip install 'tacit[rl]'. Protocol: CartPole-v1, grey frames at 40 pixels, 4 of them a moment, each action done
twice, so that a step is two of the environment's; returns count these. Each seed has its own 4,000 steps of random play
and its own st-dim on them, which count for nothing in the table. Double DQN plays 2,500 steps, the first 500 of them
by chance, with the same settings in every row. `steps to` is the first step by which the last 20 episodes have the mean
return of the target; a run that never has it counts as its whole length, so that such figures are too small, and the
table says how many got there. Interquartile means over seeds (Agarwal et al. 2021, arXiv 2108.13264) with intervals of
a bootstrap over seeds, which are too narrow for so few. Runs that are there already are not made again, those that were
stopped go on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap, trim_mean
from tables import ROOT, markdown, put

import tacit
from tacit.collecting.collect import Wish, collect

ENV, SIDE, REPEAT = "CartPole-v1", 40, 2
PLAYED, TRAINED, STEPS, BEGIN = 4_000, 300, 2_500, 500
TARGET, WINDOW = 50.0, 20
ENCODER = {"name": "nature", "width": 16, "out": 128}
DQN = {"begin": BEGIN, "lr": 1e-3, "explore": 0.3}
BESIDE = {"method": {"name": "st-dim"}}
ARMS: dict[str, tuple[bool, dict[str, Any], dict[str, Any]]] = {
    "from scratch": (False, {}, {}),
    "st-dim, learning on": (True, {}, {}),
    "st-dim, frozen": (True, {"detach": True}, {}),
    "random encoder, frozen": (False, {"detach": True}, {}),
    "from scratch, frames moved": (False, {"view": "weak"}, {}),
    "from scratch, st-dim beside": (False, {}, BESIDE),
    "from scratch, st-dim alone": (False, {"detach": True}, BESIDE),
}
"""Way to learn -> whether from pre-trained weights, settings of the learner, and of the run."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", default="0,1,2,3,4")
    arguments.add_argument("--runs", type=Path, default=Path("runs/cartpole_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    for seed in seeds:
        for arm in ARMS:
            played(arm, seed, given.runs)
    text = table(given.runs, seeds)
    print(text)
    if given.write:
        put("cartpole_cpu", text, ROOT / "docs" / "trajectories.md")


def place(arm: str, seed: int, runs: Path) -> Path:
    return runs / f"{arm.replace(', ', '-').replace(' ', '-')}-{seed}"


def played(arm: str, seed: int, runs: Path) -> None:
    """An agent that has learnt, made where it is not there yet."""
    folder, (pretrained, dqn, more) = place(arm, seed, runs), ARMS[arm]
    if (folder / "agent.json").is_file():
        return
    start = str(encoder(seed, runs)) if pretrained else None
    settings = {
        "pixels": SIDE,
        "repeat": REPEAT,
        "steps": STEPS,
        "seed": seed,
        "judged": 10,
        "dqn": {**DQN, **dqn},
        **more,
    }
    begun = (folder / "config.yaml").is_file()
    tacit.play(
        ENV,
        folder,
        init_from=start,
        settings=settings if pretrained else {**settings, "encoder": ENCODER},
        resume=begun,
    )
    print(f"{folder}: {json.loads((folder / 'agent.json').read_text())['agent']}", file=sys.stderr, flush=True)


def encoder(seed: int, runs: Path) -> Path:
    """An encoder that learnt from random play of this seed, made where it is not there yet."""
    data, run = runs / f"random-{seed}", runs / f"st-dim-{seed}"
    wish = Wish(ENV, steps=PLAYED, seed=1_000 + seed, pixels=SIDE, repeat=REPEAT)
    collect(wish, data, resume=data.is_dir())
    if not (run / "encoder" / "model.safetensors").is_file():
        settings = {"encoder": ENCODER, "batch": 64, "seed": seed, "budget": {"steps": TRAINED}}
        tacit.train(data, run, method="st-dim", settings=settings, resume=(run / "config.yaml").is_file())
    return run


def curve(folder: Path) -> list[tuple[int, float]]:
    """Steps done and return, episode by episode, of those that ended after the steps of chance."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["return"]) for line in lines if line["step"] > BEGIN]


def reached(found: Sequence[tuple[int, float]]) -> int | None:
    """The step by which the last episodes have the target's mean return; None where it never was."""
    returns = [value for _, value in found]
    for last in range(WINDOW, len(found) + 1):
        if sum(returns[last - WINDOW : last]) / WINDOW >= TARGET:
            return found[last - 1][0]
    return None


def iqm(values: Sequence[float], digits: int = 0) -> str:
    """The interquartile mean over seeds with its interval."""
    x = np.array(values, float)
    middle = float(trim_mean(x, 0.25))
    if len(x) < 2 or np.ptp(x) == 0:
        return f"{middle:,.{digits}f}"

    def statistic(sample: np.ndarray, axis: int) -> np.ndarray:
        return trim_mean(sample, 0.25, axis=axis)

    low, high = bootstrap((x,), statistic, method="percentile", rng=0).confidence_interval
    return f"{middle:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


@dataclass(frozen=True)
class Result:
    """What came of one run."""

    steps: int
    """Until the target; all there were where it never was reached."""
    reached: bool
    learning: float
    """Mean return of the episodes behind those of chance."""
    end: float


def result(arm: str, seed: int, runs: Path) -> Result | None:
    """None where the run has not ended."""
    folder = place(arm, seed, runs)
    if not (folder / "agent.json").is_file():
        return None
    found, judged = curve(folder), json.loads((folder / "agent.json").read_text())
    step = reached(found)
    mean = float(np.mean([value for _, value in found]))
    return Result(min(step or STEPS, STEPS), step is not None, mean, judged["agent"]["value"])


def table(runs: Path, seeds: Sequence[int]) -> str:
    """A line a way to start, of the runs that have ended, and the first two compared seed by seed."""
    results = {arm: {seed: result(arm, seed, runs) for seed in seeds} for arm in ARMS}
    lines = []
    for arm, by_seed in results.items():
        found = [each for each in by_seed.values() if each]
        if found:
            there = f"{sum(each.reached for each in found)} of {len(found)}"
            means = (iqm([each.learning for each in found]), iqm([each.end for each in found]))
            lines.append([arm, iqm([each.steps for each in found]), there, *means])
    header = ["encoder", f"steps to {TARGET:g}", "got there", "mean return while learning", "return at the end"]
    base, other = (results[arm] for arm in list(ARMS)[:2])
    both = [(other[seed], base[seed]) for seed in seeds]
    pairs = [(mine, theirs) for mine, theirs in both if mine and theirs]
    if not pairs:
        return markdown(header, lines)
    steps = iqm([mine.steps - theirs.steps for mine, theirs in pairs])
    learning, end = (
        iqm([getattr(mine, name) - getattr(theirs, name) for mine, theirs in pairs], 1) for name in ("learning", "end")
    )
    names = " less ".join(f"`{arm}`" for arm in reversed(list(ARMS)[:2]))
    said = f"{names}, seed by seed: {steps} steps, {learning} of return while learning, {end} at the end."
    return f"{markdown(header, lines)}\n{said}\n"


if __name__ == "__main__":
    main()
