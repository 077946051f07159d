"""Which measure without labels says what labels would say: encoders of the matrix, their health and their accuracy.

    python benchmarks/matrix_cpu.py                       first: the encoders, and what they reach with labels
    python benchmarks/label_free_cpu.py --write           some seconds an encoder, then the tables of docs/choosing.md

Protocol: for every encoder of a set, and one untrained network of each architecture, on samples of the training part
alone: RankMe, effective rank, alpha-ReQ, uniformity and spread of at most 1,024 plain samples; alignment and the
neighbours that stay between two `strong` views of at most 256; LiDAR of eight such views of them. All encoders of a set
see the same views, those of the modality's own settings, whatever they were trained on. Each measure is turned so that
more is better as its paper has it, and compared by Spearman's correlation over encoders with two accuracies on the test
part: of the 20 nearest neighbours among all labels of the training part, and of few labels, the matrix's own figure;
95 % intervals resample encoders. What has no gradients (`patches`) is left out. The same of all checkpoints of the
matrix of images, which has measured them (`matrix_images.py --every`): there runs are resampled, each with all of its
checkpoints.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from tables import ROOT, TAUGHT, markdown, put
from torch import Tensor

from tacit import interrupt
from tacit.core import Augmentation, Draws, Samples, View
from tacit.encoder import TrainedEncoder, load
from tacit.evaluation import health
from tacit.evaluation.bootstrap import LEVEL, RESAMPLES, counts
from tacit.evaluation.correlation import spearman
from tacit.evaluation.features import extract_floor, watched_rows
from tacit.evaluation.setup import Bench
from tacit.evaluation.tasks import nearest_neighbours
from tacit.proving.fitting import untrained
from tacit.proving.labelled import bench_of

SETS = {
    "flowers": "images: flowers",
    "subj": "texts: SUBJ",
    "without_theo": "recordings: FSDD",
    "GunPoint": "series: GunPoint",
}
PLAIN, SEEN, VIEWS, BATCH = 1024, 256, 8, 256
BEST = 1.0
"""Where alpha-ReQ's authors find the best representations."""
Measured = Mapping[str, float]
SCORES: Mapping[str, Callable[[Measured], float]] = {
    "RankMe": lambda found: found["rankme"],
    "effective rank": lambda found: found["rank"],
    "alpha-ReQ, nearness to 1": lambda found: -abs(found["alpha"] - BEST),
    "LiDAR": lambda found: found["lidar"],
    "alignment": lambda found: -found["alignment"],
    "uniformity": lambda found: -found["uniformity"],
    "alignment + uniformity": lambda found: -found["alignment"] - found["uniformity"],
    "neighbours that stay": lambda found: found["stability"],
    "spread": lambda found: found["spread"],
}
"""What a measure says is better, the more the better."""
TRUTHS: Mapping[str, Callable[[Point], float]] = {
    "neighbours": lambda point: point.knn,
    "few": lambda point: point.accuracy,
}
"""What labels say of an encoder, by the name of its tables."""


@dataclass(frozen=True)
class Point:
    """An encoder: what is known of it with labels, and without."""

    name: str
    network: str
    """Its architecture."""
    accuracy: float
    """With few labels."""
    knn: float
    """By the 20 nearest neighbours among all labels."""
    measured: Measured
    run: str | None = None
    """Whose checkpoint it is, where a run has several."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="*", default=list(SETS), help="names of sets of the matrix")
    arguments.add_argument("--runs", type=Path, default=Path("runs/matrix_cpu"), help="where the matrix has its runs")
    arguments.add_argument("--out", type=Path, default=Path("runs/label_free_cpu"), help="where findings are kept")
    arguments.add_argument("--courses", type=Path, default=ROOT / "benchmarks" / "matrix_images.json")
    arguments.add_argument("--write", action="store_true", help="put the tables into docs/choosing.md")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with interrupt.listening():
        found = {SETS.get(name, name): points_of(name, given.runs, given.out / f"{name}.json") for name in given.sets}
    one = {title: of_one_network(points) for title, points in found.items()}
    tables = {
        f"{truth} {name}": table(points, truth) for truth in TRUTHS for name, points in (("all", found), ("one", one))
    }
    points = checkpoints(json.loads(given.courses.read_text())["methods"]) if given.courses.is_file() else []
    if points:
        alike = of_one_network(points)
        both = {"all checkpoints": points} | ({f"of `{alike[0].network}`": alike} if len(alike) < len(points) else {})
        tables |= {"checkpoints": table(both, "neighbours", mean=False), "steps": steps(points)}
    for name, text in tables.items():
        print(f"{name}\n{text}")
        if given.write:
            put(f"label_free_cpu {name}", text, ROOT / "docs" / "choosing.md")


def checkpoints(methods: Mapping[str, dict]) -> list[Point]:
    """Those that the matrix of images has measured, of methods that learn without labels."""
    return [
        Point(f"{name} {point['step']}", each["encoder"], math.nan, point["knn"], point["measured"], name)
        for name, each in methods.items()
        for point in each["course"]
        if name not in TAUGHT
    ]


def points_of(name: str, runs: Path, kept: Path) -> list[Point]:
    """The encoders of a set, measured where they are not yet `kept`."""
    known = {each["name"]: Point(**each) for each in json.loads(kept.read_text())} if kept.is_file() else {}
    opened: dict[str, Bench] = {}
    for run in sorted(runs.glob(f"{name}-*")):
        if not all((run / file).is_file() for file in ("evaluation.json", "encoder/model.safetensors")):
            continue
        encoder = load(run)
        results = json.loads((run / "evaluation.json").read_text())["results"]
        judged = {each["kind"]: each for each in results if each["task"] == "few-label"}
        if encoder.network.solved or encoder.spec.labels or "untrained" not in judged:
            continue
        bench = bench_for(encoder, judged["encoder"]["protocol"]["data"], opened)
        for point in measured_points(run.name, encoder, bench, judged, known):
            known[point.name] = point
            kept.write_text(json.dumps([asdict(each) for each in known.values()], indent=1))
    return list(known.values())


def measured_points(
    run: str, encoder: TrainedEncoder, bench: Bench, judged: Mapping[str, dict], known: Mapping[str, Point]
) -> Iterator[Point]:
    """The encoder of a run and its network before training, those that are not `known`."""
    network = json.dumps(encoder.spec.encoder, sort_keys=True)
    start = f"untrained {network}"
    if start not in known:
        fresh = TrainedEncoder(untrained(encoder, bench.train, 0), encoder.spec)
        first = judged["untrained"]["protocol"]["members"][0]
        yield said(Point(start, network, first, *found_of(fresh, bench)))
    if run not in known:
        value = judged["encoder"]["value"]
        yield said(Point(run, network, value, *found_of(encoder, bench)))


def bench_for(encoder: TrainedEncoder, data: str, opened: dict[str, Bench]) -> Bench:
    """The labelled samples of `data` as `encoder` reads them; `opened` has them by how they are laid out."""
    layout = repr(encoder.layout)
    if layout not in opened:
        opened[layout] = bench_of(encoder.open(data), seed=0, totals=(), draws=1)
    return opened[layout]


def found_of(encoder: TrainedEncoder, bench: Bench) -> tuple[float, dict[str, float]]:
    """What neighbours say of an encoder, and what is measured of it without labels, on views of the modality's own."""
    augment = encoder.modality.augment(encoder.modality.config())["strong"]
    return knn(encoder, bench), measured(encoder.vectors, bench.train, augment)


def said(point: Point) -> Point:
    """Tell of a point."""
    print(
        f"{point.name}: {point.accuracy:.3f}, kNN {point.knn:.3f}",
        *(f"{key} {value:.3g}" for key, value in point.measured.items()),
    )
    return point


def knn(encoder: TrainedEncoder, bench: Bench) -> float:
    """Accuracy on the test part by the 20 nearest neighbours among all labels of the training part."""
    train, test = (extract_floor(encoder.vectors, part, batch=BATCH) for part in (bench.train, bench.test))
    return next(nearest_neighbours(bench.problem(train, test))).value


def measured(vectors: Callable[[View], Tensor], samples: Samples, augment: Augmentation) -> dict[str, float]:
    """All measures of one encoder on `samples`, none of which needs a label."""
    plain = torch.cat([vectors(samples.view(rows)) for rows in watched_rows(samples, PLAIN).split(BATCH)])
    rows = watched_rows(samples, SEEN)
    view = samples.view(rows)
    views = torch.stack([vectors(augment(view, Draws.of(0, 0, rows, number))) for number in range(VIEWS)], dim=1)
    first, second = views[:, 0], views[:, 1]
    return {
        "rankme": health.rankme(plain),
        "rank": health.effective_rank(plain),
        "alpha": health.alpha_req(plain),
        "lidar": health.lidar(views),
        "alignment": health.alignment(first, second),
        "uniformity": health.uniformity(plain),
        "stability": health.stability(first, second),
        "spread": health.spread(plain),
    }


def of_one_network(points: Sequence[Point]) -> list[Point]:
    """Those of the commonest architecture."""
    (commonest, _), *_ = Counter(point.network for point in points).most_common(1)
    return [point for point in points if point.network == commonest]


def score(name: str, point: Point) -> float:
    """What a measure says of an encoder; what cannot be measured is the worst."""
    value = SCORES[name](point.measured)
    return value if value == value else -torch.inf


def correlations(points: Sequence[Point], truth: str) -> dict[str, Tensor]:
    """Measure -> Spearman's correlation with a truth, `[1 + R]`: of the `points`, then of resamples of them."""
    accuracy = torch.tensor([TRUTHS[truth](point) for point in points], dtype=torch.float64)
    units = torch.tensor(by_run(points))
    drawn = counts(RESAMPLES, len(points), torch.Generator().manual_seed(0), units)
    weights = torch.cat([torch.ones(1, len(points), dtype=torch.float64), drawn])
    scores = {name: torch.tensor([score(name, point) for point in points], dtype=torch.float64) for name in SCORES}
    return {name: spearman(values, accuracy, weights) for name, values in scores.items()}


def by_run(points: Sequence[Point]) -> list[int]:
    """A number for each point, the same for those of one run."""
    runs = list(dict.fromkeys(point.run or point.name for point in points))
    return [runs.index(point.run or point.name) for point in points]


def steps(points: Sequence[Point]) -> str:
    """A row a measure: how far the checkpoint that it would choose in each run is behind the best one there by
    neighbours, on average over runs with the interval of the mean, and how often it is that one."""
    runs: dict[int, list[Point]] = {}
    for number, point in zip(by_run(points), points, strict=True):
        runs.setdefault(number, []).append(point)
    ways = {name: partial(score, name) for name in SCORES}
    chosen = {name: [max(run, key=way) for run in runs.values()] for name, way in ways.items()}
    chosen["*the last one*"] = [run[-1] for run in runs.values()]
    best = torch.tensor([max(point.knn for point in run) for run in runs.values()], dtype=torch.float64)
    weights = counts(RESAMPLES, len(runs), torch.Generator().manual_seed(0)) / len(runs)
    rows = []
    for name, picked in chosen.items():
        behind = best - torch.tensor([point.knn for point in picked], dtype=torch.float64)
        mean = interval(torch.cat([behind.mean()[None], weights @ behind]), "{:.4f}")
        rows.append([name, mean, f"{int((behind == 0).sum())} of {len(runs)}"])
    return markdown(["measure", "behind the best of the run", "it is the best"], rows)


def table(found: Mapping[str, Sequence[Point]], truth: str, *, mean: bool = True) -> str:
    """A row a measure: its correlation in each set, the accuracy of what it would choose, and the `mean` over sets."""
    by_set = {title: correlations(points, truth) for title, points in found.items()}
    rows = []
    for name in SCORES:
        cells = []
        for title, points in found.items():
            chosen = max(points, key=lambda point: score(name, point))
            cells.append(f"{interval(by_set[title][name])}, {TRUTHS[truth](chosen):.3f}")
        over = torch.stack([each[name] for each in by_set.values()]).mean(0)
        rows.append([name, *cells, *([interval(over)] if mean else [])])
    last = [""] if mean else []
    of_all = [[TRUTHS[truth](point) for point in points] for points in found.values()]
    rows.append(["*the best of all*", *(f"{max(each):.3f}" for each in of_all), *last])
    rows.append(["*one at random*", *(f"{sum(each) / len(each):.3f}" for each in of_all), *last])
    titles = [f"{title}, {len(points)} encoders" for title, points in found.items()]
    return markdown(["measure", *titles, *(["mean"] if mean else [])], rows)


def interval(values: Tensor, number: str = "{:+.2f}") -> str:
    """The first of `values [1 + R]`, with the interval of the others, each written as `number` says."""
    tail = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=values.dtype)
    low, high = torch.quantile(values[1:], tail).tolist()
    return f"{number} [{number}, {number}]".format(values[0].item(), low, high)


if __name__ == "__main__":
    main()
