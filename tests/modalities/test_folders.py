"""Folders of transformers and sentence-transformers give the vectors that these libraries give themselves."""

import json
import shutil

import numpy as np
import pytest
import torch
from folder_toys import LENGTH, TEXTS, bert, mpnet, sentence_transformer
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM

import tacit
from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.pretrained import Pretrained

MAKERS = {"bert": bert, "mpnet": mpnet}


def cosine(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def same(ours, theirs):
    """The direction, and in the precision of this machine the length."""
    return cosine(ours, theirs).min() >= 0.999 and np.allclose(
        np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1), rtol=0.02
    )


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(("pooling", "unit"), [("mean", True), ("cls", False), ("max", False)])
def test_vectors_are_those_of_sentence_transformers(tmp_path, kind, pooling, unit):
    theirs = sentence_transformer(tmp_path / "st", MAKERS[kind](tmp_path / "model"), pooling, unit)
    encoder = tacit.load(tmp_path / "st")
    expected = theirs.encode(TEXTS)
    assert cosine(expected[:1], expected[1:2]).max() < 0.99, "texts differ, so that a likeness says something"
    assert same(encoder.encode(TEXTS), expected)
    assert same(encoder.embed([text.encode() for text in TEXTS], batch=3), expected)


def test_a_model_without_modules_is_pooled_by_the_mean(tmp_path):
    home = bert(tmp_path / "model")
    theirs = sentence_transformer(tmp_path / "st", home, unit=False)
    assert same(tacit.load(home).encode(TEXTS), theirs.encode(TEXTS))


def test_the_length_is_the_folders_own(tmp_path):
    home = bert(tmp_path / "model")
    assert tacit.load(home).layout.length == LENGTH
    theirs = sentence_transformer(tmp_path / "st", home, length=8)
    encoder = tacit.load(tmp_path / "st")
    assert encoder.layout.length == 8
    assert same(encoder.encode(TEXTS), theirs.encode(TEXTS))
    assert tacit.load(mpnet(tmp_path / "mpnet")).layout.length == LENGTH, "two positions are those of padding"


def test_older_folders_say_the_same_in_other_words(tmp_path):
    """Pooling as flags, lower case as a setting, weights under the names of a model with a head, or in the dialect of
    TensorFlow, and in shards."""
    home = bert(tmp_path / "model", kind=BertForMaskedLM)
    theirs = sentence_transformer(tmp_path / "st", home, "cls", unit=False)
    folder = tmp_path / "st"
    flags = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    said = folder / "sentence_bert_config.json"
    said.write_text(json.dumps({"max_seq_length": LENGTH, "do_lower_case": True}))
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        module["type"] = f"sentence_transformers.models.{module['type'].rpartition('.')[2]}"
    (folder / "modules.json").write_text(json.dumps(modules))
    weights = {f"bert.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    weights = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): value for name, value in weights.items()}
    names = sorted(weights)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for part, some in parts.items():
        save_file({name: weights[name] for name in some}, folder / part, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: part for part, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    assert same(tacit.load(folder).encode(TEXTS), theirs.encode(TEXTS))


def test_what_is_saved_needs_nothing_of_the_folder(tmp_path):
    encoder = tacit.load(mpnet(tmp_path / "model"))
    expected = encoder.encode(TEXTS)
    encoder.save(tmp_path / "saved")
    shutil.rmtree(tmp_path / "model")
    again = tacit.load(tmp_path / "saved")
    assert np.array_equal(again.encode(TEXTS), expected)
    assert again.spec == tacit.load(tmp_path / "saved").spec


def test_a_run_goes_on_from_a_folder_by_dropout_alone(tmp_path):
    home = bert(tmp_path / "model")
    (tmp_path / "texts.txt").write_text(
        "".join(f"the {word} film was seen\n" for word in ["good", "bad", "old", "cat", "dog", "a"]) * 4
    )
    settings = {"init_from": str(home), "budget": {"steps": 2}, "batch": 8}
    encoder = tacit.train(tmp_path / "texts.txt", tmp_path / "run", preset="simcse", settings=settings)
    assert encoder.spec.encoder["name"] == "pretrained"
    assert encoder.layout == tacit.load(home).layout
    before, after = (
        each.network.state_dict()["body.embeddings.word_embeddings.weight"] for each in (tacit.load(home), encoder)
    )
    assert not torch.equal(before, after)
    shutil.rmtree(home)
    assert np.isfinite(tacit.load(tmp_path / "run").encode(TEXTS)).all()


def test_a_shorter_length_may_be_asked_for(tmp_path):
    home = bert(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("the good film was seen\n" * 3 + "a bad dog\n" * 9)
    settings = {"init_from": str(home), "budget": {"steps": 1}, "batch": 4, "modality": {"length": 8}}
    encoder = tacit.train(tmp_path / "texts.txt", tmp_path / "run", settings=settings)
    assert encoder.layout.length == 8
    assert encoder.layout.tokenizer == tacit.load(home).layout.tokenizer


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("kind", MAKERS)
def test_what_a_view_leaves_out_was_never_there_and_padding_enters_nothing(tmp_path, kind, pooling):
    encoder = tacit.load(MAKERS[kind](tmp_path / "model"))
    network = Pretrained(
        Pretrained.Config(**{**encoder.spec.encoder, "pooling": pooling}), View(torch.ones(1, 1).long(), vocabulary=5)
    )
    network.load_state_dict(encoder.network.state_dict())
    network.eval()
    ids = torch.randint(6, 24, (5, 9), generator=torch.Generator().manual_seed(0))
    told = torch.rand(5, 9, generator=torch.Generator().manual_seed(1)) < 0.6
    told[:, 4] = True
    with torch.no_grad():
        found = network(View(ids, told, vocabulary=25))
        for row in range(5):
            alone = network(View(ids[row, told[row]][None], None, vocabulary=25))
            torch.testing.assert_close(found.pooled[row], alone.pooled[0], atol=1e-4, rtol=1e-3)
            torch.testing.assert_close(found.tokens[row, told[row]], alone.tokens[0], atol=1e-4, rtol=1e-3)


def test_an_encoder_without_a_folder_is_refused():
    with pytest.raises(UsageError, match="--init-from FOLDER"):
        Pretrained(Pretrained.Config(), View(torch.ones(1, 1).long(), vocabulary=5))


def test_another_tokenizer_is_refused(tmp_path):
    config = Pretrained.Config(**tacit.load(bert(tmp_path / "model")).spec.encoder)
    with pytest.raises(UsageError, match="its own tokenizer"):
        Pretrained(config, View(torch.ones(1, 1).long(), vocabulary=30_000))
