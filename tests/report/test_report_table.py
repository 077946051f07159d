"""The table says the same in the terminal, without colour, and in Markdown."""

from __future__ import annotations

from rich.console import Console

from tacit.evaluation.bench import Evaluation, Result
from tacit.report.table import markdown, table


def evaluation() -> Evaluation:
    def accuracy(row: str, kind: str, metric: str, value: float) -> Result:
        task = "linear" if metric == "all" else "few-label"
        return Result(row, kind, task, metric, value, value - 0.01, value + 0.01, {})  # type: ignore[arg-type]

    results = [
        accuracy("mine", "encoder", "all", 0.958),
        accuracy("mine", "encoder", "1", 0.7),
        Result("mine", "encoder", "health", "rankme", 26.32, None, None, {}),
        Result("mine", "encoder", "health", "dead dimensions", 3.0, None, None, {}),
        accuracy("raw pixels", "raw", "all", 0.978),
        accuracy("raw pixels", "raw", "1", 0.6),
        accuracy("majority", "majority", "all", 0.1),
    ]
    return Evaluation(tuple(results), (), None, {})


def test_terminal_without_colour_marks_floors_and_the_best() -> None:
    console = Console(width=80, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table(evaluation()))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["trained", "floor", "floor"]
    few = next(position for position, line in enumerate(lines) if line.startswith("1 label per class"))
    assert lines[few].split()[-2:] == ["*.700", ".600"]
    assert lines[few + 1].split() == [".690–.710", ".590–.610"]
    every = next(line for line in lines if line.startswith("all labels"))
    assert every.split()[-3:] == [".958", "*.978", ".100"]
    assert next(line for line in lines if line.startswith("rankme")).split() == ["rankme", "26.32"]


def test_many_representations_have_a_line_each() -> None:
    lists = ["mine", "untrained", "popularity", "transitions", "item-kNN", "EASE", "mix"]
    results = [
        Result(row, "raw" if place else "encoder", "next-item", metric, place / 10, place / 10, 0.7, {})
        for place, row in enumerate(lists)
        for metric in ("NDCG@10", "HR@10")
    ]
    console = Console(width=80, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table(Evaluation(tuple(results), (), None, {})))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["NDCG@10", "HR@10"]
    assert [line.split()[0] for line in lines[1:-1:2]] == lists
    assert lines[-3].split() == ["mix", "*.600", "*.600"]
    assert lines[-2].split() == ["floor", ".600–.700", ".600–.700"]


def test_markdown() -> None:
    assert markdown(evaluation()).splitlines() == [
        "|  | 1 label per class | all labels (linear) | rankme | dead dimensions |",
        "| --- | --: | --: | --: | --: |",
        "| mine | **.700** [.690, .710] | .958 [.948, .968] | 26.32 | 3 |",
        "| raw pixels (floor) | .600 [.590, .610] | **.978** [.968, .988] |  |  |",
        "| majority (floor) |  | .100 [.090, .110] |  |  |",
    ]
