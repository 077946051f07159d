"""Multinomial logistic regression with one penalty, to its minimum."""

from __future__ import annotations

from contests.penalties import contest

CONTEST = contest(__name__, "logistic", "logistic regression", (100.0,))
