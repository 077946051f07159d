"""Encoders of texts as folders that sentence-transformers loads: the way back from `folders`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors.torch import save

from tacit.core import Encoder
from tacit.errors import UsageError
from tacit.modalities.folders import MODEL, MODULES, TOKENIZER, WEIGHTS
from tacit.modalities.words import TextLayout, tokenizer_of
from tacit.nn.bag import Bag
from tacit.nn.pretrained import Pretrained

Files = dict[str, bytes]
"""Name below the folder -> what it holds."""


def export(network: Encoder, layout: TextLayout) -> Files:
    """The files of a folder of which `SentenceTransformer(folder)` gives the vectors that `network` gives.

    A bag of words becomes a `StaticEmbedding`, since a weight of a word is a longer vector of that word; an encoder
    that came from transformers goes back as it came. Raises `UsageError` for other encoders.
    """
    match network:
        case Bag():
            modules, files = _static(network, layout)
        case Pretrained():
            modules, files = _transformer(network, layout)
        case _:
            raise UsageError(
                "sentence-transformers has no such network: it loads what was trained with --encoder bag, or from a "
                "folder of its own (--init-from FOLDER). `tacit embed`, `tacit index` and tacit.load(...).encode use "
                "this one"
            )
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate(modules.items())
    ]
    return {**files, MODULES: _text(listed)}


def _static(network: Bag, layout: TextLayout) -> tuple[Mapping[str, str], Files]:
    from tokenizers import Tokenizer, normalizers

    tokenizer = Tokenizer.from_str(layout.tokenizer)
    composed = [normalizers.NFC(), *([tokenizer.normalizer] if tokenizer.normalizer else [])]
    tokenizer.normalizer = normalizers.Sequence(composed)
    tokenizer.enable_truncation(layout.length)
    vectors = network.words.weight.detach().float() * network.keep[:, None]
    home = "0_StaticEmbedding"
    files = {f"{home}/{WEIGHTS}": save({"embedding.weight": vectors.cpu()})}
    files |= {f"{home}/{TOKENIZER}": tokenizer.to_str().encode(), f"1_Normalize/{MODEL}": _text({})}
    return {home: "StaticEmbedding", "1_Normalize": "Normalize"}, files


def _transformer(network: Pretrained, layout: TextLayout) -> tuple[Mapping[str, str], Files]:
    config = network.config
    padding = tokenizer_of(layout.tokenizer).id_to_token(network.padding)
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": padding, "model_max_length": layout.length}
    state = {name: weight.detach().cpu().contiguous() for name, weight in network.body.state_dict().items()}
    files = {
        MODEL: _text(dict(config.architecture)),
        WEIGHTS: save(state, {"format": "pt"}),
        TOKENIZER: layout.tokenizer.encode(),
        "tokenizer_config.json": _text(told),
        "sentence_bert_config.json": _text({"max_seq_length": layout.length, "do_lower_case": False}),
        f"1_Pooling/{MODEL}": _text({"word_embedding_dimension": network.dim, **_pooling(config.pooling)}),
    }
    modules = {"": "Transformer", "1_Pooling": "Pooling"}
    if config.unit:
        modules["2_Normalize"], files[f"2_Normalize/{MODEL}"] = "Normalize", _text({})
    return modules, files


def _pooling(chosen: str) -> Mapping[str, bool]:
    flags = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "max": "pooling_mode_max_tokens"}
    return {flag: name == chosen for name, flag in flags.items()}


def _text(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
