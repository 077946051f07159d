"""The race's table is what was measured, and a contender of several parts is one row of it."""

from __future__ import annotations

from race_cpu import CONTENDERS, known_so_far, table
from tables import ROOT


def test_the_published_table_is_that_of_the_findings() -> None:
    assert table(known_so_far()) in (ROOT / "docs" / "performance.md").read_text()


def test_several_learn_in_turn_within_the_time_of_one() -> None:
    both = CONTENDERS["patches-simclr"]
    first, second = both.parts
    assert first.words(10)[:4] == ["--method", "patches", "--set", "encoder.filters=1700"]
    assert "--time" not in first.words(10), "it ends by itself"
    assert second.words(10)[-2:] == ["--time", "264s"]
    assert both.title.startswith("`patches` `encoder.filters=1700`")
    assert ", beside it `simclr` `optimiser.name=muon`" in both.title
