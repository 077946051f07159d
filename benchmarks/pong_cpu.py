"""Pong and Boxing on a CPU: what a linear probe tells of the game's memory, after learning from random play.

    python benchmarks/pong_cpu.py                       20,000 random steps a game, ST-DIM, then the judgement
    python benchmarks/pong_cpu.py --games Pong --steps 300 --set modality.frames=1 --set optimiser.lr=1e-3
    python benchmarks/pong_cpu.py --write               the table of what was measured into docs/trajectories.md

Needs pip install 'tacit[atari]'. Protocol: gymnasium's v5 games (4 frames a step, actions repeated with chance .25),
grey frames at 84 pixels; learning without labels from four fifths of the episodes by the default recipe unless --set
says otherwise, the last step's encoder; probes, floors and intervals are those of `tacit evaluate --task state`.
Folders that are there already are not made again. AtariARI (Anand et al. 2019) plays 100,000 steps, reads single frames
at 160 x 210, and weights classes by how often they are true, so its figures stand beside `mean weighted F1` and by
another protocol.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tables import ROOT, cell, markdown, numbers, put, tacit

GAMES = ("Pong", "Boxing")
ROWS = ("untrained", "raw values", "PCA", "majority")
METRICS = ("mean F1", "mean weighted F1")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--games", default=",".join(GAMES))
    arguments.add_argument("--method", default="st-dim")
    arguments.add_argument("--play", type=int, default=20_000, help="steps of random play")
    arguments.add_argument("--steps", type=int, default=2_000, help="optimiser steps")
    arguments.add_argument("--set", action="append", default=[], help="a setting of the training, as of tacit train")
    arguments.add_argument("--runs", type=Path, default=Path("runs/pong_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    found = {name: measured(name, given) for name in given.games.split(",")}
    text = table(given.method, found)
    print(text)
    for name, evaluation in found.items():
        print(f"{name}: {evaluation['verdict']['sentence']}")
    if given.write:
        put("pong_cpu", text, ROOT / "docs" / "trajectories.md")


def measured(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """The evaluation of one game, made where it is not there yet."""
    recipe = "-".join((given.method, str(given.steps), *given.set))
    data, run = given.runs / f"{name}-{given.play}", given.runs / f"{name}-{given.play}-{recipe}"
    if not data.is_dir():
        played = ("--pixels", 84, "--steps", given.play, "--out", data)
        print(f"played in {tacit('collect', f'ALE/{name}-v5', *played)} s")
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ("--method", given.method, "--steps", given.steps, "--out", run)
        more = [word for setting in given.set for word in ("--set", setting)]
        print(f"trained in {tacit('train', data, *words, *more)} s")
    if not (run / "state.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data, '--task', 'state')} s")
    evaluation: dict[str, Any] = json.loads((run / "state.json").read_text())
    return evaluation


def table(method: str, found: dict[str, dict[str, Any]]) -> str:
    """Two lines a game: the encoder with its interval, and every floor without."""
    lines = []
    for name, evaluation in found.items():
        encoder = next(result["row"] for result in evaluation["results"] if result["kind"] == "encoder")
        for metric in METRICS:
            own = cell(numbers(evaluation, encoder)["state", metric])
            floors = [numbers(evaluation, row)["state", metric]["value"] for row in ROWS]
            lines.append([f"{name}, {metric}", own, *(f"{value:.3f}" for value in floors)])
    return markdown(["", method, *ROWS], lines)


if __name__ == "__main__":
    main()
