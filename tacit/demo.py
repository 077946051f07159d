"""The demo: learn from handwritten digits without labels, and prove that it helped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tacit import desk
from tacit.console import say
from tacit.proving import outcome, proof
from tacit.training import configure, train

DATA, METHOD, PRESET = "digits", "simclr", "strokes"


def run(out: Path | None, epochs: int | None) -> None:
    """Train, evaluate, print the table, the verdict and what to try next."""
    folder = out if out is not None else desk.free_folder("demo", METHOD)
    budget = f" --epochs {epochs}" if epochs else ""
    say(f"$ tacit train {DATA} --method {METHOD} --preset {PRESET}{budget} --out {folder}")
    layers: list[dict[str, Any]] = [{"data": DATA, "method": {"name": METHOD}}]
    if epochs:
        layers.append({"budget": {"epochs": epochs}})
    encoder = train(configure(layers, preset=PRESET), folder)
    say(f"$ tacit evaluate {folder} {DATA}")
    done = proof.prove(encoder, DATA)
    written = outcome.write(done, folder)
    desk.show(done.evaluation)
    sys.stdout.write(
        "\nThe curve: " + ", ".join(str(path) for path in written if path.suffix in (".svg", ".png")) + "\n"
        "\nTry next:\n"
        f"  tacit embed {folder} {DATA} --out vectors.parquet\n"
        "  tacit train YOUR_FOLDER --time 10m\n"
        "  tacit methods\n"
    )
