"""Codes that are learnt: one of V vectors in each of G groups, chosen by a softmax that can be differentiated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.ranks import summed


class GumbelCodes(nn.Module):
    """Product quantisation with the straight-through Gumbel softmax (Jang et al. 2016, arXiv 1611.01144).

    As in wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477, section 2): p = softmax((l + n) / T), n = -log(-log u).
    """

    def __init__(self, width: int, groups: int, codes: int, out: int) -> None:
        """`out`: width of what all groups give together, a multiple of `groups`."""
        super().__init__()
        self.groups, self.codes = groups, codes
        self.logits = nn.Linear(width, groups * codes)
        self.vectors = nn.Parameter(torch.rand(groups, codes, out // groups) - 0.5)
        nn.init.normal_(self.logits.weight, std=1.0 / width**0.5)
        nn.init.zeros_(self.logits.bias)

    def forward(self, x: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """`x [M, D]` -> the chosen vectors `[M, out]`, and how likely each code is, `[M, G, V]`.

        In training noise chooses along, and gradients flow through the softmax; else the likeliest code is taken.
        """
        logits = self.logits(x).view(-1, self.groups, self.codes).float()
        if self.training:
            chosen = F.gumbel_softmax(logits, temperature, hard=True, dim=2)
        else:
            chosen = F.one_hot(logits.argmax(dim=2), self.codes).float()
        return torch.einsum("mgv,gvd->mgd", chosen, self.vectors).flatten(1), logits.softmax(dim=2)


def diversity(probabilities: Tensor) -> Tensor:
    """The share of all codes that is not in use: (G V - sum of perplexities) / (G V), a scalar (eq. 4 there).

    0 where all V codes of each group are used alike in the batch of `probabilities [M, G, V]`.
    """
    tokens = summed(probabilities.new_tensor(float(len(probabilities))))
    used = torch.special.entr(summed(probabilities.sum(dim=0)) / tokens).sum(dim=1).exp()
    unused: Tensor = 1 - used.sum() / (probabilities.shape[1] * probabilities.shape[2])
    return unused
