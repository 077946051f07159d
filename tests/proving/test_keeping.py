"""Pieces of work that are stopped, and gone on with."""

import os
import signal

import pytest
import torch

from tacit import interrupt
from tacit.data.shelf import Kept
from tacit.errors import Interrupted
from tacit.proving import keeping
from tacit.proving.keeping import SAID, Piece, carried_out


def pieces(log, count=4, stop_in=None):
    def piece(number):
        def do():
            log.append(number)
            if number == stop_in:
                os.kill(os.getpid(), signal.SIGINT)
                interrupt.check()
            return Kept({"x": torch.tensor([number])}, {SAID: f"CER {number}"})

        return Piece(f"draw {number}", {"number": number}, 10, do)

    return [piece(number) for number in range(count)]


def test_what_was_done_before_a_signal_is_not_done_again(tmp_path, capsys):
    log = []
    with interrupt.listening(), pytest.raises(Interrupted) as stop:
        carried_out("training", pieces(log, stop_in=2), tmp_path)
    assert stop.value.exit_code == 130
    assert str(stop.value) == (
        "interrupted in training 3 of 4: 2 of them are kept, and the same command goes on from there"
    )
    assert "are there already" not in capsys.readouterr().err
    found = carried_out("training", pieces(log), tmp_path)
    assert log == [0, 1, 2, 2, 3]
    assert [int(each.tensors["x"]) for each in found] == [0, 1, 2, 3]
    err = capsys.readouterr().err
    assert err.startswith("2 of 4 trainings are there already\ntraining 3 of 4: draw 2\n  CER 2\ntraining 4 of 4")
    carried_out("training", pieces(log), tmp_path)
    assert len(log) == 5


def test_a_damaged_piece_is_done_anew_and_the_others_are_not(tmp_path):
    log = []
    carried_out("training", pieces(log), tmp_path)
    path = sorted(tmp_path.rglob("*.safetensors"))[0]
    path.write_bytes(b"")
    found = carried_out("training", pieces(log), tmp_path)
    assert len(log) == 5
    assert [int(each.tensors["x"]) for each in found] == [0, 1, 2, 3]


def test_time_left_is_by_what_the_pieces_cost(tmp_path, monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now)

    def piece(number, cost):
        def do():
            nonlocal now
            now += 2 * cost
            return Kept({}, {SAID: "done"})

        return Piece("one", {"number": number}, cost, do)

    carried_out("training", [piece(number, cost) for number, cost in enumerate((10, 20, 300))], tmp_path)
    lines = capsys.readouterr().err.splitlines()[::2]
    assert lines == [
        "training 1 of 3: one",
        "training 2 of 3: one, about 11 min left",
        "training 3 of 3: one, about 10 min left",
    ]


def test_a_cache_that_cannot_be_written_is_told_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    log = []
    carried_out("training", pieces(log), tmp_path / "file")
    assert log == [0, 1, 2, 3]
    assert capsys.readouterr().err.count("trainings are not kept") == 1
