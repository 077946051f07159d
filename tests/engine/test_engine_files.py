import json
from pathlib import Path

import pytest

from tacit.engine import files


def test_a_write_replaces_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for text in (b"long old text", b"new"):
        files.write(path, text)
        assert path.read_bytes() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_stray_file_of_a_killed_write_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / files.PARTIAL).write_bytes(b"torn")
    files.write(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_named() -> None:
    with pytest.raises(files.WriteError, match="cannot write /dev/full: No space left on device") as caught:
        files.append(Path("/dev/full"), b"x")
    assert caught.value.exit_code == 1


def test_a_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(files.WriteError, match="a: "):
        files.write(target, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (target / "kept").exists()


def test_json_lines_are_strict() -> None:
    line = files.to_json({"step": 1, "loss": float("nan"), "names": ["ä"]})
    assert json.loads(line, parse_constant=pytest.fail) == {"step": 1, "loss": None, "names": ["ä"]}
