"""What is kept comes back whole and in order, or not at all."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.shelf import Kept, Shelf, digest

KEPT = Kept({"b": torch.tensor([[1, 2], [3, 4]]), "a": torch.rand(3).double()}, {"said": "BLEU 25", "example": "ä"})


def test_what_was_kept_is_recalled_whole_and_in_its_order(tmp_path):
    shelf = Shelf("trainings", tmp_path)
    assert shelf.recall({"row": 1}) is None
    assert shelf.keep({"row": 1}, KEPT)
    again = shelf.recall({"row": 1})
    assert list(again.tensors) == ["b", "a"]
    for name, tensor in KEPT.tensors.items():
        assert again.tensors[name].dtype == tensor.dtype
        assert torch.equal(again.tensors[name], tensor)
    assert again.notes == KEPT.notes
    assert shelf.recall({"row": 2}) is None
    assert Shelf("floors", tmp_path).recall({"row": 1}) is None


@pytest.mark.parametrize("place", [0, 9, 60, -1, -8])
def test_a_flipped_bit_anywhere_is_found(tmp_path, place, capsys):
    shelf = Shelf("trainings", tmp_path)
    shelf.keep({}, KEPT)
    (path,) = tmp_path.rglob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
    assert shelf.recall({}) is None
    assert f"{path} is damaged" in capsys.readouterr().err
    assert shelf.keep({}, KEPT)
    assert shelf.recall({}).notes == KEPT.notes


@pytest.mark.parametrize("length", [0, 5, 50, -1])
def test_a_torn_file_is_found(tmp_path, length, capsys):
    shelf = Shelf("trainings", tmp_path)
    shelf.keep({}, KEPT)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:length])
    assert shelf.recall({}) is None
    assert "is damaged" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    assert not Shelf("trainings", tmp_path / "file").keep({}, KEPT)


@given(st.lists(st.integers(-3, 3), max_size=4), st.lists(st.integers(-3, 3), max_size=4))
def test_equal_digests_are_those_of_equal_content(a, b):
    same = a == b
    for make in (lambda x: x, torch.tensor, lambda x: {"x": torch.tensor(x)}):
        assert (digest(make(a)) == digest(make(b))) == same


def test_type_and_shape_are_content():
    x = torch.zeros(2, 2)
    assert len({digest(each) for each in (x, x.flatten(), x.double(), x.int(), {"x": x}, {"y": x})}) == 6
    assert digest(x.T) == digest(x)
    assert digest(torch.tensor(3)) != digest(torch.tensor(4))
