"""TS2Vec: pairs are of one moment, and nothing but real moments is contrasted."""

import pytest
import torch
import torch.nn.functional as F
from contract_toys import make, views_of
from hypothesis import given
from hypothesis import strategies as st

from tacit.augment.series import Recipe, series_view
from tacit.core import Draws, Features, Progress, View
from tacit.errors import UsageError
from tacit.methods.ts2vec import _aligned, _with_gaps
from tacit.modalities.image import IMAGE
from tacit.nn.tdnn import TDNN
from tacit.settings import build


def shown(view):
    """A token a step, which holds its place."""
    return Features(view.x[:, 0], view.where[..., None], view.valid, view.where)


def crops(recipe, lengths=(40, 25, 40), seed=0):
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    where = torch.arange(max(lengths)).expand(len(lengths), -1)
    view = View(where[..., None] * valid[..., None].float(), valid, where, torch.arange(len(lengths)))
    return [series_view(view, recipe, Draws.of(seed, 0, view.index, number)) for number in (0, 1)]


@given(st.integers(0, 200))
def test_pairs_of_two_crops_are_all_steps_that_both_show(seed):
    first, second = crops(Recipe(crop=(0.4, 1.0)), seed=seed)
    at, there, both = _aligned(shown(first), shown(second))
    for row in range(3):
        own, other = (set(view.where[row][view.valid[row]].tolist()) for view in (first, second))
        found = first.where[row, at[row][both[row]]]
        assert found.tolist() == sorted(own & other)
        assert torch.equal(found, second.where[row, there[row][both[row]]])


def test_pairs_of_crops_of_unlike_speed_are_half_a_step_apart_at_most_and_each_token_stands_once():
    first, second = crops(Recipe(crop=(0.6, 0.9), speed=(0.7, 1.4)))
    at, there, both = _aligned(shown(first), shown(second))
    apart = first.where.gather(1, at) - second.where.gather(1, there)
    assert apart[both].abs().max() <= 0.5
    for row in range(3):
        for places in (at[row][both[row]], there[row][both[row]]):
            assert (places.diff() > 0).all()
        assert both[row].sum() > 5


def test_hidden_steps_are_missing_values_of_steps_that_stand():
    (view, _) = crops(Recipe(crop=(1.0, 1.0)))
    hidden = _with_gaps(view, 0.5, Draws.of(0, 0, view.index, 7))
    assert torch.equal(hidden.valid, view.valid)
    lost = hidden.x.isnan().all(dim=2)
    assert 0.4 < lost.float().mean() < 0.6
    assert torch.equal(hidden.x[~lost], view.x[~lost])


@pytest.mark.parametrize("encoder", [{}, {"causal": True}, {"name": "transformer"}])
def test_padding_and_missing_steps_enter_nothing(encoder):
    learner, config, sample = make("ts2vec", "series", encoder)
    views = [view[:4] for view in views_of(learner, config, sample)]
    torch.manual_seed(0)
    expected = learner(views, Progress(0, 1)).loss
    spoilt = [view.with_x(view.x.masked_fill(~view.valid[..., None], 1e6)) for view in views]
    torch.manual_seed(0)
    assert torch.allclose(learner(spoilt, Progress(0, 1)).loss, expected, atol=1e-4)


def test_a_crop_without_a_moment_in_common_loses_nothing():
    learner, config, sample = make("ts2vec", "series")
    first, second = views_of(learner, config, sample)
    away = View(second.x, second.valid, second.where + 1000, second.index)
    assert (learner([first, away], Progress(0, 1)).loss == 0).all()


def test_a_learnt_moment_is_told_from_others():
    """After some steps more tokens of a crop are nearest to their own counterpart, with half of all steps hidden."""
    torch.manual_seed(0)
    learner, config, sample = make("ts2vec", "series")
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    shares = []
    for step in range(40):
        views = views_of(learner, config, sample, epoch=step)
        with torch.no_grad():
            draws = Draws.of(1, step, views[0].index, 0)
            first, second = (learner.encoder(_with_gaps(view, 0.5, draws)) for view in views)
            at, there, both = _aligned(first, second)
            one, two = (
                F.normalize(features.tokens.gather(1, where[..., None].expand(-1, -1, 160)), dim=2)
                for features, where in ((first, at), (second, there))
            )
            alike = (one @ two.transpose(1, 2)).masked_fill(~both[:, None], -2)
            shares.append(float((alike.argmax(2) == torch.arange(at.shape[1]))[both].float().mean()))
        learner(views, Progress(step, 40)).loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    assert sum(shares[-10:]) > 1.1 * sum(shares[:10])


def test_what_has_no_gaps_or_says_no_moments_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="method ts2vec needs gaps, which image data do not have"):
        build([{"data": "x", "modality": {"name": "image"}, "method": {"name": "ts2vec"}}])
    assert "gaps" not in IMAGE.offers
    learner, config, sample = make("ts2vec", "series")
    learner.backbone = TDNN(TDNN.Config(), View(sample.x.nan_to_num(), sample.valid))
    with pytest.raises(UsageError, match="TDNN does not say which moment"):
        learner(views_of(learner, config, sample), Progress(0, 1))
