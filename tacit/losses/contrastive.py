"""Contrastive losses: find the positive among negatives by a softmax over similarities."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.losses.crowd import STEEPEST, crowd, crowd_within


def nt_xent(z: Tensor, temperature: float, *, decoupled: bool = False, hardness: float | None = None) -> Tensor:
    """NT-Xent (Chen et al. 2020, arXiv 2002.05709, eq. 1), for two views or more.

    Each of the V B embeddings looks for the other views of *the same sample* among all embeddings but itself. With
    more than two views each other view is the positive in turn, and the losses are averaged (Khosla et al. 2020,
    arXiv 2004.11362, eq. 2).

    Args:
        z: `[V, B, D]`, V >= 2 views of B samples; need not be normalised.
        temperature: divides the cosine similarities.
        decoupled: whether a sample's own views are left out of what it is told from: a positive then pulls as hard
            near its goal as far from it (Yeh et al. 2022, arXiv 2110.06848, eq. 6).
        hardness: where given, samples whose views are unlike pull more: a positive's weight is 2 less B times its
            share of all, a softmax of the cosines divided by `hardness` (DCLW, eq. 7).

    Returns:
        `[B]`, the mean over a sample's views; where all similarities are equal ln(V B - 1), or ln(V (B - 1)) if
        decoupled, which has no lower bound of 0.
    """
    # with the root of 1 / T in each vector, products are similarities divided by T
    vectors = _unit(z) / math.sqrt(temperature)
    positive = _near(vectors)
    if hardness is not None:
        share = (positive.detach() * (temperature / hardness)).softmax(dim=1)
        positive = (2 - z.shape[1] * share) * positive
    heard = _other_samples(vectors) if decoupled else _all_others(vectors.flatten(0, 1), temperature)
    return (heard.view_as(positive) - positive).mean(dim=0)


def global_contrast(z: Tensor, temperature: float, before: Tensor, known: Tensor, pace: float) -> tuple[Tensor, Tensor]:
    """The global contrastive objective (SogCLR, Yuan et al. 2022, arXiv 2202.12387, eq. 3 and algorithm 1).

    How loud a sample's crowd is, g, is averaged over the steps that saw it, as u; a crowd counts by its share g / u,
    so that small batches have the gradient of a crowd of the whole set. Of views that are equally loud and a u that is
    this batch's g it is `nt_xent`, decoupled.

    Args:
        z: `[V, B, D]`, V >= 2 views of B >= 2 samples; need not be normalised.
        temperature: divides the cosine similarities.
        before: `[B]`, log u of each sample, the mean of exp(similarity / temperature) over others so far.
        known: boolean `[B]`, where there is such a mean.
        pace: the share of this batch in u, gamma; 1 forgets all others.

    Returns:
        `[B]`, log u, by the number of others in the batch, less the similarity of views: its gradient is the paper's.
        And log u as it is now, `[B]`, detached.
    """
    vectors = _unit(z) / math.sqrt(temperature)
    positive = _near(vectors)
    others = math.log(len(z) * (z.shape[1] - 1))
    heard = _other_samples(vectors).view_as(positive) - others
    found = heard.detach().logsumexp(dim=0) - math.log(len(z))
    past = before.to(found) + math.log1p(-pace) if pace < 1 else found.new_full((), -torch.inf)
    now = torch.where(known, torch.logaddexp(past, found + math.log(pace)), found)
    share = (heard - now).exp()
    return (now + others + share - share.detach() - positive).mean(dim=0), now


def sup_con(z: Tensor, temperature: float, label: Tensor) -> Tensor:
    """SupCon (Khosla et al. 2020, arXiv 2004.11362, eq. 2, their L_out).

    Each of the V B embeddings looks for those of *its class* among all embeddings but itself: each other one of the
    class is the positive in turn, and the losses are averaged. The authors' code multiplies them by temperature / .07.

    Args:
        z: `[V, B, D]`, V >= 2 views of B samples; need not be normalised.
        temperature: divides the cosine similarities.
        label: long `[B]`, the class of each sample; one with -1 is a class of its own, so that its positives are its
            own other views alone, as in `nt_xent`.

    Returns:
        `[B]`, the mean over a sample's views; ln(V B - 1) where all similarities are equal, and no less than
        ln(V n - 1) in a class of n samples.
    """
    vectors = _unit(z) / math.sqrt(temperature)
    alone = -1 - torch.arange(len(label), device=label.device)
    _, place, count = torch.unique(label.where(label >= 0, alone), return_inverse=True, return_counts=True)
    # bags, rather than rows added where they belong, so that a GPU gives the same bits each time
    whole = F.embedding_bag(place.argsort(stable=True), vectors.sum(dim=0), count.cumsum(0) - count, mode="sum")
    others = (F.embedding(place, whole) - vectors) / (len(z) * count[place] - 1)[:, None]
    positive: Tensor = (vectors * others).sum(dim=-1)  # the mean over all others of the class
    return (_all_others(vectors.flatten(0, 1), temperature).view_as(positive) - positive).mean(dim=0)


def info_nce(
    query: Tensor,
    key: Tensor,
    negatives: Tensor,
    temperature: float,
    own: Tensor | None = None,
    owners: Tensor | None = None,
) -> Tensor:
    """InfoNCE with explicit negatives (van den Oord et al. 2018, eq. 4; He et al. 2020, arXiv 1911.05722, eq. 1).

    The B x K similarities are never held (`tacit.losses.crowd`).

    Args:
        query: `[B, D]`, need not be normalised.
        key: `[B, D]`, the positive of each query.
        negatives: `[K, D]`, shared by all queries.
        temperature: divides the cosine similarities.
        own: long `[B]`, whose each query is; with `owners`, or neither.
        owners: long `[K]`, whose each negative is: a query's own are no true ones and do not count.

    Returns:
        `[B]`; ln(K + 1) where all similarities are equal.
    """
    query, key, negatives = map(_unit, (query, key, negatives))
    query = query / temperature
    # log(exp(crowd) + exp(positive)) - positive
    return F.softplus(crowd(query, negatives, own, owners) - (query * key).sum(dim=1))


def paired_nce(first: Tensor, second: Tensor, temperature: float, group: Tensor) -> Tensor:
    """NT-Xent of two views (`nt_xent`) in which samples of one group do not repel each other.

    The 2 B x 2 B similarities are never held (`tacit.losses.crowd`).

    Args:
        first: `[B, D]`, need not be normalised.
        second: `[B, D]`, the positive of each of `first`, and the other way round.
        temperature: divides the cosine similarities.
        group: long `[B]`, of each sample; equal ones are no negatives of each other.

    Returns:
        `[B]`; ln(1 + 2 K) where all similarities are equal, for a sample to which K others are not alike.
    """
    vectors = _unit(torch.stack([first, second])) / math.sqrt(temperature)
    flat, whose = vectors.flatten(0, 1), group.repeat(2)
    crowds = crowd(flat, flat, whose, whose).view(2, -1)
    return F.softplus(crowds - (vectors[0] * vectors[1]).sum(dim=1)).mean(dim=0)


def mixed_nce(mixed: Tensor, keys: Tensor, partner: Tensor, share: Tensor, temperature: float) -> Tensor:
    """The mix-up contrast (Wickstrøm et al. 2022, arXiv 2203.09270, eq. 2): cross-entropy with two right answers.

    The paper counts each key twice, once as a first and once as a second part, which adds ln 2.

    Args:
        mixed: `[B, D]`, embeddings of the mixtures; need not be normalised.
        keys: `[B, D]`, those of what is in them: mixture i is of i and of `partner[i]`.
        partner: long `[B]`.
        share: `[B]`, of i in mixture i.
        temperature: divides the cosine similarities.

    Returns:
        `[B]`; ln B where all similarities are equal.
    """
    likely = (F.normalize(mixed, dim=1) @ F.normalize(keys, dim=1).T / temperature).log_softmax(dim=1)
    return -share * likely.diagonal() - (1 - share) * likely.gather(1, partner[:, None])[:, 0]


def _near(vectors: Tensor) -> Tensor:
    """The mean of the products of each of the vectors `[V, B, D]` with its sample's other views: `[V, B]`."""
    others = (vectors.sum(dim=0) - vectors) / (len(vectors) - 1)
    return (vectors * others).sum(dim=-1)


def _other_samples(vectors: Tensor) -> Tensor:
    """What each of the vectors `[V, B, D]` hears of all but its own sample's: `[V B]`."""
    flat, sample = vectors.flatten(0, 1), torch.arange(vectors.shape[1], device=vectors.device).repeat(len(vectors))
    return crowd(flat, flat, sample, sample)


def _all_others(vectors: Tensor, temperature: float) -> Tensor:
    """What each of the vectors `[N, D]`, of length 1 / root T, hears of all but itself: `[N]`."""
    if temperature * STEEPEST >= 1:
        return crowd_within(vectors)
    number = torch.arange(len(vectors), device=vectors.device)
    return crowd(vectors, vectors, number, number)


def _unit(x: Tensor) -> Tensor:
    """Vectors `[..., D]` of length one, in float32 at least."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1)
