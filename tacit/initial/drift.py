"""How far a run from weights has moved them: measured when it ends, told, and stored beside it."""

from __future__ import annotations

import json

from tacit.console import say
from tacit.core import Encoder
from tacit.data.dataset import Dataset
from tacit.encoder import TrainedEncoder
from tacit.engine.runfolder import RunFolder
from tacit.evaluation import drift
from tacit.evaluation.features import extract, watched_rows

COMPARED = 1024
"""Samples by which drift is measured, and half of those whose labels its nearest neighbours are asked for."""


def report_drift(
    before: Encoder, after: TrainedEncoder, dataset: Dataset, folder: RunFolder, *, by_class: bool = True
) -> None:
    """Say how far features moved on samples that were not learnt from, where there are any, and write `drift.json`.

    `by_class`: whether the labels are classes, so that nearest neighbours can be asked for them.
    """
    held_out = dataset.part("test" if "test" in dataset.parts else "train")
    test = held_out.select(watched_rows(held_out, COMPARED))
    if len(test) < 4:
        return
    networks = (before.to(after.device), after.network)
    features = [extract(network, test, device=after.device, title="drift") for network in networks]
    judged = None
    train = dataset.part("train")
    known = train.select((train.labels >= 0).nonzero().flatten())
    labelled = (test.labels >= 0).nonzero().flatten()
    if by_class and len(dataset.classes) > 1 and len(known) and len(labelled) and "test" in dataset.parts:
        shown_to = known.select(watched_rows(known, 2 * COMPARED))
        shown = [extract(network, shown_to, device=after.device, title="drift") for network in networks]
        pairs = [(known_features, asked[labelled]) for known_features, asked in zip(shown, features, strict=True)]
        judged = drift.skill(pairs[0], pairs[1], shown_to.labels, test.labels[labelled], len(dataset.classes))
    found = drift.Drift(**drift.compare(*features), samples=len(test), neighbours=drift.near(len(test)), skill=judged)
    folder.write(folder.path / "drift.json", json.dumps(found.to_json(), indent=1))
    say(found.in_words())
