"""All contests by name."""

from contests import (
    checkpoint,
    epoch_convnet,
    epoch_resnet18,
    jpeg_decode,
    jpeg_epochs,
    knn,
    knn_votes,
    logistic,
    multi_crop,
    nt_xent,
    nt_xent_65536,
    penalties,
    views_32,
    views_224,
)
from contests.contest import Contest

CONTESTS: dict[str, Contest] = {
    page.CONTEST.name: page.CONTEST
    for page in (
        nt_xent,
        nt_xent_65536,
        epoch_convnet,
        epoch_resnet18,
        knn,
        knn_votes,
        logistic,
        penalties,
        views_32,
        views_224,
        multi_crop,
        jpeg_decode,
        jpeg_epochs,
        checkpoint,
    )
}
"""In the order of the table."""
