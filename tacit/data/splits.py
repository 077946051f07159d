"""Which samples train and which ones test: decided once, by the source or by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacit.config import Config
from tacit.core import Layout, Modality
from tacit.data.cache import Packed, Tokens
from tacit.data.files import cache_errors, hold, write_atomic
from tacit.data.listing import PARTS, Longs, Source, printable
from tacit.errors import DataError

TEST_FRACTION = 0.2
_BLOCK = 65_536

_TRAIN, _VAL, _TEST = range(3)
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a packed set."""

    parts: Mapping[str, Longs]
    """`train`, `val`, `test` -> rows of the packed set; a part that does not exist is absent."""
    protocol: str
    """How it was made, in words; stored with every result."""
    notes: tuple[str, ...] = ()
    """What the user should know."""


def assign(source: Source, packed: Packed, *, seed: int) -> Split:
    """The parts of `packed`, as the source gives them, else a fifth for testing by hash.

    A source gives a split if it names samples for `val` or `test`. A given `val` stays apart, unless there is no
    `test`: then it is the test part. Else each sample goes where the hash of (its group or fold, or its raw contents)
    and `seed` puts it, so members of a group, identical samples and the pieces of one stay together, and no sample
    changes sides when others are added. That split is stored beside the packed set.

    Raises:
        DataError: a group lies in two given parts.
    """
    given: Codes = np.full(len(packed), -1, np.int8) if source.splits is None else source.splits[packed.kept]
    if (given > _TRAIN).any():
        return _as_given(source, packed, given)
    rows = np.flatnonzero(given == _TRAIN) if (given == _TRAIN).any() else np.arange(len(packed))
    test, protocol = _by_hash(source, packed, rows, seed)
    of_one = "all samples are identical" if packed.parts is None else "all pieces are of one sample or identical"
    column = source.together and source.together[0]
    return _split(rows, test, protocol, f"all samples are of one {column} or identical" if column else of_one)


def inside(packed: Packed, modality: Modality, layout: Layout, wanted: Config) -> Split:
    """The split of samples that are each divided within themselves: those of which enough is left train."""
    assert modality.within is not None
    blocks = np.split(np.arange(len(packed)), range(_BLOCK, len(packed), _BLOCK))
    enough = [modality.within(packed.rows.take(block), layout, wanted) for block in blocks]
    rows, unit = np.flatnonzero(np.concatenate(enough)), modality.unit
    parts = {"train": rows} if len(rows) else {}
    short = len(packed) - len(rows)
    notes = (f"{short:,} of {len(packed):,} {unit} have too little for training",) if short else ()
    return Split(parts, f"each of the {unit} divided by time: {_counts(parts)}", notes)


def _split(rows: Longs, test: npt.NDArray[np.bool_], protocol: str, of_one: str) -> Split:
    """`of_one`: why there is nothing to divide, where that is so."""
    parts = {name: rows[chosen] for name, chosen in (("train", ~test), ("test", test)) if chosen.any()}
    notes: tuple[str, ...] = ()
    if "test" not in parts:
        notes = (f"no test part: {of_one if len(rows) > 1 else 'there is one sample'}",)
    return Split(parts, f"{protocol}: {_counts(parts)}", notes)


def _as_given(source: Source, packed: Packed, given: Codes) -> Split:
    _refuse_shared_groups(source, packed, given)
    notes = []
    outside = int((given < 0).sum())
    if outside:
        notes.append(
            f"{outside:,} of {len(given):,} samples are in no part of the source's split and are left out of it"
        )
    protocol = "split as the source gives it"
    if not (given == _TEST).any():
        given = np.where(given == _VAL, np.int8(_TEST), given)
        protocol = "split as the source gives it, its val part serving as test"
    parts = {name: np.flatnonzero(given == code) for code, name in enumerate(PARTS) if (given == code).any()}
    notes += _shared_samples(source, packed, given)
    return Split(parts, f"{protocol}: {_counts(parts)}", tuple(notes))


def _counts(parts: Mapping[str, Longs]) -> str:
    return ", ".join(f"{name} {len(rows):,}" for name, rows in parts.items())


def _refuse_shared_groups(source: Source, packed: Packed, given: Codes) -> None:
    if source.groups is None or source.group_names is None:
        return
    groups = source.groups[packed.kept]
    placed = (given >= 0) & (groups >= 0)
    pairs = np.unique(np.stack([groups[placed], given[placed]]), axis=1)
    shared = np.unique(pairs[0, 1:][np.diff(pairs[0]) == 0])
    if len(shared):
        named = ", ".join(repr(printable(source.group_names[int(group)])) for group in shared[:5])
        named += ", ..." if len(shared) > 5 else ""
        raise DataError(
            f"{printable(source.title)}: {len(shared):,} groups have samples in more than one part of the split "
            f"({named}): what is learnt of them would be tested on them. "
            "Give every group one split, or leave the split column out"
        )


def _shared_samples(source: Source, packed: Packed, given: Codes) -> list[str]:
    """A note on byte-identical samples in more than one part: published sets have them, so they are not refused."""
    order = np.lexsort((given, packed.tokens))
    order = order[given[order] >= 0]
    tokens, parts = packed.tokens[order], given[order]
    across = (tokens[1:] == tokens[:-1]) & (parts[1:] != parts[:-1])
    if not across.any():
        return []
    at = int(np.flatnonzero(across)[0])
    pair = (printable(source.name(int(packed.kept[order[place]]))) for place in (at, at + 1))
    return [
        f"{int(across.sum()):,} samples stand in two parts of the split with identical contents, such as "
        f"{' and '.join(pair)}: figures on them flatter"
    ]


def _by_hash(source: Source, packed: Packed, rows: Longs, seed: int) -> tuple[npt.NDArray[np.bool_], str]:
    """Which of `rows` are tested, from the stored split if there is one."""
    kind = source.together[0] if source.together else "content"
    whose = "sample" if packed.parts is None else "whole sample"
    protocol = f"{TEST_FRACTION:.0%} test by hash of each {whose}'s {kind}, seed {seed}"
    tokens = packed.whole_tokens[rows]
    together = _components(source, tokens, packed.kept[rows])
    stored = packed.folder / f"splits-{_key(rows, together, seed)}.json"
    test = _read(stored, packed.content_hash, len(rows))
    if test is None:
        test = _draw(together, seed)
        record = {
            "content_hash": packed.content_hash,
            "seed": seed,
            "protocol": protocol,
            "samples": len(rows),
            "test": np.flatnonzero(test).tolist(),
        }
        with (
            cache_errors(packed.folder, 8 * len(rows)),
            hold(packed.folder / "splits.lock", "another process is writing this split: waiting for it"),
        ):
            write_atomic(stored, json.dumps(record).encode())
    return test, protocol


def _components(source: Source, tokens: Tokens, rows: Longs) -> Tokens:
    """`[N]`: equal for samples that are linked through groups and identical contents, by any number of steps.

    `rows [N]`: those of the source.
    """
    if source.together is None:
        return tokens
    _, codes, known = source.together
    groups = codes[rows]
    names = np.array([_hash(known.encoded(row)) for row in range(len(known))], np.uint64)
    lowest: Tokens = np.where(groups >= 0, names[groups], tokens)
    links = [np.unique(key, return_inverse=True)[1] for key in (lowest, tokens)]
    while True:  # the lowest value spreads along the links until nothing moves
        before = lowest
        for link in links:
            least = np.full(int(link.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
            np.minimum.at(least, link, lowest)
            lowest = least[link]
        if (lowest == before).all():
            return lowest


def _draw(together: Tokens, seed: int) -> npt.NDArray[np.bool_]:
    """Which samples are tested; both sides get some where that is possible, else all train."""
    place = _mix(together ^ np.uint64(_hash(str(seed).encode())))
    low, high = place.min(), place.max()
    limit = np.uint64(TEST_FRACTION * 2**64)
    limit = min(max(limit, low + np.uint64(1)), high)  # a handful of groups may all fall on one side
    chosen: npt.NDArray[np.bool_] = place < limit
    return chosen


def _mix(z: Tokens) -> Tokens:
    """SplitMix64's finaliser."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")


def _key(rows: Longs, together: Tokens, seed: int) -> str:
    digest = hashlib.sha256(f"{seed} {TEST_FRACTION}".encode())
    digest.update(rows.tobytes())
    digest.update(together.tobytes())
    return digest.hexdigest()[:16]


def _read(path: Path, content_hash: str, count: int) -> npt.NDArray[np.bool_] | None:
    """A stored split; None where there is none or where it is damaged."""
    try:
        record = json.loads(path.read_bytes())
        if record["content_hash"] != content_hash or record["samples"] != count:
            return None
        test = np.zeros(count, np.bool_)
        test[np.array(record["test"], np.int64)] = True
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return test
