"""Views of histories: what is held back is in none of them, and what they keep was there."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment.items import Recipe, held_back, items_view, latest
from tacit.core import Draws, View
from tacit.view import FIRST_WORD, MASK

HISTORIES = st.lists(st.lists(st.integers(FIRST_WORD, 40), min_size=1, max_size=12), min_size=1, max_size=5)


def view_of(histories):
    x = torch.nn.utils.rnn.pad_sequence([torch.tensor(each) for each in histories], batch_first=True)
    places = torch.arange(x.shape[1]).expand_as(x)
    return View(x, x > 0, places, torch.arange(len(x)), vocabulary=41, pauses=(x + 7) * (x > 0))


def draws_of(view, seed=0):
    return Draws.of(seed, 0, view.index, 0)


def told(view):
    return [ids[valid].tolist() for ids, valid in zip(view.x, view.valid, strict=True)]


@given(HISTORIES, st.integers(0, 3))
def test_the_last_are_held_back(histories, count):
    assert told(held_back(view_of(histories), count)) == [each[: max(0, len(each) - count)] for each in histories]


@given(HISTORIES, st.integers(0, 99))
def test_a_window_and_a_crop_are_runs_of_the_history(histories, seed):
    view = view_of(histories)
    found = told(items_view(view, Recipe(window=4, crop=(0.5, 0.9)), draws_of(view, seed)))
    for some, whole in zip(found, histories, strict=True):
        assert 1 <= len(some) <= 4
        assert any(whole[at : at + len(some)] == some for at in range(len(whole)))


@given(HISTORIES, st.integers(0, 99))
def test_reordering_shuffles_a_run_and_nothing_else(histories, seed):
    view = view_of(histories)
    found = told(items_view(view, Recipe(reorder=0.5), draws_of(view, seed)))
    for some, whole in zip(found, histories, strict=True):
        assert sorted(some) == sorted(whole)
        moved = [place for place, (one, other) in enumerate(zip(some, whole, strict=True)) if one != other]
        assert not moved or moved[-1] - moved[0] < max(1, len(whole) // 2)


@given(HISTORIES, st.integers(0, 99))
def test_masks_hide_items_and_leave_one(histories, seed):
    view = view_of(histories)
    found = told(items_view(view, Recipe(mask=0.6), draws_of(view, seed)))
    for some, whole in zip(found, histories, strict=True):
        assert all(one in (other, MASK) for one, other in zip(some, whole, strict=True))
        assert set(some) != {MASK}


@given(HISTORIES, st.integers(0, 99))
def test_the_pause_before_an_item_goes_along_with_it(histories, seed):
    view = view_of(histories)
    recipe = Recipe(window=6, crop=(0.5, 0.9), reorder=0.5, mask=0.3)
    shown = items_view(view, recipe.model_copy(update={"mask": 0.0}), draws_of(view, seed))
    hidden = items_view(view, recipe, draws_of(view, seed))
    for each in (shown, held_back(view, 1), latest(view, 3)):
        assert torch.equal(each.pauses, (each.x + 7) * each.valid)
    assert torch.equal(hidden.pauses, shown.pauses), "of what is hidden it is still said when"
    assert told(latest(view, 3)) == [each[-3:] for each in histories]


def test_a_view_does_not_depend_on_its_batch():
    recipe = Recipe(window=5, crop=(0.5, 0.9), reorder=0.5, mask=0.3)
    view = view_of([list(range(5, 5 + length)) for length in (3, 9, 12)])
    whole = told(items_view(view, recipe, draws_of(view)))
    for row in range(3):
        alone = view[row : row + 1]
        assert told(items_view(alone, recipe, draws_of(alone))) == [whole[row]]
