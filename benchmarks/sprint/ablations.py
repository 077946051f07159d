"""What each trick is worth: one change each to what the speedrun does."""

from __future__ import annotations

ABLATIONS: dict[str, dict[str, str]] = {
    "as it is": {},
    "early .85": {"early": "0.85"},
    "lr .1": {"lr": "0.1"},
    "T .15": {"temperature": "0.15"},
    "T .3": {"temperature": "0.3"},
    "small crop .2": {"small_crop": "0.2"},
    "wide head": {"hidden": "2048", "out": "256"},
    "deep head": {"layers": "3"},
    "batch 2048": {"batch": "2048"},
    "width 192": {"width": "192"},
    "strength .5": {"strength": "0.5"},
    "small 8": {"small": "8", "batch": "512"},
    "compile": {"compile": "true"},
    "ResNet-18": {"net": "resnet18"},
    "small 6": {"small": "6"},
    "two at last": {"late": "0.1"},
}
