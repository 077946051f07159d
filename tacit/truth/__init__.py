"""What is known about the samples of a set, in the form that a head reads: one builder a task."""

from collections.abc import Callable, Mapping

from torch import Tensor

from tacit.data.dataset import Dataset
from tacit.heads.head import Targets
from tacit.truth.boxes import boxes
from tacit.truth.labels import numbers, one_class, several_labels
from tacit.truth.masks import masks
from tacit.truth.tags import tags
from tacit.truth.transcripts import transcripts
from tacit.truth.translations import translations

Truth = Callable[[Dataset, float], tuple[Targets, Tensor]]
"""Set -> the truth about all its samples, in the order of `Dataset.everything`, and boolean `[N]`: where it is known.

Raises `DataError` where the set says nothing of the kind, or where more than the given fraction of what was drawn on
its samples cannot be used. What is returned for samples without truth is not read.
"""


def _listed(labels: Callable[[Dataset], tuple[Targets, Tensor]]) -> Truth:
    """Of labels, which stand in the list of samples: none of them is unreadable alone."""
    return lambda dataset, max_bad: labels(dataset)


TRUTH: Mapping[str, Truth] = {
    "classify": _listed(one_class),
    "multilabel": _listed(several_labels),
    "regress": _listed(numbers),
    "detect": boxes,
    "segment": masks,
    "tag": tags,
    "recognise": transcripts,
    "translate": translations,
}
"""Task -> builder; the same names as in `heads.HEADS`."""
