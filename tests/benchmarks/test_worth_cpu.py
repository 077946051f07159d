"""Methods given more time: what the table says of figures, what is read of an evaluation, and what is measured anew."""

import json

import pytest
from worth_cpu import CASES, PLACES, gains, main, table

from tacit.methods import METHODS


def a_case(method, *figures):
    both = {"encoder": [0.5, 0.4, 0.6], "start": 0.43, "untrained": [0.45, 0.44, 0.46]}
    told = [
        {"by": by, "gain": [0.05, low, 0.1], "beyond": low > 0, "floor": floor, **both} for by, low, floor in figures
    ]
    return {"method": method, "set": "SUBJ", "minutes": 2.5, "steps": 1_200, "figures": told}


def test_a_gain_beyond_chance_is_bold_and_each_figure_stands_there():
    won = a_case("electra", ("kNN", -0.01, ["TF-IDF", 0.7]), ("10 labels per class", 0.01, None))
    lines = table({"second": a_case("mixup", ("kNN", 0.0, None)), "first": won}).splitlines()[2:]
    own = "0.500 [0.400, 0.600] | 0.430 | 0.450 (0.440 to 0.460)"
    assert lines == [
        f"| `electra` | SUBJ | 2.5 min, 1,200 steps | kNN | {own} | +0.050 [-0.010, +0.100] | 0.700, TF-IDF |",
        f"|  |  |  | 10 labels per class | {own} | **+0.050 [+0.010, +0.100]** |  |",
        f"| `mixup` | SUBJ | 2.5 min, 1,200 steps | kNN | {own} | +0.050 [+0.000, +0.100] |  |",
        "",
        "A gain in bold by one figure at least: `electra`; by none: `mixup`.",
    ]


@pytest.mark.parametrize(
    ("start", "seeds", "low", "beyond"),
    [
        (0.4, (0.39, 0.38, 0.37), 0.01, True),
        (0.4, (0.39, 0.38, 0.37), 0.0, False),
        (0.4, (0.44, 0.45, 0.25), 0.01, False),
        (0.29, (0.39, 0.38, 0.37), 0.01, False),
    ],
)
def test_a_gain_is_beyond_chance_where_no_network_was_as_good_before(start, seeds, low, beyond):
    def result(row, kind, value, low, **protocol):
        about = {"task": "forecast", "metric": "MSE, 24 steps", "value": value, "low": low, "high": value}
        return {"row": row, "kind": kind, "protocol": protocol, **about}

    floors = [result("seasonal", "raw", 0.4, 0.4), result("ridge on lags", "raw", 0.2, 0.2)]
    before = result("untrained", "untrained", 0.38, 0.3, values=seeds)
    results = [result("ts2vec", "encoder", 0.3, 0.3), before, *floors]
    differences = [result("seasonal", "", 0.1, 0.1), result("untrained", "", 0.08, low)]
    first = {"results": [result("ts2vec", "encoder", start, start)]}
    told = {("forecast", "MSE, 24 steps"): "MSE"}
    (found,) = gains({"results": results, "differences": differences}, first, told)
    assert found["beyond"] is beyond  # less is better
    assert (found["gain"], found["untrained"]) == ([0.08, low, 0.08], [0.38, min(seeds), max(seeds)])
    assert (found["floor"], found["start"]) == (["ridge on lags", 0.2], start)


def test_cases_are_of_methods_and_sets_that_there_are():
    assert {case.method for case in CASES} <= set(METHODS)
    assert {case.place for case in CASES} == set(PLACES)
    assert len({case.name for case in CASES}) == len(CASES)


def test_what_is_there_is_not_measured_again(tmp_path, monkeypatch, capsys):
    known = {f"{case.method}-{case.place}-1": a_case(case.method, ("kNN", 0.1, None)) for case in CASES}
    results = tmp_path / "found.json"
    results.write_text(json.dumps(known))
    words = ["worth_cpu", "--minutes", "1", "--results", str(results), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", words)
    main()
    assert "by none: none." in capsys.readouterr().out
    assert not any((tmp_path / "runs").iterdir())  # nothing was played or written for sets that nobody needs
