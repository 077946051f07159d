"""Which way is better."""

from __future__ import annotations

LESS_IS_BETTER = frozenset(("bits per byte", "WER", "CER", "MSE", "MAE"))
"""Metrics that count what is wrong or left to be told, whatever is said behind a comma."""


def sign(metric: str) -> int:
    """1 where more of `metric` is better, else -1."""
    return -1 if metric.split(",")[0] in LESS_IS_BETTER else 1
