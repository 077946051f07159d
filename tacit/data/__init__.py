"""Opening a set of samples, whatever holds it: sources, the packed cache, splits."""
