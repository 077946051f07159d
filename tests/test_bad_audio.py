"""Whatever the user gives as recordings: one clear message with the fix, the right exit code, no traceback, no loss."""

import io
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from sounds import encoded, folder_of_tones, tone

from tacit.cli import run

QUICK = ["--steps", "2", "--batch", "4", "--set", "encoder.width=8"]


@dataclass(frozen=True)
class Case:
    """What is prepared in a folder, what is called, and how it has to end."""

    name: str
    prepare: object
    code: int
    said: tuple[str, ...]
    words: tuple[str, ...] = field(default=("train", "{data}", *QUICK, "--out", "{out}"))


def spoilt(share=0.0, **files):
    """Good recordings with some others among them; a `share` above 1 % is more than is passed over."""

    def prepare(tmp):
        data = folder_of_tones(tmp / "data", each=8)
        for name, content in files.items():
            (data / "low" / name.replace("__", ".")).write_bytes(content() if callable(content) else content)
        return data

    return prepare


def not_a_number():
    x = tone()
    x[7] = np.nan
    return encoded(x, subtype="FLOAT")


def long():
    return encoded(np.zeros(1_200_000, np.int16), 1_000, "FLAC")


def nothing_but_text(tmp):
    (tmp / "data").mkdir()
    for number in range(4):
        (tmp / "data" / f"{number}.wav").write_text("no sound at all")
    return tmp / "data"


def arrays(shape, kind=np.float32):
    def prepare(tmp):
        np.save(tmp / "data.npy", np.random.default_rng(0).standard_normal(shape).astype(kind))
        return tmp / "data.npy"

    return prepare


def features(tmp):
    (tmp / "data").mkdir()
    for number in range(16):
        buffer = io.BytesIO()
        np.save(buffer, np.random.default_rng(number).standard_normal((20 + number, 13)).astype(np.float32))
        (tmp / "data" / f"{number}.npy").write_bytes(buffer.getvalue())
    return tmp / "data"


def two_groups_apart(tmp):
    data = folder_of_tones(tmp / "data", each=4)
    rows = [f"{name}/{n}.wav,{name},me,{'train' if n else 'test'}" for name in ("high", "low") for n in range(4)]
    (data / "list.csv").write_text("\n".join(["path,label,group,split", *rows]))
    return data / "list.csv"


AS_AUDIO = ("train", "{data}", *QUICK, "--set", "modality.name=audio", "--out", "{out}")
AS_WAVES = ("train", "{data}", "--method", "wav2vec2", "--steps", "2", "--batch", "4", "--set", "modality.front=wave")
AS_FEATURES = (*AS_AUDIO[:-2], "--set", "modality.front=features", "--out", "{out}")
LENIENT = ("train", "{data}", *QUICK, "--set", "max_bad=0.2", "--out", "{out}")

CASES = [
    Case("an empty file", spoilt(empty__wav=b""), 3, ("1 of 17", "an empty file")),
    Case("an empty file is passed over", spoilt(empty__wav=b""), 0, ("cannot be read and are skipped",), LENIENT),
    Case("NaN in a float WAV", spoilt(nan__wav=not_a_number), 3, ("NaN or infinity",)),
    Case("text called WAV", spoilt(text__wav=b"hello" * 99), 3, ("no recording that can be read",)),
    Case("no samples", spoilt(none__wav=encoded(np.zeros(0, np.float32))), 3, ("no samples",)),
    Case("silence", spoilt(silent__wav=encoded(np.zeros(4_000, np.float32))), 0, ()),
    Case("a FLAC called MP3", spoilt(named__mp3=encoded(tone(), kind="FLAC")), 0, ()),
    Case("an MP3 cut off", spoilt(cut__mp3=encoded(tone(seconds=2), kind="MP3")[:3_000]), 0, ()),
    Case("8 bits", spoilt(eight__wav=encoded(tone(), subtype="PCM_U8")), 0, ()),
    Case("24 bits", spoilt(deep__wav=encoded(tone(), subtype="PCM_24")), 0, ()),
    Case("twenty minutes in a few kilobytes", spoilt(long__flac=long), 0, ()),
    Case("nothing but text", nothing_but_text, 3, ("no recording can be read", "format not recognised")),
    Case("arrays without a rate", arrays((20, 800)), 3, ("modality.rate=16000",), AS_AUDIO),
    Case(
        "arrays of images",
        arrays((20, 8, 8, 3)),
        3,
        ("where samples [T] are expected",),
        (*AS_AUDIO, "--set", "modality.rate=8000"),
    ),
    Case("features as sounds", features, 3, ("modality.front=features",), AS_AUDIO),
    Case("features as features", features, 0, (), AS_FEATURES),
    Case("waves", spoilt(silent__wav=encoded(np.zeros(4_000, np.float32))), 0, (), (*AS_WAVES, "--out", "{out}")),
    Case(
        "waves at a rate that strides do not divide",
        spoilt(),
        2,
        ("waves of 11,025 samples a second", "modality.rate=16000"),
        (*AS_WAVES, "--set", "modality.rate=11025", "--out", "{out}"),
    ),
    Case(
        "waves with bands",
        spoilt(),
        3,
        ("leave modality.bands out",),
        (*AS_WAVES, "--set", "modality.bands=80", "--out", "{out}"),
    ),
    Case(
        "several frames of a wave in a token",
        spoilt(),
        2,
        ("encoder.patch", "leave it out"),
        (*AS_WAVES, "--set", "encoder.patch=3", "--out", "{out}"),
    ),
    Case(
        "waves for an encoder of spectra",
        spoilt(),
        2,
        ("encoder tdnn reads spectra", "--encoder transformer reads them"),
        ("train", "{data}", "--set", "modality.front=wave", "--out", "{out}"),
    ),
    Case(
        "features as waves",
        features,
        3,
        ("modality.front=features",),
        (*AS_WAVES, "--set", "modality.name=audio", "--out", "{out}"),
    ),
    Case("a speaker on both sides", two_groups_apart, 3, ("more than one part", "'me'")),
    Case(
        "a wrong setting",
        spoilt(),
        2,
        ("speeed", "did you mean 'speed'"),
        ("train", "{data}", "--set", "modality.strong.speeed=2", "--out", "{out}"),
    ),
    Case(
        "an encoder of images",
        spoilt(),
        2,
        ("does not read recordings",),
        ("train", "{data}", "--encoder", "convnet", "--out", "{out}"),
    ),
    Case(
        "a method of images",
        spoilt(),
        2,
        ("which audio data do not have",),
        ("train", "{data}", "--method", "jigsaw", "--out", "{out}"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(case, tmp_path, capfd):
    data = case.prepare(tmp_path)
    words = [word.format(data=data, out=tmp_path / "out") for word in case.words]
    code = run(words)
    said = capfd.readouterr().err
    assert code == case.code, said
    for words in case.said:
        assert words in said
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on tones, and them."""
    place = tmp_path_factory.mktemp("trained")
    data = folder_of_tones(place / "tones", each=10)
    assert run(["train", str(data), *QUICK, "--out", str(place / "run")]) == 0
    return place


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["inspect", "tones", "--picture", "sheet.png"], 0, "recordings"),
        (["show", "run", "--out", "show.png"], 0, ""),
        (["duplicates", "tones", "--out", "twins.csv"], 0, ""),
        (["evaluate", "run", "tones", "--task", "knn,linear"], 0, ""),
        (["embed", "run", "tones", "--out", "vectors.npy"], 0, ""),
        (["index", "run", "tones", "--out", "an-index"], 0, ""),
        (["search", "run", "an-index", "tones/low/1.wav", "--k", "2", "--json"], 0, ""),
        (["finetune", "run", "tones", "--steps", "2", "--batch", "4", "--out", "tuned"], 0, ""),
        (["predict", "tuned", "tones", "--out", "predictions.csv"], 0, ""),
        (
            ["finetune", "run", "tones", "--task", "segment", "--steps", "2", "--out", "no"],
            2,
            "needs grid, which audio",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_command_works_on_recordings_or_refuses(words, code, said, trained, monkeypatch, capfd):
    monkeypatch.chdir(trained)
    ended = run(words)
    out, err = capfd.readouterr()
    assert ended == code, err
    assert said in out + err
    assert "Traceback" not in err


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """A run on the waves of tones with transcripts, and them."""
    place = tmp_path_factory.mktemp("waves")
    folder_of_tones(place / "tones", each=10)
    rows = [f"tones/{name}/{n}.wav,{name}" for name in ("high", "low") for n in range(10)]
    (place / "said.csv").write_text("\n".join(["path,transcript", *rows]))
    words = ["--method", "wav2vec2", "--preset", "waves", "--steps", "2", "--batch", "4"]
    assert run(["train", str(place / "tones"), *words, "--out", str(place / "run")]) == 0
    return place


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "tones", "--set", "modality.front=wave", "--method", "wav2vec2", "--picture", "sheet.png"],
        ["show", "run", "--out", "show.png"],
        ["evaluate", "run", "tones", "--task", "knn,linear"],
        ["embed", "run", "tones", "--out", "vectors.npy"],
        ["index", "run", "tones", "--out", "an-index"],
        ["finetune", "run", "tones", "--steps", "2", "--batch", "4", "--out", "tuned"],
        ["predict", "tuned", "tones", "--out", "predictions.csv"],
        ["finetune", "run", "said.csv", "--task", "recognise", "--steps", "2", "--batch", "4", "--out", "heard"],
        ["train", "tones", "--init-from", "run", "--method", "simclr", "--steps", "2", "--batch", "4", "--out", "on"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_works_on_waves(words, waves, monkeypatch, capfd):
    monkeypatch.chdir(waves)
    assert run(words) == 0, capfd.readouterr().err


@pytest.mark.parametrize("other", ["front=log-mel", "front=features", "bands=80"])
def test_weights_keep_the_front_that_they_were_learnt_by(other, waves, monkeypatch, capfd):
    monkeypatch.chdir(waves)
    words = ["finetune", "run", "tones", "--set", f"modality.{other}", "--steps", "2", "--out", f"other-{other}"]
    assert run(words) == 2
    said = capfd.readouterr().err
    assert "another than that of the weights: leave both out" in said
    assert "Traceback" not in said


def test_what_was_skipped_is_listed(tmp_path):
    data = spoilt(empty__wav=b"")(tmp_path)
    assert run(["train", str(data), *QUICK, "--set", "max_bad=0.2", "--out", str(tmp_path / "out")]) == 0
    assert "low/empty.wav\tan empty file" in (tmp_path / "out" / "skipped.txt").read_text()
    layout = json.loads((tmp_path / "out" / "encoder" / "config.json").read_text())["layout"]
    assert (layout["front"], layout["rate"]) == ("log-mel", 8_000)
