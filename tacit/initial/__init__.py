"""Weights to start from, and how far a run has moved from them."""
