"""tacit learns representations from unlabelled data, proves that it helped, and puts the result to use.

    encoder = tacit.train("photos", settings={"budget": {"time": "10m"}})
    print(tacit.evaluate(encoder, "photos").evaluation.verdict.sentence)
    vectors = encoder.embed("photos")

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacit.acting.faces import environment, features_extractor
    from tacit.agent import load_agent
    from tacit.applying.transformer import EncoderTransformer
    from tacit.curious import curiosity
    from tacit.encoder import load
    from tacit.library import evaluate, finetune, play, predict, select, train
    from tacit.model import load_model

__all__ = [
    "EncoderTransformer",
    "curiosity",
    "environment",
    "evaluate",
    "features_extractor",
    "finetune",
    "load",
    "load_agent",
    "load_model",
    "play",
    "predict",
    "select",
    "train",
]

_HOMES = {
    "EncoderTransformer": "tacit.applying.transformer",
    "curiosity": "tacit.curious",
    "environment": "tacit.acting.faces",
    "evaluate": "tacit.library",
    "features_extractor": "tacit.acting.faces",
    "finetune": "tacit.library",
    "load": "tacit.encoder",
    "load_agent": "tacit.agent",
    "load_model": "tacit.model",
    "play": "tacit.library",
    "predict": "tacit.library",
    "select": "tacit.library",
    "train": "tacit.library",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tacit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
