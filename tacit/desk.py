"""What the command line shows: methods, runs, tables, hints. Presentation alone; nothing is computed here."""

from __future__ import annotations

import inspect
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tacit.choice import measured
from tacit.config import flat, read_yaml
from tacit.console import counted
from tacit.core import TEACHER, ClosedForm
from tacit.data.listing import printable
from tacit.engine.settings import DEFAULT_SECONDS
from tacit.errors import UsageError, nearest
from tacit.evaluation.bench import Evaluation
from tacit.evaluation.verdict import figure
from tacit.report.comparing import HEADLINES, Reached, alike, guess, reached_by, read_json, unlike

RUNS = Path("runs")


def free_folder(data: str, method: str) -> Path:
    """`runs/DATA-METHOD`, or with the first free number behind it."""
    stem = re.split(r"[.{#]", Path(data).name)[0].rstrip("-_") or "data"  # 'train-{000..012}.tar' is train
    base = RUNS / f"{stem}-{method}"
    candidates = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())


def resumable(folder: Path) -> str:
    """A phrase that names the runs below `folder` that did not end."""
    open_runs = [str(path) for path in _runs(folder) if not _ended(path)]
    return f"unfinished: {', '.join(open_runs)}" if open_runs else f"{folder} holds no unfinished run"


def next_steps(folder: Path, data: str, *, labelled: bool = True) -> str:
    """The commands to try after training; `labelled`: whether judging takes labels."""
    return (
        f"\nnext:\n  tacit evaluate {folder} {data}      did it help?{' (needs labels)' if labelled else ''}\n"
        f"  tacit embed {folder} {data} --out vectors.parquet\n  tacit runs {folder}\n"
    )


def home(encoder: Path | None) -> Path:
    """Where the evaluation of the encoder at `encoder` is written: its run, or the encoder's folder itself."""
    if encoder is None:
        return Path()
    return encoder.parent if (encoder.parent / "config.yaml").is_file() else encoder


def rehearse(config: Any) -> str:
    """What a run of this configuration would be, without running it."""
    from tacit.training import make_learner, open_data

    dataset, start = open_data(config)
    samples = dataset.part("train")
    learner = make_learner(config, samples, start)
    count = sum(parameter.numel() for parameter in learner.parameters())
    held = f"{counted(len(dataset), config.kind.unit)}, {len(samples):,} for training"
    lines = {
        "data": f"{config.data}: {held}; {dataset.protocol}",
        "layout": dataset.layout.brief(),
        "method": config.method.model_dump(),
        "encoder": f"{config.encoder.model_dump()}, {learner.encoder.dim} dimensions, {count:,} parameters in all",
    }
    return _rehearsed(lines, config, len(samples))


def rehearse_finetuning(config: Any) -> str:
    """What fine-tuning by this configuration would be, without doing it."""
    from tacit.adapting.finetuning import prepare

    dataset, parts, learner = prepare(config)
    train, classes = parts.train, parts.train.targets.classes
    count = sum(parameter.numel() for parameter in learner.backbone.parameters())
    fixed = sum(parameter.numel() for parameter in learner.backbone.parameters() if not parameter.requires_grad)
    sizes = {"learnt from": len(train.samples)}
    sizes |= {name: len(part.samples) for name, part in (("val", parts.val), ("test", parts.test)) if part}
    named = ", ".join(map(printable, classes[:8])) + (f" and {len(classes) - 8} more" if classes[8:] else "")
    weights = f"{count:,} parameters, {fixed:,} of them fixed"
    lines = {
        "data": f"{config.data}: {counted(len(dataset), config.kind.unit)}; {dataset.protocol}",
        "labelled": f"{', '.join(f'{name} {size}' for name, size in sizes.items())}; val is {parts.protocol}",
        "answers": named,
        "layout": dataset.layout.model_dump(),
        "head": config.head.model_dump(),
        "method": config.method.model_dump(),
        "encoder": f"{config.encoder.model_dump()} from {config.init_from}, {weights}",
    }
    return _rehearsed(lines, config, len(train.samples))


def _rehearsed(lines: dict[str, Any], config: Any, samples: int) -> str:
    batch, seconds = config.batch_size(samples), config.budget.seconds
    lines |= {
        "batch": f"{batch}, {samples // batch} steps an epoch",
        "budget": f"{seconds:g} s" if seconds else config.budget.model_dump(exclude_none=True),
    }
    return "".join(f"{name:8} {value}\n" for name, value in lines.items()) + "nothing was trained (--dry-run)\n"


def show(evaluation: Evaluation) -> None:
    """The table and the verdict on stdout."""
    from tacit.report.table import table

    console = Console()
    console.print(table(evaluation))
    if evaluation.verdict is not None:
        console.print()
        console.print(evaluation.verdict.sentence, highlight=False)


def methods(name: str | None) -> None:
    """The list of methods, or the page of one."""
    from tacit.methods import METHODS
    from tacit.modalities import MODALITIES

    console = Console(highlight=False, soft_wrap=True)
    if name is None:
        shown = Table(box=None, padding=(0, 2, 0, 0))
        for key, method in METHODS.items():
            shown.add_row(key, f"{_summary(inspect.getmodule(method))}\n[dim]{method.paper}[/dim]")
        console.print(shown)
        console.print("\n`tacit methods NAME` says all about one.")
        return
    if name not in METHODS:
        raise UsageError(f"no method {name!r}; {nearest(name, METHODS)}")
    method = METHODS[name]
    needs = method.needs(method.Config())
    console.print(f"{name}: {_summary(inspect.getmodule(method))}\n")
    console.print(inspect.cleandoc(method.__doc__ or ""), end="\n\n")
    console.print(f"formula     {method.formula}")
    console.print(f"paper       {method.paper}")
    console.print(f"needs       {', '.join(sorted(needs))}")
    fitting = [key for key, modality in MODALITIES.items() if not needs - modality.offers - {TEACHER}]
    console.print(f"modalities  {', '.join(fitting)}")
    console.print(f"gradients   {'none: sums and solves' if issubclass(method, ClosedForm) else 'yes'}")
    console.print("\noptions (--set method.NAME=VALUE)")
    for key, field in method.Config.model_fields.items():
        if key != "name":
            console.print(f"  {key:12} {field.default!s:8} {field.description or ''}")
    minutes = f"{DEFAULT_SECONDS / 60:g} minutes"
    console.print(f"\npresets (--preset NAME; the default, for two CPU cores and {minutes}, is always applied first)")
    own = {f"for {kind.unit}, by itself": kind.recipes[name] for kind in MODALITIES.values() if name in kind.recipes}
    named = {
        f"{key}, for {kind.unit}": preset
        for kind in MODALITIES.values()
        for key, preset in kind.presets.get(name, {}).items()
    }
    for key, preset in {**method.presets, **own, **named}.items():
        console.print(f"  {key}")
        for setting, value in flat(preset).items():
            console.print(f"    {setting} = {value}")
    console.print("\nmeasured (95 % interval; one seed; what the same network has before training)")
    for line in _measured(name):
        console.print(f"  {line}")


def _measured(method: str) -> Iterator[str]:
    """What a method reached on the sets that the choice knows, where it was worth its training and where not."""
    cases = [case for case in measured() if method in case.figures]
    if not cases:
        yield "nothing in the common tables"
    for case in cases:
        value, low, high = case.figures[method]
        before = case.untrained.get(method)
        told = "" if before is None else f"untrained {figure(before)}: {case.gained(method)}"
        place = f"{case.name}, {case.seconds:g} s"
        yield f"{place:29} {figure(value)} [{figure(low)}, {figure(high)}]  {told:24} {case.metric}"


def _summary(page: Any) -> str:
    """The first line of a method's page, behind its name."""
    first = inspect.cleandoc(page.__doc__).splitlines()[0]
    return first.partition(": ")[2].rstrip(".") or first


def runs(paths: Sequence[Path]) -> None:
    """A table of runs: all below a folder, or those that are named."""
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder; runs stand in {RUNS}/ unless --out said otherwise")
    chosen = [run for path in paths or (RUNS,) for run in ([path] if _is_run(path) else _runs(path))]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    if not chosen:
        console.print(f"no run in {', '.join(map(str, paths or (RUNS,)))}; start one: tacit train DATA")
        return
    reached = [figure for run in chosen for figure in reached_by(run)]
    titles = sorted(dict.fromkeys(each.title for each in reached), key=lambda title: title not in HEADLINES.values())
    columns = {title: alike([each for each in reached if each.title == title]) for title in titles}
    shown, cells = Table(box=None, padding=(0, 2, 0, 0)), {(each.run, each.title): each.text for each in reached}
    together = [title for title, groups in columns.items() if len(groups) == 1]
    for title in ("run", "method", "data", "steps", "loss", "of", "state", *together):
        shown.add_column(title)
    for run in chosen:
        shown.add_row(*_row(run), *(cells.get((str(run), title), "") for title in together))
    console.print(shown)
    for title, groups in columns.items():
        if len(groups) > 1:
            console.print(f"\n{_apart(title, groups)}", markup=False)
    if told := guess(reached):
        console.print(f"\n{told}", markup=False)
    for run in chosen:
        result = read_json(run / "evaluation.json")
        if result.get("verdict"):
            console.print(f"\n{run}: {result['verdict']['sentence']}")
    if len(chosen) == 1:
        console.print((chosen[0] / "config.yaml").read_text())


def _apart(title: str, groups: Sequence[Sequence[Reached]]) -> str:
    """Figures of several protocols, which are not compared, and in what these differ."""
    lines = [f"{title}: not compared, since it was measured by {len(groups)} protocols"]
    for number, group in enumerate(groups, 1):
        why = unlike(groups[0][0].terms, group[0].terms) if number > 1 else []
        lines += [f"  {number}. differs from 1. in {line}" for line in why]
        lines += [f"  {number}. {each.run}  {each.text}" for each in group]
    return "\n".join(lines)


def _row(run: Path) -> tuple[str, ...]:
    config = read_yaml((run / "config.yaml").read_text(), str(run / "config.yaml"))
    records = [line for line in _lines(run / "metrics.jsonl") if "loss" in line]
    last: dict[str, Any] = records[-1] if records else {}
    loss, nothing_learnt = (f"{last[name]:.4g}" if last.get(name) else "" for name in ("loss", "nothing_learnt"))
    state = "done" if _ended(run) else "unfinished"
    return (
        str(run),
        (config.get("dqn") or config["method"])["name"],
        str(config.get("data") or config["env"]),
        str(last.get("step", "")),
        loss,
        nothing_learnt,
        state,
    )


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file()


def _ended(path: Path) -> bool:
    return (path / "encoder" / "model.safetensors").is_file()


def _runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/config.yaml")) if folder.is_dir() else []


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def doctor() -> None:
    """Versions, processor, precision, caches, space: what to quote when something is odd."""
    import torch

    from tacit.data.cache import cache_folder
    from tacit.engine.environment import computes_bf16
    from tacit.processors import allotted

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    cache = cache_folder()
    here = shutil.disk_usage(Path())
    facts = {
        "tacit": version("tacit"),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "torch": f"{torch.__version__}, torchvision {version('torchvision')}, timm {version('timm')}",
        "device": torch.cuda.get_device_name() if cuda else f"cpu, {torch.backends.cpu.get_cpu_capability()}",
        "threads": f"{torch.get_num_threads()} of {allotted()} processors",
        "precision": "bf16 (this device computes in it)" if computes_bf16(device) else "fp32 (no bf16 instructions)",
        "cache": f"{cache} (TACIT_CACHE moves it)",
        "data": os.environ.get("TACIT_DATA", "TACIT_DATA is not set: built-in sets come from the cache or the network"),
        "free disk": f"{here.free / 2**30:.1f} GiB here",
    }
    for name, value in facts.items():
        Console(highlight=False, soft_wrap=True).print(f"{name:10} {value}")
