"""An encoder inside the libraries of the field: environments as it sees them, and what agents of others read by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tacit.acting.sight import layout_of
from tacit.collecting.worlds import open_world
from tacit.encoder import TrainedEncoder
from tacit.errors import Unreadable, UsageError


def environment(name: str, encoder: TrainedEncoder | str | Path, *, repeat: int = 1) -> Any:
    """The environment `name` as a `gymnasium.Env` that shows what `encoder` reads, moments.

    Frames are uint8 `[K C, H, W]`, oldest first, rendered at the encoder's size where it learnt from rendered ones;
    vectors float32 `[K D]`.

    Args:
        name: the environment's id, such as CartPole-v1.
        encoder: an encoder of episodes, or where one stands.
        repeat: how often an action is repeated, as when the episodes were collected.

    Raises:
        UsageError: gymnasium is not installed, there is no such environment, or it shows something else.
    """
    layout = layout_of(encoder)
    square = layout.frames and layout.observed[1] == layout.observed[2]
    world = open_world(
        name, pixels=layout.observed[1] if square else None, colour=square and layout.observed[0] == 3, repeat=repeat
    )
    from tacit.acting.moments import Moments

    try:
        return Moments(world, layout)
    except Unreadable as error:
        raise UsageError(f"the encoder cannot read what {name} shows: {error}") from None


def features_extractor(encoder: TrainedEncoder | str | Path, *, frozen: bool = False) -> dict[str, Any]:
    """`policy_kwargs` of stable-baselines3 by which its agents read through `encoder`.

    Args:
        encoder: an encoder of episodes, or where one stands.
        frozen: whether it stays as it is, rather than learning on with the agent.

    Raises:
        UsageError: stable-baselines3 is not installed, or the encoder reads something else than moments.
    """
    layout_of(encoder)
    try:
        from tacit.acting.sb3 import EncoderExtractor
    except ImportError as error:
        raise UsageError(
            f"features for agents of stable-baselines3 need it, and it is not installed ({error}): "
            "pip install 'tacit[sb3]'"
        ) from None
    given = encoder if isinstance(encoder, TrainedEncoder) else str(encoder)
    return {
        "features_extractor_class": EncoderExtractor,
        "features_extractor_kwargs": {"encoder": given, "frozen": frozen},
    }
