"""What each trick is worth: one change each to what the speedrun does; `docs/log.md` has what they gave."""

from __future__ import annotations

ABLATIONS: dict[str, dict[str, str]] = {
    "as it is": {},
    "two full views": {"full": "2", "small": "0", "early": "0"},
    "no small crops alone at first": {"early": "0"},
    "full views alone at last": {"late": "0.2"},
    "AdamW": {"optimiser": "adamw"},
    "lr .02": {"lr": "0.02"},
    "lr .1": {"lr": "0.1"},
    "every other view the positive in turn": {"loss": "pairs"},
    "temperature .1": {"temperature": "0.1"},
    "temperature .3": {"temperature": "0.3"},
    "strength .4": {"strength": "0.4"},
    "eight small crops of half as many images": {"small": "8", "batch": "512"},
    "batch 512": {"batch": "512"},
    "batch 2048": {"batch": "2048"},
    "maximum of four cells": {"shrink": "max"},
    "mean of four cells": {"shrink": "mean"},
    "first layer with a stride": {"stride": "2"},
    "width 64": {"width": "64"},
    "width 192": {"width": "192"},
    "head of three layers": {"layers": "3"},
    "compiled": {"compile": "true"},
    "no graphs": {"graphs": "false"},
    "ResNet-18": {"net": "resnet18"},
}
