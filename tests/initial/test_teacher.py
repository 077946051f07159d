"""A student of an encoder on disk: what it is shown, what it learns, and what it says of teachers that are none."""

import json

import numpy as np
import pytest
import torch
from toys import folder_of_shapes

from tacit.cli import run
from tacit.data.dataset import open_dataset
from tacit.encoder import load
from tacit.errors import UsageError
from tacit.initial.teacher import taught
from tacit.looking.showing import show
from tacit.modalities.interactions import INTERACTIONS
from tacit.settings import build

QUICK = ["--steps", "2", "--batch", "8", "--set", "evaluations=0", "--set", "encoder.width=8"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Pictures, and two teachers of them: `large` sees them at 24 pixels, `other` at 16."""
    home = tmp_path_factory.mktemp("home")
    folder_of_shapes(home / "shapes")
    for name, size in (("large", 24), ("other", 16)):
        words = ["train", str(home / "shapes"), "--method", "patches", "--set", "encoder.filters=12"]
        words += ["--set", "method.iterations=1", "--set", f"modality.size={size}"]
        assert run([*words, "--out", str(home / name)]) == 0
    return home


@pytest.fixture(scope="module")
def student(home):
    """A finished run that learnt from `large` at 16 pixels."""
    words = ["train", str(home / "shapes"), "--method", "distillation", "--teacher", str(home / "large"), *QUICK]
    assert run([*words, "--out", str(home / "student")]) == 0
    return home / "student"


def config_of(home, teacher, **settings):
    return build(
        [{"data": str(home / "shapes"), "method": {"name": "distillation"}, "teacher": str(teacher), **settings}]
    )


def opened(home, teacher, **settings):
    config = config_of(home, teacher, **settings)
    return taught(open_dataset(config.data, config.kind, config.modality, seed=config.seed), config)


def test_views_bring_along_what_the_teacher_makes_of_each_sample_by_its_own_layout(home):
    dataset = opened(home, home / "large")
    teacher = load(home / "large")
    assert dataset.layout.size == 16
    assert teacher.layout.size == 24
    wanted = torch.from_numpy(teacher.embed(str(home / "shapes")))
    everything, train = dataset.everything(), dataset.part("train")
    assert torch.equal(everything.view(torch.tensor([5, 0])).taught, wanted[[5, 0]])
    rows = torch.from_numpy(dataset.parts["train"])[[3, 1]]
    assert torch.equal(train.view(torch.tensor([3, 1])).taught, wanted[rows])


def test_the_teacher_reads_once(home, capfd):
    opened(home, home / "other")
    assert "60 images, once" in capfd.readouterr().err
    again = opened(home, home / "other", modality={"name": "image", "weak": {"crop": [0.9, 1.0]}})
    assert "once" not in capfd.readouterr().err
    assert again.everything().view(torch.arange(60)).taught.isfinite().all()


def test_what_is_held_out_within_samples_the_teacher_does_not_see(tmp_path):
    """Two logs that differ in the last items alone, which are to be told."""
    (tmp_path / "logs").mkdir()
    seen = {}
    for name, last in (("one", "a b"), ("two", "c d")):
        lines = [f"{user} {' '.join(np.roll(list('abcdefgh'), user)[:6])} {last}" for user in range(12)]
        (tmp_path / "logs" / f"{name}.txt").write_text("\n".join(lines) + "\n")
        log = str(tmp_path / "logs" / f"{name}.txt")
        words = {"data": log, "modality": {"name": "interactions"}}
        if name == "one":
            told = ["--set", "modality.name=interactions", "--method", "causal-prediction", "--steps", "1"]
            assert run(["train", log, *told, "--batch", "4", "--out", str(tmp_path / "teacher")]) == 0
        config = build([words, {"method": {"name": "distillation"}, "teacher": str(tmp_path / "teacher")}])
        dataset = taught(open_dataset(log, INTERACTIONS, config.modality), config)
        seen[name] = dataset.everything().view(torch.arange(12))
    assert not torch.equal(seen["one"].x, seen["two"].x)
    assert torch.equal(seen["one"].taught, seen["two"].taught)


def test_the_student_is_an_encoder_of_its_own_and_says_where_it_comes_from(home, student):
    described = json.loads((student / "encoder" / "config.json").read_text())
    assert described["training"]["teacher"] == str(home / "large")
    assert described["training"]["teacher_hash"] == opened(home, home / "large").teacher
    held = load(student).network.state_dict()
    assert max(value.numel() for value in held.values()) < load(home / "large").dim * load(student).dim
    assert load(student).layout.size == 16


def test_a_picture_shows_whom_both_take_for_neighbours(student, tmp_path):
    assert show(str(student), out=tmp_path / "picture.png", count=2).is_file()


def test_a_run_goes_on_with_its_own_teacher_alone(home, tmp_path, capfd):
    teacher, out = tmp_path / "teacher", tmp_path / "run"
    (home / "large").rename(teacher)
    try:
        words = ["train", str(home / "shapes"), "--method", "distillation", "--teacher", str(teacher), *QUICK]
        assert run([*words, "--out", str(out)]) == 0
        teacher.rename(home / "large")
        capfd.readouterr()
        assert run(["train", "--resume", "--out", str(out)]) == 2
        assert "needs its teacher" in capfd.readouterr().err
        (home / "other").rename(teacher)
        assert run(["train", "--resume", "--out", str(out)]) == 2
        assert "teacher: " in capfd.readouterr().err
        with pytest.raises(UsageError, match="another encoder"):
            show(str(out), out=tmp_path / "picture.png")
        teacher.rename(home / "other")
        (home / "large").rename(teacher)
        assert run(["train", "--resume", "--out", str(out)]) == 0
    finally:
        for name in ("large", "other"):
            if teacher.exists() and not (home / name).exists():
                teacher.rename(home / name)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ({"method": {"name": "distillation"}}, "learns from a teacher.*teacher=PATH"),
        ({"method": {"name": "moco"}, "teacher": "x"}, "moco has no teacher.*distillation"),
    ],
)
def test_a_teacher_without_its_method_is_told_and_the_other_way_round(layers, said):
    with pytest.raises(UsageError, match=said):
        build([{"data": "x", **layers}])


def test_teachers_that_cannot_teach_are_told(home, tmp_path):
    with pytest.raises(UsageError, match=r"no teacher: .* does not exist"):
        opened(home, tmp_path / "nowhere")
    (tmp_path / "lines.txt").write_text("a cat sat\non a mat\n" * 20)
    assert run(["train", str(tmp_path / "lines.txt"), "--steps", "1", "--out", str(tmp_path / "words")]) == 0
    with pytest.raises(UsageError, match=r"reads texts, and .* holds images: give an encoder of images"):
        opened(home, tmp_path / "words")


def test_a_teacher_that_takes_samples_apart_otherwise_is_told_with_the_setting(tmp_path):
    (tmp_path / "long.txt").write_text("one two three four five six seven eight nine ten eleven twelve\n" * 20)
    words = ["train", str(tmp_path / "long.txt"), "--steps", "1", "--batch", "4"]
    pieces = ["--set", "modality.pieces=true", "--set", "modality.length=8"]
    assert run([*words, *pieces, "--out", str(tmp_path / "teacher")]) == 0
    teacher = str(tmp_path / "teacher")
    config = build(
        [{"data": words[1], "modality": {"name": "text"}, "method": {"name": "distillation"}, "teacher": teacher}]
    )
    with pytest.raises(UsageError, match=r"take samples apart alike.*--set modality\.pieces=True"):
        taught(open_dataset(config.data, config.kind, config.modality), config)
