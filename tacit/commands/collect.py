"""Get data by acting: `tacit collect`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tacit.commands.kinds import Commands, Switch


def collect(
    env: str,
    *,
    out: Path,
    policy: str = "random",
    steps: int = 10_000,
    side: Annotated[int | None, Parameter(name="--pixels", show_default=False)] = None,
    colour: Annotated[bool, Switch] = False,
    repeat: int | None = None,
    seed: int = 0,
    resume: Annotated[bool, Switch] = False,
) -> None:
    """Play episodes in an environment of gymnasium and write each to a file.

    What is known of the state (the environment's own vector beside frames, memory of an Atari game, numbers that it
    tells) stands beside: `tacit evaluate --task state` asks encoders for it. Needs pip install 'tacit[rl]', and
    'tacit[atari]' for Atari's games.

    Parameters
    ----------
    env
        The environment's id, such as CartPole-v1 or ALE/Pong-v5.
    out
        A new or empty folder for the episodes.
    policy
        random, the run of an agent (see `tacit play`), which then sees what it learnt on, or a Python file that defines
        act(observation, generator), which returns an action.
    steps
        Whole episodes are played until there are as many steps.
    side
        Observe rendered frames of as many pixels a side, grey ones; by default what the environment observes.
    colour
        Keep the frames' colours.
    repeat
        Do each action as often before the next is chosen and something is stored.
    seed
        Each episode is a function of it and of the episode's number.
    resume
        Go on with the episodes in --out, to the same files as if it had never stopped.
    """
    from tacit.collecting.collect import Wish
    from tacit.collecting.collect import collect as play

    wish = Wish(env=env, policy=policy, steps=steps, seed=seed, pixels=side, colour=colour, repeat=repeat)
    episodes, done = play(wish, out, resume=resume)
    sys.stdout.write(f"{out}\n")
    sys.stderr.write(f"{episodes:,} episodes, {done:,} steps\n\nnext:\n  tacit train {out}\n")


COMMANDS: Commands = (
    (
        collect,
        """Examples:
  tacit collect CartPole-v1 --steps 20000 --out cartpole
  tacit collect CartPole-v1 --pixels 84 --steps 20000 --out cartpole-frames
  tacit collect ALE/Pong-v5 --pixels 84 --steps 20000 --out pong
  tacit collect CartPole-v1 --policy runs/agent --out skilled
  tacit collect CartPole-v1 --policy mine.py --out mine      act(observation, generator) -> action""",
    ),
)
