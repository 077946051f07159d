"""Courses of trainings: what is found of the checkpoints that were kept, and their figure."""

import json

from courses import HIGH, apart, draw, follow, keep

from tacit import cli

SMALL = ("--set", "encoder.width=8", "--set", "method.local=0", "--batch", "64", "--set", "checkpoint_seconds=0")


def test_each_checkpoint_is_judged_once_and_drawn(tmp_path):
    run = tmp_path / "run"
    assert cli.run(["train", "digits", "--steps", "2", "--out", str(run), *SMALL]) == 0
    keep(run / "checkpoints")
    points = follow(run, "digits", {})
    assert points[-1]["step"] == 2
    assert [point["seconds"] for point in points] == sorted(point["seconds"] for point in points)
    assert all(0.5 < point["knn"] < 1 for point in points), "digits are told from noise by any network"
    assert points[-1]["measured"]["rankme"] > 1
    told = [{**point, "knn": 0.25} for point in points]
    (run / "course.json").write_text(json.dumps(told))
    assert follow(run, "digits", {}) == told
    course = [{**point, "views": 100 * point["step"]} for point in points]
    draw({"simclr": {"course": course}, "patches": {"course": []}}, tmp_path / "courses.png")
    assert (tmp_path / "courses.png").read_bytes().startswith(b"\x89PNG")


def test_names_that_would_lie_on_each_other_are_lifted_above():
    lifts = apart({"one": (0, 0), "two": (3, 1), "far away": (500, 1), "high": (0, 90)})
    assert lifts == {"one": 0, "two": HIGH - 1, "far away": 0, "high": 0}
    assert apart({str(number): (0, 0) for number in range(3)}) == {"0": 0, "1": HIGH, "2": 2 * HIGH}
