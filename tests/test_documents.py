"""Every command and every program that the README shows is run, as it stands there, in a folder with some pictures.

Time is the one thing that the tests change: budgets such as `--time 10m` become two steps.
"""

import json
import re
import shlex
from pathlib import Path

import pytest
from toys import blocks, folder_of_shapes

from tacit.cli import run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted((ROOT / "docs").glob("*.md"))
COMMANDS = [line.removeprefix("$ ") for block in blocks(README, "console") for line in block.splitlines()]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workplace")
    folder_of_shapes(folder / "photos", each=25)
    return folder


def test_the_readmes_commands_run_in_order(workplace, monkeypatch, capfd):
    monkeypatch.chdir(workplace)
    assert COMMANDS[0] == "make demo"
    assert len(COMMANDS) >= 10
    for command in COMMANDS[1:]:
        program, *words = shlex.split(re.sub(r"--time \S+", "--steps 2", command))
        assert program == "tacit"
        assert run(words) == 0, capfd.readouterr().err
    assert (workplace / "vectors.parquet").is_file()
    assert json.loads((workplace / "runs/photos-simclr/evaluation.json").read_text())["verdict"]["sentence"]


def test_the_readmes_program_runs(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    (program,) = blocks(README, "python")
    program = program.replace('{"time": "10m"}', '{"steps": 2}')
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 - our own page


def test_the_documents_name_no_place_of_their_makers():
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES]:
        assert not re.search(r"(?<![\w.:/])/[a-z]+/", path.read_text()), path


def test_links_between_documents_lead_somewhere():
    for path in [ROOT / "README.md", *PAGES]:
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if "://" not in link:
                assert (path.parent / link).exists(), f"{path.name}: {link}"
