"""What is written behind the steps is the state as it was, and a disk that failed is told of."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tacit.engine import checkpoint, files
from tacit.engine.behind import Writer


def fill(net: nn.Module, value: float) -> None:
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)


def test_what_is_written_is_what_was_when_it_was_asked_for(tmp_path: Path) -> None:
    net, writer = nn.Linear(300, 300), Writer()
    assert writer.newest == -1
    for step in (1, 2):
        fill(net, step)
        writer.save(tmp_path, net, None, {"step": step})
        assert writer.newest == step
        fill(net, 9)
    assert writer.saved == 1
    writer.settle()
    writer.settle()
    assert writer.saved == 2
    found, complaints = checkpoint.newest(tmp_path)
    assert not complaints
    assert found is not None
    assert all(torch.equal(value, torch.full_like(value, 2)) for value in found.learner().values())


def test_what_could_not_be_written_is_raised_by_the_next_who_asks(tmp_path: Path) -> None:
    net, writer = nn.Linear(2, 2), Writer()
    writer.save(tmp_path, net, None, {"step": 1})
    writer.settle()
    writer.save(tmp_path / "gone", net, None, {"step": 2})
    with pytest.raises(files.WriteError, match="No such file"):
        writer.save(tmp_path, net, None, {"step": 3})
    assert writer.newest == writer.saved == 1
