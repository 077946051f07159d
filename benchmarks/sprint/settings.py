"""Everything that the speedrun can change, each of which is an ablation."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from tacit.errors import UsageError, nearest


@dataclass(frozen=True)
class Settings:
    """Phases follow each other; shares are of the seconds."""

    net: str = "sprint"
    """`sprint`, or `resnet18`."""
    width: int = 128
    """Channels of the first trained layer of `sprint`; the second stage has three times as many, the last four."""
    filters: int = 32
    """Fixed filters of the first layer of `sprint`."""
    stride: int = 1
    """Of these filters."""
    shrink: str = "stride"
    """How a stage halves the side: the `max` or the `mean` of four cells, or a convolution with a `stride`."""
    batch: int = 1024
    """Images a step."""
    small: int = 4
    """Small crops an image, of half the side, a quarter of the price."""
    full: int = 1
    """Full crops an image while small ones are made, too."""
    early: float = 0.7
    """Share of the seconds, from the first on, in which there are small crops only, two more of them."""
    late: float = 0.0
    """Share of the seconds, up to the last, in which there are two full crops only."""
    crop: float = 0.2
    """The least area of a full crop."""
    small_crop: float = 0.1
    """The least area of a small crop."""
    jitter: float = 0.8
    strength: float = 0.5
    grey: float = 0.2
    loss: str = "means"
    """What a view is to find among those of the batch: the mean of the image's other views, or each (`pairs`)."""
    temperature: float = 0.2
    hidden: int = 1024
    layers: int = 2
    """Of the head."""
    out: int = 128
    optimiser: str = "muon"
    """`muon` for matrices and filters (the rest by AdamW), `adamw`, or `lars`."""
    lr: float = 0.05
    adam_lr: float = 0.003
    """Of what Muon leaves to AdamW, and of AdamW."""
    weight_decay: float = 0.02
    warmup: float = 0.02
    graphs: bool = True
    """Whether steps are replayed as CUDA graphs; on a CPU never."""
    search: bool = False
    """Whether cuDNN tries its algorithms for each shape, which takes seconds."""
    compile: bool = False
    """Whether the network is compiled, which counts as time, as all does."""

    def told(self, settings: dict[str, str]) -> Settings:
        """With some of them changed.

        Raises:
            UsageError: one is unknown, or its value is not of its kind.
        """
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        changed: dict[str, Any] = {}
        for name, text in settings.items():
            if name not in kinds:
                raise UsageError(f"the speedrun has no setting {name!r}; {nearest(name, list(kinds))}")
            try:
                changed[name] = text == "true" if kinds[name] is bool else kinds[name](text)
            except ValueError:
                raise UsageError(f"{name} is to be of the kind {kinds[name].__name__}, not {text!r}") from None
        return replace(self, **changed)
