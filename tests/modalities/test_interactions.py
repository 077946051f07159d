"""The page of interactions: vocabulary, packing, what training sees, and the whole way."""

import numpy as np
import pytest
import torch
from baskets import histories, log, sequences

from tacit.core import Draws
from tacit.data.dataset import open_dataset
from tacit.errors import DataError, Unreadable
from tacit.modalities.histories import (
    HistoryLayout,
    Record,
    early_of,
    ids_of,
    items_of,
    numbers_of,
    octaves,
    pauses_of,
    records_of,
    written,
)
from tacit.modalities.interactions import INTERACTIONS
from tacit.view import FIRST_WORD, PAUSES

RAWS = [written(taken) for taken in (["a", "b", "c"], ["b", "c", "d", "b"], ["e", "a"])]


def layout_of(raws=RAWS, **wishes):
    return INTERACTIONS.survey(raws, INTERACTIONS.config(**wishes))


def test_ids_say_nothing_and_are_the_same_whatever_the_order_of_users():
    layout = layout_of()
    assert layout == layout_of(RAWS[::-1])
    assert sorted(layout.items.split("\n")) == ["a", "b", "c", "d", "e"]
    assert layout.vocabulary == FIRST_WORD + 5
    many = layout_of([written([str(number) for number in range(2_000)])])
    ids = np.array([numbers_of(many.items)[str(number)] for number in range(2_000)])
    assert abs(np.corrcoef(ids, np.arange(2_000))[0, 1]) < 0.08


def test_rows_hold_the_latest_and_unknown_items_are_left_out():
    layout = layout_of(length=8)
    known = numbers_of(layout.items)
    packed = INTERACTIONS.read(written(["b", "new", *"aaaaaa", "c", "d", "e"]), layout)
    assert packed.tolist() == [known[name] for name in "aaaaacde"]
    assert packed.dtype == np.dtype(layout.dtype)
    assert not INTERACTIONS.read(written(["new"]), layout).any()
    assert ids_of(written(["b", "new", "a"]), layout).tolist() == [known["b"], known["a"]]
    for damaged in (b"", b"\xff", np.zeros(3)):
        with pytest.raises(Unreadable):
            INTERACTIONS.read(damaged, layout)


def test_the_core_is_what_is_left_when_none_is_left_to_leave_out():
    """Against leaving out one at a time."""
    taken = histories(40, 20, noise=0.9, shortest=1, longest=9)
    left = [list(each) for each in taken]
    while True:
        counts = {name: sum(each.count(name) for each in left) for each in left for name in each}
        rare = next((name for name, count in counts.items() if count < 5), None)
        short = next((each for each in left if 0 < len(each) < 5), None)
        if rare is not None:
            left = [[name for name in each if name != rare] for each in left]
        elif short is not None:
            left.remove(short)
        else:
            break
    found = layout_of([written(each) for each in taken], core=5)
    assert set(found.items.split("\n")) == {name for each in left for name in each}
    assert found.core == 5
    assert "core" in found.brief()


def test_one_item_and_a_core_of_none_are_told():
    with pytest.raises(DataError, match="nothing to tell apart"):
        layout_of([written(["a", "a"]), written(["a"])])
    with pytest.raises(DataError, match="0 are left of the 4-core"):
        layout_of(core=4)


def test_no_view_of_training_shows_what_is_held_out():
    layout = layout_of()
    view = INTERACTIONS.collate(torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in RAWS])), layout)
    views = INTERACTIONS.augment(INTERACTIONS.config())
    seen = views["weak"](view, Draws.of(0, 0, torch.arange(3), 0))
    assert seen.valid.sum(1).tolist() == [1, 2, 0]
    assert torch.equal(views["plain"](view, Draws.of(0, 0, torch.arange(3), 0)).x, view.x)
    whole = INTERACTIONS.augment(INTERACTIONS.config(hold_out=0))["weak"](view, Draws.of(0, 0, torch.arange(3), 0))
    assert torch.equal(whole.x, view.x)


def test_users_of_whom_too_little_is_left_do_not_train_and_are_counted(tmp_path):
    path = sequences(tmp_path / "x.txt", [list("abcd"), list("abc"), list("cdeab"), list("a")])
    dataset = open_dataset(str(path), INTERACTIONS, INTERACTIONS.config())
    assert dataset.parts["train"].tolist() == [0, 2]
    assert "2 of 4 users have too little" in dataset.notes[0]
    assert "divided by time: train 2" in dataset.protocol
    kept = open_dataset(str(path), INTERACTIONS, INTERACTIONS.config(hold_out=0, core=2))
    assert kept.parts["train"].tolist() == [0, 1, 2]
    assert isinstance(kept.layout, HistoryLayout)
    with pytest.raises(DataError, match="no part 'test'"):
        dataset.part("test")


def test_a_log_and_lines_of_the_same_users_are_the_same_samples(tmp_path):
    taken = histories(12)
    first = open_dataset(str(log(tmp_path / "x.csv", taken)), INTERACTIONS, INTERACTIONS.config())
    second = open_dataset(str(sequences(tmp_path / "x.txt", taken)), INTERACTIONS, INTERACTIONS.config())
    assert first.layout == second.layout
    rows = torch.arange(12)
    assert torch.equal(first.everything().view(rows).x, second.everything().view(rows).x)
    assert first.content_hash != second.content_hash, "a log also says when"
    assert items_of(first.raw(3)) == taken[3]


def test_the_raw_features_count_items():
    layout = layout_of()
    view = INTERACTIONS.collate(torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in RAWS])), layout)
    found = INTERACTIONS.floors["item counts"](view)
    assert torch.allclose(found.norm(dim=1), torch.ones(3))
    assert (found[1] > 0).sum() == 3


def records(*rows):
    return written([Record(*row) for row in rows])


SHOP = [
    records(("a", 1.0, "view"), ("a", 1.0, "buy"), ("b", 2.0, "view"), ("c", 3.0, "buy", 4.0), ("d", 9.0, "buy", 5.0)),
    records(("b", 1.0, "buy", 2.0), ("c", 4.0, "buy", 5.0), ("a", 5.0, "view", 1.0), ("b", 8.0, "buy", 4.0)),
    records(("c", 2.0, "buy", 4.0), ("b", 3.0, "buy", 4.5), ("d", 6.0, "cart", 5.0), ("a", 7.0, "buy")),
]


def test_a_history_is_read_as_it_was_written_and_an_item_at_one_time_counts_once():
    assert records_of(SHOP[0])[3] == Record("c", 3.0, "buy", 4.0)
    assert records_of(written(["x", "y"])) == [Record("x"), Record("y")]
    assert items_of(SHOP[0]) == ["a", "b", "c", "d"]
    assert items_of(written(["x", "x"])) == ["x", "x"], "where nothing says when, nothing says that it was the same"
    for damaged in (b"a\x1fsoon", b"a\x1f1\x1fbuy\x1fmuch"):
        with pytest.raises(Unreadable, match="not written by tacit"):
            records_of(damaged)


def test_events_and_values_choose_what_counts():
    def named(**wishes):
        layout = layout_of(SHOP, **wishes)
        names = layout.items.split("\n")
        return [[names[number - FIRST_WORD] for number in ids_of(raw, layout)] for raw in SHOP]

    assert named(event="buy") == [list("acd"), list("bcb"), list("cba")]
    assert named(event="buy, cart") == [list("acd"), list("bcb"), list("cbda")]
    assert named(least_value=4.5) == [["d"], ["c"], ["b", "d"]]
    assert named(event="buy", least_value=4) == [["c", "d"], ["c", "b"], ["c", "b"]]
    for wishes, said in (
        ({"event": "bui"}, "did you mean 'buy'"),
        ({"least_value": 9}, "the largest is 5"),
    ):
        with pytest.raises(DataError, match=said):
            layout_of(SHOP, **wishes)
    with pytest.raises(DataError, match="no column event"):
        layout_of(event="buy")
    with pytest.raises(DataError, match="no column value"):
        layout_of(least_value=1)


def test_from_a_moment_on_nothing_is_in_a_view_of_training():
    layout = layout_of(SHOP, split="5")
    assert layout.moment == 5
    view = INTERACTIONS.collate(torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in SHOP])), layout)
    assert view.valid.sum(1).tolist() == [4, 4, 4], "a plain view holds all"
    assert [early_of(raw, layout) for raw in SHOP] == [(2, 3), (1, 2), (1, 2)]
    seen = INTERACTIONS.augment(INTERACTIONS.config(split="5", hold_out=1))["weak"](view, DRAWS)
    assert seen.valid.sum(1).tolist() == [3, 2, 2]
    assert torch.equal(seen.x[0, :3], view.x[0, :3])
    chosen = INTERACTIONS.augment(INTERACTIONS.config(split="5"))["strong"](view, DRAWS)
    assert int(chosen.valid.sum(1).max()) <= 2
    late = layout_of(SHOP, split="5", length=8)
    many = records(*((name, float(time)) for time, name in enumerate("abcdabcdabcd", -4)))
    assert INTERACTIONS.read(many, late)[-1] == 5, "of the latest eight, five lie before"


def test_the_last_tenth_is_from_a_moment_on_and_dates_are_seconds():
    many = [
        records(*((name, 1_714_521_600.0 + 10 * user + place) for place, name in enumerate("abcd")))
        for user in range(50)
    ]
    layout = layout_of(many, split="time")
    late = sum(len(ids_of(raw, layout)) - early_of(raw, layout)[1] for raw in many)
    assert 18 <= late <= 22
    assert layout_of(many, split="2024-05-01 00:04").moment == 1_714_521_840
    for split, said in (("2023-01-01", "on one side"), ("3", "on one side"), ("yesterday", "a date such as")):
        with pytest.raises(DataError, match=said):
            layout_of(many, split=split)
    with pytest.raises(DataError, match="give a log with times"):
        layout_of(split="time")


def test_pauses_are_told_apart_by_powers_of_two_whatever_the_unit():
    assert octaves(np.array([5.0, 5, 6, 8, 12, 20])).tolist() == [0, 1, 34, 35, 36, 37]
    assert octaves(np.array([0.0, 1.4, 2.9])).tolist() == [0, 34, 35], "to the nearest one"
    assert octaves(np.array([0.0, 1e-30, 1e30])).tolist() == [0, 2, PAUSES - 1]
    assert octaves(np.array([])).tolist() == []


def test_pauses_are_those_between_the_items_that_count_and_are_known():
    layout = layout_of(SHOP, pauses=True, event="buy", length=8)
    assert layout.brief()["pauses"]
    packed = torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in SHOP]))
    view = INTERACTIONS.collate(packed, layout)
    assert view.pauses.tolist() == [[0, 35, 37], [0, 36, 36], [0, 34, 36]]
    for raw, row, valid in zip(SHOP, view.pauses, view.valid, strict=True):
        assert pauses_of(raw, layout).tolist() == row[valid].tolist()
    long = records(*((name, float(2**time)) for time, name in enumerate("abcdabcdabcd")))
    assert INTERACTIONS.read(long, layout_of(SHOP, pauses=True, length=8))[8:].tolist() == list(range(37, 45))
    by_time = layout_of(SHOP, pauses=True, split="5")
    assert INTERACTIONS.read(SHOP[1], by_time).tolist()[-1] == 2
    assert INTERACTIONS.read(SHOP[1], layout_of(SHOP, split="5"))[: by_time.length].tolist() == (
        INTERACTIONS.read(SHOP[1], by_time)[: by_time.length].tolist()
    )
    with pytest.raises(Unreadable, match="give times"):
        INTERACTIONS.read(RAWS[0], by_time)
    assert not pauses_of(RAWS[0], layout_of()).any()
    with pytest.raises(DataError, match="say the order alone"):
        layout_of(pauses=True)


def parted(items, *parts):
    return records(
        *((name, float(time), "", None, part) for time, (name, part) in enumerate(zip(items, parts, strict=True)))
    )


PARTED = [
    parted("abcd", "train", "train", "val", "test"),
    parted("bcda", "train", "val", "val", "test"),
    parted("cdab", "train", "train", "train", "train"),
    parted("dabc", "train", "train", "test", "test"),
]


def shown_of(raws, **wishes):
    """(layout, what the view `weak` shows, how many items of each user)."""
    layout = layout_of(raws, **wishes)
    view = INTERACTIONS.collate(torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in raws])), layout)
    assert view.valid.sum(1).tolist() == [4] * len(raws), "a plain view holds all"
    seen = INTERACTIONS.augment(INTERACTIONS.config(**wishes))["weak"](view, Draws.of(0, 0, torch.arange(len(raws)), 0))
    return layout, seen.valid.sum(1).tolist()


def test_where_the_log_says_what_is_judged_training_sees_the_part_train_alone():
    layout, counts = shown_of(PARTED)
    assert layout.parts == "val\ntest"
    assert counts == [2, 1, 4, 2]
    assert [early_of(raw, layout) for raw in PARTED] == [(2, 3), (1, 3), (4, 4), (2, 2)]
    assert layout.brief()["tests by the column split"] == ["val", "test"]
    assert shown_of(PARTED, split="column")[1] == counts
    assert shown_of(PARTED, split="last")[1] == [2, 2, 2, 2]
    assert layout_of(PARTED, split="last").parts == ""
    packed = np.stack([INTERACTIONS.read(raw, layout) for raw in PARTED])
    assert INTERACTIONS.within(packed, layout, INTERACTIONS.config()).tolist() == [True, False, True, True]


def test_where_the_log_names_no_val_the_item_before_the_one_that_tests_chooses_and_a_val_alone_tests():
    alone = [parted("abcd", "train", "train", "train", "test"), parted("bcda", *["train"] * 4)]
    layout, counts = shown_of(alone)
    assert layout.parts == "test"
    assert counts == [2, 4]
    assert early_of(alone[0], layout) == (2, 3)
    renamed = [raw.replace(b"test", b"val") for raw in alone]
    assert shown_of(renamed)[1] == counts
    assert layout_of(renamed).parts == "val"
    with pytest.raises(DataError, match="train, val or test of each row"):
        layout_of(SHOP, split="column")


DRAWS = Draws.of(0, 0, torch.arange(3), 0)
