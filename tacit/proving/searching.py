"""Does an encoder find what answers a query? Queries, documents and judgements: `--task search`.

Q queries, D documents; N distinct samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.core import Raw, Terms
from tacit.data.judged import Judged, open_judged
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.bench import Kind
from tacit.evaluation.ranking import ndcg, recall, reciprocal_rank
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.evaluation.retrieval import centred, nearest
from tacit.proving.outcome import Proof
from tacit.proving.rows import Material, rows_of

TASK = "search"
NDCG, MRR = "nDCG@10", "MRR@10"
RANKS = (10, 100)
"""Where recall is read."""
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Library:
    """Queries and documents by their places among the N samples that can be read."""

    queries: Tensor
    """Long `[Q]`."""
    documents: Tensor
    """Long `[D]`."""
    gains: Mapping[int, Mapping[int, float]]
    """Query -> document -> relevance, above 0."""

    @property
    def ideal(self) -> Tensor:
        """`[Q, 10]`, the largest relevances of each query, in falling order."""
        found = torch.zeros(len(self.queries), RANKS[0])
        for query, gains in self.gains.items():
            best = sorted(gains.values(), reverse=True)[: RANKS[0]]
            found[query, : len(best)] = torch.tensor(best)
        return found

    @property
    def relevant(self) -> Tensor:
        """Long `[Q]`, how many documents are relevant to each query."""
        return torch.tensor([len(self.gains[query]) for query in range(len(self.queries))])


def search(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by what it finds for the queries in the folder `data` (see `judged.open_judged`).

    Documents are ranked by the cosine of features centred on the documents' mean, as by `tacit search`. nDCG@10, which
    decides, MRR@10, and recall, as means over queries; intervals resample queries. A document that is the query itself
    is passed over, as in BEIR. Raises `DataError` where nothing can be judged.
    """
    modality = encoder.modality
    with interrupt.listening():
        judged = open_judged(data, modality.suffixes, modality.records)
        material = Material.of(encoder, judged.source, max_bad=max_bad)
        library = _library(judged, material)
        weights = sample_weights(len(library.queries), seed=seed)
        facts = _protocol(judged, library, seed)
        measured = [one for row in _ranked(material, library) for one in _measured(row, library, weights, facts)]
        dataset = replace(material.dataset, protocol=f"judgements {facts['judgements_sha256'][:16]}", parts={})
        words = f"{len(library.queries):,} queries to {len(library.documents):,} {modality.unit}"
        return Proof(compare(TASK, measured, {NDCG: words}, seed=seed), dataset, encoder, TASK)


def _library(judged: Judged, material: Material) -> Library:
    """What can be read of it. Says what is left out; raises `DataError` where nothing is left."""
    kept = material.kept()
    place = np.full(len(judged.source), -1, np.int64)
    place[kept] = np.arange(len(kept))
    ends = judged.queries[judged.query], judged.documents[judged.document]
    there = (place[ends[0]] >= 0) & (place[ends[1]] >= 0) & (ends[0] != ends[1])
    asked = np.unique(judged.query[there])
    found = np.flatnonzero(place[judged.documents] >= 0)
    number = {int(query): at for at, query in enumerate(asked)}
    where = {int(document): at for at, document in enumerate(found)}
    gains: dict[int, dict[int, float]] = {at: {} for at in range(len(asked))}
    for row in np.flatnonzero(there):
        query, document = int(judged.query[row]), int(judged.document[row])
        gains[number[query]][where[document]] = float(judged.relevance[row])
    for count, why in (
        (judged.unanswered, "queries have no relevant document: they are passed over"),
        (len(judged.lost), f"rows are passed over, such as {printable(next(iter(judged.lost), ''))}"),
        (len(judged.queries) - len(asked), "queries have no answer but themselves that can be read: they are left out"),
    ):
        if count:
            say(f"note: {count:,} {why}")
    if len(asked) < 2 or len(found) < 2:
        raise DataError(
            f"{printable(judged.source.title)} has {len(asked)} queries with a relevant document among {len(found)} "
            "that can be read, and judging takes 2 of each at least, better hundreds"
        )
    rows = (judged.queries[asked], judged.documents[found])
    queries, documents = (torch.from_numpy(place[each]) for each in rows)
    return Library(queries, documents, gains)


def _protocol(judged: Judged, library: Library, seed: int) -> dict[str, Any]:
    content = repr([sorted(library.gains[query].items()) for query in range(len(library.queries))]).encode()
    return {
        "data": judged.source.title,
        "queries": len(library.queries),
        "documents": len(library.documents),
        "judgements": int(library.relevant.sum()),
        "judgements_sha256": hashlib.sha256(content).hexdigest(),
        "distance": "cosine, centred on the documents' mean",
        "ties": "the earlier document first",
        "the query itself": "passed over",
        "fitted": "floors and rivals to the documents, without judgements",
        "seed": seed,
    }


@dataclass(frozen=True, eq=False)
class Ranked:
    """What a row finds for all queries: long `[S, Q, k]`, documents, the best first, one list a seed; -1 for none."""

    row: str
    kind: Kind
    found: Tensor
    protocol: Mapping[str, Any]


def _ranked(material: Material, library: Library) -> Iterator[Ranked]:
    wanted = min(RANKS[-1] + 1, len(library.documents))  # one more, since the query itself may be among them
    for row in rows_of(material):
        found = []
        for seed in range(row.members):
            features = row.features(seed)
            documents = features[library.documents]
            mean = documents.mean(0)
            gallery = torch.split(centred(documents, mean), _BLOCK)
            asked = torch.split(centred(features[library.queries], mean), _BLOCK)
            found.append(torch.cat([nearest(gallery, some, wanted)[1] for some in asked]))
        yield Ranked(row.name, row.kind, _without_itself(torch.stack(found), library), row.protocol)
    raws = material.raws()
    texts = [raws[place] for place in library.documents.tolist()]
    questions = [raws[place] for place in library.queries.tolist()]
    for name, make in material.modality.terms.items():
        found = [_by_terms(make(texts), questions, texts, wanted)]
        yield Ranked(name, "raw", _without_itself(torch.stack(found), library), {"fitted_on": len(texts)})


def _by_terms(terms: Terms, questions: Sequence[Raw], texts: Sequence[Raw], wanted: int) -> Tensor:
    """Documents for each question, long `[Q, wanted]`, by the products of their weighted terms."""
    documents = terms.document(texts).T.tocsc()
    asked = (terms.query or terms.document)(questions)
    found = []
    for start in range(0, len(questions), 256):
        interrupt.check()
        scores = torch.from_numpy((asked[start : start + 256] @ documents).toarray().astype(np.float32))
        found.append(scores.sort(dim=1, descending=True, stable=True).indices[:, :wanted])
    return torch.cat(found)


def _without_itself(found: Tensor, library: Library) -> Tensor:
    """The same lists `[S, Q, k]` without a document that is the query itself, -1 at the end in its place."""
    itself = library.documents[found] == library.queries[:, None]
    return torch.where(itself, -1, found).gather(2, itself.int().argsort(dim=2, stable=True))


def _measured(row: Ranked, library: Library, weights: Tensor, protocol: Mapping[str, Any]) -> Iterator[Resampled]:
    """The means over queries of one row, and the same on resampled queries."""
    each: dict[str, list[Tensor]] = {}
    for lists in row.found:
        gains = torch.tensor(
            [[library.gains[query].get(one, 0.0) for one in some] for query, some in enumerate(lists.tolist())]
        )
        first = gains[:, : RANKS[0]]
        each.setdefault(NDCG, []).append(ndcg(first, library.ideal[:, : first.shape[1]]))
        each.setdefault(MRR, []).append(reciprocal_rank(first))
        for k in RANKS:
            each.setdefault(f"recall@{k}", []).append(recall(gains[:, :k], library.relevant))
    facts = {**protocol, **row.protocol}
    for metric, several in each.items():
        scores = torch.stack(several)
        yield Resampled(row.row, row.kind, metric, scores.mean(1), scores @ weights.T / scores.shape[1], facts)
