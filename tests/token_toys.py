"""Made-up sentences with names, and made-up recordings of letters: what answers at every token is tried on."""

import csv
import json

import numpy as np

NAMES = {"person": ("Ada", "Noam", "Grace Hopper", "Alan Turing"), "city": ("Rome", "New York", "Oslo", "Kyoto")}
FORMS = ("{person} lives in {city} .", "yesterday {person} saw {city}", "the train to {city} is late , said {person} !")
LETTERS = "abc "


def sentence(seed):
    """The words of a sentence and their tags."""
    draw = np.random.default_rng(seed)
    words, tags = [], []
    for word in FORMS[draw.integers(len(FORMS))].split():
        kind = word.strip("{}")
        if kind == word:
            words.append(word)
            tags.append("O")
            continue
        name = NAMES[kind][draw.integers(4)].split()
        words += name
        tags += [f"{'I' if place else 'B'}-{kind}" for place in range(len(name))]
    return words, tags


def conll(path, seeds):
    """A CoNLL file of sentences."""
    blocks = ["\n".join(f"{word}\t{tag}" for word, tag in zip(*sentence(seed), strict=True)) for seed in seeds]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(blocks) + "\n")
    return path


def tagged(folder, train=60, test=30):
    """A folder of CoNLL files, `train` and `test`."""
    conll(folder / "train.conll", range(train))
    conll(folder / "test.conll", range(1000, 1000 + test))
    return folder


def spoken(text, seed, long=8, bands=3):
    """Frames `[L, bands]` in which each letter lasts about `long` frames, and is one value in each band."""
    draw = np.random.default_rng(seed)
    frames = []
    for letter in text:
        level = 2 * np.eye(len(LETTERS), bands)[LETTERS.index(letter)]
        # a letter dies away, so that two of a kind are told apart
        frames += [level * (1 - step / long) for step in range(long + int(draw.integers(3)))]
    return (np.array(frames) + draw.normal(0, 0.1, (len(frames), bands))).astype(np.float32)


def transcribed(folder, train=40, test=20):
    """A table of recordings, as arrays of frames, with transcripts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "list.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "transcript", "split"])
        for seed in range(train + test):
            draw = np.random.default_rng(seed)
            text = " ".join("".join(draw.choice(list("abc"), draw.integers(1, 4))) for _ in range(draw.integers(1, 3)))
            np.save(folder / f"{seed:03}.npy", spoken(text, seed))
            table.writerow([f"{seed:03}.npy", text, "train" if seed < train else "test"])
    return folder / "list.csv"


def lines(path, rows):
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
