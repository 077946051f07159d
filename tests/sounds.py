"""Recordings for tests: tones, words that are no words, and files of every kind."""

import io
from pathlib import Path

import numpy as np
import soundfile


def tone(hertz=440.0, seconds=0.5, rate=8_000, level=0.5, seed=None):
    """A sine, float32 `[T]`, with a little noise where there is a seed."""
    time = np.arange(round(seconds * rate)) / rate
    x = level * np.sin(2 * np.pi * hertz * time)
    if seed is not None:
        x = x + 0.01 * np.random.default_rng(seed).standard_normal(len(x))
    return x.astype(np.float32)


def encoded(x, rate=8_000, kind="WAV", subtype=None):
    """The bytes of a file that holds `x`, `[T]` or `[T, C]`."""
    buffer = io.BytesIO()
    soundfile.write(buffer, x, rate, subtype, format=kind)
    return buffer.getvalue()


def long_recordings(folder: Path, seconds, rate=8_000):
    """A recording of each name that lasts as many seconds: five tones one after the other."""
    kinds = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
    for number, (name, length) in enumerate(seconds.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [tone(300 + 200 * place, length / 5, rate, seed=10 * number + place) for place in range(5)]
        path.write_bytes(encoded(np.concatenate(parts), rate, kinds[path.suffix]))
    return folder


def calls(fsdd: Path, folder: Path, minutes=1):
    """Words of each speaker of the Free Spoken Digit Dataset, one after the other in files of some minutes; a list."""
    by_speaker = {}
    for path in sorted((fsdd / "recordings").iterdir()):
        by_speaker.setdefault(path.stem.split("_")[1], []).append(path)
    folder.mkdir(parents=True)
    rows = ["path,label,group,split"]
    for speaker, paths in by_speaker.items():
        words, written = [], 0
        for path in paths:
            words.append(soundfile.read(path, dtype="int16")[0])
            if sum(map(len, words)) > 8_000 * 60 * minutes and written < 2:
                name = f"{speaker}-{written}.{'flac' if written else 'wav'}"
                (folder / name).write_bytes(encoded(np.concatenate(words), kind=name[-4:].strip(".").upper()))
                rows.append(f"{name},{speaker},{name},{'train' if written else 'test'}")
                words, written = [], written + 1
    (folder / "list.csv").write_text("\n".join(rows) + "\n")
    return folder / "list.csv"


def folder_of_tones(folder: Path, each=10, classes=("high", "low"), suffix=".wav"):
    """`each` recordings a class, told apart by their pitch."""
    kinds = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            x = tone(400 * 3 ** (1 - place) * (1 + 0.01 * number), 0.3 + 0.02 * (number % 5), seed=number)
            (folder / name / f"{number}{suffix}").write_bytes(encoded(x, kind=kinds[suffix]))
    return folder


def esc50(folder: Path, each=10, classes=("dog", "rain", "siren")):
    """A few recordings laid out as ESC-50 is: five folds, `meta/esc50.csv`."""
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for target, category in enumerate(classes):
        for number in range(each):
            fold, source = 1 + number % 5, 1000 * target + number
            name = f"{fold}-{source}-A-{target}.wav"
            x = tone(300 * 2**target * (1 + 0.01 * number), 0.3, seed=source)
            (folder / "audio" / name).write_bytes(encoded(x))
            lines.append(f"{name},{fold},{target},{category},False,{source},A")
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return folder


def emodb(folder: Path, speakers=("03", "08", "09", "10"), each=(("W", 6), ("T", 3), ("N", 2))):
    """A few recordings named as those of Emo-DB, of emotions that are not equally frequent."""
    (folder / "wav").mkdir(parents=True)
    for voice, speaker in enumerate(speakers):
        for place, (emotion, count) in enumerate(each):
            for number in range(count):
                x = tone(250 * 2**place * (1 + 0.05 * voice), 0.3, seed=100 * voice + 10 * place + number)
                (folder / "wav" / f"{speaker}a{number + 1:02}{emotion}a.wav").write_bytes(encoded(x))
    return folder
