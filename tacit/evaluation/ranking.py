"""How good rankings of documents are, query by query. Q queries, k ranks."""

from __future__ import annotations

import torch
from torch import Tensor


def ndcg(gains: Tensor, ideal: Tensor) -> Tensor:
    """nDCG of the documents at the first k ranks (Järvelin and Kekäläinen 2002, in the form of trec_eval): `[Q]`.

    `gains [Q, k]`: the relevance of what stands at each rank; `ideal [Q, k]`: the k largest there are for the query,
    in falling order, at least one above 0.
    """
    discount = torch.log2(torch.arange(2, gains.shape[1] + 2, dtype=torch.float64))
    return (gains.double() / discount).sum(1) / (ideal.double() / discount).sum(1)


def recall(gains: Tensor, relevant: Tensor) -> Tensor:
    """Share of the `relevant` documents of each query (long `[Q]`) among those with `gains [Q, k]`: `[Q]`."""
    return (gains > 0).double().sum(1) / relevant


def reciprocal_rank(gains: Tensor) -> Tensor:
    """One over the first rank with a relevant document, 0 where none of `gains [Q, k]` is: `[Q]`."""
    ranks = torch.arange(1, gains.shape[1] + 1, dtype=torch.float64)
    return ((gains > 0).double() / ranks).amax(1)
