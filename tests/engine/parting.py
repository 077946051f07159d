"""Runs whose weights lie in parts, of one of two processes: what `test_parts` starts.

python parting.py RANK FOLDER PORT PORT PORT
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from engine_toys import AUGMENT, Blobs, Toy, settings

from tacit import ranks
from tacit.core import Learner, Progress
from tacit.engine import loop
from tacit.engine.crew import Crew
from tacit.engine.runfolder import RunFolder
from tacit.errors import Interrupted

STEPS = 6


def fit(rank: int, port: int, path: Path, name: str, *, stop: bool = False) -> None:
    """Train with the optimiser `name`, from where the run in `path` stands; stopped in the middle where that is told."""

    def look(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        yield "seen", float(learner.encoder(Blobs(8).view(slice(None))).pooled.sum())
        if stop and progress.step == STEPS // 2:
            raise Interrupted(15)

    config = settings(name, STEPS, weights="parts", evaluations=2)
    given = (Toy(), Blobs(), AUGMENT, config)
    crew, resume = Crew(rank, 2, port), (path / "config.yaml").exists()
    try:
        if rank:
            loop.fit(*given, evaluators=(look,), crew=crew)
            return
        with RunFolder(path, resume=resume) as folder:
            folder.write(folder.config, config.to_yaml())
            loop.fit(*given, folder, resume=resume, evaluators=(look,), crew=crew)
    except Interrupted:
        ranks.leave()


def main(rank: int, folder: Path, ports: list[int]) -> None:
    """A run of each optimiser that is never stopped, one that is, and what it goes on to."""
    for name in ("adamw", "lars"):
        fit(rank, ports.pop(), folder / f"whole-{name}", name)
        fit(rank, ports.pop(), folder / f"stopped-{name}", name, stop=True)
        fit(rank, ports.pop(), folder / f"stopped-{name}", name)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), [int(port) for port in sys.argv[3:]])
