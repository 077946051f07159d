"""Folders that tacit writes give sentence-transformers the vectors that tacit gives."""

import numpy as np
import pytest
import torch
from folder_toys import TEXTS, bert, mpnet, sentence_transformer
from sentence_transformers import SentenceTransformer

import tacit
from tacit.applying.exporting import export_to
from tacit.errors import UsageError

MIXED = [*filter(None, TEXTS), "Ein CAFÉ am Fluß", "cafe\u0301 and nothing else", "zzz qqq", "the " * 3_000 + "end"]
"""Signs that have to be composed, words that nobody knows, and more of them than are kept."""


def trained(folder, settings):
    """A run of two steps on texts."""
    lines = folder / "texts.txt"
    lines.write_text("\n".join([*TEXTS, "Ein Café am Fluß", "the end of it"] * 8), encoding="utf-8")
    return tacit.train(lines, folder / "run", settings={"budget": {"steps": 2}, **settings})


def loaded(encoder, out):
    """What sentence-transformers makes of the exported folder."""
    export_to(encoder, out)
    return SentenceTransformer(str(out), device="cpu")


@pytest.mark.parametrize("tokenizer", ["words", "bpe"])
def test_a_bag_of_words_is_a_static_embedding(tmp_path, tokenizer):
    encoder = trained(tmp_path, {"modality": {"name": "text", "tokenizer": tokenizer}})
    ours, theirs = encoder.encode(MIXED), loaded(encoder, tmp_path / "out").encode(MIXED)
    assert np.allclose(ours, theirs, atol=2e-3 if encoder.device.type == "cpu" else 1e-2)
    assert abs(np.linalg.norm(theirs[0]) - 1) < 1e-5


@pytest.mark.parametrize("make", [bert, mpnet])
@pytest.mark.parametrize(("pooling", "unit"), [("mean", True), ("cls", False), ("max", False)])
def test_what_came_from_transformers_goes_back(tmp_path, make, pooling, unit, monkeypatch):
    monkeypatch.setattr(tacit.encoder, "computes_bf16", lambda device: False)  # as the other library computes
    sentence_transformer(tmp_path / "st", make(tmp_path / "model"), pooling, unit)
    encoder = tacit.load(tmp_path / "st")
    with torch.no_grad():
        for weight in encoder.network.parameters():
            weight.mul_(1.1)  # as training would have moved them
    ours, theirs = encoder.encode(TEXTS), loaded(encoder, tmp_path / "out").encode(TEXTS)
    assert np.allclose(ours, theirs, atol=1e-4)
    assert np.allclose(tacit.load(tmp_path / "out").encode(TEXTS), ours, atol=1e-5), "and comes back again"


def test_a_network_of_tacits_own_is_refused(tmp_path):
    encoder = trained(tmp_path, {"method": {"name": "masked-prediction"}, "modality": {"name": "text"}})
    with pytest.raises(UsageError, match="sentence-transformers has no such network"):
        export_to(encoder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_kinds_of_data_and_full_folders_are_refused(tmp_path):
    encoder = trained(tmp_path, {"modality": {"name": "text"}})
    with pytest.raises(UsageError, match="holds something"):
        export_to(encoder, tmp_path / "run")
    images = tacit.train("digits", tmp_path / "digits", settings={"budget": {"steps": 1}, "batch": 8})
    with pytest.raises(UsageError, match=r"encoders of images are loaded by tacit alone"):
        export_to(images, tmp_path / "out")
