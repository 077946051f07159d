"""Encoders and models at work: vectors, predictions, and which samples to label next."""
