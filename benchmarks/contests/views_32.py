"""Two views of small images."""

from contests.views import contest

CONTEST = contest(
    __name__,
    "views-32",
    "two views of {images:,} images of {side} px",
    {"side": 32, "images": 4_096, "crop": 20, "blur": 0, "small": 0},
    {"side": 16, "images": 64, "crop": 20, "blur": 0, "small": 0},
)
