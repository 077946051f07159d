"""Lists of items: for the users of a log, for a history at hand, and items that are like another one."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from tacit import console, interrupt
from tacit.console import say
from tacit.core import TokenEncoder
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, RunError, UsageError, nearest
from tacit.evaluation import mixing
from tacit.evaluation.chains import Chains, Floats, Longs, Scorer, without_seen
from tacit.evaluation.lists import blocks_of
from tacit.modalities.catalogue import facts_of
from tacit.modalities.histories import HistoryLayout, ids_of, numbers_of, pauses_of
from tacit.modalities.item_table import open_items
from tacit.ranker import grown, ranker
from tacit.view import FIRST_WORD

COLUMNS = ("user", "rank", "item", "score")
Listed = Sequence[tuple[str, float]]
"""Items and their scores, the best first."""


def recommend_to(
    encoder: TrainedEncoder,
    data: str,
    out: Path,
    *,
    k: int = 10,
    again: bool = False,
    mix: bool = False,
    max_bad: float = 0.01,
) -> int:
    """Write `k` items for each user of `data` to the `.csv` `out`, which appears whole or not at all; returns how many
    users have a list.

    Args:
        again: whether what a user took before may stand in a list.
        mix: whether the encoder's list is added to closed forms that are fitted to `data`, by weights that are learnt
            on each user's last item.

    Raises `UsageError` for an encoder that makes no lists, `DataError` where data cannot be read, `RunError` where
    `out` cannot be written.
    """
    own, names = ranker(encoder, "recommend"), _names(encoder, k)
    if out.suffix != ".csv" or out.is_dir():
        raise UsageError(f"--out {out}: lists are written as a table: name a file ending with .csv")
    with interrupt.listening():
        users, chains = _histories(encoder, data, max_bad)
        scorer: Scorer = mixing.hybrid(own, chains, filtered=not again) if mix else own
        partial = out.with_name(f".partial-{out.name}")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                for number, listed in _lists(scorer, chains, names, k, again=again):
                    writer.writerows(
                        (printable(users[number]), rank, item, f"{score:.4f}")
                        for rank, (item, score) in enumerate(listed, 1)
                    )
            partial.replace(out)
        except OSError as error:
            raise RunError(f"cannot write {out}: {error.strerror or error}") from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    return len(chains)


def recommend(encoder: TrainedEncoder, history: Sequence[str], *, k: int = 10, again: bool = False) -> Listed:
    """`k` items for somebody who took those of `history`, the oldest first. Unknown ones are said and passed over.

    Raises `UsageError` for an encoder that makes no lists, and `DataError` where it knows none of them.
    """
    own, names = ranker(encoder, "recommend"), _names(encoder, k)
    known = numbers_of(_layout(encoder).items)
    unknown = [name for name in history if name not in known]
    taken = np.array([known[name] - FIRST_WORD for name in history if name in known], np.int64)
    if not len(taken):
        raise DataError(
            f"the encoder knows none of {', '.join(map(printable, history)) or 'no items'}: {_like(unknown, known)}"
        )
    if unknown:
        say(f"note: unknown and passed over: {', '.join(map(printable, unknown))}")
    if _layout(encoder).pauses:
        say("note: the encoder also reads how long users paused, which this history does not say: it does without")
    return next(_lists(own, Chains.of([taken], len(names)), names, k, again=again))[1]


def similar(encoder: TrainedEncoder, item: str, *, k: int = 10) -> Listed:
    """The `k` items whose vectors have the largest cosines to that of `item`, about the mean of all.

    Raises `UsageError` for an encoder without vectors of items, and `DataError` for an unknown one.
    """
    names, network = _names(encoder, k), encoder.network
    known = numbers_of(_layout(encoder).items)
    if not isinstance(network, TokenEncoder) or network.table is None:
        raise UsageError(f"similar items are told by their vectors, which {encoder.spec.encoder['name']} does not have")
    if item not in known:
        raise DataError(f"the encoder does not know the item {printable(item)!r}: {_like([item], known)}")
    with torch.no_grad():
        table = network.table[FIRST_WORD:].float()
        unit = F.normalize(table - table.mean(dim=0), dim=1)
        place = known[item] - FIRST_WORD
        cosine = unit @ unit[place]
        cosine[place] = -torch.inf
        best, which = cosine.topk(min(k, len(names) - 1))
    return [(names[number], value) for number, value in zip(which.tolist(), best.tolist(), strict=True)]


def with_items(encoder: TrainedEncoder, path: str) -> TrainedEncoder:
    """The encoder with the items that the table at `path` describes and that it does not know yet.

    Raises `UsageError` for an encoder that knows items by their names alone, `DataError` for a table that cannot be
    read or has none of the columns that the encoder knows.
    """
    layout = _layout(encoder)
    if layout.catalogue is None:
        return grown(encoder, (), ())  # which says what is lacking
    table, columns = open_items(path), layout.catalogue.columns
    if not any(column.name in table.columns for column in columns):
        raise DataError(
            f"{path} has none of the columns by which the encoder knows items: "
            f"{', '.join(column.name for column in columns)}"
        )
    known = numbers_of(layout.items)
    names = [name for name in table.rows if name not in known]
    facts = facts_of(columns, table, names)
    told = [(name, fact) for name, fact in zip(names, facts, strict=True) if fact]
    say(f"note: {len(told):,} of {len(table.rows):,} items of {path} are new, and {len(names) - len(told):,} are left "
        "out, of which the table says nothing that the encoder knows")  # fmt: skip
    return grown(encoder, *zip(*told, strict=True)) if told else encoder


def _layout(encoder: TrainedEncoder) -> HistoryLayout:
    if not isinstance(encoder.layout, HistoryLayout):
        raise UsageError(f"recommend takes an encoder of users, and this one reads {encoder.modality.unit}")
    return encoder.layout


def _names(encoder: TrainedEncoder, k: int) -> list[str]:
    if k < 1:
        raise UsageError(f"--k {k}: give 1 or more")
    return _layout(encoder).items.split("\n")


def _like(unknown: Sequence[str], known: dict[str, int]) -> str:
    hint = nearest(unknown[0], list(known)).partition("Valid")[0].strip() if unknown and len(known) < 100_000 else ""
    return hint or "items are written as in the log that it was trained on"


def _histories(encoder: TrainedEncoder, data: str, max_bad: float) -> tuple[list[str], Chains]:
    """Names and histories of the users of whom the encoder knows an item. Raises `DataError` where there are none."""
    layout, dataset = _layout(encoder), encoder.open(data, max_bad=max_bad)
    whole = dataset.everything()
    users, taken, pauses = [], [], []
    for name, row in zip(whole.names, whole.source_rows.tolist(), strict=True):
        interrupt.check()
        ids = ids_of(dataset.raw(row), layout)
        if len(ids):
            users.append(name)
            taken.append(ids - FIRST_WORD)
            pauses.append(pauses_of(dataset.raw(row), layout))
    if not users:
        raise DataError(f"the encoder knows none of the items of {printable(data)}: was it trained on another log?")
    if len(users) < len(whole):
        say(f"note: {len(whole) - len(users):,} of {len(whole):,} users took nothing that the encoder knows: no list")
    return users, Chains.of(taken, layout.count, pauses)


def _lists(
    scorer: Scorer, chains: Chains, names: Sequence[str], k: int, *, again: bool
) -> Iterator[tuple[int, Listed]]:
    """(number of the user, list), for all users."""
    with console.progress("recommending", len(chains)) as tick:
        for rows in blocks_of(np.arange(len(chains)), chains.count):
            some = chains.select(rows)
            scores = scorer(some)
            scores = scores if again else without_seen(scores, some)
            for number, best in zip(rows.tolist(), _best(scores, k), strict=True):
                own = scores[number - int(rows[0])]
                yield number, [(names[item], float(own[item])) for item in best.tolist() if np.isfinite(own[item])]
            tick(int(rows[-1]) + 1)


def _best(scores: Floats, k: int) -> Longs:
    """`[U, k]`, the items with the highest of `scores [U, N]`."""
    k = min(k, scores.shape[1])
    some = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    best: Longs = np.take_along_axis(some, order, axis=1)
    return best
