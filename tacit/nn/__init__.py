"""Building blocks shared by methods, and the encoders."""
