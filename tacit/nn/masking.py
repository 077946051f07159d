"""Which tokens are hidden, and what stands in their place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Draws, Tokens


def hidden(valid: Tensor, share: float, span: int, draws: Draws) -> Tensor:
    """Boolean `[B, L]`: a `share` of each sample's valid tokens, at least one, in runs of `span`.

    Runs may overlap, as in wav2vec 2.0 (Baevski et al. 2020), and then hide a little less.
    """
    score = draws.uniform(shape=valid.shape[1:]).masked_fill(~valid, 2.0)
    starts = (share * valid.sum(dim=1) / span).ceil().clamp_min(1)
    start = (score.argsort(dim=1).argsort(dim=1) < starts[:, None]) & valid
    if span == 1:
        return start
    run = F.max_pool1d(F.pad(start.float(), (span - 1, 0))[:, None], span, stride=1)[:, 0]
    return (run > 0) & valid


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
