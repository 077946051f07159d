"""An epoch with a ResNet-18, whose layers take nearly all of the time."""

from contests.epoch import contest

CONTEST = contest(
    __name__,
    "ResNet-18",
    "resnet18",
    {"images": 256, "batch": 64},
    {"images": 32, "batch": 16},
)
