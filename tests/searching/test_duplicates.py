"""Duplicates that were planted are found, named and counted; others are not."""

import csv
import io
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tacit.cli import run
from tacit.data.dataset import open_dataset
from tacit.encoder import load
from tacit.errors import UsageError
from tacit.modalities import MODALITIES
from tacit.report.sheet import CELL
from tacit.searching.duplicates import _merge, find, find_in

IMAGE = MODALITIES["image"]


def photograph(seed, side=48):
    """Large shapes with finer ones on them, as photographs have."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        for cells in (5, 16)
    ]
    return Image.blend(*layers, 0.5)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Forty photographs in two parts and two classes, and five copies of them."""
    root = tmp_path_factory.mktemp("planted")
    for number in range(40):
        home = root / ("train", "test")[number % 4 == 3] / "ab"[number % 2]
        home.mkdir(parents=True, exist_ok=True)
        photograph(number).save(home / f"{number:02}.png")
    shutil.copy(root / "train/a/00.png", root / "train/a/same-file.png")
    shutil.copy(root / "train/a/02.png", root / "test/b/leaked.png")
    photograph(4).save(root / "train/a/same-values.bmp")
    photograph(5).save(root / "train/a/other-label.bmp")
    photograph(7).save(root / "train/b/squeezed.jpg", quality=40)
    return root


def as_sets(found):
    names = found.dataset.everything().names
    return {frozenset(names[row].split("/")[-1] for row in group.rows.tolist()) for group in found.groups}


PLANTED = {
    frozenset(pair)
    for pair in (
        ("00.png", "same-file.png"),
        ("02.png", "leaked.png"),
        ("04.png", "same-values.bmp"),
        ("05.png", "other-label.bmp"),
        ("07.png", "squeezed.jpg"),
    )
}


def test_planted_copies_are_found_with_how_they_are_the_same(planted):
    found = find_in(str(planted))
    assert as_sets(found) == PLANTED
    names = found.dataset.everything().names
    ways = {min(names[row].split("/")[-1][:2] for row in group.rows.tolist()): group.way for group in found.groups}
    assert ways == {"00": "bytes", "02": "bytes", "04": "values", "05": "values", "07": "hash"}
    for group in found.groups:
        assert group.similarity.shape == (2,)
        assert (group.similarity == 1).all() or group.way == "hash"
        assert (group.similarity >= found.near).all()
    assert len(found.leaks) == 2, "02 was copied from train to test, 07 from test to train"
    assert [group.leak for group in found.groups] == [True, True, False, False, False], "leaks come first"
    assert {group.classes for group in found.conflicts} == {("a", "b")}
    assert len(found.conflicts) == 2, "02 and 05 stand under both classes"
    assert found.surplus() == 5
    assert found.surplus("bytes", "values") == 4


def test_a_higher_limit_finds_no_more_than_a_lower_one(planted):
    dataset = open_dataset(str(planted), IMAGE, IMAGE.config())
    sizes = [find(dataset, near=near).surplus() for near in (0.5, 0.6, 0.8, 0.9, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1] >= 4
    for near in (0.4, 1.1):
        with pytest.raises(UsageError, match="--near"):
            find(dataset, near=near)


@given(
    st.integers(1, 20),
    st.lists(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=6), max_size=4),
)
def test_links_join_as_a_loop_joins(count, blocks):
    pairs = [[(a % count, b % count) for a, b in block] for block in blocks]
    lowest = list(range(count))
    for a, b in (pair for block in pairs for pair in block):
        keep, gone = sorted((lowest[a], lowest[b]))
        lowest = [keep if one == gone else one for one in lowest]
    arrays = [(np.array([a for a, _ in block], int), np.array([b for _, b in block], int)) for block in pairs]
    assert _merge(np.arange(count), arrays).tolist() == lowest


@pytest.fixture(scope="module")
def encoder(planted, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    words = ["train", str(planted), "--steps", "2", "--batch", "4", "--set", "encoder.width=12", "--out", str(out)]
    assert run(words) == 0
    return out


def test_an_encoder_finds_them_in_its_own_space(planted, encoder):
    loaded = load(encoder)
    found = find_in(str(planted), encoder=loaded, near=0.9999)
    assert found.measure == "features"
    assert {frozenset(pair) for pair in as_sets(found)} >= {pair for pair in PLANTED if "squeezed.jpg" not in pair}
    dataset = open_dataset(str(planted), IMAGE, IMAGE.config(), loaded.layout)
    vectors = torch.from_numpy(loaded.embed(str(planted)))
    vectors = torch.nn.functional.normalize(vectors - vectors.mean(0), dim=1)
    near = (vectors @ vectors.T >= 0.99).fill_diagonal_(False).any(1)
    loose = find(dataset, encoder=loaded, near=0.99)
    assert sorted(row for group in loose.groups for row in group.rows.tolist()) == near.nonzero().flatten().tolist()


def test_the_command_prints_a_summary_and_writes_all_groups(planted, tmp_path, capsys):
    table, picture = tmp_path / "new" / "duplicates.csv", tmp_path / "sheet.png"
    assert run(["duplicates", str(planted), "--out", str(table), "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "5 of 45 images repeat another one, 5 groups" in said
    assert said.index("more than one part") < said.index("different classes")
    assert "leaked.png" in said
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert len(rows) == 10
    assert {row["group"] for row in rows} == set("12345")
    leaked = next(row for row in rows if row["name"] == "test/b/leaked.png")
    assert leaked == {
        "group": leaked["group"],
        "way": "bytes",
        "leak": "yes",
        "conflict": "yes",
        "name": "test/b/leaked.png",
        "part": "test",
        "label": "b",
        "similarity": "1.0000",
    }
    with Image.open(picture) as sheet:
        assert sheet.width > 8 * CELL, "pairs stand side by side"


def test_a_set_without_duplicates_is_said_to_have_none(tmp_path, capsys):
    for number in range(6):
        photograph(number).save(tmp_path / f"{number}.png")
    assert run(["duplicates", str(tmp_path), "--picture", str(tmp_path / "none.png")]) == 0
    assert "no duplicates among 6 images" in capsys.readouterr().out
    assert not (tmp_path / "none.png").exists()


def test_one_sample_and_many_blank_ones(tmp_path, capsys):
    photograph(0).save(tmp_path / "0.png")
    assert run(["duplicates", str(tmp_path)]) == 0
    assert "no duplicates among 1 image " in capsys.readouterr().out
    for number in range(30):
        Image.new("RGB", (48, 48), (number, number, number)).save(tmp_path / f"blank-{number}.png")
    assert run(["duplicates", str(tmp_path)]) == 0
    assert "One group has 30 members" in capsys.readouterr().out


def test_real_photographs_their_planted_copies_and_what_is_known_of_the_flowers(real_data, tmp_path):
    flowers = real_data / "images" / "flowers"
    if not flowers.is_dir():
        pytest.skip(f"{flowers} is not there")
    found = find_in(str(flowers))
    twice = "15922772266_1167a06620.jpg"
    assert any(
        {found.dataset.everything().names[row].split("/")[-1] for row in group.rows.tolist()} == {twice}
        for group in found.conflicts
    ), "one photograph stands under roses and under tulips"
    assert len(found.leaks) >= 5
    chosen = sorted((flowers / "val" / "daisy").glob("*.jpg"))[:60]
    for path in chosen:
        with Image.open(path) as image:
            image.save(tmp_path / path.name)
            image.resize((image.width // 2, image.height // 2)).save(tmp_path / f"copy-{path.name}", quality=50)
    copies = find_in(str(tmp_path))
    pairs = [pair for pair in as_sets(copies) if any(name.startswith("copy-") for name in pair)]
    right = [pair for pair in pairs if len({name.removeprefix("copy-") for name in pair}) == 1]
    assert len(right) >= 0.95 * len(chosen)
    assert len(pairs) - len(right) <= 2
