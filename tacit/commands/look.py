"""Look around: `tacit methods`, `runs`, `doctor`, `demo`."""

from __future__ import annotations

from pathlib import Path

from tacit.commands.kinds import Commands


def methods(name: str | None = None) -> None:
    """List the methods, or say all about one: what it learns from, formula, paper, options, presets, modalities.

    Parameters
    ----------
    name
        A method.
    """
    from tacit import desk

    desk.methods(name)


def runs(*paths: Path) -> None:
    """List the runs below a folder, show one, or compare several.

    Parameters
    ----------
    paths
        None: all runs in runs/. One: a run, or a folder of runs. Several: compare them, as far as one protocol judged
        them; results of others are printed apart, with what differs.
    """
    from tacit import desk

    desk.runs(paths)


def doctor() -> None:
    """Say what this installation can do: versions, processor, threads, precision, caches, free space."""
    from tacit import desk

    desk.doctor()


def demo(*, out: Path | None = None, epochs: int | None = None) -> None:
    """Learn from 1,797 handwritten digits without labels, and prove that it helped. Takes about two minutes.

    Parameters
    ----------
    out
        Folder of the run.
    epochs
        Passes over the data, where the demo's own number is too many.
    """
    from tacit.demo import run

    run(out, epochs)


COMMANDS: Commands = (
    (
        methods,
        """Examples:
  tacit methods
  tacit methods simclr""",
    ),
    (
        runs,
        """Examples:
  tacit runs
  tacit runs runs/cifar-simclr
  tacit runs runs/cifar-simclr runs/cifar-moco""",
    ),
    (doctor, ""),
    (
        demo,
        """Example:
  tacit demo""",
    ),
)
