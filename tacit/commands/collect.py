"""Get data by acting: `tacit collect`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tacit.commands.kinds import Commands, Switch
from tacit.errors import UsageError


def collect(
    env: str,
    *,
    out: Path,
    policy: str = "random",
    steps: int | None = None,
    side: Annotated[int | None, Parameter(name="--pixels", show_default=False)] = None,
    colour: Annotated[bool, Switch] = False,
    repeat: int | None = None,
    seed: int = 0,
    resume: Annotated[bool, Switch] = False,
) -> None:
    """Play episodes in an environment of gymnasium, or bring recorded ones of Minari, and write each to a file.

    What is known of the state (the environment's own vector beside frames, memory of an Atari game, numbers that it
    tells) stands beside: `tacit evaluate --task state` asks encoders for it. Needs pip install 'tacit[rl]',
    'tacit[atari]' for Atari's games, and 'tacit[minari]' for Minari's data sets.

    Parameters
    ----------
    env
        The environment's id, such as CartPole-v1 or ALE/Pong-v5; or minari: and the name of a data set that minari has
        on this machine, which was played by others and of which only --steps and --out can be chosen.
    out
        A new or empty folder for the episodes.
    policy
        random, the run of an agent (see `tacit play`), which then sees what it learnt on, or a Python file that defines
        act(observation, generator), which returns an action.
    steps
        Whole episodes are played until there are as many steps: 10,000, or all that were recorded.
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
    from tacit.collecting.recorded import PREFIX, bring

    if steps is not None and steps < 1:
        raise UsageError(f"--steps {steps}: give 1 or more")
    wish = Wish(env=env, policy=policy, seed=seed, pixels=side, colour=colour, repeat=repeat)
    if not env.startswith(PREFIX):
        wish = wish if steps is None else replace(wish, steps=steps)
        episodes, done = play(wish, out, resume=resume)
    elif wish != Wish(env=env):
        raise UsageError(
            f"{env} was played by others: leave out --policy, --pixels, --colour, --repeat and --seed, which say how"
        )
    else:
        episodes, done = bring(env.removeprefix(PREFIX), out, steps=steps, resume=resume)
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
  tacit collect CartPole-v1 --policy mine.py --out mine      act(observation, generator) -> action
  tacit collect minari:D4RL/pen/human-v2 --out pens           recorded by others, fetched by `minari download`""",
    ),
)
