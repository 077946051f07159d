import gc

import pytest
import torch

from tacit import memory
from tacit.memory import floats, room

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _nothing_of_others(monkeypatch):
    """What other tests left in cycles is freed now, not in the middle of one."""
    gc.collect()
    monkeypatch.setattr(memory, "_spare", [])


def test_a_large_block_is_used_again_once_nobody_holds_any_of_it():
    first = room((memory.LARGE // 2, 2), torch.float32, CPU)
    place, part = first.data_ptr(), first[3:]
    del first
    other = room((memory.LARGE // 2, 2), torch.float32, CPU)
    assert other.data_ptr() != place
    del part
    again = room((memory.LARGE // 8, 3), torch.complex64, CPU)
    assert again.data_ptr() == place
    assert again.shape == (memory.LARGE // 8, 3)


def test_what_lies_idle_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "SPARE", 3 * memory.LARGE)
    held = [room((memory.LARGE,), torch.uint8, CPU) for _ in range(5)]
    held.clear()
    assert sum(len(block) for block in memory._spare) <= 3 * memory.LARGE


def test_bytes_become_floats_in_the_unit_interval():
    packed = torch.randint(0, 256, (7, 3, 200, 200), dtype=torch.uint8)
    assert torch.equal(floats(packed), packed.float() / 255)
    assert floats(packed[:0]).shape == (0, 3, 200, 200)
