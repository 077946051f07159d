"""What `tacit train` chooses a method by, from the published tables: writes tacit/measured.json.

    python benchmarks/measured.py           after `make matrix`, `make cifar10` or `make matrix-images`

A case is a set, how many samples there are for training, how long they were learnt from, and each method's figure with
its interval: those of the README's matrix, of its CIFAR-10 (10 labels), of all six speakers of FSDD (20 labels; of
`simclr` nine minutes a speaker and of `mae` one, since nothing else is there), and of benchmarks/matrix_images.json.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tables import ROOT

MATRIX = (
    ("image", "flowers", 2_934),
    ("text", "SUBJ", 8_000),
    ("audio", "FSDD", 2_500),
    ("series", "GunPoint", 50),
    ("interactions", "LastFM", 1_090),
    ("trajectories", "CartPole", 6_000),
)
"""Modality, set and samples for training of each column."""
NUMBER = re.compile(r"(\d\.\d+) \[(\d\.\d+), (\d\.\d+)\]")
Figures = dict[str, list[float]]


def main() -> None:
    text = "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n"
    (ROOT / "tacit" / "measured.json").write_text(text)


def cases() -> list[dict[str, Any]]:
    """All of them, as they are written."""
    readme, audio = ROOT / "README.md", ROOT / "docs" / "audio.md"
    found = [
        case(kind, name, samples, 45, column(readme, "matrix_cpu", at))
        for at, (kind, name, samples) in enumerate(MATRIX, 1)
    ]
    found.append(case("image", "CIFAR-10", 50_000, 300, column(readme, "cifar10_cpu", 4)))
    speakers = {
        name: column(audio, marker, 2)[name] for name, marker in (("simclr", "fsdd_cpu"), ("mae", "fsdd_cpu mae"))
    }
    found.append(case("audio", "six speakers of FSDD", 2_500, 540, speakers))
    images = ROOT / "benchmarks" / "matrix_images.json"
    if images.is_file():
        told = json.loads(images.read_text())
        figures = {name: each["trained"]["few-label"] for name, each in told["methods"].items()}
        protocol = told["protocol"]
        found.append(case("image", "a fifth of CIFAR-10", protocol["images"], 60 * protocol["minutes"], figures))
    return found


def case(kind: str, name: str, samples: int, seconds: float, figures: Figures) -> dict[str, Any]:
    """One, as `tacit.choice.Case` has it."""
    return {"kind": kind, "name": name, "samples": samples, "seconds": seconds, "figures": figures}


def column(document: Path, marker: str, at: int) -> Figures:
    """The figures in one column of a table, by the names in its first, floors aside."""
    table = document.read_text().split(f"<!-- {marker} begin -->")[1].split(f"<!-- {marker} end -->")[0]
    found = {}
    for line in table.strip().splitlines()[2:]:
        first, *rest = (cell.strip() for cell in line.strip("|").split("|"))
        if (number := NUMBER.search(rest[at - 1])) and not first.startswith("*"):
            found[first.strip("`")] = [float(part) for part in number.groups()]
    return found


if __name__ == "__main__":
    main()
