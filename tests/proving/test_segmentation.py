"""The examination of an encoder on masks, from the command line; what a fine-tuned model draws."""

import json
from functools import partial

import numpy as np
import pytest
from mask_toys import CLASSES, camvid, coco, fill, save, scene
from PIL import Image

from tacit.applying.painting import enlarged, overlaid, palette
from tacit.cli import run
from tacit.data.annotation import VOID
from tacit.proving import exams
from tacit.proving.segmentation import segment
from tacit.proving.trial import Effort

SMALL = ["--set", "encoder.width=24", "--set", "modality.frame=stretch", "--set", "modality.size=32"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A set in CamVid's layout and an encoder that has seen it."""
    home = tmp_path_factory.mktemp("segmentation")
    data = camvid(home / "data", (14, 4, 6))
    (data / "classes.txt").write_text("\n".join([*CLASSES, "bicycle"]))  # of which there is none
    assert run(["train", str(data), "--steps", "8", "--batch", "14", *SMALL, "--out", str(home / "run")]) == 0
    return home


def test_every_row_is_measured_and_the_verdict_is_on_mean_iou(home, tmp_path, monkeypatch, capfd):
    effort = Effort(steps={10: 3}, steps_all=4, draws=3, draws_all=1)
    monkeypatch.setitem(exams.LABEL_EXAMS, "segment", partial(segment, effort=effort))
    words = ["evaluate", str(home / "run"), str(home / "data"), "--task", "segment", "--json", "--out", str(tmp_path)]
    assert run(words) == 0
    out, err = capfd.readouterr()
    said = json.loads(out)
    assert "not in the test part, and left out of its mean: 'bicycle'" in err
    assert said["results"][0]["protocol"]["absent_from_test"] == ["bicycle"]
    assert json.loads((tmp_path / "segmentation.json").read_text()) == said
    found = {(one["row"], one["metric"]): one for one in said["results"]}
    whole = {f"mIoU, {size} images" for size in ("10", "all")} | {"accuracy, all images"}
    probed = whole | {"mIoU, kNN", "mIoU, k-means"}
    classes = {f"IoU {name}" for name in CLASSES}
    rows = {row: {metric for own, metric in found if own == row} for row, _ in found}
    assert rows == {
        "simclr": whole | classes,
        "from scratch": whole | classes,
        "simclr, frozen": probed | classes,
        "untrained, frozen": probed | classes,
        "raw values + place": probed | classes,
        "majority by place": whole | classes,
    }
    for (_, metric), one in found.items():
        assert 0 <= one["value"] <= 1
        if not metric.startswith("IoU "):
            assert one["low"] <= one["value"] <= one["high"]
    own = [found["simclr, frozen", f"IoU {name}"]["value"] for name in CLASSES]
    assert np.mean(own) == pytest.approx(found["simclr, frozen", "mIoU, all images"]["value"])
    assert found["majority by place", "IoU ground"]["value"] > found["majority by place", "IoU disc"]["value"]
    sentence = said["verdict"]["sentence"]
    assert sentence.startswith("Learning as a whole: With 10 labelled images")
    assert sentence.count("With all 14 labelled images") == 2
    assert {one["row"] for one in said["differences"]} == set(rows) - {"simclr"}


def test_data_without_masks_are_refused(home, tmp_path, capfd):
    fill(tmp_path / "data", "a/{n}.png", "b/{n}.png")
    assert run(["evaluate", str(home / "run"), str(tmp_path / "data"), "--task", "segment"]) == 3
    assert "trainannot" in capfd.readouterr().err


@pytest.fixture(scope="module")
def model(home):
    words = ["finetune", str(home / "run"), str(home / "data"), "--task", "segment", "--steps", "80"]
    assert run([*words, "--set", "method.rate=1", "--set", "evaluations=4", "--out", str(home / "model")]) == 0
    return home / "model"


def test_a_model_draws_masks_of_the_samples_own_size(home, model, tmp_path):
    assert json.loads((model / "finetune.json").read_text())["figures"][0]["metric"] == "mIoU"
    assert run(["predict", str(model), str(home / "data"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "classes.txt").read_text().split() == [*CLASSES, "bicycle"]
    names = sorted(path.relative_to(tmp_path / "out/masks") for path in (tmp_path / "out/masks").rglob("*.png"))
    assert len(names) == 24
    right = []
    for name in names:
        with Image.open(tmp_path / "out/masks" / name) as drawn, Image.open(tmp_path / "out/overlays" / name) as over:
            assert (drawn.mode, over.mode) == ("P", "RGB")
            assert drawn.size == over.size == (40, 32)
            right.append((np.asarray(drawn) == scene(int(name.stem))[1]).mean())
            assert np.asarray(drawn).max() < len(CLASSES)
    assert np.mean(right) > 0.9  # nothing but ground is right in .87


def test_what_is_predicted_can_be_learnt_from_again(home, model, tmp_path):
    """The folder of masks is of a layout that is read: beside the samples it is a set."""
    (tmp_path / "set").mkdir()
    for number in range(6):
        save(tmp_path / "set" / "images" / f"{number}.png", scene(number)[0])
    assert run(["predict", str(model), str(tmp_path / "set" / "images"), "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "out" / "masks").rename(tmp_path / "set" / "masks")
    (tmp_path / "out" / "classes.txt").rename(tmp_path / "set" / "classes.txt")
    again = ["finetune", str(home / "run"), str(tmp_path / "set"), "--task", "segment", "--steps", "2"]
    assert run([*again, "--out", str(tmp_path / "again")]) == 0


def test_samples_without_masks_single_files_and_odd_names_are_predicted(model, tmp_path):
    for name in ("a/one.png", "a/one.bmp", "two.png"):
        save(tmp_path / "data" / name, scene(1)[0])
    assert run(["predict", str(model), str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    made = sorted(str(path.relative_to(tmp_path / "out/masks")) for path in (tmp_path / "out/masks").rglob("*.png"))
    assert made == ["a/one-2.png", "a/one.png", "two.png"]
    assert run(["predict", str(model), str(tmp_path / "data/two.png"), "--out", str(tmp_path / "single")]) == 0
    assert (tmp_path / "single/masks/two.png").is_file()


def test_a_coco_file_serves_both_kinds_of_task(home, tmp_path):
    coco(tmp_path / "data")
    words = ["finetune", str(home / "run"), str(tmp_path / "data" / "instances.json"), "--steps", "2"]
    for task in ("segment", "detect"):
        assert run([*words, "--task", task, "--out", str(tmp_path / task)]) == 0


def test_an_enlarged_mask_lies_in_its_window_and_void_around_it():
    mask = np.array([[0, 1], [2, 1]], np.uint8)
    whole = enlarged(mask, (10, 0, 30, 20), (20, 40))
    assert (whole[:, :10] == VOID).all()
    assert (whole[:, 30:] == VOID).all()
    np.testing.assert_array_equal(whole[::10, 10:30:10][:2], mask)
    assert set(np.unique(whole[:, 10:30])) == {0, 1, 2}
    np.testing.assert_array_equal(enlarged(whole[:, 10:30], (0, 0, 20, 20), (20, 20)), whole[:, 10:30])


def test_overlays_tint_classes_and_darken_what_was_not_seen():
    picture = np.full((8, 8, 3), 200, np.uint8)
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 1
    mask[6:] = VOID
    drawn = overlaid(picture, mask)
    assert (drawn[2, 1] != drawn[2, 6]).any()
    assert (drawn[7, 1] == 70).all()
    assert len({tuple(colour) for colour in palette().tolist()}) == 256
