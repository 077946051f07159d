"""What each trick is worth: one change each to what the speedrun does."""

from __future__ import annotations

ABLATIONS: dict[str, dict[str, str]] = {
    "as it is": {},
    "stride": {"shrink": "stride"},
    "mean": {"shrink": "mean"},
    "small 8": {"small": "8", "batch": "512"},
    "stride, small 8": {"shrink": "stride", "small": "8", "batch": "512"},
}
