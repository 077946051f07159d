"""Values that are missing: which are hidden to be asked for, and what stands between those that are not.

Series of C channels stand one behind the other, T steps in all; a value that is missing is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tacit.evaluation.forecasting import ridge

RUN = 3
"""Mean length of a run of hidden values, in steps."""


def hidden(known: Tensor, share: float, *, run: float = RUN, seed: int = 0) -> Tensor:
    """Boolean `[T, C]`: about a `share` of the values that are `known [T, C]`, in runs of time, channel by channel.

    Lengths of runs are geometric with the mean `run`, and so are those of what is left between them (Zerveas et al.
    2021, arXiv 2010.02803, section 4.2). `share` is at most run / (run + 1).
    """
    generator = np.random.default_rng(seed)
    steps, channels = known.shape
    found = np.zeros((steps, channels), bool)
    for channel in range(channels):
        first = int(generator.random() >= share)  # whether what is left comes first
        lengths = np.empty(2 * (steps // 2 + 1), np.int64)
        lengths[first::2] = generator.geometric(1 / run, len(lengths) // 2)
        lengths[1 - first :: 2] = generator.geometric(share / (run * (1 - share)), len(lengths) // 2)
        found[:, channel] = np.searchsorted(lengths.cumsum(), np.arange(steps), side="right") % 2 == first
    return torch.from_numpy(found) & known


def line(values: Tensor, ends: Sequence[int]) -> Tensor:
    """`values [T, C]` with straight lines drawn through what is missing, and the nearest value before the first and
    behind the last; 0, the mean, where a series has none. `ends`: where each series ends."""
    found, begin = values.clone(), 0
    for end in ends:
        for channel in range(values.shape[1]):
            own = values[begin:end, channel].numpy()
            known = np.flatnonzero(~np.isnan(own))
            told = np.interp(np.arange(len(own)), known, own[known]) if len(known) else np.zeros(len(own))
            found[begin:end, channel] = torch.from_numpy(told).float()
        begin = end
    return found


def around(values: Tensor, begins: Tensor, ends: Tensor, reach: int) -> Tensor:
    """The values up to `reach` steps before and behind each, of its own series and channel: `[T, C, 2 reach + 1]`.

    Those beyond an end are the last ones there. `begins`, `ends [T]`: of the series of each step.
    """
    at = torch.arange(len(values))[:, None] + torch.arange(-reach, reach + 1)
    inside = torch.minimum(torch.maximum(at, begins[:, None]), ends[:, None] - 1)
    return values[inside].transpose(1, 2)


def answers(features: Tensor, targets: Tensor, train: Tensor, val: Tensor) -> Tensor:
    """What a ridge regression on `features [n, D]` says instead of `targets [n]`, `[n]`; fitted to the rows `train`,
    its penalty chosen on the rows `val`, both long."""
    behind = torch.cat([targets.new_zeros(1), targets])[:, None]
    told, _ = ridge(features, behind, train, val, 1)
    return torch.cat([told(rows)[:, 0, 0] for rows in torch.split(torch.arange(len(targets)), 4096)])
