"""A contest that needs nothing but NumPy: the sum of ones, and a side that is wrong about it."""

import numpy as np
from contests.contest import Contest, Side, near


def summed(size):
    ones = np.ones(size["count"])
    return lambda: {"sum": ones.sum()}


def counted(size):
    ones = np.ones(size["count"])
    return lambda: {"sum": np.array(sum(ones.tolist()))}


def mistaken(size):
    return lambda: {"sum": np.array(0.0)}


CONTEST = Contest(
    __name__,
    "toy",
    "the sum of {count:,} ones",
    Side("tacit", "tacit", summed),
    (Side("a loop", "numpy", counted), Side("a mistake", "numpy", mistaken)),
    {"tiny": {"count": 300_000}},
    lambda ours, theirs: near("sum", ours, theirs, 1e-9),
    rounds=2,
)
