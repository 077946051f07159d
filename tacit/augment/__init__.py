"""Views of batches: vectorised, on the batch's device, with a stream of random numbers a sample."""
