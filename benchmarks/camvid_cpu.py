"""Street scenes on a CPU: does pre-training without masks help to segment them? Writes the README's table.

    python benchmarks/camvid_cpu.py --data PLACE/camvid --write       pre-training, then the examination
    python benchmarks/camvid_cpu.py --data PLACE/camvid --method inpainting --minutes 1

CamVid (Brostow et al. 2008) in SegNet's version: 367 / 101 / 233 frames, 11 classes, 11 is void; folders train,
trainannot and so on. Protocol: the published split, frames stretched to 96 x 96 pixels, pre-training on the training
frames without their masks, the last step's encoder; then `tacit evaluate --task segment`: every start on 10, 50 and
all training frames, three draws of the few, mean IoU at 96 x 96 without void, the test part used once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tables import cell, markdown, numbers, put, tacit

CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist", "void"),
)
FOLDERS = [f"{part}{kind}" for part in ("train", "val", "test") for kind in ("", "annot")]
BUDGETS = ("10 images", "50 images", "all images")
SMALL_CROPS = (
    *("--set", "method.local=0"),
    *("--set", "modality.strong.scale=0.5", "--set", "modality.strong.crop=[0.15, 0.6]"),
)
"""Two crops at about their own resolution: a sixth of the cost of the default, and no worse."""
LAYOUT = ("--set", "modality.size=96", "--set", "modality.frame=stretch")
RECIPE = {"simclr": ("--batch", "128", *SMALL_CROPS)}
"""Of methods whose default is not the best one here."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, type=Path, help="folder of the set")
    arguments.add_argument("--method", default="simclr")
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--runs", type=Path, default=Path("runs/camvid_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    data, run = named(given.data, given.runs / "camvid"), given.runs / given.method
    if not (run / "encoder" / "model.safetensors").is_file():
        time = ("--time", f"{given.minutes:g}m")
        tacit("train", data, "--method", given.method, *time, *LAYOUT, *RECIPE.get(given.method, ()), "--out", run)
    if not (run / "segmentation.json").is_file():
        seconds = tacit("evaluate", run, data, "--task", "segment")
        print(f"evaluated in {seconds} s")
    found = json.loads((run / "segmentation.json").read_text())
    text = table(found)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("camvid_cpu", text)


def named(data: Path, folder: Path) -> Path:
    """The set with the names of its classes beside it, which it lacks: its folders by links, and a classes.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        if not (folder / name).exists():
            (folder / name).symlink_to((data / name).resolve(), target_is_directory=True)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return folder


def table(found: dict) -> str:
    """A row a start: mean IoU at each budget, and the share of right pixels at all labels."""
    columns = [f"mIoU, {budget}" for budget in BUDGETS] + ["accuracy, all images"]
    rows = []
    for name in dict.fromkeys(result["row"] for result in found["results"]):
        own = numbers(found, name)
        rows.append([name, *(cell(own.get(("segment", column))) for column in columns)])
    return markdown(["", *columns], rows)


if __name__ == "__main__":
    main()
