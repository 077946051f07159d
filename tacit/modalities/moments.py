"""Moments of episodes as they are packed: the last observations, those that come next, and what is done between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import Field
from torch import Tensor

from tacit.core import Layout, Raw, View
from tacit.errors import DataError, Unreadable
from tacit.modalities.episodes import Array, Episode, decode

STACKED = 4
"""Frames that a moment holds where nobody says how many (Mnih et al. 2015); of vectors one."""
_MOST = 2**26
"""Bytes of a packed moment."""
_NUMBER = 4  # bytes of an action's number, and of an observed one


class MomentLayout(Layout):
    """How moments are packed: bytes of `stack + ahead` observations, then of the actions of `ahead` steps.

    A moment lies in several rows, so that any of them can be read alone: of frames one row takes `stack + ahead`
    times what a frame does.
    """

    observed: tuple[int, ...] = Field(min_length=1, max_length=3)
    """`(C, H, W)` of frames, `(D,)` of vectors."""
    size: int | None = None
    """The side to which frames of any size are brought; None where all have to be of one shape."""
    stack: int = Field(ge=1, le=64)
    """K, observations that a moment holds."""
    ahead: int = Field(default=1, ge=1, le=64)
    """N, steps to the later moment."""
    choices: int = Field(default=0, ge=0, le=65_536)
    """How many actions there are to choose from; 0 where actions are numbers, or none are known."""
    numbers: int = Field(default=0, ge=0, le=65_536)
    """How many numbers an action has; 0 where it is a choice, or none are known."""

    @property
    def frames(self) -> bool:
        """Whether observations are frames."""
        return len(self.observed) == 3

    @property
    def observed_bytes(self) -> int:
        """Bytes of all observations of a row, up to a multiple of four."""
        count = (self.stack + self.ahead) * int(np.prod(self.observed))
        return -(-count // _NUMBER) * _NUMBER if self.frames else count * _NUMBER

    @property
    def width(self) -> int:
        """Numbers that an action is packed in."""
        return 1 if self.choices else self.numbers

    @property
    def shape(self) -> tuple[int]:
        """Bytes of a row."""
        return (self.observed_bytes + _NUMBER * self.ahead * self.width,)

    @property
    def dtype(self) -> str:
        """numpy's name of the numbers' type."""
        return "uint8"

    @property
    def in_pieces(self) -> bool:
        """An episode is many moments."""
        return True

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        kind = "frames" if self.frames else "vectors"
        acted = f"{self.choices} choices" if self.choices else f"{self.numbers} numbers" if self.numbers else "none"
        return {"observed": f"{kind} {list(self.observed)}", "stack": self.stack, "ahead": self.ahead, "actions": acted}


def survey(
    raws: Iterable[Raw], *, size: int | None, stack: int | None, ahead: int, choices: int | None
) -> MomentLayout:
    """The layout for episodes: their commonest shape of observations, and as many choices as were ever taken.

    `size`: the side to which frames are brought. Raises `DataError` where no episode can be read, with the reasons.
    """
    shapes: Counter[tuple[int, ...]] = Counter()
    acted: Counter[int] = Counter()
    most, reasons = -1, []
    for raw in raws:
        try:
            found = decode(raw)
        except Unreadable as error:
            reasons.append(str(error))
            continue
        shapes[found.observations.shape[1:]] += 1
        if found.actions is not None and len(found.actions):
            acted[0 if found.actions.ndim == 1 else found.actions.shape[1]] += 1
            most = max(most, int(found.actions.max()) if found.actions.ndim == 1 else -1)
    if not shapes:
        raise DataError("no episode can be read to see what is observed:\n  " + "\n  ".join(reasons[:5]))
    observed = shapes.most_common(1)[0][0]
    if len(observed) == 3 and size is not None:
        observed = (observed[0], size, size)
    numbers = acted.most_common(1)[0][0] if acted else None
    layout = MomentLayout(
        observed=observed,
        size=size if len(observed) == 3 else None,
        stack=stack or (STACKED if len(observed) == 3 else 1),
        ahead=ahead,
        choices=(choices or most + 1) if numbers == 0 else 0,
        numbers=numbers or 0,
    )
    if layout.shape[0] > _MOST:
        raise DataError(
            f"a moment of {layout.stack + ahead} observations of shape {list(observed)} takes {layout.shape[0]:,} "
            f"bytes, more than the limit of {_MOST:,}: --set modality.size=84 makes frames smaller"
        )
    return layout


def cut(raw: Raw, layout: MomentLayout) -> Iterator[tuple[np.ndarray, str]]:
    """All moments of an episode that have a later one `ahead` steps on, packed, and which step each is: `step=17`.

    Before the first observation stands the first one. Raises `Unreadable` before the first moment.
    """
    episode = decode(raw)
    observed = fitting(episode, layout)
    acted = _acted(episode, layout)
    count = moments_of(len(observed), layout)
    if count < 1:
        raise Unreadable(
            f"{len(observed)} observation{'s' * (len(observed) > 1)}: a moment needs another one {layout.ahead} "
            f"step{'s' * (layout.ahead > 1)} later"
        )
    window = np.arange(1 - layout.stack, layout.ahead + 1)
    for step in range(count):
        some = observed[np.maximum(step + window, 0)]
        yield _packed(some, acted[step : step + layout.ahead], layout), f"step={step}"


def moments_of(observations: int, layout: MomentLayout) -> int:
    """How many moments an episode of so many observations has."""
    return observations - layout.ahead


def read(raw: Raw, layout: MomentLayout) -> np.ndarray:
    """The last moment of an episode, as an agent sees it now; nothing is known of what comes next."""
    observed = fitting(decode(raw), layout)
    window = np.arange(1 - layout.stack, layout.ahead + 1) + len(observed) - 1
    none = np.full((layout.ahead, layout.width), np.nan, np.float32)
    return _packed(observed[np.clip(window, 0, len(observed) - 1)], none, layout)


def collate(packed: Tensor, layout: MomentLayout) -> View:
    """Frames as floats in [0, 1], `[B, K C, H, W]`, oldest first, or vectors `[B, K D]`; what comes next is in `later`
    (`[B, N, ...]`), what is done in `actions`: for choices all False where it is not known."""
    rows, size = len(packed), layout.observed_bytes
    window = (rows, layout.stack + layout.ahead, *layout.observed)
    held = packed[:, :size].contiguous()
    x = held[:, : int(np.prod(window[1:]))].view(window) if layout.frames else held.view(torch.float32).view(window)
    return viewed(x, _actions(packed[:, size:], layout), layout)


def viewed(observed: Tensor, actions: Tensor | None, layout: MomentLayout) -> View:
    """Moments and what comes after them, `[B, K + N, ...]`, as `collate` makes them a view."""
    x = observed.float().div_(255) if layout.frames else observed
    return View(x[:, : layout.stack].flatten(1, 2), later=x[:, layout.stack :], actions=actions)


def _actions(packed: Tensor, layout: MomentLayout) -> Tensor | None:
    if not layout.width:
        return None
    found = packed.contiguous().view(torch.float32).view(len(packed), layout.ahead, layout.width)
    if not layout.choices:
        return found
    known = ~found.isnan()
    return F.one_hot(found.nan_to_num().long()[..., 0], layout.choices).bool() & known


def _packed(observed: Array, acted: npt.NDArray[np.float32], layout: MomentLayout) -> np.ndarray:
    packed = np.zeros(layout.shape, np.uint8)
    held = np.ascontiguousarray(observed).reshape(-1).view(np.uint8)
    packed[: len(held)] = held
    packed[layout.observed_bytes :] = np.ascontiguousarray(acted).reshape(-1).view(np.uint8)
    return packed


def fitting(episode: Episode, layout: MomentLayout) -> Array:
    """The observations in the layout's shape. Raises `Unreadable`."""
    found = episode.observations
    if found.shape[1:] == layout.observed:
        return found
    if layout.size and episode.frames and found.shape[1] == layout.observed[0]:
        return _resized(found, layout.size)
    hint = ": --set modality.size=84 brings frames to one size" if episode.frames and layout.frames else ""
    raise Unreadable(
        f"observations of shape {list(found.shape[1:])}, where those of the set are {list(layout.observed)}{hint}"
    )


def _resized(frames: Array, size: int) -> Array:
    """Frames `[n, C, H, W]` brought to squares; each cell is the mean of what it covers."""
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((size, size), Image.Resampling.BOX))
        for frame in frames
        for plane in frame
    ]
    return np.stack(planes).reshape(*frames.shape[:2], size, size)


def _acted(episode: Episode, layout: MomentLayout) -> npt.NDArray[np.float32]:
    """What was done, float32 `[T, width]`. Raises `Unreadable` where it is not what the layout says."""
    if not layout.width:
        return np.zeros((len(episode.observations), 0), np.float32)
    found = episode.actions
    expected = f"one of {layout.choices} choices" if layout.choices else f"{layout.numbers} numbers"
    if found is None:
        raise Unreadable(f"no array actions, where an action of the set is {expected}")
    if (found.ndim == 1) != bool(layout.choices) or (found.ndim == 2 and found.shape[1] != layout.numbers):
        given = "a choice" if found.ndim == 1 else f"{found.shape[1]} numbers"
        raise Unreadable(f"an action is {given}, where those of the set are {expected}")
    if layout.choices and len(found) and not 0 <= found.min() <= found.max() < layout.choices:
        wrong = int(found.min() if found.min() < 0 else found.max())
        raise Unreadable(
            f"action {wrong}, where those of the set are 0 to {layout.choices - 1}: --set modality.actions says how "
            "many there are"
        )
    return found.reshape(len(found), -1).astype(np.float32)
