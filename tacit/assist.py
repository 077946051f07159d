"""What the further processes of `tacit train --devices N` run; nobody calls it by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from tacit import training
from tacit.engine import crew
from tacit.errors import TacitError
from tacit.settings import RunConfig


def main() -> None:
    """Share the batches of the run whose configuration, rank, size and port are given."""
    path, rank, size, port = sys.argv[1:]
    crew.end_with_parent()
    try:
        config = RunConfig.from_yaml(Path(path).read_text(), path)
        training.assist(config, crew.Crew(int(rank), int(size), int(port)))
    except TacitError as error:
        sys.stderr.write(f"tacit: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
