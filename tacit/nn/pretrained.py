"""A transformer that others have pre-trained, as the library `transformers` builds it, with its pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import UsageError

Pooling = Literal["mean", "cls", "max"]
SHIFT = 1
"""Ids of a tokenizer of theirs stand one higher in a view, where 0 is padding."""


class Pretrained(Encoder):
    """Tokens through a transformer, then their mean, their maximum, or what stands at the first one.

    Pooling as in sentence-transformers (Reimers and Gurevych 2019, arXiv 1908.10084, section 3): special tokens count
    as all others, padding does not.
    """

    class Config(Named):
        name: Literal["pretrained"] = "pretrained"
        architecture: Mapping[str, Any] = Field(
            default={}, description="what config.json of transformers says; --init-from FOLDER brings it along"
        )
        pooling: Pooling = Field(default="mean", description="mean of the tokens, the first one (cls), or max")
        unit: bool = Field(default=False, description="whether vectors are scaled to length one")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        described = architecture_of(config.architecture)
        if sample.vocabulary is None or sample.vocabulary > described.vocab_size + SHIFT:
            raise UsageError(
                f"encoder pretrained has vectors for {described.vocab_size:,} tokens of its own tokenizer, and these "
                "samples are cut otherwise: start from its folder (--init-from FOLDER), and leave the tokenizer out"
            )
        self.config, self.dim = config, int(described.hidden_size)
        self.padding = int(described.pad_token_id or 0)
        from transformers import AutoModel

        self.body: nn.Module = AutoModel.from_config(described, dtype=torch.float32)

    def forward(self, view: View) -> Features:
        """`pooled [B, D]`, `tokens [B, L, D]`; tokens that a view leaves out are as if they had never been there."""
        valid = torch.ones_like(view.x, dtype=torch.bool) if view.valid is None else view.valid
        order = None if bool((valid[:, 1:] <= valid[:, :-1]).all()) else (~valid).int().argsort(dim=1, stable=True)
        ids, told = (view.x, valid) if order is None else (view.x.gather(1, order), valid.gather(1, order))
        whole = bool(told.all())
        ids = torch.where(told, ids - SHIFT, self.padding)
        states: Tensor = self.body(input_ids=ids, attention_mask=None if whole else told.long()).last_hidden_state
        pooled = pool(states, told, self.config.pooling)
        if order is not None:
            states = states.gather(1, order.argsort(dim=1)[:, :, None].expand_as(states))
        return Features(F.normalize(pooled, dim=1) if self.config.unit else pooled, states, valid)


def pool(states: Tensor, told: Tensor, pooling: Pooling) -> Tensor:
    """One vector a sample, `[B, D]`, of `states [B, L, D]` of which those are real that `told [B, L]` says."""
    match pooling:
        case "cls":
            return states[:, 0]
        case "max":
            return states.masked_fill(~told[:, :, None], -torch.inf).amax(dim=1)
        case "mean":
            weight = told[:, :, None].to(states)
            return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)


def architecture_of(described: Mapping[str, Any]) -> Any:
    """The configuration object of `transformers` for what a config.json says.

    Raises `UsageError` where the library is not there, or does not know the model without code of the folder's own.
    """
    if not described:
        raise UsageError(
            "encoder pretrained is what a folder of transformers or sentence-transformers holds, and has no weights of "
            "its own: give the folder, as in --init-from FOLDER"
        )
    try:
        from transformers import CONFIG_MAPPING, AutoConfig
    except ImportError:
        raise UsageError("folders of transformers need the library: pip install 'tacit[transformers]'") from None

    kind = str(described.get("model_type"))
    if kind not in CONFIG_MAPPING:
        raise UsageError(
            f"no model of type {kind!r} is part of the library transformers that is installed: it is newer, or comes "
            "with code of its own, which tacit does not run. Give a model that the library knows, such as bert, mpnet "
            "or roberta"
        )
    rest = {name: value for name, value in described.items() if name not in ("model_type", "auto_map")}
    made = AutoConfig.for_model(kind, **rest)
    if made.is_encoder_decoder or "vocab_size" not in CONFIG_MAPPING[kind]().to_dict():
        raise UsageError(f"a model of type {kind!r} is no encoder of texts: give one such as bert, mpnet or roberta")
    return made
