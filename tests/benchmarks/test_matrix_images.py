"""The matrix of images: its table, the draw of images, whose cores are whose, what is kept of a course."""

import json
import zipfile
from argparse import Namespace

import pytest
from courses import keep
from matrix_images import changed, drawn, figures, known, of_seed, of_settings, shares, spread, table


def a_method(knn, gain):
    each = {"knn": [knn, knn - 0.01, knn + 0.01], "linear": [0.6, 0.5, 0.7], "few-label": [0.4, 0.3, 0.5]}
    floors = {"raw pixels": {"knn": [0.3, 0.2, 0.4]}, "majority": {}}
    gains = {task: [0.1, gain, 0.2] for task in each}
    own = {"trained": each, "untrained": each, "gain": gains, "floors": floors}
    return {"encoder": "convnet", "views": 1_500_000, **own}


def test_the_best_by_neighbours_stands_first_and_what_gained_is_bold():
    closed = a_method(0.5, 0.0) | {"views": 0, "untrained": {}, "gain": {}}
    lines = table({"worse": a_method(0.4, -0.01), "closed": closed, "better": a_method(0.7, 0.01)}).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "`better`",
        "`closed`",
        "`worse`",
        "*raw pixels*",
        "*majority*",
    ]
    assert "| 1.50 | **0.700 [0.690, 0.710]** (0.700) | **0.600" in lines[2]
    assert "| 0.500 [0.490, 0.510] | 0.600 [0.500, 0.700] |" in lines[3]
    assert "| 0.400 [0.390, 0.410] (0.400) |" in lines[4]


def test_what_a_setting_changes_stands_beside_what_there_was_without():
    without = {"one": a_method(0.5, 0.1), "two": a_method(0.4, 0.1), "three": a_method(0.4, 0.1)}
    found = {"one": a_method(0.45, 0.1) | {"views": 3_000_000}, "two": a_method(0.6, 0.1)}
    lines = changed(without, found, ["method.local=4"]).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["method, `method.local=4`", "---", "`two`", "`one`"]
    assert "| 1.50 to 3.00 | -0.050 | 0.500 [0.490, 0.510] to 0.450 [0.440, 0.460] |" in lines[3]


def test_figures_are_those_of_the_method_and_of_its_own_untrained_network():
    def result(row, value, task="knn", metric="k=20"):
        return {"row": row, "task": task, "metric": metric, "value": value, "low": value, "high": value}

    rows = [result("simclr", 0.5), result("simclr", 0.7, metric="k=200"), result("untrained", 0.25)]
    rows += [result("simclr", 0.4, "few-label", "100 in all"), result("majority", 0.1)]
    found = figures({"results": rows, "differences": [result("untrained", 0.25)]}, "simclr")
    assert found["trained"] == {"knn": [0.5, 0.5, 0.5], "few-label": [0.4, 0.4, 0.4]}
    assert found["untrained"] == {"knn": [0.25, 0.25, 0.25]}
    assert found["gain"] == {"knn": [0.25, 0.25, 0.25]}
    assert found["floors"] == {"raw pixels": {}, "majority": {"knn": [0.1, 0.1, 0.1]}}


def test_processes_beside_each_other_share_no_core():
    assert shares([0, 2, 4, 6, 8], 2, 2) == [[0, 2], [4, 6]]
    assert shares([3], 1, 2) == [[3]]  # one alone has what there is
    with pytest.raises(SystemExit, match="more than the 2 cores"):
        shares([0, 1], 2, 2)


def test_a_seed_draws_the_same_images_beside_all_that_are_tested(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    with zipfile.ZipFile(tmp_path / "images" / "cifar10.zip", "w") as whole:
        for part, count in (("train", 20), ("test", 3)):
            for number in range(count):
                whole.writestr(f"cifar10/{part}/cat/{number:04}.jpg", f"{part} {number}")
    monkeypatch.setenv("TACIT_DATA", str(tmp_path))
    files = []
    for seed, place in ((0, "a"), (0, "b"), (1, "c")):
        (tmp_path / place).mkdir()
        with zipfile.ZipFile(drawn(tmp_path / place, 5, seed)) as part:
            files.append({name: part.read(name) for name in part.namelist()})
    assert files[0] == files[1] != files[2]
    assert sum("/train/" in name for name in files[0]) == 5
    assert files[0]["cifar10/test/cat/0002.jpg"] == b"test 2"
    assert sum("/test/" in name for name in files[0]) == 3
    with zipfile.ZipFile(drawn(tmp_path / "a", 5, 0, 2)) as part:
        names = part.namelist()
    assert {name for name in names if "/train/" in name} == {name for name in files[0] if "/train/" in name}
    assert sum("/test/" in name for name in names) == 2


def test_a_checkpoint_keeps_its_bytes_when_the_run_removes_it(tmp_path):
    for suffix in (".json", ".safetensors"):
        (tmp_path / f"step-00000010{suffix}").write_text(suffix)
    keep(tmp_path)
    (tmp_path / "step-00000010.json").unlink()
    keep(tmp_path)
    assert (tmp_path / "kept-00000010.json").read_text() == ".json"


def test_results_of_another_protocol_are_not_added_to(tmp_path, monkeypatch):
    class Given:
        minutes, images, seed, threads, sets, results = 3.0, 10, 0, 2, (), tmp_path / "results.json"

    begun = known(Given)
    assert begun == {"protocol": {"minutes": 3.0, "images": 10, "seed": 0, "threads": 2}, "methods": {}}
    Given.results.write_text(json.dumps(begun))
    assert known(Given) == begun
    for name, value in (("minutes", 4.0), ("sets", ["method.local=4"])):
        monkeypatch.setattr(Given, name, value)
        with pytest.raises(SystemExit, match="name another --results"):
            known(Given)
        monkeypatch.undo()


def test_other_seeds_stand_beside_and_their_spread_is_told(tmp_path):
    given = Namespace(results=tmp_path / "found.json", runs=tmp_path / "runs", minutes=3)
    first, other = of_seed(given, 0), of_seed(given, 2)
    assert (first.results, first.runs, first.seed) == (given.results, given.runs, 0)
    assert (other.results.name, other.runs, other.seed) == ("found-2.json", given.runs / "seed-2", 2)
    changed_one = of_seed(of_settings(given, ["method.local=4", "batch=64"]), 2)
    assert changed_one.results.name == "found-method.local=4-batch=64-2.json"
    assert changed_one.runs == given.runs / "method.local=4-batch=64" / "seed-2"
    assert of_seed(of_settings(given, []), 0) == Namespace(**vars(first), sets=[])
    seeds = [{"a": a_method(one, 0.1), "b": a_method(0.6, 0.1)} for one in (0.5, 0.9)] + [{"a": a_method(0.7, 0.1)}]
    lines = spread(seeds[:2]).splitlines()
    assert lines[2].startswith("| `a` | 1.50, 1.50 | 0.700 (0.500 to 0.900) | 0.600 (0.600 to 0.600) |")
    assert lines[3].startswith("| `b` | 1.50, 1.50 | 0.600 (0.600 to 0.600) |")
    assert len(spread(seeds).splitlines()) == 3  # `b` has no third seed
