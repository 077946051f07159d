"""What is longer than a row is divided among several: all of it, once, in parts of like length."""

import numpy as np
import pytest
import soundfile
from folder_toys import bert
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import encoded, tone
from test_audio import npy

from tacit.errors import Unreadable
from tacit.modalities import passages
from tacit.modalities.audio import AUDIO
from tacit.modalities.packing import AudioLayout
from tacit.modalities.pieces import even
from tacit.modalities.text import TEXT, TextConfig
from tacit.modalities.words import tokenizer_of

LAYOUT = AudioLayout(rate=8_000, hop=80, window=200, bands=64, length=48, pieces=True)  # 0.47 s at most
FEATURES = AudioLayout(front="features", bands=13, length=8, pieces=True)
PLAY = " ".join(f"Scene {number}. The {word} enters, and it is {word}!" for number, word in enumerate("abcdefgh" * 9))


def cut(raw, layout=LAYOUT, modality=AUDIO):
    rows, parts = zip(*modality.pieces.cut(raw, layout), strict=True)
    assert all(row.shape == layout.shape and row.dtype == layout.dtype for row in rows)
    return list(rows), list(parts)


def spans(parts):
    return [tuple(float(edge) for edge in part.partition("=")[2].split(",")) for part in parts]


@given(st.integers(0, 5_000), st.integers(1, 200))
def test_parts_are_even_few_and_all_there_is(total, most):
    parts = list(even(total, most))
    sizes = [end - begin for begin, end in parts]
    assert [place for begin, end in parts for place in range(begin, end)] == list(range(total))
    assert len(parts) == -(-total // most)
    assert not sizes or (max(sizes) <= most and max(sizes) - min(sizes) <= 1)


def test_a_short_recording_is_one_row_as_it_always_was():
    raw = encoded(tone(seconds=0.47))
    (row,), parts = cut(raw)
    assert parts == [""]
    assert np.array_equal(row, AUDIO.read(raw, LAYOUT), equal_nan=True)


@given(st.integers(3_761, 40_000))
@settings(max_examples=25)
def test_clips_are_what_files_of_their_own_would_be(samples):
    x = tone(seconds=samples / 8_000, seed=1)
    rows, parts = cut(encoded(x, subtype="FLOAT"))
    edges = [samples * number // len(rows) for number in range(len(rows) + 1)]
    for row, begin, end in zip(rows, edges[:-1], edges[1:], strict=True):
        own = encoded(x[begin:end], subtype="FLOAT")
        assert np.array_equal(row, AUDIO.read(own, LAYOUT), equal_nan=True)
        assert np.isfinite(row[: 1 + (end - begin) // 80]).all(), "no frame is cut off"
    told = spans(parts)
    assert told[0][0] == 0
    assert told[-1][1] == pytest.approx(samples / 8_000, abs=0.01)
    assert [begin for begin, _ in told[1:]] == [end for _, end in told[:-1]]


@pytest.mark.parametrize(("kind", "rate"), [("WAV", 44_100), ("FLAC", 11_025), ("OGG", 16_000), ("MP3", 16_000)])
def test_recordings_of_every_kind_and_rate_are_cut_at_the_same_moments(kind, rate):
    rows, parts = cut(encoded(tone(seconds=2.0, rate=rate), rate, kind))
    assert len(rows) in (5, 6)  # an MP3 is a little longer than what was written
    assert spans(parts)[1][0] == pytest.approx(2.0 / len(rows), abs=0.05)
    loudest = [int(np.nanmean(row.astype(np.float32), axis=0).argmax()) for row in rows]
    assert len(set(loudest)) == 1


def test_waves_are_cut_into_all_their_samples():
    layout = AUDIO.survey([encoded(tone(seconds=2.0))], AUDIO.config(front="wave", seconds=0.4, pieces=True))
    x = tone(seconds=2.0, seed=0)
    rows, parts = cut(encoded(x, subtype="FLOAT"), layout)
    assert len(rows) == -(-len(x) // (layout.length * layout.hop))
    for row, (begin, end) in zip(rows, spans(parts), strict=True):
        own = x[round(begin * 8_000) : round(end * 8_000)]
        found = row[~np.isnan(row[:, 0])].flatten()[: len(own)]
        assert np.allclose(found, own, atol=1e-3)


def test_channels_arrays_and_features_are_cut_too():
    x = tone(seconds=1.0)
    rows, parts = cut(encoded(x, subtype="FLOAT"))
    for same in (x, encoded(np.stack([x, x], axis=1), subtype="FLOAT")):
        assert np.array_equal(cut(same)[0], rows, equal_nan=True)
        assert cut(same)[1] == parts
    frames = np.random.default_rng(0).standard_normal((21, 13)).astype(np.float32)
    rows, parts = cut(npy(frames), FEATURES)
    assert parts == ["frames=0,7", "frames=7,14", "frames=14,21"]
    assert np.allclose(np.concatenate([row[:7] for row in rows]), frames, atol=2e-3)
    assert cut(npy(frames[:8]), FEATURES)[1] == [""]


def test_a_damaged_file_gives_what_can_be_read():
    x = tone(seconds=1.8)
    whole = spans(cut(encoded(x, subtype="FLOAT"))[1])
    x[5_000] = np.nan  # in the second of four
    assert spans(cut(encoded(x, subtype="FLOAT"))[1]) == [whole[0], *whole[2:]]
    short = encoded(tone(seconds=20.0, seed=0), kind="FLAC")
    told = spans(cut(short[: len(short) // 2])[1])
    assert told[0] == (0, pytest.approx(0.465, abs=0.01))
    assert 5 < told[-1][1] < 15


def test_a_stream_that_does_not_know_its_length_is_read_to_its_last_whole_piece():
    raw = bytearray(encoded(tone(seconds=5.0, seed=0), kind="FLAC"))
    raw[21] &= 0xF0  # the 36 bits of the number of samples
    raw[22:26] = bytes(4)
    told = spans(cut(bytes(raw))[1])
    assert told[0][0] == 0
    assert told[-1][1] == pytest.approx(5.0, abs=0.48)
    layout = AUDIO.survey([bytes(raw), *[encoded(tone(seconds=1.0))] * 300], AUDIO.config())
    assert not layout.in_pieces
    assert layout.seconds < 1.2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"hello" * 99, "no recording that can be read"),
        (encoded(np.zeros(0, np.float32)), "no samples"),
        (encoded(np.full(9_000, np.nan, np.float32), subtype="FLOAT"), "NaN or infinity"),
        (np.full(9_000, np.nan), "NaN or infinity"),
    ],
)
def test_what_has_no_piece_says_why(raw, reason):
    with pytest.raises(Unreadable, match=reason):
        cut(raw)


def test_one_block_of_a_recording_is_in_memory_at_a_time(monkeypatch):
    asked = []
    read = soundfile.SoundFile.read

    def watched(file, frames, **others):
        asked.append(frames)
        return read(file, frames, **others)

    monkeypatch.setattr(soundfile.SoundFile, "read", watched)
    pieces = AUDIO.pieces.cut(encoded(np.zeros(3_600_000, np.int16), 1_000, "FLAC"), LAYOUT)
    next(pieces)
    assert sum(asked) < 1_000
    assert sum(1 for _ in pieces) > 7_000
    assert max(asked) < 1_000


def test_long_recordings_are_in_pieces_by_themselves_and_clips_are_not():
    layout = AUDIO.survey([encoded(tone(seconds=25.0))] * 3, AUDIO.config())
    assert layout.in_pieces
    assert layout.seconds == pytest.approx(10, abs=0.1)
    clips = [encoded(tone(seconds=1 + number / 100)) for number in range(30)]
    assert not AUDIO.survey(clips, AUDIO.config()).in_pieces
    few = AUDIO.survey([encoded(tone(seconds=0.2))] * 150 + [encoded(tone(seconds=25.0))], AUDIO.config())
    assert few.in_pieces, "half of all sound is in one file"
    assert few.seconds == pytest.approx(10, abs=0.1)
    assert not AUDIO.survey([encoded(tone(seconds=25.0))], AUDIO.config(pieces=False)).in_pieces
    assert not AUDIO.survey([encoded(tone(seconds=25.0))], AUDIO.config(seconds=25)).in_pieces
    assert AUDIO.survey(clips, AUDIO.config(pieces=True)).brief()["longer ones"] == "in pieces"
    long = [npy(np.zeros((3_000, 13)))] * 2
    assert AUDIO.survey(long, AUDIO.config(front="features")).in_pieces


def text_layout(kind="bpe", length=16, **others):
    return TEXT.survey(
        [PLAY.encode()], TextConfig(tokenizer=kind, vocabulary=400, length=length, pieces=True, **others)
    )


@pytest.mark.parametrize("kind", ["words", "bpe"])
@given(st.data())
@settings(max_examples=25)
def test_passages_hold_every_token_once(kind, data):
    layout = text_layout(kind)
    text = data.draw(st.text(st.sampled_from("Scene the \n.é火a"), min_size=1, max_size=400)) + "x"
    whole = tokenizer_of(layout.tokenizer).encode(passages.text_of(text.encode()), add_special_tokens=False).ids
    if not whole:
        return
    rows, parts = cut(text.encode(), layout, TEXT)
    assert np.concatenate([row[row > 0] for row in rows]).tolist() == whole
    sizes = [int((row > 0).sum()) for row in rows]
    assert max(sizes) - min(sizes) <= 1
    assert (parts == [""]) == (len(whole) <= 16)


def test_a_passage_says_in_characters_where_it_lies():
    layout = text_layout("words")
    rows, parts = cut(PLAY.encode(), layout, TEXT)
    assert len(rows) > 10
    for row, part, (begin, end) in zip(rows, parts, spans(parts), strict=True):
        assert part.startswith("char=")
        assert np.array_equal(TEXT.read(PLAY[int(begin) : int(end)].encode(), layout), row)


def test_a_text_is_tokenised_in_blocks_that_change_nothing(monkeypatch):
    layout = text_layout()
    before = cut(PLAY.encode(), layout, TEXT)
    monkeypatch.setattr(passages, "_BLOCK", 100)
    after = cut(PLAY.encode(), layout, TEXT)
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
    assert cut("火".encode() * 300, layout, TEXT)[0]


def test_a_short_text_is_one_row_as_it_always_was():
    layout = text_layout(length=2_000)
    (row,), parts = cut(PLAY.encode(), layout, TEXT)
    assert parts == [""]
    assert np.array_equal(row, TEXT.read(PLAY.encode(), layout))


@pytest.mark.parametrize(("raw", "reason"), [(b"\xff", "UTF-8"), (b"", "no words"), (b" ", "no words")])
def test_a_text_without_words_says_why(raw, reason):
    with pytest.raises(Unreadable, match=reason):
        cut(raw, text_layout("words"), TEXT)


def test_the_tokenizer_of_another_tool_adds_its_tokens_to_each_passage(tmp_path):
    layout = TEXT.adopt(bert(tmp_path / "bert")).layout.model_copy(update={"pieces": True})
    rows, _ = cut(b"the good film " * 40, layout, TEXT)
    assert len(rows) == -(-120 // (layout.length - 2))
    edge = TEXT.read(b"the", layout)
    for row in rows:
        ids = row[row > 0]
        assert (ids[0], ids[-1]) == (edge[0], edge[2])
        assert set(ids[1:-1].tolist()) == set(TEXT.read(b"the good film", layout)[1:4].tolist())
