"""What is known about the samples of a set, in the form that a head reads: one builder a task."""

from collections.abc import Callable, Mapping

from torch import Tensor

from tacit.data.dataset import Dataset
from tacit.heads.head import Targets
from tacit.truth.boxes import boxes
from tacit.truth.labels import numbers, one_class, several_labels
from tacit.truth.masks import masks

Truth = Callable[[Dataset], tuple[Targets, Tensor]]
"""Set -> the truth about all its samples, in the order of `Dataset.everything`, and boolean `[N]`: where it is known.

Raises `DataError` where the set says nothing of the kind. What is returned for samples without truth is not read.
"""

TRUTH: Mapping[str, Truth] = {
    "classify": one_class,
    "multilabel": several_labels,
    "regress": numbers,
    "detect": boxes,
    "segment": masks,
}
"""Task -> builder; the same names as in `heads.HEADS`."""
