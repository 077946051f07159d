"""One picture of what a run's method sees and does, from its newest checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tacit import interrupt
from tacit.core import Exhibit, Learner, Method, View, views_of
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.listing import printable
from tacit.data.subset import Subset
from tacit.encoder import load
from tacit.engine import checkpoint
from tacit.errors import DataError, UsageError
from tacit.evaluation.features import inference, sample_of
from tacit.initial.asked import asked
from tacit.report import sheet
from tacit.settings import RunConfig

AMONG = 256
"""Samples among which negatives are looked for."""
MOST = 64
"""Samples that one picture can hold."""


def show(run: str, data: str | None = None, *, out: Path | None = None, count: int = 8, seed: int = 0) -> Path:
    """Draw what the method of `run` sees and does with `count` samples; returns where the picture was written.

    Args:
        run: a run folder; one that has not ended is shown as of its newest checkpoint.
        data: other samples than the run's own, which are then taken from a part that it did not learn from.
        out: a .png or .jpg file; `show.png` in the run's folder where none is given.
        count: samples, a row each.
        seed: of the choice of samples and of all that is drawn at random.

    Raises `UsageError`, `DataError` and `RunError` with what to do.
    """
    folder = Path(run)
    path = out if out is not None else folder / "show.png"
    sheet.check(path)
    if not 1 <= count <= MOST:
        raise UsageError(f"--count {count}: give 1 to {MOST} samples, a row each")
    with interrupt.listening():
        opened = _open(folder, data)
        picture = opened.config.kind.picture
        if picture is None:
            raise UsageError(f"{opened.config.kind.unit} cannot be drawn, so that there is nothing to show of {run}")
        samples, where = _samples(opened)
        panels = [
            sheet.Panel(each.title, picture(each.view), each.captions, each.right)
            for each in _explained(opened, samples, count, seed)
        ]
        title = f"{opened.config.method.name} on {_name(opened.config.data)}, {opened.step:,} steps"
        sheet.draw(panels, path, title=title, footnote=f"{where}; seed {seed}")
    return path


@dataclass(frozen=True, eq=False)
class _Opened:
    config: RunConfig
    learner: Learner
    step: int
    dataset: Dataset
    own: Subset | None
    """What the learner was trained on, unless other data are shown."""


def _open(folder: Path, data: str | None) -> _Opened:
    """The whole learner of a run as of its newest checkpoint, and the data to show."""
    settings = folder / "config.yaml"
    if not settings.is_file():
        raise UsageError(f"{folder} holds no run: give the folder that `tacit train` has written, with its config.yaml")
    config = RunConfig.from_yaml(settings.read_text(), str(settings))
    newest, _ = checkpoint.newest(folder / "checkpoints")
    if newest is None:
        raise UsageError(f"{folder} has no checkpoint to show: its run stopped before the first one")
    trained = load(newest.path)
    try:
        dataset = open_dataset(
            data if data is not None else config.data,
            config.kind,
            config.modality,
            trained.layout,
            seed=config.seed,
            max_bad=config.max_bad,
        )
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{error}\nThe run learnt from {config.data}; other data are shown by: tacit show RUN DATA"
        ) from None
    dataset = asked(dataset, config, known=trained.spec.training.get("teacher_hash"))
    samples = dataset.part("train") if data is None else dataset.everything()
    learner = config.learner(config.method, trained.network.cpu(), config.kind, sample_of(samples))
    checkpoint.unpack(newest.state(), learner)
    return _Opened(config, learner, newest.step, dataset, samples if data is None else None)


def _samples(opened: _Opened) -> tuple[Subset, str]:
    """What is to be shown, and its name: of the run's own data those that it did not learn from, if there are any."""
    dataset, unit = opened.dataset, opened.config.kind.unit
    if opened.own is None:
        return dataset.everything(), f"from the {len(dataset):,} {unit} of {_name(dataset.name)}"
    part = next(name for name in ("test", "val", "train") if name in dataset.parts)
    learnt = "which it learns from" if part == "train" else "which it does not learn from"
    samples = dataset.part(part)
    return samples, f"from the {len(samples):,} {unit} in the part {part} of {_name(dataset.name)}, {learnt}"


def _explained(opened: _Opened, samples: Subset, count: int, seed: int) -> Sequence[Exhibit]:
    """What the learner says about some of `samples`."""
    torch.manual_seed(seed)
    rows = torch.randperm(len(samples))[:AMONG]
    plain = samples.view(rows)
    learner, augment = opened.learner, opened.config.kind.augment(opened.config.modality)
    views: list[View] = [plain]
    if isinstance(learner, Method):
        views = views_of(samples, rows, learner.views, augment, seed, 0)
    count = min(count, len(rows))
    with inference(learner):
        return learner.explain(views, count, opened.own)


def _name(data: str) -> str:
    """What data are called in a picture: the last part of their path."""
    return printable(Path(data).name)
