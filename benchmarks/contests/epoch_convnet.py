"""An epoch with the network that tacit takes for small images, of which views are the larger part elsewhere."""

from contests.epoch import contest

CONTEST = contest(
    __name__,
    "epoch-convnet",
    "tacit's convnet",
    "convnet",
    {"side": 32, "images": 2048, "batch": 256},
    {"side": 32, "images": 64, "batch": 16},
)
