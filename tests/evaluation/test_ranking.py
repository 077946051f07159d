import math

import pytest
import pytrec_eval
import torch

from tacit.evaluation.ranking import ndcg, recall, reciprocal_rank


def test_the_value_on_paper():
    """Gains 3, 0, 2 at the first ranks, of documents with 3, 2, 1."""
    gains, ideal = torch.tensor([[3.0, 0, 2]]), torch.tensor([[3.0, 2, 1]])
    best = 3 + 2 / math.log2(3) + 1 / 2
    assert float(ndcg(gains, ideal)) == pytest.approx((3 + 2 / 2) / best)
    assert float(recall(gains, torch.tensor([3]))) == pytest.approx(2 / 3)
    assert reciprocal_rank(torch.tensor([[0.0, 0, 1], [0, 0, 0]])).tolist() == pytest.approx([1 / 3, 0])


def test_as_the_field_counts_it():
    """Against trec_eval, on rankings without ties."""
    generator = torch.Generator().manual_seed(0)
    relevance = torch.randint(0, 4, (8, 30), generator=generator) * (torch.rand(8, 30, generator=generator) < 0.3)
    relevance[:, 0] = 1
    scores = torch.rand(8, 30, generator=generator)
    judged = {f"{q}": {f"{d}": int(v) for d, v in enumerate(row)} for q, row in enumerate(relevance.tolist())}
    run = {f"{q}": {f"{d}": v for d, v in enumerate(row)} for q, row in enumerate(scores.tolist())}
    theirs = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.10", "recip_rank"}).evaluate(run)
    gains = relevance.gather(1, scores.argsort(dim=1, descending=True)).float()
    ideal = relevance.sort(dim=1, descending=True).values[:, :10]
    ours = ndcg(gains[:, :10], ideal), recall(gains[:, :10], (relevance > 0).sum(1)), reciprocal_rank(gains)
    for values, name in zip(ours, ("ndcg_cut_10", "recall_10", "recip_rank"), strict=True):
        assert values.tolist() == pytest.approx([theirs[f"{q}"][name] for q in range(8)])
