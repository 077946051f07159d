"""What an agent has to be shown, so that an encoder can read it."""

from __future__ import annotations

from pathlib import Path

from tacit.encoder import TrainedEncoder, load
from tacit.errors import UsageError
from tacit.modalities.moments import MomentLayout


def layout_of(encoder: TrainedEncoder | str | Path) -> MomentLayout:
    """How `encoder` reads moments. Raises `UsageError` where it reads something else."""
    loaded = encoder if isinstance(encoder, TrainedEncoder) else load(encoder)
    if not isinstance(loaded.layout, MomentLayout):
        raise UsageError(
            f"{loaded.path or 'the encoder'} reads {loaded.modality.unit}, and an agent sees moments: train it on "
            "episodes, as `tacit collect` writes them"
        )
    return loaded.layout
