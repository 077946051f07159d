"""A package imports only from lower layers."""

import ast
from pathlib import Path

import pytest

import tacit

ROOT = Path(tacit.__file__).parent
LAYERS = [
    {"errors", "console", "ranks", "atomic", "memory", "heap", "processors"},
    {"config", "interrupt", "draws"},
    {"view"},
    {"features"},
    {"modality"},
    {"core"},
    {"schedule", "losses"},
    {"nn", "augment"},
    {"engine", "methods", "evaluation"},
    {"heads"},
    {"modalities", "report"},
    {"data"},
    {"settings", "encoder", "truth"},
    {"model", "initial", "writer", "agent", "curious", "choice"},
    {"ranker"},
    {"training"},
    {"assist"},
    {"adapting", "applying", "collecting", "searching", "proving"},
    {"acting", "looking"},
    {"library", "desk"},
    {"demo"},
    {"commands"},
    {"cli"},
    {"__main__"},
    {"__init__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
IMAGE_SETS = {"builtin.py", "cifar.py", "arrays.py", "collect.py"}  # sets are sets of something, games are rendered
ENGINE_MAY = {"core", "draws", "ranks", "view", "atomic", "schedule", "config", "errors", "interrupt", "console"}
ENGINE_MAY |= {"engine", "processors"}


def imports(path: Path) -> set[str]:
    """The members of tacit that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tacit":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("tacit.")}
    return found


FILES = sorted(ROOT.rglob("*.py"))


def own(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_from_lower_layers_only(path):
    name = own(path)
    for used in imports(path) - {name}:
        assert RANK[used] < RANK[name], f"{path.name} imports {used}"
    if name == "engine":
        assert imports(path) <= ENGINE_MAY


def test_the_general_layers_do_not_know_what_the_data_are():
    """No word of images in what serves every kind of data."""
    files = ("core.py", "view.py", "features.py", "modality.py", "cli.py")
    for name in (*files, "engine", "evaluation", "commands", "data"):
        for path in [ROOT / name] if name.endswith(".py") else sorted((ROOT / name).glob("*.py")):
            tree = ast.parse(path.read_text())
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            words = {part for identifier in names for part in identifier.lower().split("_")}
            if path.name not in IMAGE_SETS:
                assert not words & {"image", "images", "pixel", "pixels", "rgb", "pil", "pillow"}, path


def test_files_and_functions_stay_short():
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= 320, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.end_lineno - node.body[0].lineno + 1
                docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
                assert body - docstring <= 50, f"{path}: {node.name}"
