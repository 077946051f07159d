"""Learn to act: `tacit play`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from tacit.commands.kinds import Commands, Switch
from tacit.errors import UsageError

SIGHT = Group("What is seen")
RECIPE = Group("What is learnt and how")
PLACE = Group("Where it goes")


def play(
    env: str | None = None,
    *,
    side: Annotated[int | None, Parameter(name="--pixels", show_default=False, group=SIGHT)] = None,
    colour: Annotated[bool, Parameter(negative="", show_default=False, group=SIGHT)] = False,
    repeat: Annotated[int | None, Parameter(group=SIGHT)] = None,
    init_from: Annotated[str | None, Parameter(group=RECIPE)] = None,
    encoder: Annotated[str | None, Parameter(group=RECIPE)] = None,
    detach: Annotated[bool, Parameter(negative="", show_default=False, group=RECIPE)] = False,
    method: Annotated[str | None, Parameter(group=RECIPE)] = None,
    preset: Annotated[str | None, Parameter(group=RECIPE)] = None,
    view: Annotated[str | None, Parameter(group=RECIPE)] = None,
    steps: Annotated[int | None, Parameter(group=RECIPE)] = None,
    seed: Annotated[int | None, Parameter(group=RECIPE)] = None,
    config: Annotated[Path | None, Parameter(group=RECIPE)] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", group=RECIPE, negative="", show_default=False)] = (),
    out: Annotated[Path | None, Parameter(group=PLACE)] = None,
    resume: Annotated[bool, Parameter(negative="", show_default=False, group=PLACE)] = False,
    print_config: Annotated[bool, Switch] = False,
) -> None:
    """Learn to act in an environment of gymnasium, by double DQN on top of an encoder.

    Actions are choices, as in CartPole-v1 or Atari's games. The encoder starts from --init-from or at random. Controls:
    --detach alone keeps it as it is (with --init-from: pre-trained and frozen; without: a random one), with --method it
    learns from that method alone; --view weak moves frames by a few pixels while values are learnt, and nothing else.
    Needs pip install 'tacit[rl]'.

    Parameters
    ----------
    env
        The environment's id.
    side
        See rendered frames of as many pixels a side, grey ones; by default as the weights do, or what is observed.
    colour
        Keep the frames' colours.
    repeat
        Do each action as often before looking again.
    init_from
        Start from the encoder of a run, an encoder or a checkpoint that was trained on episodes.
    encoder
        nature, convnet and others for frames, mlp for vectors.
    detach
        Rewards do not reach the encoder.
    method
        Learn by this method as well, from the same moments: see `tacit methods`.
    preset
        Recipe of the method, such as atc of moco.
    view
        How moments are shown while values are learnt: plain, weak or strong.
    steps
        Steps to play.
    seed
        Everything random is a function of it.
    config
        YAML file with settings, such as the config.yaml of a run.
    set_
        Any setting by its path in --print-config, such as dqn.lr=1e-4; may be repeated.
    out
        Folder of the run; runs/ENV-dqn where none is given.
    resume
        Go on with the run in --out, from its last checkpoint.
    print_config
        Print all settings as YAML, and stop.
    """
    from tacit import desk, settings, training
    from tacit.acting.learning import learn
    from tacit.acting.settings import configure
    from tacit.agent import AGENT

    dqn = {"view": view, "detach": detach or None}
    short: dict[str, Any] = {
        "env": env,
        "pixels": side,
        "colour": colour or None,
        "repeat": repeat,
        "init_from": init_from,
        "encoder": training.encoder_named(encoder) if encoder else None,
        "method": {"name": method} if method else None,
        "dqn": {name: value for name, value in dqn.items() if value is not None} or None,
        "steps": steps,
        "seed": seed,
    }
    if resume and out is None:
        raise UsageError(f"--resume needs --out, the run to go on with; {desk.resumable(desk.RUNS)}")
    layers: list[dict[str, Any]] = [settings.read_config_file(config)] if config else []
    layers += [{name: value for name, value in short.items() if value is not None}, settings.assign(set_)]
    run = configure(layers, preset=preset, resume=out if resume else None)
    if print_config:
        sys.stdout.write(run.to_yaml())
        return
    folder = out if out is not None else desk.free_folder(run.env, run.dqn.name)
    _, judged = learn(run, folder, resume=resume)
    sys.stdout.write(f"{judged.in_words()}\n{folder / AGENT}\n")
    sys.stderr.write(f"\nnext:\n  tacit collect {run.env} --policy {folder} --out episodes\n")


COMMANDS: Commands = (
    (
        play,
        """Examples:
  tacit play CartPole-v1 --steps 10000
  tacit play CartPole-v1 --pixels 40 --out runs/from-scratch
  tacit play CartPole-v1 --init-from runs/cartpole --out runs/agent
  tacit play CartPole-v1 --init-from runs/cartpole --detach        its encoder stays as it is
  tacit play CartPole-v1 --pixels 40 --method moco --preset atc    a second loss beside that of values
  tacit collect CartPole-v1 --policy runs/agent --out skilled""",
    ),
)
