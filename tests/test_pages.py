"""Every command and every program that the pages of docs/ show is run, as it stands there, in a folder with some data.

Time is the one thing that the tests change: budgets such as `--time 10m` become two steps.
"""

import json
import re
import shlex
from pathlib import Path

import pytest
from baskets import histories, log
from curves import folder_of_waves, watched, wave, wide
from folder_toys import bert
from sounds import emodb, esc50, folder_of_tones
from token_toys import conll
from toys import blocks, folder_of_shapes

from tacit.cli import run

PAGES = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
WALKS = [page for page in PAGES if "```console" in page.read_text()]


def texts_of_others(folder: Path, texts: list[str]) -> None:
    """Pairs with scores, a library with queries, and a folder of transformers."""
    bert(folder / "minilm")
    pairs = [f"{text}\t{texts[n - 1]}\t{n % 5}\n" for n, text in enumerate(texts)]
    (folder / "pairs.tsv").write_text("text1\ttext2\tscore\n" + "".join(pairs))
    (folder / "library").mkdir()
    for name, added in (("corpus", "times"), ("queries", "often")):
        rows = [json.dumps({"_id": f"{n}", "text": f"{text} {added}"}) for n, text in enumerate(texts)]
        (folder / "library" / f"{name}.jsonl").write_text("\n".join(rows))
    qrels = "".join(f"{n}\t{n}\t1\n" for n in range(len(texts)))
    (folder / "library" / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)


def series(folder: Path) -> None:
    """A folder in the archives' format, a list of files of three axes with persons, a table of many series, one of
    a single series whose parts follow each other in time, one of series with marked steps, and one of uneven steps."""
    folder_of_waves(folder / "machines", each=20, test=10)
    (folder / "wrists").mkdir()
    listed, table = ["path,label,group"], ["series,time,temperature,pressure,label,group"]
    for number in range(40):
        kind, person = number % 2, number // 4
        x = wave(kind, number, length=20 + number, channels=3)
        (folder / "wrists" / f"{number}.txt").write_text(wide(x, sign=" ").partition("\n")[2])
        listed.append(f"wrists/{number}.txt,{('walk', 'climb')[kind]},person {person}")
        table += [
            f"pump-{number},2024-05-01 13:{step:02},{first},{second},{('new', 'worn')[kind]},hall-{person}"
            for step, (first, second, _) in enumerate(x[:20])
        ]
    (folder / "wrists.csv").write_text("\n".join(listed) + "\n")
    (folder / "sensors.csv").write_text("\n".join(table) + "\n")
    load, parts = wave(0, 0, length=300, channels=2), ("train",) * 180 + ("val",) * 60 + ("test",) * 60
    grid = [f"2016-07-{1 + n // 24:02} {n % 24:02}:00:00,{x},{y},{parts[n]}" for n, (x, y) in enumerate(load)]
    watched(folder / "pumps.csv")
    uneven = [
        f"meter-{number},2024-05-01 {13 + minute // 60}:{minute % 60:02}:{number:02},{minute % 7},{minute % 5}"
        for number in range(20)
        for minute in range(0, 240, 7 + number % 5)
        if minute % 60 > 9
    ]
    (folder / "meters.csv").write_text("\n".join(["series,time,flow,level", *uneven]) + "\n")
    (folder / "grid.csv").write_text("\n".join(["date,load,temperature,split", *grid]) + "\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_programs_run(page, tmp_path, monkeypatch, programs):
    """The blocks of a page are one program; as a module of its own, since annotations name its classes."""
    written = blocks(page.read_text(), "python")
    if not written or page in WALKS:
        return
    (tmp_path / "page.py").write_text("\n".join(written))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    done = programs.start([], tmp_path / "said", script=tmp_path / "page.py")
    assert done.wait() == 0, done.err


@pytest.mark.parametrize("page", WALKS, ids=lambda page: page.name)
def test_the_pages_commands_run_in_order(page, tmp_path, monkeypatch, capfd):
    """Commands and programs, as they follow each other, in a folder with some pictures that stand for photographs."""
    folder_of_shapes(tmp_path / "flowers" / "train", each=34)
    folder_of_shapes(tmp_path / "flowers" / "val", each=10, first=34)
    reviews = ["good film of a cat and its dog", "bad film of the dog and a cat", "a good book", "the bad book"]
    lines = [{"text": f"{reviews[n % 4]}, seen {n} times", "label": ["good", "bad"][n % 2]} for n in range(120)]
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pairs = [{"text": text, "target": text.upper()} for text in reviews for _ in range(20)]
    (tmp_path / "phrases.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    alone = [{"text": text} for pair in pairs for text in pair.values()]
    (tmp_path / "bilingual.jsonl").write_text("".join(json.dumps(line) + "\n" for line in alone))
    if "minilm" in page.read_text():
        texts_of_others(tmp_path, [line["text"] for line in lines])
    if "machines" in page.read_text():
        series(tmp_path)
    folder_of_tones(tmp_path / "recordings", each=20)
    said = [f"recordings/{kind}/{number}.wav,{kind}" for kind in ("high", "low") for number in range(20)]
    (tmp_path / "spoken.csv").write_text("path,transcript\n" + "\n".join(said) + "\n")
    if "shop.csv" in page.read_text():
        log(tmp_path / "shop.csv", histories(60, 40))
        rows = "".join(f"item-{number},shelf {number // 5},{number % 7}\n" for number in range(41))
        (tmp_path / "items.csv").write_text(f"item,shelf,price\n{rows}")
    if "ESC-50" in page.read_text():
        esc50(tmp_path / "ESC-50")
        emodb(tmp_path / "emodb")
    conll(tmp_path / "sentences.conll", range(40))
    monkeypatch.chdir(tmp_path)
    for language, block in re.findall(r"```(console|python)\n(.*?)```", page.read_text(), re.DOTALL):
        if language == "python":
            if "stable_baselines3" in block:
                pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed: tacit[sb3]")
            exec(compile(block, page.name, "exec"), {})  # noqa: S102 - our own page
            continue
        for command in block.splitlines():
            program, *words = shlex.split(re.sub(r"--time \S+", "--steps 2", command.removeprefix("$ ")))
            assert program == "tacit"
            assert run(words) == 0, capfd.readouterr().err
