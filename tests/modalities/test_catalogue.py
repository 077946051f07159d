"""What is known of items: tables as users write them, and what is made of their cells."""

import json
import math

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.errors import DataError
from tacit.modalities.catalogue import FAR, catalogue_of, facts_of, traits_of
from tacit.modalities.item_table import open_items
from tacit.nn.stems import Known
from tacit.view import FIRST_WORD

CSV = (
    "item_id,genre,title,price\n"
    "a,Drama|Crime,the long way home,1\nb,Crime,the short way out,3\nc,,another long road home,\nd,Opera,x y z,5\n"
)


def table(tmp_path, name="items.csv", text=CSV):
    (tmp_path / name).write_text(text)
    return open_items(str(tmp_path / name))


def matrix(catalogue, count):
    """Dense `[count, K]`."""
    traits = traits_of(catalogue, count)
    found = torch.zeros(FIRST_WORD + count, traits.width)
    ends = [*traits.starts[1:].tolist(), len(traits.places)]
    for row, (start, end) in enumerate(zip(traits.starts.tolist(), ends, strict=True)):
        found[row, traits.places[start:end]] = traits.values[start:end]
    return found[FIRST_WORD:]


def test_lists_texts_and_numbers_are_told_apart(tmp_path):
    found = catalogue_of(table(tmp_path), ["c", "b", "a", "absent"])
    kinds = {column.name: (column.kind, column.values.split("\n")) for column in found.columns}
    assert kinds["genre"] == ("category", ["Crime"]), "what one item alone is says no more than which one it is"
    assert kinds["title"] == ("words", ["home", "long", "the", "way"])
    assert kinds["price"][0] == "number"
    dense = matrix(found, 4)
    assert dense[:, 0].tolist() == [0, 1, 1, 0]
    assert torch.allclose(dense[2, 1:5], torch.full((4,), 0.5), atol=1e-3)
    assert dense[:, 5].tolist() == [0, 1, -1, 0], "by mean and deviation of the items there are; unknown is typical"
    assert not dense[3].any()


def test_items_kept_out_are_read_by_what_the_others_told(tmp_path):
    found = catalogue_of(table(tmp_path), ["a", "b", "c"], ["d"])
    assert len(found.lines) == 4
    assert found.lines[3] == f"5:{(5 - 2) / 1:g}"


def test_all_formats_say_the_same(tmp_path):
    rows = [
        {"item": "1", "kinds": ["x", "y"], "on": True, "price": 2.5},
        {"item": "2", "kinds": ["x"], "on": False, "price": None},
        {"item": "3", "kinds": ["y"], "on": True, "price": 4.0},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    inter = "item_id:token\tkinds:token_seq\ton:token\tprice:float\n1\tx y\ttrue\t2.5\n2\tx\tfalse\t\n3\ty\ttrue\t4\n"
    found = [
        open_items(str(tmp_path / "x.parquet")),
        table(tmp_path, "x.jsonl", lines),
        table(tmp_path, "x.item", inter),
    ]
    first, *others = [matrix(catalogue_of(each, ["1", "2", "3"]), 3) for each in found]
    assert first.shape == (3, 4)
    assert all(torch.equal(first, other) for other in others)


def test_ids_are_named_as_in_the_log(tmp_path):
    assert set(table(tmp_path, "x.csv", "item,a\n007,1\n12,2\n").rows) == {"007", "12"}
    pyarrow.parquet.write_table(pyarrow.table({"item": [1.0, 12.0], "a": ["x", "x"]}), tmp_path / "x.parquet")
    assert set(open_items(str(tmp_path / "x.parquet")).rows) == {"1", "12"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "thing,a\n1,2\n", "no column item"),
        ("x.csv", "item\n1\n", "none beside it"),
        ("x.csv", "item,item_id,a\n1,1,2\n", "several columns"),
        ("x.csv", "item,a\n1,2\n1,3\n", "describes item '1' twice"),
        ("x.csv", "item,a\n,2\n", "describes no item"),
        ("x.csv", "", "cannot be read as a table"),
        ("x.csv", "item,a\n1,2,3\n", "cannot be read as a table"),
        ("x.jsonl", "{", "cannot be read as a table"),
        ("x.parquet", "PAR1", "cannot be read as a table"),
        ("x.doc", "", "ends with .doc"),
        ("x.csv", "item,a\nz,2\ny,3\n", "describes none of the 3 items"),
        ("x.csv", "item,a\na,2\nb,2\n", "no column of"),
        ("x.csv", "item,a\na,p\nb,q\n", "no column of"),
    ],
)
def test_bad_tables_are_refused_with_the_reason(tmp_path, name, text, said):
    with pytest.raises(DataError, match=said):
        catalogue_of(table(tmp_path, name, text), ["a", "b", "c"])
    with pytest.raises(DataError, match="no file"):
        open_items(str(tmp_path / "nothing.csv"))


def test_columns_of_other_types_are_passed_over_and_wild_numbers_held(tmp_path, capfd):
    text = "item,price,odd:float_seq\n" + "".join(f"{n},{10**9 if n == 7 else n % 3},1 2\n" for n in range(50))
    found = catalogue_of(table(tmp_path, "x.csv", text), [str(n) for n in range(50)])
    assert "passed over: odd:float_seq" in capfd.readouterr().err
    assert [column.name for column in found.columns] == ["price"]
    assert matrix(found, 50).abs().max() == FAR


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_said_of_an_item_does_not_depend_on_the_others_asked_for(data):
    """Facts are a function of the columns and the item's own row, and add up to what a dense product gives."""
    from tacit.modalities.item_table import Cells, ItemTable

    size = data.draw(st.integers(3, 8))
    words = st.sampled_from(["x", "y", "z"])
    cells = st.one_of(st.none(), st.lists(words, max_size=3))
    kinds = data.draw(st.lists(cells, min_size=size, max_size=size))
    prices = [None if n % 4 == 3 else float(n) for n in range(size)]
    names = [f"i{n}" for n in range(size)]
    columns = {"kinds": Cells("category", kinds), "price": Cells("number", prices)}
    rows = ItemTable("made up", {name: n for n, name in enumerate(names)}, columns)
    found = catalogue_of(rows, names)
    for name, line in zip(names, found.lines, strict=True):
        assert facts_of(found.columns, rows, [name]) == [line]
    known = Known(traits_of(found, size), 5).eval()
    own = torch.randn(FIRST_WORD + size, 5)
    expected = own[FIRST_WORD:] + matrix(found, size) @ known.vectors.weight
    assert torch.allclose(known(own)[FIRST_WORD:], expected, atol=1e-5)
    norms = matrix(found, size)[:, :-1].norm(dim=1)
    assert all(math.isclose(norm, 1, abs_tol=1e-2) or norm == 0 for norm in norms.tolist())


def test_in_training_some_have_nothing_but_what_is_known():
    from tacit.view import Traits

    known = Known(Traits(torch.zeros(1_000, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0), 1), 2)
    torch.manual_seed(0)
    bare = (known(torch.ones(1_000, 2)) == 0).all(dim=1).float().mean()
    assert 0.05 < float(bare) < 0.15
    assert np.isclose(float(known.eval()(torch.ones(1_000, 2)).detach().mean()), 1)
