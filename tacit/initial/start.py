"""Weights to start from: those of an encoder of tacit's, or a file that others have published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tacit.config import Named
from tacit.console import say
from tacit.core import Encoder, Layout, Modality, View
from tacit.encoder import TrainedEncoder, load
from tacit.engine import checkpoint
from tacit.errors import UsageError
from tacit.initial.weights import fill, is_published


@dataclass(frozen=True, eq=False)
class Start:
    """Weights to start from, read once."""

    path: Path
    trained: TrainedEncoder | None
    """None for a published file, which is read when its encoder is known."""

    @classmethod
    def at(cls, path: str) -> Start:
        """What is at `path`: a run, an encoder, a checkpoint, or a published file. Raises `UsageError`, `RunError`."""
        given = Path(path)
        return cls(given, None if is_published(given) else load(given))

    def settings(self) -> Mapping[str, Any]:
        """The settings of a run that the weights bring along: their encoder, and how it reads samples."""
        if self.trained is None:
            return {}
        spec = self.trained.spec
        wishes = spec.kind.config.model_fields
        own = {name: value for name, value in spec.layout.items() if name in wishes.keys() - self.trained.layout.fixed}
        return {"encoder": dict(spec.encoder), "modality": {"name": spec.modality["name"], **own}}

    def learner(self) -> Mapping[str, Tensor]:
        """The state of the learner that made the weights, the encoder and all beside it, by name.

        It is what the run's checkpoint holds; empty where there is no run around the encoder.
        """
        if self.trained is None or self.trained.path is None:
            return {}
        if self.path.parent.name == "checkpoints":
            return checkpoint.verified(self.path.with_suffix(".json")).learner()
        found, _ = checkpoint.newest(self.trained.path.parent / "checkpoints")
        return {} if found is None else found.learner()

    def recipes(self) -> Mapping[str, Any]:
        """The modality's settings that the weights were learnt by, which say what views of such data are sound."""
        return {} if self.trained is None else {"modality": dict(self.trained.spec.modality)}

    def layout(self, wanted: Named) -> Layout | None:
        """How samples are packed for the weights, but for what `wanted` says otherwise; None: as the data ask for."""
        if self.trained is None:
            return None
        layout = self.trained.layout
        wishes = {name: value for name, value in wanted if value is not None and name not in layout.fixed}
        known = {name: wishes.get(name, value) for name, value in layout.model_dump().items()}
        return type(layout).parse(known)

    def encoder(self, config: Named, modality: Modality, sample: View) -> Encoder:
        """An encoder with these weights. Raises `UsageError` where they do not fit it."""
        kind = modality.encoders[config.name]
        network = kind(config, sample)
        if self.trained is None:
            say(fill(network, self.path).in_words(self.path))
            return network
        spec = self.trained.spec
        if kind.Config.parse(spec.encoder) != config:
            raise UsageError(
                f"{self.path} holds {dict(spec.encoder)}, but the settings ask for {config.model_dump(mode='json')}: "
                "leave the encoder out to take what the weights fit"
            )
        try:
            network.load_state_dict(self.trained.network.state_dict())
        except RuntimeError:
            raise UsageError(
                f"the weights of {self.path} were made for samples of the shape {list(self.trained.layout.shape)} and "
                f"do not fit samples of {list(sample.x.shape[1:])}: leave the size out to take theirs"
            ) from None
        return network
