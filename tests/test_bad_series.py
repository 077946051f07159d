"""Whatever the user gives as series: one clear message with the fix, the right exit code, no traceback, no loss."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from curves import folder_of_waves, ts, wave, wide

from tacit.cli import run

QUICK = ["--steps", "2", "--batch", "4", "--set", "encoder.width=8", "--set", "evaluations=0"]
SAID = ["--set", "modality.name=series"]


@dataclass(frozen=True)
class Case:
    """What is prepared in a folder, and how training on it has to end."""

    name: str
    prepare: object
    code: int
    said: tuple[str, ...]
    words: tuple[str, ...] = field(default=tuple(SAID))


def archive(*more, test=8):
    """A good set with lines of others among those for training."""

    def prepare(tmp):
        folder = folder_of_waves(tmp / "data", each=8, test=test)
        path = folder / "waves_TRAIN.ts"
        path.write_text(path.read_text() + "".join(f"{line}\n" for line in more))
        return folder

    return prepare


def tables(**files):
    """A folder of good tables with some others among them."""

    def prepare(tmp):
        (tmp / "data").mkdir()
        for number in range(10):
            (tmp / "data" / f"{number}.csv").write_text(wide(wave(number % 2, number)))
        for name, text in files.items():
            (tmp / "data" / f"{name}.csv").write_text(text)
        return tmp / "data"

    return prepare


def file(name, text):
    def prepare(tmp):
        (tmp / name).write_text(text)
        return tmp / name

    return prepare


def arrays(make):
    def prepare(tmp):
        np.save(tmp / "data.npy", make(np.random.default_rng(0)))
        return tmp / "data.npy"

    return prepare


def gaps(generator):
    x = generator.standard_normal((16, 20, 2))
    x[generator.random(x.shape) < 0.3] = np.nan
    x[:, :, 1][:8] = np.nan
    return x


CASES = [
    Case("a damaged line is more than a hundredth", archive("1,x,3:slow"), 3, ("1 of 33", "no number", "--max-bad")),
    Case("a damaged line is passed over", archive("1,x,3:slow"), 0, ("cannot be read",), ("--max-bad", "0.1")),
    Case("an empty archive file", file("x.ts", ""), 3, ("no line @data",)),
    Case("time stamps in an archive file", file("x.ts", "@timeStamps true\n@data\n(0,1)\n"), 3, ("not read yet",)),
    Case("one series", file("x.ts", ts([wave()])), 3, ("1 series for training",)),
    Case("an empty table", tables(empty=""), 3, ("empty.csv", "an empty file")),
    Case("words in a table", tables(words="time,x\n1,warm\n"), 3, ("column x: 'warm' is no number",)),
    Case("ragged rows", tables(ragged="a,b\n1,2\n3\n"), 3, ("row 3 has 1 cells",)),
    Case("a time twice", tables(twice="time,x\n1,2\n1,3\n"), 3, ("rows 2 and 3 have the same time",)),
    Case(
        "a time twice at even steps",
        tables(
            **{f"twice{n}": f"time,c0\n1,2\n1,3\n9,{n}\n" for n in range(3)}
            | {f"{n}": f"time,c0\n{n},1\n" for n in range(10)}
        ),
        0,
        (),
        (*SAID, "--set", "modality.every=1"),
    ),
    Case(
        "a step that is none",
        tables(),
        2,
        ("modality", "every: no step of a grid", "10m"),
        (*SAID, "--set", "modality.every=soon"),
    ),
    Case(
        "even steps without times",
        tables(),
        3,
        ("it has no times", "leave modality.every out"),
        (*SAID, "--set", "modality.every=10m"),
    ),
    Case(
        "a time that is wrong by decades",
        file(
            "x.csv",
            "series,time,x\n" + "".join(f"{n},{year}-05-01 13:0{n},{n}\n" for n in range(9) for year in (1970, 2024)),
        ),
        3,
        ("row 2 is of 1970-05-01 13:00:00, and row 3 of 2024-05-01 13:00:00", "a longer modality.every"),
        (*SAID, "--set", "modality.every=1m"),
    ),
    Case("nothing but gaps", tables(none="c0\n?\n?\n"), 3, ("all are missing",)),
    Case("other channels", tables(wider="a,b\n1,2\n"), 3, ("2 channels, where those of the set have 1",)),
    Case(
        "a long table of one row a series",
        file("x.csv", "id,time,x\n" + "".join(f"{n},1,{n}\n" for n in range(16))),
        0,
        (),
    ),
    Case("a long table without values", file("x.csv", "series,time\na,1\n"), 3, ("no column of values",)),
    Case("arrays of gaps", arrays(gaps), 0, ()),
    Case("arrays of nothing but gaps", arrays(lambda _: np.full((8, 5, 1), np.nan)), 3, ("all are missing",)),
    Case("constant series", arrays(lambda _: np.ones((16, 20, 1))), 0, ("all samples look the same",)),
    Case("series of one step", arrays(lambda generator: generator.standard_normal((16, 1, 2))), 0, ()),
    Case(
        "windows longer than all series",
        arrays(lambda generator: generator.standard_normal((16, 20, 2))),
        3,
        ("modality.window is 21 steps", "the longest series has 20"),
        (*SAID, "--set", "modality.window=21"),
    ),
    Case(
        "windows with steps between them",
        arrays(lambda generator: generator.standard_normal((16, 20, 2))),
        2,
        ("steps would be lost", "modality.stride 8 or less"),
        (*SAID, "--set", "modality.window=8", "--set", "modality.stride=9"),
    ),
    Case(
        "windows of nothing, series of one step, a channel that is still",
        tables(**{"gap": "c0\n1\n" + "?\n" * 90 + "2\n", "short": "c0\n1\n", "still": "c0\n" + "7\n" * 40}),
        0,
        ("are read in",),
        (*SAID, "--set", "modality.window=8", "--set", "method.positive=next"),
    ),
    Case(
        "what comes next beside small crops",
        arrays(lambda generator: generator.standard_normal((16, 20, 2))),
        2,
        ("set method.local to 0",),
        (*SAID, "--set", "method.local=2", "--set", "method.positive=next"),
    ),
    Case("images", arrays(lambda generator: generator.standard_normal((4, 8, 8, 3))), 3, ("steps x channels",)),
    Case(
        "axes that are none",
        arrays(lambda generator: generator.standard_normal((16, 20, 2))),
        2,
        ("rotate turns axes", "2 channels"),
        (*SAID, "--set", "modality.strong.rotate=30"),
    ),
    Case(
        "no encoder of series",
        arrays(lambda generator: generator.standard_normal((16, 20, 2))),
        2,
        ("encoder",),
        (*SAID, "--encoder", "bag"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_as_it_should(case, tmp_path, capfd):
    data = case.prepare(tmp_path)
    quick = [word for word in QUICK if "bag" not in case.words or "width" not in word]
    if "bag" in case.words:
        quick = ["--steps", "2"]
    found = run(["train", str(data), *quick, *case.words, "--out", str(tmp_path / "run")])
    captured = capfd.readouterr()
    said = captured.out + captured.err
    assert found == case.code, said
    assert "Traceback" not in said
    for part in case.said:
        assert part in " ".join(said.split()), said
