"""Lists of files: columns, what may be missing, and mistakes in them."""

import pytest
from data_toys import fill, png

from tacit.data.table import open_table
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})


@pytest.fixture
def root(tmp_path):
    return fill(tmp_path, ["i/0.png", "i/1.png", "i/2.png", "new\nline, too.png"])


def table(root, text, name="list.csv"):
    (root / name).write_text(text, encoding="utf-8")
    return open_table(root / name, PNG)


def test_all_columns(root):
    source = table(
        root,
        "split,Label,path,group,Fold,width\ntrain,9,i/0.png,ann,2,5\ntest,10,i/1.png,bob,1,6\n,,i/2.png,,,7\n",
    )
    assert list(source.names) == ["i/0.png", "i/1.png", "i/2.png"]
    assert source.raw(1) == png(1)
    assert source.classes == ("9", "10")
    assert source.labels.tolist() == [0, 1, -1]
    assert source.splits.tolist() == [0, 2, -1]
    assert source.groups.tolist() == [0, 1, -1]
    assert list(source.group_names) == ["ann", "bob"]
    assert source.folds.tolist() == [0, 1, -1]
    assert list(source.fold_names) == ["2", "1"]
    assert source.notes == ()


@pytest.mark.parametrize("name", ["path", "file", "filename", "image", "anything"])
def test_names_of_the_path_column(root, name):
    assert list(table(root, f"{name}\ni/0.png\n").names) == ["i/0.png"]


def test_other_delimiters_byte_order_marks_and_quotes(root):
    assert table(root, "path;label\ni/0.png;a\n").classes == ("a",)
    assert table(root, "path\tlabel\ni/0.png\ta\n", "list.tsv").classes == ("a",)
    source = table(root, '\ufeffpath,label\r\n"new\nline, too.png",a\r\n')
    assert list(source.names) == ["new\nline, too.png"]
    assert source.raw(0) == png(3)


def test_text_lists(root):
    source = table(root, f"i/1.png\n\n{root}/i/0.png\r\n", "list.txt")
    assert [source.raw(row) for row in range(2)] == [png(1), png(0)]
    assert source.splits is None
    assert source.groups is None
    assert list(table(root, "i/1.png\ni/0.png\n", "bare.csv").names) == ["i/1.png", "i/0.png"]


def test_files_that_cannot_be_read_are_named(root):
    (root / "folder.png").mkdir()
    source = table(root, "path\nnowhere.png\ni/0.jpg\nfolder.png\n")
    for row, reason in enumerate(("no such file", "ends with none of .png", "not an ordinary file")):
        with pytest.raises(Unreadable, match=reason):
            source.raw(row)


def test_no_column_of_paths(root):
    with pytest.raises(DataError, match=r"no column of paths; its columns are fiel, label.*did you mean 'file'"):
        table(root, "fiel,label\ni/0.png,1\n")
    with pytest.raises(DataError, match="the first line must name the columns"):
        table(root, "i/0.png,cat\ni/1.png,dog\n")
    with pytest.raises(DataError, match="its columns are none"):
        table(root, "")


def test_an_unknown_split(root):
    with pytest.raises(DataError, match="no split is called 'tset'; did you mean 'test'"):
        table(root, "path,split\ni/0.png,tset\n")


def test_a_misspelt_column_is_pointed_out(root):
    assert "rename it to 'label'" in table(root, "path,labels\ni/0.png,a\n").notes[0]
    assert "rename it to 'fold'" in table(root, "path,folds\ni/0.png,1\n").notes[0]
    assert table(root, "path,gold,folder\ni/0.png,1,i\n").notes == ()


def test_rubbish_is_no_table(root):
    (root / "x.csv").write_bytes(b'path,label\n"' + b"x" * 200_000)
    with pytest.raises(DataError, match="no valid table"):
        open_table(root / "x.csv", PNG)
