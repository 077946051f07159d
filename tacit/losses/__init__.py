"""Losses as pure functions of tensors, one value a sample."""
