"""What is like what: indexes of vectors, answers to queries, duplicates."""
