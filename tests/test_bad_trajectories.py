"""Whatever the user gives as episodes: one clear message with the fix, the right exit code, no traceback, no loss."""

from dataclasses import dataclass

import numpy as np
import pytest
from worlds import ball, folder_of, walk

from tacit.cli import run

QUICK = ["--steps", "2", "--batch", "4", "--set", "evaluations=0"]


@dataclass(frozen=True)
class Case:
    """What is prepared in a folder, and how training on it has to end."""

    name: str
    prepare: object
    code: int
    said: tuple[str, ...]
    words: tuple[str, ...] = ()


def among(world=walk, count=9, **other):
    """A folder of good episodes with one other among them: `other` replaces its arrays, None leaves them out."""

    def prepare(tmp):
        folder = folder_of(tmp / "data", world, count=count, steps=6)
        arrays = {name: value for name, value in {**world(0, steps=6), **other}.items() if value is not None}
        np.savez(folder / "other.npz", **arrays)
        return folder

    return prepare


def all_of(change, world=walk, count=6):
    def prepare(tmp):
        return folder_of(tmp / "data", lambda number: change(world(number, steps=6)), count=count)

    return prepare


def without(*names):
    return lambda held: {name: value for name, value in held.items() if name not in names}


def bytes_in(content):
    def prepare(tmp):
        folder = folder_of(tmp / "data", count=9, steps=6)
        (folder / "other.npz").write_bytes(content)
        return folder

    return prepare


LONGER = walk(steps=7)
ALLOWED = ("--max-bad", "0.2")
CASES = [
    Case("a good set", among(), 0, ("10 episodes: 60 moments",)),
    Case("other frames", among(observations=walk(steps=6, side=44)["observations"]), 3, ("modality.size=84",)),
    Case("other frames allowed", among(observations=walk(steps=6, side=44)["observations"]), 0, ("skipped",), ALLOWED),
    Case("vectors among frames", among(observations=np.zeros((7, 3))), 3, ("shape [3], where those of the set are",)),
    Case("lengths", among(actions=np.zeros(3, int)), 3, ("3 actions, 6 rewards",)),
    Case("one observation", among(observations=LONGER["observations"][:1], actions=np.zeros(1, int),
                                  rewards=None, terminated=None, truncated=None), 3, ("another one 1 step later",)),
    Case("one step", among(**{name: value[: 2 if len(value) == 7 else 1] for name, value in walk(steps=6).items()}),
         0, ("10 episodes: 55 moments",)),
    Case("negative action", among(actions=np.array([0, 1, 2, 3, -1, 0])), 3, ("action -1", "modality.actions")),
    Case("too large an action", among(actions=np.array([0, 1, 2, 3, 900, 0])), 3, ("action 900",),
         ("--set", "modality.actions=4")),
    Case("numbers among choices", among(actions=np.zeros((6, 2))), 3, ("an action is 2 numbers",)),
    Case("NaN", among(ball, observations=np.full((7, 3), np.nan)), 3, ("NaN or infinity",)),
    Case("pickled", among(observations=np.array([{}] * 7, dtype=object)), 3, ("Python objects",)),
    Case("no observations", among(observations=None), 3, ("no array called observations",)),
    Case("channels first", among(observations=np.zeros((7, 3, 40, 40), np.uint8)), 3, ("channels come last",)),
    Case("floating frames", among(observations=np.zeros((7, 40, 40))), 3, ("of uint8",)),
    Case("empty file", bytes_in(b""), 3, ("an empty file",)),
    Case("no zip", bytes_in(b"\x93NUMPY nothing"), 3, ("no .npz",)),
    Case("ahead of all ends", among(), 3, ("another one 9 steps later",), ("--set", "modality.ahead=9")),
    Case("frames too small", all_of(lambda held: {**held, "observations": held["observations"][:, :20, :20]}), 2,
         ("encoder nature reads frames of 36 pixels", "--encoder convnet")),
    Case("no actions", all_of(without("actions")), 3, ("no array `actions`",), ("--method", "inverse-dynamics")),
    Case("the same action", all_of(lambda held: {**held, "actions": np.ones(6, int)}), 3, ("vary the actions",),
         ("--method", "inverse-dynamics")),
    Case("places of vectors", all_of(lambda held: held, ball), 2, ("inverse-dynamics or moco",),
         ("--method", "st-dim")),
    Case("a conv net on vectors", all_of(lambda held: held, ball), 2, ("--encoder mlp",), ("--encoder", "nature")),
    Case("one episode", all_of(lambda held: held, count=1), 0, ("no test part",)),
    Case("constant frames", all_of(lambda held: {**held, "observations": np.zeros((7, 40, 40), np.uint8)}), 0, ()),
    Case("a method of texts", among(), 2, ("which trajectories data do not have",), ("--method", "electra")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_training_ends_as_it_should(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = case.prepare(tmp_path)
    code = run(["train", str(data), *QUICK, *case.words, "--out", str(tmp_path / "run")])
    said = capsys.readouterr()
    assert code == case.code, said.err
    for part in case.said:
        assert part in said.err
    assert "Traceback" not in said.err
    assert "bug in tacit" not in said.err
