"""The linear probe and few labels on real digits, against scikit-learn where it can say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor

from tacit.errors import UsageError
from tacit.evaluation import few_label
from tacit.evaluation.linear import GRID, held_out, linear_probe
from tacit.evaluation.scaler import Scaler

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = torch.tensor(data.data[order] / 16, dtype=torch.float32), torch.tensor(data.target[order])
    return x[:1297], y[:1297], x[1297:], y[1297:]


def test_linear_probe_agrees_with_scikit_learn_at_the_chosen_c(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, test_labels = digits
    probe = linear_probe(train, labels, test, 10)
    scaler = Scaler.of(train)
    other = LogisticRegression(C=probe.c, max_iter=1000).fit(scaler(train).numpy(), labels)
    assert probe.c in GRID
    agreement = probe.predictions == torch.tensor(other.predict(scaler(test).numpy()))
    assert agreement.double().mean() > 0.99
    assert (probe.predictions == test_labels).double().mean() > 0.95


def test_linear_probe_never_sees_the_test_part(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    whole = linear_probe(train, labels, test, 10)
    part = linear_probe(train, labels, test[:5], 10)
    assert part.c == whole.c
    assert torch.equal(part.predictions, whole.predictions[:5])


def test_a_penalty_that_many_rows_need_is_not_missed() -> None:
    """Weak penalties differ by less than what solves are ended by, so that a search among them stands still."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(3, (30_000,), generator=generator)
    spread = torch.logspace(0, -1, 100)
    x = spread * (torch.randn(len(y), 100, generator=generator) + 0.1 * torch.randn(3, 100, generator=generator)[y])
    z, left_out = Scaler.of(x)(x), held_out(y, 0)
    kept = torch.ones(len(y), dtype=torch.bool)
    kept[left_out] = False
    losses = {}
    for c in GRID[:4]:
        exact = LogisticRegression(C=c, tol=1e-6, max_iter=1000).fit(z[kept].numpy(), y[kept])
        losses[c] = log_loss(y[left_out], exact.predict_proba(z[left_out].numpy()))
    assert linear_probe(x, y, x[:1], 3).c == min(losses, key=losses.__getitem__)


def test_linear_probe_listens_to_a_validation_part_of_the_data(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    misleading = (train[:200], (labels[:200] + 1) % 10)  # nothing generalises to it: the strongest penalty wins ties
    assert linear_probe(train, labels, test, 10, val=misleading).c < linear_probe(train, labels, test, 10).c


def test_draws_are_nested_paired_and_balanced() -> None:
    labels = torch.randint(3, (90,), generator=torch.Generator().manual_seed(0))
    small, large = (few_label.draw(labels, 3, total, draws=6, seed=4) for total in (6, 30))
    for few, many in zip(small, large, strict=True):
        assert set(few.tolist()) < set(many.tolist())
        assert len(set(many.tolist())) == 30
        assert torch.bincount(labels[many]).tolist() == [10, 10, 10]
    assert torch.equal(few_label.draw(labels, 3, 6, draws=3, seed=4), small[:3])
    assert not torch.equal(small[0], small[1])
    assert not torch.equal(few_label.draw(labels, 3, 6, draws=6, seed=5), small)


def test_sizes_that_the_rarest_class_cannot_serve_are_left_out() -> None:
    labels = torch.tensor([0] * 50 + [1] * 7)
    assert few_label.amounts(2, labels, few_label.SIZES, ()) == {"1": 2, "2": 4, "5": 10}


def test_totals_are_counted_over_all_classes_and_refused_where_the_rarest_class_is_too_small() -> None:
    labels = torch.tensor([0] * 50 + [1] * 7)
    assert few_label.amounts(2, labels, few_label.SIZES, (14, 2)) == {"2 in all": 2, "14 in all": 14}
    with pytest.raises(UsageError, match="the rarest has 7 training samples; give 14 or less"):
        few_label.amounts(2, labels, few_label.SIZES, (15,))
    with pytest.raises(UsageError, match="fewer than the 2 classes"):
        few_label.amounts(2, labels, few_label.SIZES, (1,))
    assert few_label.per_class("14 in all", 2) == few_label.per_class("7", 2) == 7
    assert few_label.words("14 in all") == "14 labels in all"
    assert few_label.words("1") == "1 label per class"


@given(st.integers(3, 60), st.integers(0, 5))
def test_any_total_is_drawn_as_evenly_as_it_can_be(total: int, seed: int) -> None:
    labels = torch.arange(90) % 3
    drawn = few_label.draw(labels, 3, total, draws=4, seed=seed)
    assert drawn.shape == (4, total)
    for rows in drawn:
        counts = torch.bincount(labels[rows], minlength=3)
        assert len(rows.unique()) == total
        assert counts.max() - counts.min() <= 1
    larger = few_label.draw(labels, 3, total + 1, draws=4, seed=seed)
    assert all(set(few.tolist()) < set(many.tolist()) for few, many in zip(drawn, larger, strict=True))


def test_few_labels_reach_what_raw_digits_are_known_to_reach(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, test_labels = digits
    reached = []
    drawn = [few_label.draw(labels, 10, total) for total in (10, 100)]
    for found in few_label.few_label(train, labels, test, 10, drawn):
        assert found.predictions.shape == (20, 500)
        reached.append((found.predictions == test_labels).double().mean().item())
    assert reached[0] > 0.60
    assert reached[1] > 0.89


def test_few_labels_do_not_depend_on_units_or_on_idle_dimensions(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    drawn = [few_label.draw(labels, 10, 50, draws=4)]
    (plain,) = few_label.few_label(train, labels, test, 10, drawn)
    (louder,) = few_label.few_label(100 * train + 3, labels, 100 * test + 3, 10, drawn)
    (wider,) = few_label.few_label(train.repeat(1, 8), labels, test.repeat(1, 8), 10, drawn)
    assert (plain.predictions == louder.predictions).double().mean() > 0.995
    assert (plain.predictions == wider.predictions).double().mean() > 0.995


@given(st.integers(2, 8), st.integers(0, 50))
def test_whole_samples_are_drawn_with_all_of_their_pieces(total: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    of = torch.arange(24).repeat_interleave(torch.randint(1, 6, (24,), generator=generator))
    of = of[torch.randperm(len(of), generator=generator)]
    labels, units = of % 2, 1_000 - of
    drawn = few_label.drawn(labels, 2, (), (total,), units=units, draws=3, seed=seed)[f"{total} in all"]
    alone = few_label.draw(torch.arange(23, -1, -1) % 2, 2, total, draws=3, seed=seed)
    for rows, samples in zip(drawn, alone, strict=True):
        own = few_label.unrepeated(rows)
        assert (rows[len(own) :] == rows[0]).all()
        assert len(own.unique()) == len(own)
        assert set(own.tolist()) == set(torch.isin(units, 977 + samples).nonzero().flatten().tolist())


def test_whole_samples_count_alike_however_many_pieces_they_have(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    of = torch.arange(300).repeat_interleave(1 + torch.arange(300) % 4)
    pieces = train[of] + 0.05 * torch.randn(len(of), 64, generator=torch.Generator().manual_seed(0))
    (rows,) = few_label.drawn(labels[of], 10, (), (40,), units=of, draws=2).values()
    (found,) = few_label.few_label(pieces, labels[of], test, 10, [rows], of, of)
    scaler = Scaler.of(pieces)
    for answers, own in zip(found.predictions, map(few_label.unrepeated, rows), strict=True):
        model = LogisticRegression(C=few_label.C, max_iter=1000)
        model.fit(scaler(pieces[own]).numpy(), labels[of[own]], sample_weight=1 / (1 + of[own] % 4).double().numpy())
        agreement = answers == torch.tensor(model.predict(scaler(test).numpy()))
        assert agreement.double().mean() > 0.99


def test_draws_solved_in_turns_equal_draws_solved_at_once(
    digits: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, labels, test, _ = digits
    drawn = [few_label.draw(labels, 10, 20, draws=5)]
    (at_once,) = few_label.few_label(train, labels, test, 10, drawn)
    monkeypatch.setattr(few_label, "_GATHERED_BYTES", 1)
    (in_turns,) = few_label.few_label(train, labels, test, 10, drawn)
    assert (at_once.predictions == in_turns.predictions).double().mean() > 0.995


def test_c_is_chosen_where_labels_suffice_and_never_by_the_test_part(digits: tuple[Tensor, ...]) -> None:
    """Where a third of the labels is wrong, a strong penalty is right."""
    train, labels, test, test_labels = digits
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(labels), generator=generator) < 0.35
    noisy = torch.where(wrong, torch.randint(10, labels.shape, generator=generator), labels)
    drawn = [few_label.draw(noisy, 10, total, draws=6) for total in (50, 400)]
    few, chosen = few_label.few_label(train, noisy, test, 10, drawn)
    assert few.c == few_label.C
    assert chosen.c < few_label.C
    right = {}
    for c in few_label.CHOICES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(few_label, "CHOICES", (c,))
            *_, fixed = few_label.few_label(train, noisy, test, 10, drawn)
        right[c] = (fixed.predictions == test_labels).double().mean().item()
    assert right[chosen.c] >= max(right.values()) - 0.01
    assert right[chosen.c] > right[few_label.C] + 0.02
    _, part = few_label.few_label(train, noisy, test[:5], 10, drawn)
    assert part.c == chosen.c
