"""What `speedrun.py` runs: a network, an optimiser and a loop for one GPU and small images."""
