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


def folder_of_tones(folder: Path, each=10, classes=("high", "low"), suffix=".wav"):
    """`each` recordings a class, told apart by their pitch."""
    kinds = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            x = tone(400 * 3 ** (1 - place) * (1 + 0.01 * number), 0.3 + 0.02 * (number % 5), seed=number)
            (folder / name / f"{number}{suffix}").write_bytes(encoded(x, kind=kinds[suffix]))
    return folder
