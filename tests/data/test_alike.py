"""Others with the same target: they share it, stand where training sees them, and are drawn from all there are."""

from collections import Counter

import numpy as np
import pytest
import torch
from baskets import histories, sequences

from tacit.core import Draws, views_of
from tacit.data.dataset import open_dataset
from tacit.modalities.interactions import INTERACTIONS
from tacit.view import FIRST_WORD


@pytest.fixture(params=[{}, {"hold_out": 0}, {"weak": {"window": 4}}], ids=["plain", "all", "short"])
def opened(request, tmp_path):
    config = INTERACTIONS.config(**request.param)
    taken = [*histories(40, 30), ["item-1", "once", "item-2", "item-3", "item-4"]]
    return open_dataset(str(sequences(tmp_path / "x.txt", taken)), INTERACTIONS, config), config


def pairs(opened, epoch=0):
    dataset, config = opened
    samples = dataset.part("train")
    rows = torch.arange(len(samples))
    return samples, views_of(samples, rows, ("weak", "alike"), INTERACTIONS.augment(config), 0, epoch)


def ids_of(view, row):
    return view.x[row][view.valid[row]].tolist()


def test_another_history_ends_with_an_item_that_the_first_view_has_behind_others(opened):
    samples, config = opened[0].part("train"), opened[1]
    found = set()
    for epoch in range(6):
        _, (first, second) = pairs(opened, epoch)
        for row in range(len(samples)):
            own, other = ids_of(first, row), ids_of(second, row)
            assert 2 <= len(other) <= config.weak.window
            assert other[-1] in own[1:]
            assert any(_within(other, samples, each, config) for each in range(len(samples)))
            found.add((row, tuple(other)))
    assert len(found) > 3 * len(samples), "not always the same"


def _within(run, samples, row, config):
    """Whether `run` stands, as it is, in what training sees of the sample `row`."""
    whole = ids_of(samples.view(torch.tensor([row])), 0)
    seen = whole[: len(whole) - config.hold_out]
    return any(seen[at : at + len(run)] == run for at in range(len(seen) - len(run) + 1))


def test_partners_equal_a_naive_search_and_each_is_drawn_as_often(opened):
    samples, (first, _) = pairs(opened)
    shown = samples.seen(samples.view(torch.arange(len(samples))))
    where = {}
    for row in range(len(samples)):
        for place, item in enumerate(ids_of(shown, row)[1:], 1):
            where.setdefault(item, []).append((row, place))
    counted = Counter()
    for epoch in range(300):
        rows, places = samples._alike.partners(first[:1], Draws.of(1, epoch, torch.zeros(1, dtype=torch.long), 1))
        counted[rows.item(), places.item()] += 1
    asked = [item for item in ids_of(first, 0)[1:] if item >= FIRST_WORD]
    expected = Counter()
    for item in asked:
        others = [place for place in where[item] if place[0] != 0] or where[item][:1]
        for place in others:
            expected[place] += 300 / len(asked) / len(others)
    assert set(counted) <= set(expected)
    assert sum((counted[place] - mean) ** 2 / mean for place, mean in expected.items()) < len(expected) + 5 * np.sqrt(
        2 * len(expected)
    ), "chi squared, five deviations"


def test_an_item_that_nobody_else_took_leads_back_to_the_same_history(opened):
    samples, _ = pairs(opened)
    row = len(samples) - 1
    whole = samples.view(torch.tensor([row]))
    rows, places = samples._alike.partners(_first_two(whole), Draws.of(0, 0, whole.index, 1))
    assert (rows.item(), places.item()) == (row, 1)


def _first_two(view):
    return type(view)(view.x[:, :2], view.valid[:, :2], index=view.index)


def test_where_nothing_stands_behind_anything_there_is_no_partner(opened):
    samples, _ = pairs(opened)
    view = samples.view(torch.arange(2))
    alone = type(view)(view.x[:, :1], view.valid[:, :1], index=view.index)
    assert samples._alike.partners(alone, Draws.of(0, 0, alone.index, 1))[0].tolist() == [-1, -1]
    empty = INTERACTIONS.augment(opened[1])["alike"](samples.alike(alone, Draws.of(0, 0, alone.index, 1)), None)
    assert not empty.valid.any()
