"""Spoilt texts: how much is lost, that the rest keeps its order, and that no text depends on its batch."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.augment.text_noise import _poisson, deleted, infilled, permuted
from tacit.core import Draws, View
from tacit.view import FIRST_WORD, MASK, packed

STOP = 9
ALL = [infilled, deleted, permuted]


def texts(lengths, width=None):
    """Ids that count up in each text, so that what was lost or moved can be read from them."""
    width = width or max(lengths)
    ids = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, :length] = FIRST_WORD + 10 + torch.arange(length)
    return View(ids, ids > 0, torch.arange(width).expand_as(ids), vocabulary=FIRST_WORD + 10 + width, stops=(STOP,))


def draws(count, seed=0):
    return Draws.of(seed, 0, torch.arange(count), 0)


def told(view):
    return [ids[valid].tolist() for ids, valid in zip(view.x, view.valid, strict=True)]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_infilling_hides_thirty_per_cent_and_keeps_the_rest_in_order(lengths, seed):
    view = texts(lengths)
    for length, ids in zip(lengths, told(infilled(view, draws(len(lengths), seed))), strict=True):
        kept = [number for number in ids if number != MASK]
        assert kept == sorted(set(kept))
        assert length - len(kept) in (0, max(1, round(0.3 * length)))  # a few runs of none hide nothing
        if length > 10:
            assert len(kept) < length
        gaps = {a for a, b in zip([FIRST_WORD + 9, *kept], [*kept, FIRST_WORD + 10 + length], strict=True) if b - a > 1}
        before = {([FIRST_WORD + 9, *kept])[sum(n != MASK for n in ids[:at])] for at, n in enumerate(ids) if n == MASK}
        assert gaps <= before  # where something is missing there is a mask


def test_runs_are_poisson_of_mean_three():
    drawn = _poisson(torch.rand(20_000, generator=torch.Generator().manual_seed(0)))
    assert drawn.float().mean() == pytest.approx(3, abs=0.06)
    assert drawn.float().var() == pytest.approx(3, abs=0.15)
    assert (drawn == 0).float().mean() == pytest.approx(torch.exp(torch.tensor(-3.0)).item(), abs=0.006)


def test_one_mask_stands_for_a_whole_run():
    """30 % of 1,000 tokens in runs of three are about a hundred masks, not three hundred."""
    ids = told(infilled(texts([1000] * 20), draws(20)))
    masks = [row.count(MASK) for row in ids]
    assert sum(masks) / 20 == pytest.approx(100, rel=0.1)
    assert all(len(row) == 700 + count for row, count in zip(ids, masks, strict=True))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_deletion_leaves_two_of_five_in_order_and_one_at_least(lengths, seed):
    for length, ids in zip(lengths, told(deleted(texts(lengths), draws(len(lengths), seed))), strict=True):
        assert ids == sorted(set(ids))
        assert len(ids) == max(1, round(0.4 * length))


def test_permutation_moves_whole_sentences():
    sentences = [[20, 21, STOP], [30, STOP], [40, 41, 42, STOP], [50, 51]]
    row = torch.tensor([number for sentence in sentences for number in sentence] + [0, 0])
    view = View(row.expand(200, -1), (row > 0).expand(200, -1), vocabulary=60, stops=(STOP,))
    orders = set()
    for ids in told(permuted(view, draws(200))):
        joined = " ".join(map(str, ids)) + " "
        at = [joined.index(" ".join(map(str, sentence)) + " ") for sentence in sentences]
        assert len(ids) == 11
        orders.add(tuple(sorted(range(4), key=at.__getitem__)))
    assert len(orders) == 24


def test_a_text_without_stops_stays_as_it_is():
    view = replace(texts([7, 3]), stops=())
    assert torch.equal(permuted(view, draws(2)).x, view.x)


@pytest.mark.parametrize("spoil", ALL)
def test_a_text_is_spoilt_alike_in_any_batch(spoil):
    lengths = [5, 40, 1, 17]
    whole = told(spoil(texts(lengths), draws(4)))
    for row, length in enumerate(lengths):
        alone = Draws.of(0, 0, torch.tensor([row]), 0)
        assert told(spoil(texts([length]), alone))[0] == whole[row]


@pytest.mark.parametrize("spoil", ALL)
def test_words_that_a_view_left_out_are_not_there(spoil):
    """Views of some of the words have gaps; they are spoilt as the words alone would be."""
    gaps = texts([12, 9])
    kept = gaps.valid & (torch.arange(12) % 3 != 1)
    seen = told(spoil(replace(gaps, valid=kept), draws(2)))
    for row, ids in enumerate(seen):
        assert set(ids) - {MASK} <= set(gaps.x[row][kept[row]].tolist())
    assert told(packed(replace(gaps, valid=kept))) == [gaps.x[row][kept[row]].tolist() for row in range(2)]


@pytest.mark.parametrize("spoil", ALL)
def test_what_is_left_stands_at_the_left_and_places_tell_nothing(spoil):
    seen = spoil(texts([5, 40, 1, 17]), draws(4))
    count = seen.valid.sum(dim=1, keepdim=True)
    assert torch.equal(seen.valid, torch.arange(seen.x.shape[1]) < count)
    assert (seen.x[~seen.valid] == 0).all()
    assert torch.equal(seen.where, torch.arange(seen.x.shape[1]).expand_as(seen.x))
    assert (count > 0).all()
