"""Series for tests: waves of two kinds, and files of every format."""

from pathlib import Path

import numpy as np


def wave(kind=0, number=0, length=40, channels=1):
    """A slow or a quick wave with a little noise, float64 `[L, C]`."""
    generator = np.random.default_rng(1_000 * kind + number)
    time = np.arange(length)[:, None] + generator.uniform(0, 6, (1, channels))
    return np.sin(time * (0.25, 0.9)[kind]) + 0.05 * generator.standard_normal((length, channels))


def ts(series, labels=None, head=(), missing="?"):
    """The text of a `.ts` file of `series`, each `[L, C]`."""
    facts = ["@problemName waves", "@timeStamps false", *head]
    if labels is not None:
        facts.append("@classLabel true " + " ".join(sorted(set(labels))))
    lines = []
    for number, x in enumerate(series):
        channels = [",".join(missing if np.isnan(value) else f"{value:.6g}" for value in row) for row in x.T]
        lines.append(":".join([*channels, *([labels[number]] if labels is not None else [])]))
    return "\n".join([*facts, "@data", *lines]) + "\n"


def folder_of_waves(folder: Path, each=12, test=8, **shape):
    """`waves_TRAIN.ts` and `waves_TEST.ts`, two classes told apart by their rhythm."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count, first in (("TRAIN", each, 0), ("TEST", test, each)):
        numbers = [(kind, first + number) for number in range(count) for kind in (0, 1)]
        x = [wave(kind, number, **shape) for kind, number in numbers]
        (folder / f"waves_{part}.ts").write_text(ts(x, [("slow", "quick")[kind] for kind, _ in numbers]))
    return folder


def wide(x, times=None, names=None, sign=","):
    """The text of a table of one series: a row a step."""
    names = names or [f"c{channel}" for channel in range(x.shape[1])]
    rows = [[*(names if times is None else ["time", *names])]]
    for step, values in enumerate(x):
        cells = ["" if np.isnan(value) else f"{value:.6g}" for value in values]
        rows.append(cells if times is None else [str(times[step]), *cells])
    return "\n".join(sign.join(row) for row in rows) + "\n"


def watched(path: Path, count=8, length=240, split=True, seed=0):
    """A table of waves, of which something is wrong for 20 steps in the later half, and its marks `[count, length]`."""
    generator = np.random.default_rng(seed)
    lines = ["series,time,value,anomaly" + (",split" if split else "")]
    marks = np.zeros((count, length), bool)
    for number in range(count):
        x = np.sin(2 * np.pi * (np.arange(length) + 3 * number) / 12) + 0.1 * generator.standard_normal(length)
        begin = int(generator.integers(length // 2, length - 30))
        marks[number, begin : begin + 20] = True
        x[marks[number]] = 0.1 * generator.standard_normal(20)  # it stops, at the mean that it always had
        for step, value in enumerate(x):
            part = f",{'train' if step < length // 3 else 'test'}" if split else ""
            lines.append(f"pump-{number},{step},{value:.5f},{int(marks[number, step])}{part}")
    path.write_text("\n".join(lines) + "\n")
    return marks
