"""Whatever the user gives: one clear message with the fix, the right exit code, no traceback, no hang, nothing lost."""

import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tacit.cli import run

QUICK = ["--steps", "2", "--batch", "4", "--set", "encoder.width=12"]


def picture(seed=0, side=16):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def fill(folder, count=12, classes=("a", "b")):
    for number in range(count):
        home = folder / classes[number % len(classes)]
        home.mkdir(parents=True, exist_ok=True)
        picture(number).save(home / f"{number}.png")
    return folder


def bomb():
    """A PNG of 400 megapixels in a few kilobytes."""
    side = 20_000

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side + 1) * 100, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@dataclass(frozen=True)
class Case:
    """What is prepared in a folder, what is called, and how it has to end."""

    name: str
    prepare: object
    code: int
    said: tuple[str, ...]
    words: tuple[str, ...] = field(default=("train", "{data}", *QUICK, "--out", "{out}"))


def folder_with(**files):
    def prepare(tmp):
        data = fill(tmp / "data")
        for name, content in files.items():
            (data / "a" / name.replace("__", ".")).write_bytes(content)
        return data

    return prepare


def png(seed=0):
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def one_image(tmp):
    (tmp / "data").mkdir()
    picture().save(tmp / "data" / "only.png")
    return tmp / "data"


def empty(tmp):
    (tmp / "data").mkdir()
    (tmp / "data" / "notes.txt").write_text("nothing here")
    return tmp / "data"


def odd_names(tmp):
    data = fill(tmp / "data")
    picture(50).save(data / "a" / "two\nlines.png")
    (Path(os.fsdecode(os.fsencode(data) + b"/a/caf\xe9.png"))).write_bytes(png(51))
    return data


def loop(tmp):
    data = fill(tmp / "data")
    (data / "a" / "again").symlink_to(data, target_is_directory=True)
    return data


def evil_zip(tmp):
    path = tmp / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(12):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", png(number))
        archive.writestr("../evil.png", png(90))
    return path


def animated(tmp):
    data = fill(tmp / "data")
    frames = [picture(number).convert("P") for number in range(3)]
    frames[0].save(data / "a" / "moving.gif", save_all=True, append_images=frames[1:])
    return data


def no_permission(tmp):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    data = fill(tmp / "data")
    (data / "a" / "0.png").chmod(0)
    return data


def nan_array(tmp):
    array = np.random.default_rng(0).random((20, 16, 16)).astype(np.float32)
    array[3, 2, 2] = np.nan
    np.save(tmp / "data.npy", array)
    return tmp / "data.npy"


def pickled_array(tmp):
    np.save(tmp / "data.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return tmp / "data.npy"


def occupied(tmp):
    (tmp / "out").mkdir()
    (tmp / "out" / "thesis.docx").write_text("precious")
    return fill(tmp / "data")


def config_with(text):
    def prepare(tmp):
        (tmp / "settings.yaml").write_text(text)
        return fill(tmp / "data")

    return prepare


WITH_CONFIG = ("train", "{data}", "--config", "{tmp}/settings.yaml", "--out", "{out}")
LENIENT = ("train", "{data}", *QUICK, "--max-bad", "0.5", "--out", "{out}")

SIDES = lambda n: f"{'ab'[n % 2]},{('train', 'test')[n % 3 == 0]},g"  # noqa: E731
HALF = lambda n: "a" if n % 2 else ""  # noqa: E731

CASES = [
    Case("empty folder", empty, 3, ("holds no images", ".png", ".txt")),
    Case("no such folder", lambda tmp: tmp / "nowhere", 3, ("nowhere",)),
    Case("misspelt built-in", lambda tmp: "digit", 3, ("digits",)),
    Case("one image", one_image, 3, ("1 image", "at least 2")),
    Case("truncated file", folder_with(bad__png=png()[:120]), 3, ("bad.png", "--max-bad")),
    Case("truncated file, allowed", folder_with(bad__png=png()[:120]), 0, ("skipped",), LENIENT),
    Case("zero bytes", folder_with(bad__png=b""), 3, ("bad.png", "empty")),
    Case("text named .jpg", folder_with(bad__jpg=b"hello, I am text\n"), 3, ("bad.jpg", "text")),
    Case("PNG bomb", folder_with(bad__png=bomb()), 3, ("bad.png", "megapixel")),
    Case("animation", animated, 0, ()),
    Case("no permission", no_permission, 3, ("0.png", "ermission")),
    Case("symlink loop", loop, 0, ()),
    Case("names with newlines and broken UTF-8", odd_names, 0, ()),
    Case("zip with ../", evil_zip, 3, ("evil.png", "--max-bad")),
    Case("zip with ../, allowed", evil_zip, 0, ("skipped",), LENIENT),
    Case("broken zip", lambda tmp: _file(tmp / "data.zip", b"PK no zip"), 3, ("data.zip",)),
    Case("NaN in an array", nan_array, 3, ("NaN", "3")),
    Case("pickle in an array", pickled_array, 3, ("data.npy",)),
    Case("output is not empty", occupied, 2, ("thesis.docx", "--out")),
    Case("unknown method", fill_data := lambda tmp: fill(tmp / "data"), 2, ("did you mean 'simclr'",),
         ("train", "{data}", "--method", "simcrl", "--out", "{out}")),
    Case("unknown encoder", fill_data, 2, ("did you mean 'convnet'",),
         ("train", "{data}", "--encoder", "convnett", "--out", "{out}")),
    Case("unknown option", fill_data, 2, ("--epochs",), ("train", "{data}", "--epoch", "3", "--out", "{out}")),
    Case("unknown setting", fill_data, 2, ("did you mean 'temperature'",),
         ("train", "{data}", "--set", "method.temprature=1", "--out", "{out}")),
    Case("unknown command", fill_data, 2, ('"train"',), ("trian", "{data}")),
    Case("batch larger than the data", fill_data, 2, ("a batch of 4096", "--batch"),
         ("train", "{data}", "--steps", "2", "--batch", "4096", "--out", "{out}")),
    Case("two budgets", fill_data, 2, ("one budget",),
         ("train", "{data}", "--steps", "2", "--epochs", "2", "--out", "{out}")),
    Case("nonsense duration", fill_data, 2, ("10m",), ("train", "{data}", "--time", "soon", "--out", "{out}")),
    Case("YAML with an alias", config_with("seed: &a 1\nbatch: *a\n"), 2, ("aliases", "settings.yaml"), WITH_CONFIG),
    Case("YAML with a key twice", config_with("seed: 1\nseed: 2\n"), 2, ("stands twice",), WITH_CONFIG),
    Case("resume of nothing", fill_data, 2, ("no run to resume",), ("train", "--resume", "--out", "{out}")),
    Case("no data", fill_data, 2, ("data",), ("train", "--out", "{out}")),
    Case("encoder that is none", fill_data, 2, ("holds no encoder",), ("evaluate", "{data}", "{data}")),
    Case("unknown suffix", fill_data, 2, (".parquet",), ("embed", "{trained}", "{data}", "--out", "{tmp}/v.csv")),
    Case("one class", lambda tmp: fill(tmp / "data", 20, ("a",)), 3, ("two classes",),
         ("evaluate", "{trained}", "{data}")),
    Case("no labels", lambda tmp: flat_folder(tmp), 3, ("label",), ("evaluate", "{trained}", "{data}")),
    Case("unknown task", fill_data, 2, ("did you mean 'linear'",),
         ("evaluate", "{trained}", "{data}", "--task", "liner")),
    Case("quality gate", lambda tmp: fill(tmp / "data", 60), 4, ("gate missed", "knn is"),
         ("evaluate", "{trained}", "{data}", "--task", "knn", "--fail-under", "knn=1.01")),
    Case("group on both sides", lambda tmp: listed(tmp, "path,label,split,group", SIDES), 3, ("group",)),
    Case("labels on part of the files", lambda tmp: listed(tmp, "path,label", HALF), 0, ("no label",)),
]  # fmt: skip


def _file(path, content):
    path.write_bytes(content)
    return path


def flat_folder(tmp):
    (tmp / "data").mkdir()
    for number in range(12):
        picture(number).save(tmp / "data" / f"{number}.png")
    return tmp / "data"


def listed(tmp, header, columns):
    flat_folder(tmp)
    rows = "".join(f"data/{number}.png,{columns(number)}\n" for number in range(12))
    return _file(tmp / "list.csv", f"{header}\n{rows}".encode())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("trained")
    assert run(["train", str(fill(home / "data")), *QUICK, "--out", str(home / "run")]) == 0
    return home / "run"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_gets_a_clear_message_and_the_right_exit_code(case, tmp_path, trained, capfd):
    data = case.prepare(tmp_path)
    places = {"data": data, "out": tmp_path / "out", "tmp": tmp_path, "trained": trained}
    capfd.readouterr()
    code = run([word.format(**places) for word in case.words])
    said = "".join(capfd.readouterr())
    assert code == case.code, said
    assert "Traceback" not in said
    assert "bug in tacit" not in said
    for part in case.said:
        assert part in said
    if case.name == "output is not empty":
        assert (tmp_path / "out" / "thesis.docx").read_text() == "precious"
    if case.words == LENIENT:
        assert "\t" in (tmp_path / "out" / "skipped.txt").read_text()


def test_a_flipped_byte_in_a_checkpoint_is_named_and_the_older_one_is_used(tmp_path, trained, capfd):
    data = fill(tmp_path / "data")
    out = tmp_path / "out"
    words = ["train", str(data), *QUICK, "--set", "checkpoint_seconds=0", "--out", str(out)]
    assert run(words) == 0
    newest = max((out / "checkpoints").glob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert run(["evaluate", str(newest), str(data)]) == 1
    assert "damaged" in capfd.readouterr().err
    assert run([*words, "--resume"]) == 0
    assert "damaged" in capfd.readouterr().err
    weights = out / "encoder" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert run(["embed", str(out), str(data), "--out", str(tmp_path / "v.npy")]) == 1
    assert "damaged" in capfd.readouterr().err


def test_a_run_folder_in_use_is_refused(tmp_path, capfd):
    from tacit.engine.runfolder import RunFolder

    data = fill(tmp_path / "data")
    with RunFolder(tmp_path / "out"):
        assert run(["train", str(data), *QUICK, "--out", str(tmp_path / "out")]) == 1
    assert "in use by pid" in capfd.readouterr().err


def with_a_full_disk(words, cache):
    """A limit on the size of files stands for the disk: the same error path, without a file system of one's own."""
    return subprocess.run(
        [sys.executable, "-m", "tacit", *map(str, words)],
        env={**os.environ, "TACIT_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)),
    )


def test_a_full_disk_is_told_while_data_are_packed(tmp_path):
    words = ["train", fill(tmp_path / "data", 40), *QUICK, "--out", tmp_path / "out"]
    done = with_a_full_disk(words, tmp_path / "cache")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "no room left" in done.stderr
    assert "TACIT_CACHE" in done.stderr


def test_a_full_disk_is_told_while_state_is_written(tmp_path, own_cache):
    words = ["train", fill(tmp_path / "data", 40), *QUICK, "--out", tmp_path / "out"]
    assert run([*map(str, words), "--dry-run"]) == 0
    done = with_a_full_disk(words, own_cache)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot write" in done.stderr
    assert not list((tmp_path / "out" / "checkpoints").iterdir()), "no torn checkpoint is left"


def test_skipped_files_are_listed_with_their_reasons(tmp_path):
    data = folder_with(bad__png=b"")(tmp_path)
    assert run(["train", str(data), *QUICK, "--max-bad", "0.5", "--out", str(tmp_path / "out")]) == 0
    (line,) = (tmp_path / "out" / "skipped.txt").read_text().splitlines()
    name, reason = line.split("\t")
    assert name.endswith("bad.png")
    assert "empty" in reason
    assert json.loads((tmp_path / "out" / "encoder" / "config.json").read_text())["training"]["samples"] > 0
