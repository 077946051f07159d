"""The engine: one loop for every method and every kind of data, resumable to the bit."""
