"""Which tokens are hidden, and what stands in their place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Draws, Tokens


def hidden(valid: Tensor, share: float, span: int, draws: Draws, *, rows: int = 1, geometric: bool = False) -> Tensor:
    """Boolean `[B, L]`: a `share` of the valid tokens of each of a sample's `rows`, at least one, in runs of `span`.

    Runs may overlap, as in wav2vec 2.0 (Baevski et al. 2020), and then hide a little less. Where they are `geometric`,
    `span` is the mean of their lengths, and they lie apart.
    """
    each = valid.view(len(valid) * rows, -1)
    if geometric:
        numbers = draws.uniform(shape=(rows, each.shape[1] + 2)).view(len(each), -1)
        return _geometric(each, share, span, numbers).view_as(valid)
    score = draws.uniform(shape=valid.shape[1:]).view_as(each).masked_fill(~each, 2.0)
    starts = (share * each.sum(dim=1) / span).ceil().clamp_min(1)
    start = (score.argsort(dim=1).argsort(dim=1) < starts[:, None]) & each
    if span == 1:
        return start.view_as(valid)
    run = F.max_pool1d(F.pad(start.float(), (span - 1, 0))[:, None], span, stride=1)[:, 0]
    return ((run > 0) & each).view_as(valid)


def _geometric(valid: Tensor, share: float, mean: float, numbers: Tensor) -> Tensor:
    """Runs of geometric length, hidden and seen in turn (Zerveas et al. 2021, arXiv 2010.02803, section 3.3): `[N, L]`.

    Those that are hidden have the given `mean`, those that are seen `mean (1 - share) / share`, but no less than 1.
    `numbers [N, L + 2]` in [0, 1) say how long the runs are, whether the first one is hidden, and which token is where
    none would be.
    """
    lengths, first, lone = numbers[:, :-2], numbers[:, -2:-1] < share, numbers[:, -1:]
    odd = torch.arange(valid.shape[1], device=valid.device) % 2 == 1
    stop = 1 / torch.where(first ^ odd, mean, max(1.0, mean * (1 - share) / share))
    ends = (1 + (torch.log1p(-lengths) / torch.log1p(-stop)).floor()).cumsum(dim=1)
    place = valid.cumsum(dim=1) - 1  # what is no token lies in no run
    run = torch.searchsorted(ends, place.float(), right=True)
    hide: Tensor = (first ^ (run % 2 == 1)) & valid
    alone = (place == (lone * valid.sum(dim=1, keepdim=True)).long()) & valid
    return torch.where(hide.any(dim=1, keepdim=True), hide, alone)


def covered(tokens: Tokens, hide: Tensor, mask: Tensor, changed: float, kept: float, draws: Draws) -> Tokens:
    """The tokens with those in `hide [B, L]` replaced by the vector `mask [D]`.

    A share `changed` of them gets another token of the batch, a share `kept` stays: the 80/10/10 of BERT (Devlin et al.
    2019, arXiv 1810.04805, section 3.1), so that an encoder cannot tell by the mask where it has to know something.
    """
    fate = draws.uniform(shape=hide.shape[1:])
    x = torch.where((hide & (fate >= changed + kept))[..., None], mask.to(tokens.x.dtype), tokens.x)
    if changed:
        pool = tokens.x[tokens.valid]
        place = (draws.uniform(shape=hide.shape[1:]) * len(pool)).long().clamp_max(len(pool) - 1)
        swap = hide & (fate < changed)
        x = x.masked_scatter(swap[..., None], pool[place[swap]].to(x.dtype))
    return tokens.with_x(x)
