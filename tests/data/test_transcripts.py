"""Transcripts beside recordings in a table."""

import pytest
from token_toys import transcribed

from tacit.data.kind import kind_of
from tacit.data.source import open_source
from tacit.modalities import MODALITIES


def table(tmp_path, content, count=3):
    for number in range(count):
        (tmp_path / f"{number}.wav").write_bytes(b"")
    path = tmp_path / "list.csv"
    path.write_text(content)
    return path


def test_a_column_says_what_is_said(tmp_path):
    path = table(tmp_path, "path,transcript,split\n0.wav,YES  I do ,train\n1.wav,,train\n2.wav,no,test\n")
    source = open_source(str(path), frozenset({".wav"}))
    drawn = source.annotations
    assert drawn.kind == "transcripts"
    assert drawn.present.tolist() == [True, False, True]
    assert [drawn.read(row) for row in range(3)] == ["YES I do", "", "no"]
    assert source.splits.tolist() == [0, 0, 2]


def test_a_table_without_transcripts_has_none(tmp_path):
    path = table(tmp_path, "path,transcript\n0.wav,\n1.wav, \n")
    assert open_source(str(path), frozenset({".wav"})).annotations is None
    path = table(tmp_path, "path,transcription\n0.wav,yes\n")
    source = open_source(str(path), frozenset({".wav"}))
    assert source.annotations is None
    assert "column 'transcription' is not read; rename it to 'transcript' if that is meant" in source.notes[0]


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_a_table_of_paths_is_of_the_kind_that_its_first_path_is_of(name, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(f"label,path\nx,a.{name}\n")
    assert kind_of(str(path), MODALITIES) == "audio"
    path.write_text("label,path\n")
    assert kind_of(str(path), MODALITIES) is None


def test_arrays_tell_no_kind(tmp_path):
    assert kind_of(str(transcribed(tmp_path / "set", 2, 2)), MODALITIES) is None
