"""Two views of large images, half of them blurred."""

from contests.views import contest

CONTEST = contest(
    __name__,
    "views-224",
    "two views of {images:,} images of {side} px",
    {"side": 224, "images": 192, "crop": 8, "blur": 1, "small": 0},
    {"side": 56, "images": 64, "crop": 8, "blur": 1, "small": 0},
)
