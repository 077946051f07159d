"""Texts: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.augment.kinds import by_kind, recipes_of
from tacit.augment.text import Recipe, text_view
from tacit.augment.text_noise import deleted, infilled, permuted
from tacit.config import Config
from tacit.core import Augmentation, Modality, Pieces, Raw, View
from tacit.modalities.counts import latent_semantics, tfidf
from tacit.modalities.exported import export
from tacit.modalities.folders import adopt
from tacit.modalities.passages import passages
from tacit.modalities.terms import bm25, weighted_terms
from tacit.modalities.words import SPECIALS, SUFFIXES, Kind, TextLayout, read, read_many, spell, stops, survey, words
from tacit.nn.bag import Bag
from tacit.nn.pretrained import Pretrained
from tacit.nn.transformer import Transformer

COUNTED = 2_000
"""Words whose counts are the raw features: the most frequent ones."""


class TextConfig(Config):
    """How texts are cut into tokens and viewed."""

    name: Literal["text"] = "text"
    tokenizer: Kind = Field(default="words", description="words in lower case, or byte-pair encoding (bpe)")
    vocabulary: int | None = Field(
        default=None,
        ge=300,
        le=65_000,
        description="tokens told apart; 30,000 words, or bpe to 8,000 by amount of text",
    )
    length: int | None = Field(
        default=None, ge=8, le=65_536, description="tokens that a row holds of a text; from the data, to 1024"
    )
    pieces: bool = Field(default=False, description="whether longer texts become several rows, or are cut")
    weak: Recipe = Recipe(keep="words", share=(0.7, 0.9))
    strong: Recipe = Recipe()
    global_: Recipe = Field(default=Recipe(keep="span", share=(0.5, 0.9)), alias="global")
    local: Recipe = Recipe(keep="span", share=(0.1, 0.3))


def _survey(raws: Iterable[Raw], config: TextConfig) -> TextLayout:
    return survey(raws, config.tokenizer, config.vocabulary, config.length, config.pieces)


def _collate(packed: Tensor, layout: TextLayout) -> View:
    """Ids `[B, L]` as long, cut at the longest of the batch."""
    ids = packed.long()
    valid = ids != 0
    longest = max(1, int(valid.sum(dim=1).max()) if len(ids) else 1)
    where = torch.arange(longest).expand(len(ids), longest)
    ends = stops(layout.tokenizer, int(layout.foreign))
    return View(ids[:, :longest], valid[:, :longest], where, vocabulary=layout.vocabulary, stops=ends)


def _augment(config: TextConfig) -> Mapping[str, Augmentation]:
    return by_kind(recipes_of(config), text_view)


def _word_counts(view: View) -> Tensor:
    """Logarithms of the counts of the most frequent words, of unit length: `[B, 2000]`."""
    assert view.vocabulary is not None
    words = min(COUNTED, view.vocabulary - len(SPECIALS))
    place = view.x - len(SPECIALS)
    told = (place >= 0) & (place < words)
    counts = torch.zeros(len(view), words).scatter_add_(1, place.clamp(0, words - 1), told.float())
    return F.normalize(counts.log1p(), dim=1)


_IN_ORDER = {
    "modality": {"tokenizer": "bpe", "weak": {"keep": "window", "tokens": 128}},
}
"""What methods want that look at the order of words: pieces of words, so that none is unknown, and short runs."""


TEXT = Modality(
    name="text",
    unit="texts",
    config=TextConfig,
    layout=TextLayout,
    suffixes=SUFFIXES,
    survey=_survey,
    surveyed=50_000,
    records="text",
    read=read,
    read_many=read_many,
    pieces=Pieces(passages, "length", lambda _: {"pieces": True}),
    adopt=adopt,
    export=export,
    collate=_collate,
    values=False,
    places=True,
    spell=spell,
    words=words,
    augment=_augment,
    corruptions={"infilling": infilled, "permutation": permuted, "deletion": deleted},
    encoders={"bag": Bag, "transformer": Transformer, "pretrained": Pretrained},
    floors={"word counts": _word_counts},
    rivals={"LSA": latent_semantics},
    classifiers={"TF-IDF": tfidf},
    presets={
        "simclr": {
            "simcse": {  # Gao et al. 2021, arXiv 2104.08821: dropout is the only difference between two views
                "method": {"temperature": 0.05, "hidden": 512},
                "encoder": {"name": "transformer", "dropout": 0.1},
                "modality": {"tokenizer": "bpe", "length": 64, "strong": {"keep": "all"}},
                "optimiser": {"lr": 5e-4},
                "batch": 128,
            },
        },
    },
    terms={"TF-IDF": weighted_terms, "BM25": bm25},
    recipes={
        "masked-prediction": _IN_ORDER,
        # of three quarters of a sentence nobody guesses the rest (Wettig et al. 2023, arXiv 2202.08005)
        "mae": {**_IN_ORDER, "method": {"share": 0.4}},
        "i-jepa": _IN_ORDER,
        "capi": _IN_ORDER,
        "ibot": _IN_ORDER,
        "msn": _IN_ORDER,
        "causal-prediction": _IN_ORDER,
        "denoising-seq2seq": _IN_ORDER,
        "tsdae": _IN_ORDER,
        "electra": _IN_ORDER,
        # of halves no word is in both
        "pixpro": {
            "modality": {"tokenizer": "bpe", "strong": {"keep": "words", "share": [0.5, 0.9]}},
            "encoder": {"name": "transformer"},
        },
        "tag": {"modality": {"weak": {"keep": "all"}}},
        "simclr": {
            "method": {"local": 0, "temperature": 0.3, "hidden": 0},
            "optimiser": {"lr": 4e-3, "weight_decay": 0.0},
            "usual_batch": 1024,
        },
    },
)
