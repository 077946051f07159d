"""An epoch with the network that tacit takes for small images, of which views are the larger part elsewhere."""

from contests.epoch import contest

CONTEST = contest(
    __name__,
    "tacit's convnet",
    "convnet",
    {"images": 2048, "batch": 256},
    {"images": 64, "batch": 16},
)
