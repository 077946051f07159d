"""Every method that runs on images, on CIFAR-10, for the same time: the table of docs/choosing.md.

    python benchmarks/matrix_images.py --write           3 minutes each on 2 threads; goes on where it stopped
    python benchmarks/matrix_images.py --beside 8        eight at a time, each on cores of its own
    python benchmarks/matrix_images.py --every 45 --figure courses.svg      how they got there, too
    python benchmarks/matrix_images.py --methods simclr byol --seeds 0 1 2  the close ones, with other draws, too
    python benchmarks/matrix_images.py --set method.local=4 --methods byol  with another setting, beside those without

Protocol: 10,000 of the 50,000 training images, drawn once by a seed, without labels; each method's default recipe for
such data, which takes `convnet`, or a small transformer where the method asks for one; `--minutes` of training, the
last step's encoder. It is judged on the official 10,000 test images by kNN (k = 20), logistic regression on all labels
and on ten per class (the mean of 20 paired draws), each beside the mean of three untrained networks of the same
architecture, with the 95 % interval of the difference. Figures are kept in `--results`, a method at a time: it can go
on on another machine, whose processor is noted. A run that was broken off is begun anew, so that its seconds are those
of one go. CIFAR-10 is looked up in $TACIT_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from courses import draw, follow, keeping
from harness import machine
from tables import ROOT, called, markdown, numbers, put, tacit

from tacit import training
from tacit.atomic import write
from tacit.core import Method
from tacit.evaluation.setup import Bench
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.settings import RunConfig

FEW = 100
"""Labels in all, ten per class."""
COLUMNS = (("knn", "k=20", "kNN"), ("linear", "all", "linear, all labels"), ("few-label", f"{FEW} in all", "10 labels"))
FLOORS = ("raw pixels", "majority")
REFUSED = 2
Found = dict[str, Any]


def main() -> None:
    images = MODALITIES["image"]
    able = [name for name, kind in METHODS.items() if not kind.needs(kind.Config()) - images.offers]
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--methods", nargs="*", default=able, choices=able)
    arguments.add_argument("--minutes", type=float, default=3)
    arguments.add_argument("--images", type=int, default=10_000)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the draw of images and of training")
    arguments.add_argument("--set", nargs="+", default=[], dest="sets", help="settings beside each method's recipe")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--beside", type=int, default=1, help="methods at the same time, each on its own cores")
    arguments.add_argument("--every", type=float, default=0, help="seconds between checkpoints that show the course")
    arguments.add_argument("--runs", type=Path, default=Path("runs/matrix_images"))
    arguments.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "matrix_images.json")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/choosing.md")
    arguments.add_argument("--figure", type=Path, help="draw the courses, where some were followed")
    given = arguments.parse_args()
    plain = of_settings(given, [])
    given = of_settings(given, given.sets)
    each = [of_seed(given, seed) for seed in given.seeds]
    failed = [name for one in each for name in measure(one)]
    if given.every:
        for one in each:
            followed(one)
    found = known(each[0])["methods"]
    title = " ".join(["matrix_images", *given.sets])
    tables = {title: changed(known(plain)["methods"], found, given.sets) if given.sets else table(found)}
    if len(each) > 1:
        tables[f"{title} seeds"] = spread([known(one)["methods"] for one in each])
    for name, text in tables.items():
        print(text)
        if given.write:
            put(name, text, ROOT / "docs" / "choosing.md")
    if given.figure:
        draw(found, given.figure)
    if failed:
        sys.exit(f"failed, and tried again at the next start: {', '.join(failed)}")


def of_settings(given: argparse.Namespace, sets: Sequence[str]) -> argparse.Namespace:
    """What is asked with these settings: runs and results with any stand beside those without."""
    name = "-".join(sets)
    results = given.results.with_stem(f"{given.results.stem}-{name}") if sets else given.results
    return argparse.Namespace(**{**vars(given), "seed": 0, "sets": sets, "results": results, "runs": given.runs / name})


def of_seed(given: argparse.Namespace, seed: int) -> argparse.Namespace:
    """What is asked for one seed: runs and results of all but the first, 0, stand beside its own."""
    kept, runs = given.results, given.runs
    own = (kept, runs) if not seed else (kept.with_stem(f"{kept.stem}-{seed}"), runs / f"seed-{seed}")
    return argparse.Namespace(**{**vars(given), "seed": seed, "results": own[0], "runs": own[1]})


def known(given: argparse.Namespace) -> Found:
    """What has been measured by this protocol. Ends the program where the file holds figures of another one."""
    protocol = {name: getattr(given, name) for name in ("minutes", "images", "seed", "threads")}
    protocol |= {"set": given.sets} if given.sets else {}
    if not given.results.is_file():
        return {"protocol": protocol, "methods": {}}
    found: Found = json.loads(given.results.read_text())
    if found["protocol"] != protocol:
        sys.exit(f"{given.results} was measured by {found['protocol']}, not {protocol}: name another --results")
    return found


def measure(given: argparse.Namespace) -> list[str]:
    """Train and judge what is not in the results yet; returns the names of those that failed."""
    results, failed = known(given), []
    todo = [name for name in given.methods if name not in results["methods"]]
    if not todo:
        return []
    given.runs.mkdir(parents=True, exist_ok=True)
    data = drawn(given.runs, given.images, given.seed)
    jobs = {name: partial(one, name, data, given) for name in todo}
    for name, outcome in side_by_side(jobs, given.beside, given.threads):
        if isinstance(outcome, int):
            print(f"{name}: exit code {outcome}", flush=True)
            failed += [name] if outcome != REFUSED else []
            continue
        results["methods"][name] = outcome
        keep_results(results, given.results)
    return failed


def followed(given: argparse.Namespace) -> None:
    """Add to the results the course of each run whose checkpoints were kept: after all trainings, as seconds count
    there."""
    results, opened = known(given), dict[str, Bench]()
    data = drawn(given.runs, given.images, given.seed)
    for name, each in results["methods"].items():
        if each["views"] and not each["course"]:
            points = follow(given.runs / name, str(data), opened)
            of_step = each["views"] / points[-1]["step"] if points else 0
            each["course"] = [{**point, "views": round(of_step * point["step"])} for point in points]
            keep_results(results, given.results)


def keep_results(results: Found, path: Path) -> None:
    """Write the results, a method a line, so that those of two machines are easily put together."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in results["methods"].items())
    text = f'{{"protocol": {json.dumps(results["protocol"])},\n"methods": {{\n{lines}\n}}}}\n'
    write(path, text.encode(), path.with_name(path.name + ".tmp"))


def side_by_side(
    jobs: Mapping[str, Callable[[], Found]], beside: int, threads: int
) -> Iterator[tuple[str, Found | int]]:
    """What comes of each job, as it comes: `beside` of them at a time, each on cores of its own; of one whose command
    failed its exit code."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    places = SimpleQueue[Sequence[int]]()
    for cores in shares(sorted(os.sched_getaffinity(0)), beside, threads):
        places.put(cores)
    with ThreadPoolExecutor(beside, initializer=lambda: os.sched_setaffinity(0, places.get())) as pool:
        running = {pool.submit(job): name for name, job in jobs.items()}
        for done in as_completed(running):
            try:
                yield running[done], done.result()
            except subprocess.CalledProcessError as error:
                yield running[done], error.returncode


def shares(cores: Sequence[int], beside: int, threads: int) -> list[Sequence[int]]:
    """Cores for each of `beside` processes, those that all can have where there is but one. Processes that a thread
    starts inherit its cores."""
    if beside == 1:
        return [cores]
    if beside * threads > len(cores):
        sys.exit(f"--beside {beside} x --threads {threads} is more than the {len(cores)} cores that there are")
    return [cores[at * threads : (at + 1) * threads] for at in range(beside)]


def drawn(runs: Path, images: int, seed: int, tested: int | None = None) -> Path:
    """CIFAR-10 with `images` of those for training, and all of the test images or as many as are `tested`, as files as
    they are."""
    few = "" if tested is None else f"-{tested}"
    target, source = (
        runs / f"cifar10-{images}{few}-{seed}.zip",
        Path(os.environ["TACIT_DATA"]) / "images" / "cifar10.zip",
    )
    if not target.is_file():
        beside = target.with_suffix(".tmp")
        with zipfile.ZipFile(source) as whole, zipfile.ZipFile(beside, "w") as part:
            names = sorted(name for name in whole.namelist() if name.endswith(".jpg"))
            of = {part: [name for name in names if f"/{part}/" in name] for part in ("train", "test")}
            chosen = random.Random(seed).sample(of["train"], images)  # noqa: S311
            judges = of["test"] if tested is None else random.Random(seed).sample(of["test"], tested)  # noqa: S311
            for name in sorted([*chosen, *judges]):
                part.writestr(whole.getinfo(name), whole.read(name))
        beside.replace(target)
    return target


def one(method: str, data: Path, given: argparse.Namespace) -> Found:
    """The figures of one method, trained and judged in processes of its own."""
    run = given.runs / method
    noted = run / "seconds.json"
    if not noted.is_file():
        shutil.rmtree(run, ignore_errors=True)
        budget = ("--time", f"{60 * given.minutes:g}s") if issubclass(METHODS[method], Method) else ()
        looks = (f"checkpoint_seconds={given.every}",) if given.every else ()
        with keeping(run / "checkpoints", bool(given.every)):
            sets = (f"threads={given.threads}", f"seed={given.seed}", *given.sets, *looks)
            words = ("--method", method, *budget, *(word for each in sets for word in ("--set", each)))
            noted.write_text(json.dumps({"train": tacit("train", data, *words, "--out", run)}))
    seconds = json.loads(noted.read_text())
    if not (run / "evaluation.json").is_file():
        tasks = ",".join(task for task, *_ in COLUMNS)
        seconds["evaluate"] = tacit("evaluate", run, data, "--task", tasks, "--labels", FEW)
        noted.write_text(json.dumps(seconds))
    config = RunConfig.from_yaml((run / "config.yaml").read_text(), str(run))
    views = views_of_a_step(config)
    return {
        "encoder": config.encoder.name,
        "seconds": seconds,
        "views": views * json.loads((run / "encoder" / "config.json").read_text())["training"]["steps"],
        **figures(json.loads((run / "evaluation.json").read_text()), method),
        "course": [],
        "machine": machine(),
    }


def views_of_a_step(config: RunConfig) -> int:
    """How many views the encoder sees before weights move; 0 where there is no such step."""
    samples = training.open_data(config)[0].part("train")
    learner = training.make_learner(config, samples)
    return config.batch_size(len(samples)) * len(learner.views) if isinstance(learner, Method) else 0


def figures(evaluation: Mapping[str, Any], method: str) -> Found:
    """Those of the encoder, its untrained network and the floors, and the interval of what it gains."""
    rows = {name: numbers(evaluation, name) for name in (method, "untrained", *FLOORS)}
    gains = {(each["task"], each["metric"]): each for each in evaluation["differences"] if each["row"] == "untrained"}

    def short(table: Mapping[tuple[str, str], Mapping[str, Any]]) -> Found:
        keys = [(task, metric) for task, metric, _ in COLUMNS if (task, metric) in table]
        return {
            task: [round(table[task, metric][part], 5) for part in ("value", "low", "high")] for task, metric in keys
        }

    found = {"trained": rows.pop(method), "untrained": rows.pop("untrained"), "gain": gains}
    return {name: short(each) for name, each in found.items()} | {"floors": {name: short(rows[name]) for name in rows}}


def table(found: Mapping[str, Any]) -> str:
    """A row a method, the best by neighbours first, then the floors as they were measured beside the first one."""
    order = sorted(found, key=lambda name: -found[name]["trained"]["knn"][0])
    rows = []
    for name in order:
        each = found[name]
        seen = f"{each['views'] / 1e6:.2f}" if each["views"] else ""
        rows.append([called(name), each["encoder"], seen, *(cell(each, task) for task, *_ in COLUMNS)])
    for floor, own in found[order[0]]["floors"].items() if order else ():
        rows.append([f"*{floor}*", "", "", *(number(own[task]) if task in own else "" for task, *_ in COLUMNS)])
    return markdown(["method", "encoder", "million views", *(title for *_, title in COLUMNS)], rows)


def spread(seeds: Sequence[Mapping[str, Any]]) -> str:
    """A row a method that was measured with all seeds, the best by neighbours first: views, and the mean over them, the
    least and the most, of each figure."""
    both = [name for name in seeds[0] if all(name in each for each in seeds)]
    of = {name: {task: [each[name]["trained"][task][0] for each in seeds] for task, *_ in COLUMNS} for name in both}

    def said(values: Sequence[float]) -> str:
        return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    order = sorted(both, key=lambda name: -sum(of[name]["knn"]))
    views = {name: ", ".join(f"{each[name]['views'] / 1e6:.2f}" for each in seeds) for name in both}
    rows = [[called(name), views[name], *(said(of[name][task]) for task, *_ in COLUMNS)] for name in order]
    return markdown([f"method, {len(seeds)} seeds", "million views", *(title for *_, title in COLUMNS)], rows)


def changed(without: Mapping[str, Any], found: Mapping[str, Any], sets: Sequence[str]) -> str:
    """A row a method: with and without the settings, the most that is gained by neighbours first."""
    gains = {name: each["trained"]["knn"][0] - without[name]["trained"]["knn"][0] for name, each in found.items()}
    rows = []
    for name in sorted(gains, key=lambda name: -gains[name]):
        two = without[name], found[name]
        views = " to ".join(f"{each['views'] / 1e6:.2f}" for each in two)
        cells = (" to ".join(number(each["trained"][task]) for each in two) for task, *_ in COLUMNS)
        rows.append([called(name), views, f"{gains[name]:+.3f}", *cells])
    titles = (title for *_, title in COLUMNS)
    return markdown([f"method, `{' '.join(sets)}`", "million views", "kNN gained", *titles], rows)


def cell(each: Mapping[str, Any], task: str) -> str:
    """The encoder's figure, bold where all of the interval of its gain is above zero, and that of its network
    untrained."""
    own, before, gain = number(each["trained"][task]), each["untrained"].get(task), each["gain"].get(task)
    own = f"**{own}**" if gain and gain[1] > 0 else own
    return f"{own} ({before[0]:.3f})" if before else own


def number(parts: Sequence[float]) -> str:
    """A value with its interval."""
    return "{:.3f} [{:.3f}, {:.3f}]".format(*parts)


if __name__ == "__main__":
    main()
