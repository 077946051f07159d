"""Texts spoilt, for a network to mend: ids `[B, L]` in, ids in which something is missing or moved out.

What is left stands side by side at the left, with places that do not tell what is missing.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from tacit.core import Draws, View
from tacit.view import MASK, packed

INFILLED, SPAN = 0.3, 3.0
"""The share of tokens that infilling hides, and the mean length of what one mask stands for (BART, section 2.2)."""
DELETED = 0.6
"""The share of tokens that deletion takes away (Wang et al. 2021, arXiv 2104.06979, table 5)."""


def infilled(view: View, draws: Draws) -> View:
    """Runs of Poisson(3) tokens, 30 % of all, are replaced by one mask each; runs of none put a mask between tokens.

    Lewis et al. 2020, arXiv 1910.13461, section 2.2. The runs are as many as it takes to hide 30 %, the last one cut
    to fit, and lie at random among the tokens that are kept.
    """
    view = packed(view)
    count = _valid(view).sum(dim=1)
    hidden = (INFILLED * count).round().long().clamp_min(1)
    drawn = draws.uniform(shape=(2 * view.x.shape[1], 2), ragged=True)
    lengths = _poisson(drawn[:, : view.x.shape[1], 0].contiguous())
    total = lengths.cumsum(dim=1).clamp_max(hidden[:, None])
    short = total.roll(1, dims=1)
    short[:, 0] = 0
    used = short < hidden[:, None]  # runs until enough is hidden
    lengths, runs = (total - short) * used, used.sum(dim=1)
    kept = count - lengths.sum(dim=1)
    slots = torch.arange(int((kept + runs).max()) if len(kept) else 1, device=view.x.device)
    left = slots < (kept + runs)[:, None]
    score = drawn[:, : len(slots), 1].masked_fill(~left, 2.0)
    mask = score.argsort(dim=1).argsort(dim=1) < runs[:, None]
    passed = mask.long().cumsum(dim=1)  # runs up to each slot
    gone = torch.cat([torch.zeros_like(total[:, :1]), lengths.cumsum(dim=1)], dim=1).gather(1, passed)
    origin = (slots - passed + gone).clamp(0, view.x.shape[1] - 1)
    ids = view.x.gather(1, origin).masked_fill(mask, MASK)
    return packed(replace(view, x=ids, valid=left))


def deleted(view: View, draws: Draws) -> View:
    """60 % of the tokens are taken away, and nothing says where; one stays at least (TSDAE, section 3)."""
    valid = _valid(view)
    kept = (valid.sum(dim=1) * (1 - DELETED)).round().long().clamp_min(1)
    score = draws.uniform(shape=valid.shape[1:], ragged=True).masked_fill(~valid, 2.0)
    stays = (score.argsort(dim=1).argsort(dim=1) < kept[:, None]) & valid
    return packed(replace(view, valid=stays))


def permuted(view: View, draws: Draws) -> View:
    """The sentences of each text in another order (BART, section 2.2); `View.stops` says where they end."""
    valid = _valid(view)
    stop = torch.isin(view.x, torch.tensor(view.stops, dtype=torch.long, device=view.x.device)) & valid
    sentence = stop.long().cumsum(dim=1) - stop.long()
    score = draws.uniform(shape=valid.shape[1:], ragged=True).gather(1, sentence).masked_fill(~valid, 2.0)
    order = score.argsort(dim=1, stable=True)
    return packed(replace(view, x=view.x.gather(1, order), valid=valid.gather(1, order)))


def _valid(view: View) -> Tensor:
    return torch.ones_like(view.x, dtype=torch.bool) if view.valid is None else view.valid


def _poisson(drawn: Tensor) -> Tensor:
    """Numbers from [0, 1) as long ones of the Poisson distribution of mean `SPAN`, by inversion."""
    steps = torch.arange(20, dtype=torch.float64)
    share = (steps * torch.tensor(SPAN, dtype=torch.float64).log() - SPAN - (steps + 1).lgamma()).exp().cumsum(0)
    return torch.bucketize(drawn, share.float().to(drawn.device), right=True).clamp_max(len(steps) - 1)
