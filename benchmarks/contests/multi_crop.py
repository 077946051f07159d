"""Two views of the whole and six small ones of each image, as SwAV and DINO take them."""

from contests.views import contest

CONTEST = contest(
    __name__,
    "multi-crop",
    "two views of {images:,} images of {side} px and {small} small ones",
    {"side": 224, "images": 96, "crop": 14, "blur": 1, "small": 6},
    {"side": 56, "images": 32, "crop": 14, "blur": 1, "small": 2},
)
