"""Some of the tokens of a batch of ids `[B, L]`: what is said of each goes along with it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from tacit.core import View


def kept(view: View, left: Tensor) -> View:
    """The same places, of which all but those that are `left`, boolean `[B, L]`, are padding."""
    pauses = None if view.pauses is None else view.pauses * left
    return replace(view, x=view.x * left, valid=left, pauses=pauses)


def picked(view: View, place: Tensor, left: Tensor) -> View:
    """What stands at `place`, long `[B, L']`, of each sample; all but those that are `left`, boolean `[B, L']`, are
    padding."""
    where = place if view.where is None else view.where.gather(1, place)
    return kept(replace(ordered(view, place), where=where), left)


def ordered(view: View, place: Tensor) -> View:
    """Ids from `place`, long `[B, L']`, of each sample, where others stood."""
    pauses = None if view.pauses is None else view.pauses.gather(1, place)
    return replace(view, x=view.x.gather(1, place), pauses=pauses)


def run(view: View, start: Tensor, length: Tensor) -> View:
    """`length [B]` tokens of each sample, one behind the other, from the place `start [B]` on.

    Tokens stand at the left, padding behind them; the view is no longer than the longest, and than one.
    """
    step = torch.arange(max(1, int(length.max())) if len(length) else 1, device=view.x.device)
    place = (start[:, None] + step).clamp_max(view.x.shape[1] - 1)
    return picked(view, place, step < length[:, None])
