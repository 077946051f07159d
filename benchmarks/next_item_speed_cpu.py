"""How fast histories are learnt from on one core: tacit beside RecBole's SASRec, of the same width, depth and loss.

    python benchmarks/next_item_speed_cpu.py --write       the table into docs/interactions.md

A target is one item of a training history that is predicted from those before it. Both learn by a softmax over all
items, with 2 layers of 64, from at most 50 items; time is the processor's, of whole optimiser steps. RecBole makes each
target a row of its own with its prefix, filled up to 50; its rows are put together here before the clock starts, in its
favour. It is measured where it is installed (`pip install recbole`), with its own settings.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tables import ROOT, markdown, put

from tacit.core import Progress
from tacit.engine.environment import environment
from tacit.engine.trainer import Trainer
from tacit.settings import build
from tacit.training import make_learner, open_data

WINDOW, ROWS, HELD = 50, 2048, 2
"""Items that are seen; RecBole's usual batch; items of each user that are held out."""
SETTINGS: dict[str, Any] = {
    "n_layers": 2, "n_heads": 2, "hidden_size": 64, "inner_size": 256, "hidden_dropout_prob": 0.5,
    "attn_dropout_prob": 0.5, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "initializer_range": 0.02,
    "loss_type": "CE", "USER_ID_FIELD": "user", "ITEM_ID_FIELD": "item", "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "length", "NEG_PREFIX": "neg_", "MAX_ITEM_LIST_LENGTH": WINDOW, "device": "cpu",
}  # fmt: skip
"""RecBole's own for this model."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = Path(os.environ.get("TACIT_DATA", ".")) / "interactions/s3rec/Beauty.txt"
    arguments.add_argument("--data", type=Path, default=home)
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    lines = [
        ours(given.data, given.steps, "softmax"),
        ours(given.data, given.steps, "sampled"),
        *theirs(given.data, max(2, given.steps // 5)),
    ]
    text = markdown([given.data.stem, "targets a second", "places computed a target"], lines)
    print(text)
    if given.write:
        put("next_item_speed_cpu", text, ROOT / "docs" / "interactions.md")


def ours(data: Path, steps: int, loss: str) -> list[str]:
    """tacit's recipe with `loss`."""
    settings = {"modality": {"name": "interactions"}, "method": {"name": "causal-prediction", "loss": loss}}
    config = build([{"data": str(data), **settings}])
    dataset, _ = open_data(config)
    samples = dataset.part("train")
    learner = make_learner(config, samples)
    with environment(config, "fp32") as (fabric, _):
        trainer = Trainer(fabric, learner, samples, config.kind.augment(config.modality), config)
        seconds = clocked(lambda step: trainer.step(Progress(step, 1_000)), steps)
    known = np.array([int(samples.view(torch.tensor([row])).valid.sum()) for row in range(0, len(samples), 7)]) - HELD
    seen = known.clip(max=WINDOW)
    targets = trainer.batch * float((seen - 1).mean())
    return [f"tacit, {loss}", f"{targets / seconds:,.0f}", f"{seen.sum() / (seen - 1).sum():.2f}"]


def theirs(data: Path, steps: int) -> list[list[str]]:
    """RecBole's model on rows of prefixes; nothing where it is not installed."""
    try:
        from recbole.model.sequential_recommender.sasrec import SASRec
    except ImportError as error:
        print(f"RecBole is not measured: {error}")
        return []
    users = [np.array(line.split()[1:], np.int64)[:-HELD] for line in data.read_text().splitlines()]
    prefixes = [(user, end) for user in users for end in range(1, len(user))]
    chosen = np.random.default_rng(0).permutation(len(prefixes))
    items = int(max(user.max() for user in users if len(user))) + 1

    class Items:
        def num(self, _: str) -> int:
            return items

    model = SASRec(SETTINGS, Items())
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    batches = [
        batch([prefixes[row] for row in chosen[start * ROWS : (start + 1) * ROWS]]) for start in range(steps + 1)
    ]

    def step(number: int) -> None:
        optimiser.zero_grad()
        model.calculate_loss(batches[number]).backward()
        optimiser.step()

    seconds = clocked(step, steps, first=1)
    return [["RecBole's SASRec, softmax", f"{ROWS / seconds:,.0f}", f"{WINDOW:.2f}"]]


def batch(rows: list[tuple[np.ndarray, int]]) -> dict[str, torch.Tensor]:
    """Prefixes with the item that follows each."""
    lists, lengths = np.zeros((len(rows), WINDOW), np.int64), []
    for line, (user, end) in zip(lists, rows, strict=True):
        seen = user[max(0, end - WINDOW) : end]
        line[: len(seen)] = seen
        lengths.append(len(seen))
    wanted = torch.tensor([int(user[end]) for user, end in rows])
    return {"item_list": torch.from_numpy(lists), "length": torch.tensor(lengths), "item": wanted}


def clocked(step: Callable[[int], object], steps: int, first: int = 3) -> float:
    """Seconds of processor time a step, after some that are not counted."""
    for number in range(first):
        step(number)
    started = time.process_time()
    for number in range(first, first + steps):
        step(number)
    return (time.process_time() - started) / steps


if __name__ == "__main__":
    main()
