"""The page of interactions: vocabulary, packing, what training sees, and the whole way."""

import numpy as np
import pytest
import torch
from baskets import histories, log, sequences

from tacit.core import Draws
from tacit.data.dataset import open_dataset
from tacit.errors import DataError, Unreadable
from tacit.modalities.histories import HistoryLayout, ids_of, items_of, numbers_of, written
from tacit.modalities.interactions import INTERACTIONS
from tacit.view import FIRST_WORD

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
    assert first.content_hash == second.content_hash
    assert items_of(first.raw(3)) == taken[3]


def test_the_raw_features_count_items():
    layout = layout_of()
    view = INTERACTIONS.collate(torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in RAWS])), layout)
    found = INTERACTIONS.floors["item counts"](view)
    assert torch.allclose(found.norm(dim=1), torch.ones(3))
    assert (found[1] > 0).sum() == 3
