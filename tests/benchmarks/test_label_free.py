"""Measures without labels beside accuracies: what tables say of made-up encoders, what is measured of a real one."""

import math

import pytest
import torch
from label_free_cpu import SCORES, Point, checkpoints, correlations, measured, of_one_network, steps, table

from tacit.core import View

FOUND = dict.fromkeys(("rankme", "rank", "alpha", "lidar", "alignment", "uniformity", "stability", "spread"), 1.0)


def made_up(**columns):
    """An encoder for each accuracy; what is not given is the same of all."""
    accuracies = columns.pop("accuracy")
    return [
        Point(f"{n}", "one", accuracy, 1 - accuracy, {**FOUND, **{name: values[n] for name, values in columns.items()}})
        for n, accuracy in enumerate(accuracies)
    ]


def cells(text, measure):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {measure} |")]
    return [each.strip() for each in line.split("|")[2:-1]]


def test_a_row_says_how_a_measure_ranks_and_what_it_would_choose():
    points = made_up(
        accuracy=[0.5, 0.6, 0.7, 0.9], rankme=[1, 2, 3, 4], alignment=[0.1, 0.2, 0.3, 0.4], lidar=[1, 2, 4, 3]
    )
    other = made_up(accuracy=[0.2, 0.1, 0.3], rankme=[1, 2, 3])
    text = table({"set": points, "other": other}, "few")
    assert text.splitlines()[0] == "| measure | set, 4 encoders | other, 3 encoders | mean |"
    first, second, mean = cells(text, "RankMe")
    assert (first[:6], first[-5:]) == ("+1.00 ", "0.900")
    assert (second[:6], second[-5:]) == ("+0.50 ", "0.300")
    assert mean.startswith("+0.75 [")
    assert cells(text, "LiDAR")[0].startswith("+0.80 [")
    assert cells(text, "LiDAR")[0].endswith("0.700")
    assert cells(text, "alignment")[0].startswith("-1.00 [")  # what is far apart was turned to be worse
    assert cells(text, r"*the best of all*")[:2] == ["0.900", "0.300"]
    assert cells(text, r"*one at random*")[:2] == ["0.675", "0.200"]
    turned = table({"set": points}, "neighbours")
    assert cells(turned, "RankMe")[0].startswith("-1.00 [")
    assert cells(turned, "RankMe")[0].endswith("0.100")
    assert cells(turned, r"*the best of all*")[:1] == ["0.500"]


def test_alpha_is_best_at_one_and_what_cannot_be_measured_is_worst():
    points = made_up(accuracy=[0.9, 0.6, 0.5, 0.1], alpha=[1.1, 0.7, 2.5, math.nan])
    assert correlations(points, "few")["alpha-ReQ, nearness to 1"][0] == pytest.approx(1)


def test_one_network_is_the_commonest():
    points = [Point(f"{n}", network, 0.5, 0.5, FOUND) for n, network in enumerate(["a", "b", "b"])]
    assert [point.name for point in of_one_network(points)] == ["1", "2"]


def a_course(*points):
    return [{"step": n, "knn": knn, "measured": {**FOUND, "rankme": rank}} for n, (knn, rank) in enumerate(points)]


def test_steps_of_a_run_are_chosen_among_and_runs_are_drawn_whole():
    courses = {"up": a_course((0.1, 1), (0.3, 2), (0.5, 3)), "down": a_course((0.6, 3), (0.4, 2)), "closed": []}
    points = checkpoints({name: {"encoder": "convnet", "course": course} for name, course in courses.items()})
    assert [point.name for point in points] == ["up 0", "up 1", "up 2", "down 0", "down 1"]
    behind, often = cells(steps(points), "RankMe")
    assert (behind[:6], often) == ("0.0000", "2 of 2")
    behind, often = cells(steps(points), r"*the last one*")
    assert (behind, often) == ("0.1000 [0.0000, 0.2000]", "1 of 2")
    assert steps(points).splitlines()[0] == "| measure | behind the best of the run | it is the best |"
    alone = correlations(points[:3], "neighbours")["RankMe"]
    assert alone[1:].tolist() == [pytest.approx(1)] * (len(alone) - 1)  # one run: every draw is all of it
    assert "mean" not in table({"all": points}, "neighbours", mean=False)


class Waves:
    def __len__(self):
        return 300

    def view(self, rows):
        return View(torch.sin(0.37 * (rows[:, None] + 1) * torch.arange(1, 13.0)), index=rows)


def test_an_encoder_is_measured_the_same_each_time_and_views_that_blur_it_cost():
    def jittered(by):
        return lambda view, draws: view.with_x(view.x + by * draws.normal(view.x.shape[1:]))

    found = measured(lambda view: view.x, Waves(), jittered(0.05))
    assert found == measured(lambda view: view.x, Waves(), jittered(0.05))
    assert set(found) == set(FOUND)
    assert all(math.isfinite(score(found)) for score in SCORES.values())
    blurred = measured(lambda view: view.x, Waves(), jittered(1.0))
    assert blurred["rankme"] == found["rankme"]
    assert blurred["stability"] < found["stability"]
    assert blurred["alignment"] > found["alignment"]
