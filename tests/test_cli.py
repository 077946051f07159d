"""The program as its users meet it."""

import json
import os
import subprocess
import sys

import pytest
from toys import folder_of_shapes

from tacit.choice import measured
from tacit.cli import run
from tacit.commands import COMMANDS, WAY
from tacit.commands.kinds import flowing
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.settings import RunConfig

QUICK = ["--steps", "2", "--batch", "16", "--set", "encoder.width=12"]


def program(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tacit", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return str(folder_of_shapes(tmp_path_factory.mktemp("shapes")))


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from tacit.cli import run; run(['--help']); "
        "heavy = {'torch', 'numpy', 'pydantic', 'sklearn', 'matplotlib', 'PIL', 'timm'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_all_but_the_plainest_have_examples(command, capfd):
    assert run([command, "--help"]) == 0
    said = capfd.readouterr().out
    assert "Usage: tacit" in said
    assert command == "doctor" or "Example" in said


def test_the_program_starts_and_knows_its_version():
    done = program("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == "0.1.0"


def test_completion_installs(tmp_path):
    done = program("--install-completion", "--shell", "bash", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("tacit" in path.read_text() for path in written)


def test_print_config_is_a_configuration_that_repeats_itself(shapes, tmp_path, capfd):
    assert run(["train", shapes, "--preset", "tutorial", "--print-config"]) == 0
    text = capfd.readouterr().out
    config = RunConfig.from_yaml(text)
    assert config.encoder.name == "resnet18"
    assert config.modality.strong.rotate == 10
    (tmp_path / "again.yaml").write_text(text)
    assert run(["train", "--config", str(tmp_path / "again.yaml"), "--print-config"]) == 0
    assert capfd.readouterr().out == text


def test_flags_lie_over_the_file_and_set_over_the_flags(shapes, tmp_path, capfd):
    (tmp_path / "c.yaml").write_text("seed: 1\nbatch: 8\nmethod: {name: moco, queue: 64}\n")
    words = ["train", shapes, "--config", str(tmp_path / "c.yaml"), "--seed", "2", "--set", "method.out=32"]
    assert run([*words, "--print-config"]) == 0
    config = RunConfig.from_yaml(capfd.readouterr().out)
    assert (config.seed, config.batch, config.method.queue, config.method.out) == (2, 8, 64, 32)


def test_a_dry_run_says_what_would_run_and_writes_nothing(shapes, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["train", shapes, "--dry-run"]) == 0
    said = capfd.readouterr().out
    for part in ("60 images", "simclr", "convnet", "parameters", "600 s"):
        assert part in said
    assert not list(tmp_path.iterdir())


def test_a_dry_run_of_finetune_says_what_would_run_and_writes_nothing(shapes, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["train", shapes, *QUICK, "--out", "run"]) == 0
    capfd.readouterr()
    assert run(["finetune", "run", shapes, "--freeze", "all", "--epochs", "3", "--dry-run"]) == 0
    said = capfd.readouterr().out
    for part in ("60 images", "learnt from 36, val 9", "drawn by class", "bar, disc, ring", "classify", "from run"):
        assert part in said, said
    assert "'epochs': 3" in said
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_every_command_has_its_place_on_the_way(capfd):
    placed = [name for names in WAY.values() for name in names]
    assert sorted(placed) == sorted(COMMANDS)
    assert run(["--help"]) == 0
    said = capfd.readouterr().out
    assert [said.index(title) for title in WAY] == sorted(said.index(title) for title in WAY)


def test_results_go_to_stdout_and_all_else_to_stderr(shapes, tmp_path, monkeypatch, capfd, programs):
    monkeypatch.chdir(tmp_path)
    done = program("train", shapes, *QUICK)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.endswith("-simclr/encoder")
    assert "\x1b" not in done.stderr, "no bars where stderr is no terminal"
    judged = programs.start(["evaluate", line, shapes, "--task", "knn", "--json"], tmp_path / "said")
    assert judged.wait() == 0, judged.err
    result = json.loads(judged.out)
    assert {row["row"] for row in result["results"]} == {"simclr", "untrained", "raw pixels", "patches", "majority"}
    assert all(row["protocol"]["split"] for row in result["results"])
    assert run(["train", shapes, *QUICK]) == 0
    assert capfd.readouterr().out.strip().endswith("-simclr-2/encoder"), "the next run takes the next free name"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_explained(method, capfd):
    assert run(["methods", method]) == 0
    said = capfd.readouterr().out
    for part in ("formula", "paper", "modalities", "options", "presets", "measured", METHODS[method].paper):
        assert part in said
    for modality in MODALITIES.values():
        assert (f"for {modality.unit}, by itself" in said) == (method in modality.recipes)
    known = [case for case in measured() if method in case.figures]
    assert said.count("untrained .") == sum(method in case.untrained for case in known)
    assert all(f"{case.name}, {case.seconds:g} s" in said for case in known)


def test_runs_are_listed_shown_and_compared(shapes, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["runs"]) == 0
    assert "no run" in capfd.readouterr().out
    for name in ("one", "two"):
        assert run(["train", shapes, *QUICK, "--out", f"runs/{name}"]) == 0
    assert run(["evaluate", "runs/two", shapes, "--task", "knn"]) == 0
    capfd.readouterr()
    assert run(["runs"]) == 0
    said = capfd.readouterr().out
    assert "runs/one" in said
    assert "runs/two" in said
    assert "nearest neighbours" in said, "the verdict stands below the table"
    assert run(["runs", "runs/one"]) == 0
    assert "temperature" in capfd.readouterr().out
    assert run(["runs", "runs/one", "runs/two"]) == 0
    assert run(["runs", "nowhere"]) == 2


def test_doctor_tells_what_there_is(capfd):
    assert run(["doctor"]) == 0
    said = capfd.readouterr().out
    for part in ("tacit", "torch", "threads", "precision", "cache", "free disk"):
        assert part in said


def test_a_reader_that_leaves_is_no_failure(shapes):
    command = f"{sys.executable} -m tacit methods simclr | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_debug_shows_where_it_happened(tmp_path, capfd):
    assert run(["train", "nowhere", "--out", str(tmp_path / "run")], debug=True) == 3
    assert "Traceback" in capfd.readouterr().err


def test_paragraphs_of_help_flow_and_the_rest_keeps_its_lines() -> None:
    text = """One thing.

    Two lines
    of a paragraph.

    Parameters
    ----------
    first
        What it is,
        at length.
    second
        Short.
    """
    assert flowing(text) == (
        "One thing.\n\nTwo lines of a paragraph.\n\nParameters\n----------\nfirst\n    What it is, at length.\nsecond\n"
        "    Short."
    )
