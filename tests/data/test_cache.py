"""Packing: once, whole, shared, repaired, within the memory and with words for a full disk."""

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_toys import TOY, fill, png

from tacit import interrupt
from tacit.data import cache, decoding
from tacit.data.cache import pack
from tacit.data.folder import open_folder
from tacit.errors import DataError, Interrupted, RunError
from tacit.modalities.pictures import ImageLayout, read

LAYOUT = ImageLayout(channels=3, size=16)
HERE = str(Path(__file__).parent)
NAMES = [f"{number:03}.png" for number in range(100)]


def open_set(root):
    return open_folder(root, TOY.suffixes)


def never_read(raw, layout):
    raise AssertionError("a sample was read")


def everything(packed):
    return packed.rows.take(np.arange(len(packed)))


def test_rows_are_the_samples_in_order(tmp_path):
    source = open_set(fill(tmp_path / "set", NAMES))
    packed = pack(source, TOY, LAYOUT, cache_dir=tmp_path / "cache")
    assert (everything(packed) == np.stack([read(source.raw(row), LAYOUT) for row in range(100)])).all()
    assert packed.kept.tolist() == list(range(100))
    assert len(np.unique(packed.tokens)) == 100
    assert packed.skipped == ()


def test_the_second_start_reads_nothing(tmp_path):
    root = fill(tmp_path / "set", NAMES)
    first = pack(open_set(root), TOY, LAYOUT, cache_dir=tmp_path / "cache")
    lazy = replace(TOY, read=never_read)
    again = pack(open_set(root), lazy, LAYOUT, cache_dir=tmp_path / "cache")
    assert again.content_hash == first.content_hash
    assert (everything(again) == everything(first)).all()
    with pytest.raises(AssertionError, match="a sample was read"):
        pack(open_set(root), lazy, ImageLayout(channels=1, size=16), cache_dir=tmp_path / "cache")


def test_a_changed_file_is_packed_anew(tmp_path):
    root = fill(tmp_path / "set", NAMES)
    first = pack(open_set(root), TOY, LAYOUT, cache_dir=tmp_path / "cache")
    (root / NAMES[5]).write_bytes(png(999))
    second = pack(open_set(root), TOY, LAYOUT, cache_dir=tmp_path / "cache")
    differs = (everything(first) != everything(second)).any(axis=(1, 2, 3))
    assert np.flatnonzero(differs).tolist() == [5]
    assert first.content_hash != second.content_hash


def test_a_copy_shares_the_packed_array(tmp_path):
    root = fill(tmp_path / "set", NAMES)
    first = pack(open_set(root), TOY, LAYOUT, cache_dir=tmp_path / "cache")
    shutil.copytree(root, tmp_path / "copy")
    second = pack(open_set(tmp_path / "copy"), TOY, LAYOUT, cache_dir=tmp_path / "cache")
    assert second.folder == first.folder
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_bad_samples_are_left_out_and_listed(tmp_path):
    root = fill(tmp_path / "set", NAMES)
    (root / NAMES[0]).write_bytes(b"")
    (root / NAMES[50]).write_bytes(b"I am a text")
    with pytest.raises(DataError, match=r"2 of 100 pictures .* \(allowed are 1.0%\).*--max-bad 0.02\n  000.png: empty"):
        pack(open_set(root), TOY, LAYOUT, cache_dir=tmp_path / "cache")
    (listed,) = (tmp_path / "cache").glob("*.skipped.tsv")
    assert listed.read_text().splitlines()[1].startswith("050.png\ttext, not an image")
    packed = pack(open_set(root), TOY, LAYOUT, max_bad=0.02, cache_dir=tmp_path / "cache")
    assert [row for row, _ in packed.skipped] == [0, 50]
    assert packed.kept.tolist() == [row for row in range(100) if row not in (0, 50)]
    assert (everything(packed)[0] == read(png(1), LAYOUT)).all()


def test_nothing_readable_is_an_error_whatever_is_allowed(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DataError, match=r"1 of 1 pictures .*there is nothing to learn from"):
            pack(open_set(tmp_path / "set"), TOY, LAYOUT, max_bad=1.0, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("damage", ["cut", "manifest", "no manifest", "tokens", "gone", "pointer", "other shape"])
def test_a_damaged_cache_is_rebuilt(tmp_path, damage):
    source = open_set(fill(tmp_path / "set", NAMES))
    first = pack(source, TOY, LAYOUT, cache_dir=tmp_path / "cache")
    expected, folder = everything(first), first.folder
    (pointer,) = (path for path in (tmp_path / "cache").glob("*.json"))
    manifest = json.loads((folder / "manifest.json").read_text())
    match damage:
        case "cut":
            os.truncate(folder / "samples.raw", 1000)
        case "manifest":
            (folder / "manifest.json").write_text("{")
        case "no manifest":
            (folder / "manifest.json").unlink()
        case "tokens":
            os.truncate(folder / "tokens.raw", 8)
        case "gone":
            shutil.rmtree(folder)
        case "pointer":
            pointer.write_text('{"packed": 3, "skipped": [[7000, "x"]]}')
        case "other shape":
            (folder / "manifest.json").write_text(json.dumps({**manifest, "shape": [3, 32, 8]}))
    again = pack(source, TOY, LAYOUT, cache_dir=tmp_path / "cache")
    assert (everything(again) == expected).all()
    assert again.content_hash == first.content_hash


def test_what_a_killed_process_left_is_cleared(tmp_path):
    source = open_set(fill(tmp_path / "set", NAMES))
    key = cache._key(source.fingerprint, TOY.name, LAYOUT)
    partial = tmp_path / "cache" / f"{key}.partial"
    partial.mkdir(parents=True)
    (partial / "samples.raw").write_bytes(b"half")
    packed = pack(source, TOY, LAYOUT, cache_dir=tmp_path / "cache")
    assert len(packed) == 100
    assert not partial.exists()


PACK = """
import sys, pathlib, torch
sys.path.insert(0, sys.argv[3])
from data_toys import TOY
from tacit.data.cache import pack
from tacit.data.source import open_source
from tacit.modalities.pictures import ImageLayout
source = open_source(sys.argv[1], TOY.suffixes)
packed = pack(source, TOY, ImageLayout(channels=3, size=16), cache_dir=pathlib.Path(sys.argv[2]))
print(packed.content_hash, int(packed.rows.take(packed.kept).sum()))
"""


def test_processes_that_pack_at_once_agree(tmp_path, programs):
    root = fill(tmp_path / "set", NAMES)
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "pack.py").write_text(PACK)
    runs = [
        programs.start([folder, tmp_path / "cache", HERE], tmp_path / f"{number}", script=tmp_path / "pack.py")
        for number, folder in enumerate((root, root, tmp_path / "copy"))
    ]
    assert [run.wait() for run in runs] == [0, 0, 0], [run.err for run in runs]
    assert len({run.out for run in runs}) == 1
    assert len(list((tmp_path / "cache").glob("*/samples.raw"))) == 1


def test_waiting_for_another_process_is_said_and_can_be_interrupted(tmp_path, capsys):
    source = open_set(fill(tmp_path / "set", NAMES))
    folder = tmp_path / "cache"
    folder.mkdir()
    key = cache._key(source.fingerprint, TOY.name, LAYOUT)
    with (folder / f"{key}.lock").open("ab") as lock, interrupt.listening():
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(Interrupted):
            pack(source, TOY, LAYOUT, cache_dir=folder)
    assert capsys.readouterr().err.count("another process is packing") == 1


def test_an_interrupt_stops_at_once_and_leaves_nothing(tmp_path):
    root = fill(tmp_path / "set", NAMES)

    def slow(raw, layout):
        time.sleep(0.05)
        return read(raw, layout)

    modality = replace(TOY, read=slow)
    started = time.monotonic()
    with interrupt.listening():
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(Interrupted):
            pack(open_set(root), modality, LAYOUT, cache_dir=tmp_path / "cache")
    assert time.monotonic() - started < 1.5
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_full_disk_says_what_is_needed_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would be torn, and fail whoever imports it next
    source = open_set(fill(tmp_path / "set", NAMES))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # as a quota: writing more fails
    try:
        with pytest.raises(RunError, match=r"no room left in .*: 0.1 MiB are needed.*TACIT_CACHE"):
            pack(source, TOY, LAYOUT, cache_dir=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_set_that_cannot_fit_is_refused_before_work(tmp_path):
    source = open_set(fill(tmp_path / "set", NAMES))
    modality = replace(TOY, read=never_read)
    huge = ImageLayout.model_construct(channels=64, size=10**6, white=255)
    with pytest.raises(RunError, match=r"5960464.5 GiB are needed"):
        pack(source, modality, huge, cache_dir=tmp_path / "cache")


def test_a_cache_that_cannot_be_made(tmp_path):
    source = open_set(fill(tmp_path / "set", NAMES))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match=r"cannot write to the cache .*not a directory.*TACIT_CACHE"):
        pack(source, TOY, LAYOUT, cache_dir=tmp_path / "file" / "cache")


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("TACIT_CACHE", str(tmp_path))
    assert cache.cache_folder() == tmp_path
    assert cache.cache_folder(tmp_path / "x") == tmp_path / "x"
    monkeypatch.setenv("TACIT_CACHE", "")
    assert cache.cache_folder().name == "tacit"


def test_decoding_runs_a_bounded_way_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    source = open_set(fill(tmp_path / "set", [f"{number}.png" for number in range(1000)]))
    seen = []

    def count(raw, layout):
        seen.append(None)
        return read(raw, layout)

    blocks = decoding.decoded(source, replace(TOY, read=count), LAYOUT)
    first = next(blocks)
    time.sleep(0.5)
    assert [row for row, _ in first] == list(range(32))
    assert len(seen) <= 32 * 6
    blocks.close()


def test_decoders_may_warn(tmp_path):
    def warning(raw, layout):
        warnings.warn("odd metadata", stacklevel=1)
        return read(raw, layout)

    modality = replace(TOY, read=warning)
    source = open_set(fill(tmp_path / "set", NAMES))
    assert len(pack(source, modality, LAYOUT, cache_dir=tmp_path / "cache")) == 100


MEMORY = """
import re, sys, pathlib, torch
import numpy as np
sys.path.insert(0, sys.argv[3])
from data_toys import TOY
from tacit.data.cache import pack
from tacit.data.source import open_source
from tacit.modalities.pictures import ImageLayout
import tacit.data.mapped as mapped
def peak():  # of this program alone; `ru_maxrss` begins with the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
layout = ImageLayout(channels=3, size=96)
open_source("digits", TOY.suffixes)  # what is imported late
mapped._RELEASE_BYTES //= 8
source = open_source(sys.argv[1], TOY.suffixes)
before = peak()
packed = pack(source, TOY, layout, cache_dir=pathlib.Path(sys.argv[2]))
for start in range(0, len(packed), 256):
    packed.rows.take(np.random.default_rng(start).permutation(len(packed))[:256])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_stays_flat(tmp_path):
    count = 200 * 2**20 // (96 * 96 * 3)
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (count, 96, 96, 3))
    array[:] = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    array[:, 0, 0, 0] = np.arange(count) % 256
    array.flush()
    del array
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "x.npy"), str(tmp_path / "cache"), HERE],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(run.stdout) < 90, "MiB more, for 200 MiB of samples read and 200 MiB written"
