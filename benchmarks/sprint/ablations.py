"""What each trick is worth: one change each to what the speedrun does."""

from __future__ import annotations

ABLATIONS: dict[str, dict[str, str]] = {
    "as it is": {},
    "two full views": {"full": "2", "small": "0"},
    "AdamW": {"optimiser": "adamw"},
    "pairs": {"loss": "pairs"},
    "small crops alone at first": {"early": "0.7"},
    "full views alone at last": {"late": "0.2"},
    "lr .05": {"lr": "0.05"},
    "batch 512": {"batch": "512"},
    "T .1": {"temperature": "0.1"},
    "small 8": {"small": "8", "batch": "512"},
    "width 64": {"width": "64"},
    "stride 2": {"stride": "2"},
}
