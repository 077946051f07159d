"""Episodes of Minari's data sets, brought into a folder as if they had been played here.

T steps of an episode; n = T + 1 observations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacit import console, interrupt
from tacit.collecting.folders import begun, write
from tacit.collecting.worlds import Array, of_frames, storable, stored
from tacit.console import say
from tacit.errors import DataError, UsageError, nearest
from tacit.modalities.episodes import ACTIONS, ENDS, OBSERVATIONS, REWARDS

PREFIX = "minari:"
WIDEST = 64
"""Columns of what is told beside, at most: wider arrays are further observations rather than states."""


def bring(name: str, out: Path, *, steps: int | None, resume: bool) -> tuple[int, int]:
    """Write whole episodes of the local data set `name` into the folder `out`, all or until there are `steps` steps;
    returns how many episodes and steps there are.

    A frame (uint8, `[H, W]` or `[H, W, C]`) is what is observed, and the numbers beside it are states; where there is
    none, all numbers stand in one vector, choices among them as one-hot. Numbers in `infos` are states called
    `info_NAME`. Raises `UsageError` where the set is not here, `DataError` where it cannot be stored so.
    """
    found, version = _opened(name)
    total = int(found.total_episodes)
    number, done = begun(out, {"env": PREFIX + name, "version": version}, resume=resume)
    if not storable(found.action_space):
        raise DataError(f"actions of {name} are {found.action_space}; choices and arrays of numbers can be stored")
    dropped: set[str] = set()
    with interrupt.listening(), console.progress(f"bringing {name}", total) as tick:
        for episode in found.iterate_episodes(found.episode_indices[number:]):
            if steps is not None and done >= steps:
                break
            interrupt.check()
            arrays = _arrays(episode, found.observation_space, found.action_space, dropped)
            write(out, number, arrays)
            number, done = number + 1, done + len(arrays[REWARDS])
            tick(number, f"{done:,} steps")
    if dropped:
        say(f"note: texts and what has no fixed size are not kept: {', '.join(sorted(dropped))}")
    return number, done


def _opened(name: str) -> tuple[Any, str]:
    try:
        import minari
    except ImportError:
        raise UsageError(
            f"{PREFIX}{name} is read by minari, which is not installed: pip install 'tacit[minari]'"
        ) from None
    try:
        return minari.load_dataset(name), f"minari {minari.__version__}"
    except (FileNotFoundError, ValueError):
        here = list(minari.list_local_datasets())
        said = nearest(name, here) if here else ""
        raise UsageError(
            f"minari has no data set {name!r} on this machine; {said or 'it has none at all; '}"
            "`minari download NAME` fetches one, `minari list remote` names them"
        ) from None
    except ImportError as error:
        raise UsageError(f"{name} is stored in a way that needs more than is installed: {error}") from None


def _arrays(episode: Any, observed: Any, done: Any, dropped: set[str]) -> dict[str, Array]:
    """An episode as a file of ours holds it; what is not kept is added to `dropped`."""
    leaves = list(_leaves(observed, episode.observations, "", dropped))
    pictures = [values for _, space, values in leaves if of_frames(space)]
    if len(pictures) > 1:
        names = ", ".join(name for name, space, _ in leaves if of_frames(space))
        raise DataError(f"each moment has {len(pictures)} frames ({names}), and an encoder reads one")
    if not leaves:
        raise DataError(f"there is nothing to observe in {observed}: frames or numbers are needed")
    arrays: dict[str, Array] = {}
    if pictures:
        arrays |= {name: _row(space, values) for name, space, values in leaves if not of_frames(space)}
    arrays |= {f"info_{name}": values for name, values in _told(episode.infos or {}, "")}
    arrays[OBSERVATIONS] = pictures[0] if pictures else np.concatenate(
        [_row(space, values) for _, space, values in leaves], axis=1
    )  # fmt: skip
    arrays[ACTIONS] = stored(done, np.asarray(episode.actions))
    arrays[REWARDS] = np.asarray(episode.rewards, np.float32)
    for name, values in zip(ENDS, (episode.terminations, episode.truncations), strict=True):
        arrays[name] = np.asarray(values, bool)
    return arrays


def _leaves(space: Any, values: Any, name: str, dropped: set[str]) -> Iterator[tuple[str, Any, Array]]:
    """(name, space, values `[n, ...]`) of all that is observed in one moment, in the space's order."""
    from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

    if isinstance(space, Dict):
        parts: Sequence[tuple[Any, Any]] = list(space.spaces.items())
    elif isinstance(space, Tuple):
        parts = list(enumerate(space.spaces))
    elif isinstance(space, Box | Discrete | MultiBinary | MultiDiscrete):
        yield name or "state", space, np.asarray(values)
        return
    else:
        dropped.add(name or str(space))
        return
    for key, inner in parts:
        yield from _leaves(inner, values[key], f"{name}.{key}" if name else str(key), dropped)


def _row(space: Any, values: Array) -> Array:
    """Float32 `[n, D]`; a choice is one-hot."""
    from gymnasium.spaces import Discrete

    if isinstance(space, Discrete):
        return np.eye(int(space.n), dtype=np.float32)[values.reshape(-1).astype(np.int64) - int(space.start)]
    return values.reshape(len(values), -1).astype(np.float32)


def _told(infos: Mapping[str, Any], name: str) -> Iterator[tuple[str, Array]]:
    """Numbers and truths that the environment told at each moment, by name."""
    for key, value in infos.items():
        inner = f"{name}.{key}" if name else key
        if isinstance(value, Mapping):
            yield from _told(value, inner)
            continue
        values = np.asarray(value)
        if values.dtype.kind in "iufb" and (values.ndim == 1 or (values.ndim == 2 and values.shape[1] <= WIDEST)):
            yield inner, values
