"""Encoders of texts in folders that transformers or sentence-transformers wrote: read without a network and code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from tacit.core import Adopted
from tacit.errors import RunError, UsageError
from tacit.modalities.words import LONGEST, TextLayout, tokenizer_of
from tacit.nn.pretrained import SHIFT, Pooling, Pretrained, architecture_of

MODULES, MODEL, TOKENIZER, WEIGHTS = "modules.json", "config.json", "tokenizer.json", "model.safetensors"
SHARDS = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
OFFSET = ("camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl")
"""Models whose first positions stand for padding and are no text's."""
FORGOTTEN = frozenset({"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"})
"""What a config.json says of a file and not of a model."""


def adopt(folder: Path) -> Adopted | None:
    """The encoder in `folder`; None where no tool of theirs wrote it.

    Tokens, weights and pooling are read from `tokenizer.json`, `model.safetensors` and, where there are such, the
    files of sentence-transformers; a model without those is pooled by the mean of its tokens, as they do it. Raises
    `UsageError` with what to do where something of this is missing, and `RunError` where a file is damaged.
    """
    home, modules = folder, []
    if (folder / MODULES).is_file():
        modules = _modules(folder)
        home = folder / modules[0][1]
    elif "model_type" not in _described(folder):
        return None
    described = {name: value for name, value in _described(home).items() if name not in FORGOTTEN}
    made = architecture_of(described)
    pooling, unit = _pooling(folder, modules)
    layout = _layout(home, made)
    config = Pretrained.Config(architecture=described, pooling=pooling, unit=unit)
    return Adopted(layout, config, lambda network: _fill(network, home, made))


def _described(folder: Path) -> dict[str, Any]:
    """What its config.json says; nothing where there is none."""
    path = folder / MODEL
    return _json(path) if path.is_file() else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}. Copy the folder anew.") from None


def _modules(folder: Path) -> list[tuple[str, str]]:
    """(kind, sub-folder) of the modules of sentence-transformers, in order."""
    listed = [(str(one["type"]).rpartition(".")[2], str(one["path"])) for one in _json(folder / MODULES)]
    known = ("Transformer", "Pooling", "Normalize")
    other = [kind for kind, _ in listed if kind not in known]
    if other or [kind for kind, _ in listed[:2]] != ["Transformer", "Pooling"]:
        raise UsageError(
            f"{folder} is made of {', '.join(kind for kind, _ in listed)}; of sentence-transformers tacit reads "
            f"Transformer, Pooling and Normalize, in this order"
        )
    return listed


def _pooling(folder: Path, modules: list[tuple[str, str]]) -> tuple[Pooling, bool]:
    """How the tokens become one vector, and whether that has length one."""
    if not modules:
        return "mean", False
    said = _json(folder / modules[1][1] / MODEL)
    modes = said.get("pooling_mode") or [
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for name, value in said.items()
        if name.startswith("pooling_mode_") and value
    ]
    mode = modes if isinstance(modes, str) else "+".join(modes)
    if mode not in get_args(Pooling):
        raise UsageError(f"{folder} pools its tokens by {mode!r}; tacit knows {', '.join(get_args(Pooling))}")
    return cast(Pooling, mode), any(kind == "Normalize" for kind, _ in modules)


def _layout(home: Path, made: Any) -> TextLayout:
    """How texts are cut: by the folder's own tokenizer, with the special tokens that it adds itself."""
    path = home / TOKENIZER
    if not path.is_file():
        raise UsageError(
            f'{home} has no {TOKENIZER}. Where its tokenizer is in other files, write it once: python -c "from '
            f"transformers import AutoTokenizer as A; A.from_pretrained('{home}').save_pretrained('{home}')\""
        )
    text = path.read_text(encoding="utf-8")
    said = {} if not (home / "sentence_bert_config.json").is_file() else _json(home / "sentence_bert_config.json")
    if said.get("do_lower_case"):
        text = _lower(text)
    size = tokenizer_of(text).get_vocab_size(with_added_tokens=True)
    own = _json(home / "tokenizer_config.json") if (home / "tokenizer_config.json").is_file() else {}
    positions = made.to_dict().get("max_position_embeddings")
    limits = [said.get("max_seq_length"), own.get("model_max_length"), LONGEST]
    limits += [positions - 2 * (made.model_type in OFFSET)] if positions and positions > 0 else []
    length = min(int(limit) for limit in limits if limit is not None)
    return TextLayout(length=length, vocabulary=size + SHIFT, tokenizer=text, foreign=True)


def _lower(text: str) -> str:
    """The tokenizer, but for lower-case letters."""
    described = json.loads(text)
    before = described.get("normalizer")
    steps = [{"type": "Lowercase"}, *([before] if before else [])]
    return json.dumps({**described, "normalizer": {"type": "Sequence", "normalizers": steps}}, ensure_ascii=False)


def _fill(network: Pretrained, home: Path, made: Any) -> None:
    """Put the folder's weights into the network; names that older versions or other heads wrote are understood."""
    if not any((home / name).is_file() for name in (WEIGHTS, SHARDS)):
        pickled = next((name for name in PICKLES if (home / name).is_file()), None)
        if pickled is None:
            raise UsageError(f"{home} holds no weights: {WEIGHTS} is missing")
        raise UsageError(
            f"{home} holds its weights as {pickled}, and unpickling runs whatever code a file brings, so tacit does "
            f'not. Where you trust it, write {WEIGHTS} once: python -c "from transformers import AutoModel as A; '
            f"A.from_pretrained('{home}').save_pretrained('{home}')\""
        )
    state = _weights(home, made)
    missing = [name for name in network.body.state_dict() if name not in state and "pooler" not in name]
    if missing:
        raise UsageError(f"{home} holds no weights for {missing[0]} and {len(missing) - 1} more: it is no whole model")
    network.body.load_state_dict(state, strict=False)


def _weights(home: Path, made: Any) -> Mapping[str, Any]:
    """The model's state by name."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = AutoModel.from_pretrained(
            home,
            config=made,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:150]
        raise RunError(f"the weights in {home} are damaged, or of another model ({text}): copy them anew") from None
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
    return {name: value for name, value in model.state_dict().items() if name not in report["missing_keys"]}
