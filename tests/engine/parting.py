"""Runs whose weights lie in parts, of one of two processes: what `test_parts` starts.

python parting.py RANK FOLDER PORT PORT PORT PORT
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from engine_toys import AUGMENT, Blobs, Toy, settings
from torch import nn

from tacit import ranks
from tacit.core import Learner, Progress
from tacit.engine import loop
from tacit.engine.crew import ALONE, Crew
from tacit.engine.runfolder import RunFolder
from tacit.errors import Interrupted

STEPS = 2
KEPT = {"evaluations": 2, "checkpoint_seconds": 1000}


def sure() -> Toy:
    """A toy that draws nothing, and so does in several processes what it does in one."""
    toy = Toy()
    for part in toy.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return toy


def fit(path: Path, toy: Toy, crew: Crew, name: str, *, stop: bool = False) -> None:
    """Train with the optimiser `name`, from where the run in `path` stands; `stop`: in the middle."""

    def look(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        yield "seen", float(learner.encoder(Blobs(8).view(slice(None))).pooled.sum())
        if stop and progress.step == STEPS // 2:
            raise Interrupted(15)

    exact = {"precision": "fp32"} if name == "lars" else {}  # beside one process, whose sums bfloat16 rounds elsewhere
    config = settings(name, STEPS, **KEPT, **exact, weights="auto" if crew == ALONE else "parts")
    given, resume = (toy, Blobs(), AUGMENT, config), (path / "config.yaml").exists()
    try:
        if crew.rank:
            loop.fit(*given, evaluators=(look,), crew=crew)
            return
        with RunFolder(path, resume=resume) as folder:
            folder.write(folder.config, config.to_yaml())
            loop.fit(*given, folder, resume=resume, evaluators=(look,), crew=crew)
    except Interrupted:
        ranks.leave()


def main(rank: int, folder: Path, ports: list[int]) -> None:
    """A run that is never stopped, one that is, what it goes on to, and one of another optimiser."""
    crews = [Crew(rank, 2, port) for port in ports]
    fit(folder / "whole", Toy(), crews[0], "adamw")
    fit(folder / "stopped", Toy(), crews[1], "adamw", stop=True)
    fit(folder / "stopped", Toy(), crews[2], "adamw")
    fit(folder / "lars", sure(), crews[3], "lars")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), [int(port) for port in sys.argv[3:]])
