"""CIFAR-10 without labels on one GPU, against the clock.

    python benchmarks/speedrun.py --seconds 60 --seeds 3 --write    a run a seed, into docs/performance.md
    python benchmarks/speedrun.py --floors                          raw pixels, and the network untrained
    python benchmarks/speedrun.py --seconds 40 --held-out --ablate  what each trick is worth
    python benchmarks/speedrun.py --device cpu --seconds 5 --images 2000 --set batch=64 --set width=16

Protocol: 50,000 training images without labels; the clock runs from when they lie in the GPU's memory as bytes to the
end of the last step, so that the first layer, capture and compilation count. Libraries are loaded before, by a run of a
few steps whose seconds are shown. Judged by the 10 nearest neighbours of cosine, one vote each, of one full view by the
backbone's 512 features of the last step. The test set is used once; everything was chosen on 5,000 training images that
were held out (`--held-out`). Images are looked up in $TACIT_DATA (`images/cifar10.zip`, JPEGs of the published ones).
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from photographs import ARCHIVE, photographs
from scipy.stats import binomtest
from sprint.ablations import ABLATIONS
from sprint.loop import Run, learn
from sprint.net import Learner, halved
from sprint.settings import Settings
from tables import ROOT, markdown, put
from torch import Tensor

from tacit.errors import TacitError

HELD_OUT = 5_000
NEAR = 10
WARM = 1.0
TESTED = 10_000
FOUND = ROOT / "benchmarks" / "speedrun.json"


def main() -> None:
    parser = arguments()
    given = parser.parse_args()
    try:
        base = Settings().told(dict(each.split("=", 1) for each in given.set))
    except (TacitError, ValueError) as error:
        parser.error(str(error))
    torch.set_float32_matmul_precision("high")
    images, labels, seen, truth = (each.to(given.device) for each in pixels(given.images, given.held_out))
    data = (images, labels, seen, truth)
    if given.floors:
        return floors(base, data)
    names = [""] if given.ablate is None else given.ablate or list(ABLATIONS)
    for name in names:
        settings = base.told(ABLATIONS[name]) if name else base
        torch.backends.cudnn.benchmark = settings.search
        before = time.perf_counter()
        learn(images, settings, WARM, 0)
        print(f"{name or 'run'}: {time.perf_counter() - before:.1f} s to load libraries", flush=True)
        for seed in range(given.seeds):
            run = learn(images, settings, given.seconds, seed)
            keep(given, name, seed, settings, run, accuracy(run.learner.backbone, data))
    if given.write:
        put("speedrun", table(json.loads(FOUND.read_text())), ROOT / "docs" / "performance.md")
    return None


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="see sprint/settings.py")
    parser.add_argument("--ablate", nargs="*", choices=list(ABLATIONS), help="these, or all of sprint/ablations.py")
    parser.add_argument("--held-out", action="store_true", help="judge on training images that were held out")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--floors", action="store_true", help="judge raw pixels and an untrained network instead")
    parser.add_argument("--write", action="store_true", help="keep runs in speedrun.json and put them into the docs")
    return parser


def floors(settings: Settings, data: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    """What needs no learning: pixels as they are, and the network before its first step, which has seen statistics."""
    torch.manual_seed(0)
    network = Learner(settings, data[0][:4000].float() / 255).backbone.to(data[0].device)
    with torch.no_grad(), halved(data[0]):
        for some in data[0][:10_000].split(1000):
            network(some.float() / 255)
    print(f"untrained: kNN {accuracy(network, data):.4f}", flush=True)
    print(f"raw pixels: kNN {accuracy(torch.nn.Flatten(), data):.4f}", flush=True)


def table(runs: list[dict[str, Any]]) -> str:
    """A row a run that was judged on the test set."""
    rows = []
    for run in sorted((run for run in runs if not run["held out"]), key=lambda run: round(run["seconds"])):
        chance = binomtest(round(run["knn"] * TESTED), TESTED).proportion_ci(method="wilson")
        accuracy = f"{run['knn']:.3f} [{chance.low:.3f}, {chance.high:.3f}]"
        views = f"{run['views'] / 1e6:.1f}"
        rows.append([run["device"], f"{run['seconds']:.0f}", str(run["seed"]), accuracy, f"{run['steps']:,}", views])
    return markdown(["", "seconds", "seed", "kNN", "steps", "million views"], rows)


def keep(given: argparse.Namespace, name: str, seed: int, settings: Settings, run: Run, right: float) -> None:
    """Show a run, and add it to the results."""
    pace = run.views / run.seconds
    print(
        f"{name or 'run'} {seed}: kNN {right:.4f} after {run.seconds:.1f} s, {run.steps} steps, {pace:,.0f} views/s, "
        f"first replay at {run.captured:.1f} s, loss {run.loss:.3f}",
        flush=True,
    )
    if given.write:
        found = json.loads(FOUND.read_text()) if FOUND.is_file() else []
        card = torch.cuda.get_device_name() if given.device.startswith("cuda") else platform.processor()
        facts = {"name": name, "seed": seed, "device": card, "torch": torch.__version__, "held out": given.held_out}
        numbers = {
            "seconds": run.seconds,
            "steps": run.steps,
            "views": run.views,
            "captured": run.captured,
            "knn": right,
        }
        found.append({**facts, **numbers, "settings": asdict(settings)})
        FOUND.write_text(json.dumps(found, indent=1) + "\n")


def pixels(count: int, held_out: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`count` training images and their labels, and those that are judged: bytes `[N, 3, 32, 32]`, long `[N]`."""
    if not ARCHIVE.is_file():
        raise SystemExit(f"there is no {ARCHIVE}: set TACIT_DATA to the folder that holds images/cifar10.zip")
    x, y = photographs("train")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]  # the archive is sorted by class
    judged = (x[-HELD_OUT:], y[-HELD_OUT:]) if held_out else photographs("test")
    return x[: min(count, len(x) - HELD_OUT * held_out)], y[: min(count, len(x) - HELD_OUT * held_out)], *judged


@torch.no_grad()
def embedded(backbone: torch.nn.Module, images: Tensor) -> Tensor:
    """Features `[N, 512]`, float32, of whole images, one view each."""
    backbone.eval()
    with halved(images):
        return torch.cat([backbone(part.float() / 255).float() for part in images.split(1000)])


def accuracy(backbone: torch.nn.Module, data: Iterable[Tensor]) -> float:
    """Of the majority among the nearest, the smallest class where several are level."""
    images, labels, seen, truth = data
    train, test = embedded(backbone, images), embedded(backbone, seen)
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    found = torch.cat([(part @ train.T).topk(NEAR, dim=1).indices for part in test.split(500)])
    votes = F.one_hot(labels[found], int(labels.max()) + 1).sum(1)
    return float((votes.argmax(1) == truth).double().mean())


if __name__ == "__main__":
    main()
