"""The curve: files that are the same each time, and labels that never lie on each other."""

from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tacit.evaluation.bench import Evaluation, Kind, Result
from tacit.evaluation.verdict import Verdict
from tacit.report.curve import apart, draw, height


def evaluation(*, sizes: tuple[int, ...] = (1, 10, 100), top: float = 1.0) -> Evaluation:
    rows: list[tuple[str, Kind, float]] = [
        ("mine", "encoder", top),
        ("raw pixels", "raw", 0.97),
        ("untrained", "untrained", 0.969),
        ("patches", "method", 0.971),
        ("from scratch", "scratch", 0.5),
        ("majority", "majority", 0.1),
    ]
    results = []
    for name, kind, best in rows:
        for position, size in enumerate(sizes):
            value = best if kind == "majority" else best * (0.6 + 0.1 * position)
            results.append(Result(name, kind, "few-label", str(size), value, value - 0.03, min(1, value + 0.03), {}))
        results.append(Result(name, kind, "linear", "all", best, best - 0.02, min(1.0, best + 0.02), {}))
    return Evaluation(tuple(results), (), Verdict(True, "With 10 labels per class it helped."), {})


def test_writes_both_files_the_same_each_time_and_leaves_matplotlib_alone(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    before = dict(matplotlib.rcParams)
    svg, png = draw(evaluation(), tmp_path, title="SimCLR on digits", footnote="500 test images.")
    again = draw(evaluation(), tmp_path / "again", title="SimCLR on digits", footnote="500 test images.")
    assert [path.read_bytes() for path in again] == [svg.read_bytes(), png.read_bytes()]
    assert dict(matplotlib.rcParams) == before
    with Image.open(png) as image:
        assert image.size == (1344, 864)
    assert svg.read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize("sizes", [(), (1,)])
def test_draws_what_there_is(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    assert all(path.stat().st_size for path in draw(evaluation(sizes=sizes), tmp_path, title="t", footnote="f"))


@pytest.mark.parametrize("totals", [(40,), (10, 40, 4000)])
def test_draws_labels_counted_over_all_classes_under_a_name_of_its_own(tmp_path: Path, totals: tuple[int, ...]) -> None:
    rows: tuple[tuple[str, Kind], ...] = (("chosen", "encoder"), ("random", "random"), ("majority", "majority"))
    results = [Result(row, kind, "select", f"{n} in all", 0.5, 0.4, 0.6, {}) for row, kind in rows for n in totals]
    paths = draw(Evaluation(tuple(results), (), None, {}), tmp_path, title="t", footnote="f", stem="selection-curve")
    assert [path.name for path in paths] == ["selection-curve.svg", "selection-curve.png"]
    assert all(path.stat().st_size for path in paths)


@given(wanted=st.lists(st.floats(-3, 7), min_size=1, max_size=9))
def test_labels_keep_their_distance_and_order(wanted: list[float]) -> None:
    places = apart(wanted, 0.5, 7.0)
    ordered = sorted(places, reverse=True)
    assert ordered[0] <= 7.0 + 1e-9
    assert all(above - below >= 0.5 - 1e-9 for above, below in itertools.pairwise(ordered))
    by_wish = [place for _, place in sorted(zip(wanted, places, strict=True), key=lambda pair: (-pair[0], -pair[1]))]
    assert by_wish == ordered
    if all(abs(a - b) >= 0.5 for a, b in itertools.combinations(wanted, 2)):
        assert places == pytest.approx(wanted)


def test_height_is_finite_and_rises() -> None:
    heights = [height(share) for share in (0.0, 0.1, 0.5, 0.9, 0.99, 0.995)]
    assert heights == sorted(heights)
    assert height(0.5) == 0
    assert height(1.0) == height(0.999)
