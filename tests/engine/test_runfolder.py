import json
import logging
import os
from pathlib import Path

import pytest
from programs import Programs

from tacit.engine.runfolder import RunFolder
from tacit.errors import RunError, UsageError


def test_a_run_can_be_resumed_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunFolder(path) as folder:
        folder.write(folder.config, "seed: 0\n")
    with pytest.raises(UsageError, match="already holds a run: go on with it by --resume, or name another --out"):
        RunFolder(path)
    with RunFolder(path, resume=True) as folder:
        assert folder.config.read_text() == "seed: 0\n"


def test_a_run_that_ended_before_its_settings_were_written_is_started_again(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        (folder.path / "skipped.txt").touch()
    with pytest.raises(UsageError, match="holds no run to resume"):
        RunFolder(tmp_path / "run", resume=True)
    RunFolder(tmp_path / "run").close()


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"is not empty \(it holds 'thesis.tex'\) and is no run"):
        RunFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_paths_that_cannot_be_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="a file is in its place"):
        RunFolder(tmp_path / "file")
    with pytest.raises(UsageError, match="a file is in its place"):
        RunFolder(tmp_path / "file" / "run")
    with pytest.raises(UsageError, match="does not exist: create it"):
        RunFolder(tmp_path / "missing" / "run")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder in which not even root can write")
def test_a_read_only_place_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        RunFolder(Path("/sys/kernel/run"))


def test_one_process_at_a_time(tmp_path: Path, programs: Programs) -> None:
    path = tmp_path / "run"
    program = f"from pathlib import Path; from tacit.engine.runfolder import RunFolder; RunFolder(Path({str(path)!r}))"
    with RunFolder(path):
        (tmp_path / "second.py").write_text(program)
        second = programs.start([], tmp_path / "said", script=tmp_path / "second.py")
        assert second.wait() != 0
        assert f"{path} is in use by pid {os.getpid()}" in second.err
        with pytest.raises(RunError, match="in use by pid"):
            RunFolder(path)
    RunFolder(path).close()


def test_metrics_after_a_checkpoint_are_cut_and_a_torn_line_with_them(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        for step in range(4):
            folder.add_metrics({"step": step})
        with folder.metrics.open("ab") as file:
            file.write(b'{"step": 4, "lo')
        assert [record["step"] for record in folder.cut_metrics(2)] == [0, 1, 2]
        folder.add_metrics({"step": 3})
        assert [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()] == [0, 1, 2, 3]


def test_the_log_has_the_traceback_that_the_user_is_spared(tmp_path: Path) -> None:
    log = logging.getLogger("tacit")
    before = (list(log.handlers), log.level)
    folder = RunFolder(tmp_path / "run")
    log.debug("a detail")
    with pytest.raises(ZeroDivisionError), folder:
        _ = 1 / 0
    text = folder.log.read_text()
    assert "a detail" in text
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
    assert (list(log.handlers), log.level) == before
