"""Blood cells on a CPU: does pre-training without boxes help to find them? Writes the README's table.

    python benchmarks/bccd_cpu.py --data PLACE/bccd --write       3 minutes of pre-training, then the examination
    python benchmarks/bccd_cpu.py --data PLACE/bccd --method rotation --minutes 1

BCCD: 364 images of 640 x 480 pixels, 4,886 boxes, three kinds of cells (github.com/Shenggan/BCCD_Dataset, MIT).
Protocol: the published split, images stretched to 128 x 128, pre-training on the 205 training images without their
boxes, the last step's encoder; then `tacit evaluate --task detect`: one detector from every start, on 10, 50 and all
training images, with the same steps and three draws, the test part used once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tables import cell, markdown, numbers, put, tacit

BUDGETS = ("10 images", "50 images", "all images")
METRICS = ("AP50", "AP")
LAYOUT = ("--set", "modality.size=128", "--set", "modality.frame=stretch")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, help="folder of the set, as it is published")
    arguments.add_argument("--method", default="simclr")
    arguments.add_argument("--minutes", type=float, default=3)
    arguments.add_argument("--runs", type=Path, default=Path("runs/bccd_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    run = given.runs / given.method
    if not (run / "encoder" / "model.safetensors").is_file():
        tacit("train", given.data, "--method", given.method, "--time", f"{given.minutes:g}m", *LAYOUT, "--out", run)
    if not (run / "detection.json").is_file():
        seconds = tacit("evaluate", run, given.data, "--task", "detect")
        print(f"evaluated in {seconds} s")
    found = json.loads((run / "detection.json").read_text())
    text = table(found)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("bccd_cpu", text)


def table(found: dict) -> str:
    """A row a start, a column a metric and budget."""
    rows = []
    for name in dict.fromkeys(result["row"] for result in found["results"]):
        own = numbers(found, name)
        cells = [cell(own.get(("detect", f"{metric}, {budget}"))) for metric in METRICS for budget in BUDGETS]
        rows.append([name, *cells])
    return markdown(["", *(f"{metric}, {budget}" for metric in METRICS for budget in BUDGETS)], rows)


if __name__ == "__main__":
    main()
