import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.engine import order
from tacit.errors import UsageError

small = st.integers(0, 2**40)


@given(seed=small, epoch=small, n=st.integers(1, 200), batch=st.integers(1, 50))
def test_an_epoch_is_a_permutation(seed: int, epoch: int, n: int, batch: int) -> None:
    parts = [order.rows(seed, epoch, position, batch, n) for position in range(-(-n // batch))]
    assert torch.cat(parts).sort().values.tolist() == list(range(n))
    assert all(len(part) == batch for part in parts[: n // batch])


def test_seeds_and_epochs_have_their_own_order() -> None:
    first = order.rows(0, 0, 0, 100, 100)
    assert torch.equal(first, order.rows(0, 0, 0, 100, 100))
    assert not torch.equal(first, order.rows(0, 1, 0, 100, 100))
    assert not torch.equal(first, order.rows(1, 0, 0, 100, 100))


def test_fold_is_the_same_on_every_machine() -> None:
    assert order.fold("step", 0, 1) == 8157581573849908968
    assert len({order.fold("step", a, b) for a in range(30) for b in range(30)}) == 900


def test_a_batch_larger_than_the_data_is_refused() -> None:
    assert order.batches(10, 4) == 2
    with pytest.raises(UsageError, match="batch of 11 is larger than the data \\(10 samples\\): set batch to 10"):
        order.batches(10, 11)
