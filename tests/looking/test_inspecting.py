"""Looking before training: what is counted, what is advised, and that it is true."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from mask_toys import CLASSES, camvid
from PIL import Image
from toys import folder_of_shapes, shape

from tacit.cli import run
from tacit.looking import inspecting
from tacit.report.advice import general
from tacit.report.inspection import Cost, Inspection, Spread, Twins, text

QUICK = {"encoder": {"width": 12}}


def look(data, **told):
    return inspecting.inspect([{"data": str(data), "method": {"name": "simclr"}}, QUICK, told], seconds=0.1)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """A set with a split, a leak, a sample under two classes, a damaged file, and one of another size."""
    root = tmp_path_factory.mktemp("set")
    folder_of_shapes(root / "train", each=12)
    folder_of_shapes(root / "test", each=4)
    for number in range(4):  # others than those for training
        for kind in ("bar", "disc", "ring"):
            shape(kind, 50_000 + number).save(root / "test" / kind / f"{number:03}.png")
    first = (root / "train" / "bar" / "000.png").read_bytes()
    (root / "test" / "bar" / "again.png").write_bytes(first)
    (root / "train" / "disc" / "bar.png").write_bytes(first)
    (root / "train" / "ring" / "damaged.png").write_bytes(first[:50])
    shape("ring", 7, 40).convert("L").save(root / "train" / "ring" / "large.jpg")
    return root


@pytest.fixture(scope="module")
def seen(spoilt):
    return look(spoilt)[0]


def test_long_names_do_not_run_into_what_is_said_of_them(seen):
    longest = "a fact with a long name"
    lines = text(replace(seen, facts={**seen.facts, longest: {"no": 9}})).splitlines()
    named = next(line for line in lines if line.startswith(longest))
    assert named == f"{longest}  all no"
    place = len(longest) + 2
    body = lines[2 : lines.index("", 2)]
    assert all(line[place - 1] == " " and line[place] != " " for line in body), "one column"


def test_everything_is_counted(seen):
    assert seen.samples == 36 + 12 + 3
    assert seen.parts == {"train": 38, "test": 13}
    assert seen.classes == {"train": {"bar": 12, "disc": 13, "ring": 13}, "test": {"bar": 5, "disc": 4, "ring": 4}}
    assert seen.counts == {"bar": 17, "disc": 17, "ring": 17}
    assert (seen.unlabelled, seen.groups) == (0, None)
    assert [name for name, _ in seen.unreadable] == ["train/ring/damaged.png"]
    assert seen.facts["format"] == {"PNG": 50, "JPEG": 1}
    assert seen.facts["mode"] == {"RGB, 8 bit": 50, "L, 8 bit": 1}
    assert seen.facts["width"] == Spread(16, 16, 40)
    assert seen.looked_at == 51
    assert seen.layout["size"] == 16
    assert seen.drawn == ()


def test_leaks_and_conflicts_are_found(seen):
    assert seen.twins.exact == 2
    assert seen.twins.leaks >= 1
    assert seen.twins.conflicts >= 1
    words = " ".join(seen.advice)
    assert "lie in more than one part" in words or "lies in more than one part" in words
    assert "more than one class" in words
    assert "--max-bad 0.02" in words


def test_the_cost_is_of_this_machine(seen):
    cost = seen.cost
    assert cost.seconds == pytest.approx(cost.step * (38 // cost.batch))
    assert 0 < cost.step < 60
    assert cost.epochs > 0
    assert 2**27 < cost.memory < cost.available


def test_the_text_says_it_all_within_the_width(seen):
    said = text(seen, 80)
    assert max(map(len, said.splitlines()[1:])) <= 80  # the first line holds the name, as long as it is
    assert said.splitlines()[0].endswith("51 images, 3 classes, 1 unreadable")
    for part in ("train 38, test 13", "PNG: 50, JPEG: 1", "16 (median), 16 to 40", "2 exact", "ten minutes are", "- "):
        assert part in said


def test_a_method_without_gradients_is_tried_as_well(spoilt):
    told = {"data": str(spoilt), "method": {"name": "patches", "patches": 1000}, "encoder": {"name": "patches"}}
    cost = inspecting.inspect([told])[0].cost
    assert (cost.method, cost.step, cost.epochs) == ("patches", None, None)
    assert 0 < cost.seconds < 60


def test_the_command_prints_json_and_draws(spoilt, tmp_path, capfd):
    words = ["inspect", str(spoilt), "--set", "encoder.width=12", "--picture", str(tmp_path / "sheet.png"), "--json"]
    assert run(words) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["samples"] == 51
    assert told["facts"]["width"] == {"lowest": 16, "median": 16, "highest": 40}
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 100


def test_boxes_are_counted_and_small_ones_pointed_out(tmp_path):
    coco = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "dust"}]}
    for number in range(8):
        name = f"{number}.png"
        shape("disc", number, 64).save(tmp_path / name)
        coco["images"].append({"id": number, "file_name": name, "width": 64, "height": 64})
        for kind, side in ((1, 40), (2, 3), (2, 4)):
            box = {"id": len(coco["annotations"]) + 1, "image_id": number, "category_id": kind}
            coco["annotations"].append({**box, "bbox": [5, 5, side, side], "area": side**2, "iscrowd": 0})
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    seen = look(tmp_path / "boxes.json")[0]
    (drawn,) = seen.drawn
    assert (drawn.kind, drawn.samples, drawn.read) == ("boxes", 8, 8)
    assert drawn.classes == {"cell": 8, "dust": 16}
    assert drawn.small == pytest.approx(2 / 3)
    assert "24 on 8 samples, dust: 16, cell: 8; 67% under 8 cells" in text(seen)
    assert "67% of the boxes are under 8 cells" in " ".join(seen.advice)


def test_masks_are_counted(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(6):
        shape("disc", number, 32).save(tmp_path / "images" / f"{number}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[:8] = 1
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    seen = look(tmp_path)[0]
    (drawn,) = seen.drawn
    assert (drawn.kind, drawn.samples, drawn.unreadable, drawn.small) == ("masks", 6, 0, None)
    assert list(drawn.classes.values()) == pytest.approx([0.75, 0.25])
    assert "what they are called is not known" in " ".join(text(seen).split())
    assert "results speak of class 0: put a classes.txt" in " ".join(seen.advice)


def test_masks_are_called_what_the_legend_says(tmp_path):
    seen = look(camvid(tmp_path))[0]
    (drawn,) = seen.drawn
    assert list(drawn.classes) == list(CLASSES)
    assert drawn.named
    assert "ground" in text(seen)
    assert "not known" not in " ".join(text(seen).split())
    assert "classes.txt" not in " ".join(seen.advice)


def plain(**changes):
    """A set that nothing is wrong with."""
    cost = Cost("simclr", "convnet", 1, "cpu", 1.0, 0.1, 256, 600.0, 2**30, 2**34)
    classes = {"train": {"a": 5_000, "b": 5_000}, "test": {"a": 1_000, "b": 1_000}}
    twins = Twins("hash", 0, 0, 0, 0, ())
    seen = Inspection(
        "photos", "images", "images", 12_000, 12_000, (), {"train": 10_000, "test": 2_000},
        "split as the source gives it", classes, 0, None, None, {}, 12_000, {}, (), twins, cost, (),
    )  # fmt: skip
    return replace(seen, **changes)


def test_a_set_that_nothing_is_wrong_with_gets_no_advice():
    assert list(general(plain())) == []
    assert "nothing stands in the way of training" in text(plain())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unreadable": (("x.png", "empty"),) * 500}, "--max-bad 0.04"),
        ({"twins": Twins("hash", 0, 0, 7, 0, ("a", "b"))}, "7 groups of duplicates lie in more than one part"),
        ({"twins": Twins("hash", 0, 0, 0, 1, ("a", "b"))}, "1 group of duplicates stands under more than one class"),
        (
            {"twins": Twins("hash", 0, 9, 7, 0, ("a", "b"))},
            "part; where they are copies, and not merely alike, figures",
        ),
        ({"twins": Twins("hash", 0, 9, 0, 1, ("a", "b"))}, "where they are copies, and not merely alike, at most one"),
        ({"twins": Twins("hash", 600, 600, 0, 0, ("a", "b"))}, "others, 5% only nearly so: where they are copies"),
        ({"twins": Twins("hash", 1200, 0, 0, 0, ("a", "b"))}, "duplicates of others: the set is worth 10,800"),
        ({"classes": {"train": {"a": 400, "b": 40}, "test": {"a": 400, "b": 0}}}, "no sample to test on of b"),
        ({"twins": Twins("hash", 600, 600, 0, 0, ("a", "b"))}, "10% of the samples are duplicates"),
        ({"parts": {"train": 300}}, "300 images for training are few"),
        ({"parts": {"train": 40}}, "in ten minutes simclr sees 24,000 samples, which is little"),
        ({"parts": {"train": 40}}, "--time 80m"),
        ({"classes": {"train": {}, "test": {}}}, "no labels"),
        ({"classes": {"train": {"a": 100}}}, "one class"),
        ({"classes": {"train": {"a": 4_000, "b": 100}}}, "unbalanced 1 : 40 (b 100, a 4,000)"),
        ({"classes": {"train": {"a": 400, "b": 3}}}, "b has 3 labelled samples"),
        ({"classes": {"train": {"a": 50, "b": 50}, "test": {"a": 36, "b": 36}}}, "known to 12 points either way"),
        ({"protocol": "20% test by hash of each sample's content, seed 0"}, "`group` column"),
    ],
)
def test_each_weakness_is_named(changes, said):
    assert said in " ".join(general(plain(**changes)))


def test_memory_that_is_scarce():
    cost = replace(plain().cost, memory=15 * 2**30)
    assert "15.0 of 16.0 GiB" in " ".join(general(plain(cost=cost)))


def test_a_sample_alone_can_be_looked_at(tmp_path):
    buffer = io.BytesIO()
    shape("disc", 1).save(buffer, "PNG")
    (tmp_path / "only.png").write_bytes(buffer.getvalue())
    seen = look(tmp_path)[0]
    assert seen.cost is None
    assert seen.samples == 1


def test_real_photographs(real_data):
    seen = look(real_data / "images" / "flowers")[0]
    assert seen.samples == 3_670
    assert seen.parts == {"train": 2_934, "test": 736}
    assert seen.twins.conflicts >= 1, "one photograph stands under two labels"
