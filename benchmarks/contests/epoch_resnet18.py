"""An epoch with a ResNet-18, whose layers take nearly all of the time."""

from contests.epoch import contest

CONTEST = contest(
    __name__,
    "epoch-resnet18",
    "ResNet-18",
    "resnet18",
    {"side": 32, "images": 256, "batch": 64},
    {"side": 32, "images": 32, "batch": 16},
)
