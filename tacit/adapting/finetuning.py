"""From an encoder and labels to a model: the composition that `tacit finetune` runs."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from pydantic import Field, model_validator

from tacit import interrupt
from tacit.adapting.tested import Tested, card, examine
from tacit.config import Named, merge
from tacit.core import Modality, Progress
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.labelling import with_labels
from tacit.encoder import Spec, write_spec
from tacit.engine import loop
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import EngineConfig
from tacit.errors import UsageError, nearest
from tacit.evaluation.features import sample_of
from tacit.heads import HEADS
from tacit.heads.finetune import Finetune, validation
from tacit.initial.drift import report_drift
from tacit.initial.start import Start
from tacit.modalities import MODALITIES
from tacit.model import ModelSpec, TrainedModel
from tacit.model import write_spec as write_model_spec
from tacit.settings import EncoderConfig, ModalityConfig, any_of
from tacit.training import resumed
from tacit.truth.parts import Parts, split

DEFAULT_TASK = "classify"
BATCH = 64
MODEL = "model"
"""Where a run keeps its model."""
if TYPE_CHECKING:
    HeadConfig = Named
else:
    HeadConfig = any_of([head.Config for head in HEADS.values()])


class FinetuneConfig(EngineConfig):
    """Everything that a run of `tacit finetune` is told; `config.yaml` of its folder, word for word."""

    data: str = Field(description="labelled data, as for training")
    init_from: str = Field(description="the encoder: a run, an encoder, a checkpoint, or published weights")
    labels: str | None = Field(default=None, description="a list of path,label for samples of the data")
    head: HeadConfig
    method: Finetune.Config = Finetune.Config()
    encoder: EncoderConfig
    modality: ModalityConfig
    batch: int | None = Field(default=None, ge=2, description="samples per optimiser step; 64, or less for few data")
    evaluations: int = Field(default=20, ge=1, description="looks at the validation part")
    max_bad: float = Field(default=0.01, ge=0, le=1, description="largest share of unreadable samples")

    def batch_size(self, samples: int) -> int:
        """As given; or else what training would take, but at most `BATCH`: labels are few, and epochs many."""
        return self.batch or min(BATCH // self.accumulate * self.accumulate, super().batch_size(samples))

    @property
    def kind(self) -> Modality:
        """The modality."""
        return MODALITIES[self.modality.name]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch is not None and self.batch < 2 * self.accumulate:
            raise ValueError(
                f"batch {self.batch} leaves less than 2 samples for each of {self.accumulate} micro-batches"
            )
        if self.method.mixup and not HEADS[self.head.name].mixes:
            raise ValueError(f"mix-up makes no sense for {self.head.name}: leave it out")
        return self


def configure(layers: Sequence[Mapping[str, Any]], *, resume: Path | None = None) -> FinetuneConfig:
    """The configuration that `layers` describe, the last one on top, or that of the run at `resume`.

    The weights bring their encoder and its layout, the head its recipe, unless `layers` say otherwise. Raises
    `UsageError`.
    """
    if resume is not None:
        return resumed(resume, layers, _build, FinetuneConfig)
    return _build(layers)


def _build(layers: Sequence[Mapping[str, Any]]) -> FinetuneConfig:
    told = merge(*layers)
    task = told.get("head", {}).get("name", DEFAULT_TASK)
    if task not in HEADS:
        raise UsageError(f"no task {task!r}; {nearest(str(task), HEADS)}")
    head = HEADS[task]
    inherited: Mapping[str, Any] = {}
    if "init_from" in told:
        start = Start.at(told["init_from"])
        inherited = merge(start.recipes(), start.settings())
    if not inherited and "encoder" not in told:
        raise UsageError(
            f"{told.get('init_from')} holds published weights: say which encoder they are of, as in --architecture "
            "resnet18, or a model name of timm"
        )
    modality = merge(inherited, told).get("modality", {}).get("name", "image")
    own = MODALITIES[modality].recipes.get(task, {})
    settings = merge(inherited, head.recipe, own, told)
    base = {
        "modality": MODALITIES[modality].config().model_dump(mode="json"),
        "head": head.Config(name=task).model_dump(mode="json"),
    }
    missing = head.needs() - MODALITIES[modality].offers
    if missing:  # before the head's recipe, which may speak of what these data do not have either
        raise UsageError(f"task {task} needs {', '.join(sorted(missing))}, which {modality} data do not have")
    return FinetuneConfig.parse(merge(base, settings), "the settings")


def finetune(
    config: FinetuneConfig, out: Path, *, resume: bool = False, allow_changes: bool = False
) -> tuple[TrainedModel, Tested]:
    """Run `config` in the folder `out`: the model, which also stands in `out/model`, and its figures on the test part.

    Raises `UsageError`, `DataError`, `RunError` with what to do, and `Interrupted` on SIGINT and SIGTERM, once all
    that was learnt is saved.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with interrupt.listening(), RunFolder(out, resume=resume) as folder:
        dataset, parts, learner = prepare(config)
        dataset.write_skipped(out / "skipped.txt")
        before = copy.deepcopy(learner.encoder)
        spec = _spec(config, dataset, parts, learner)
        if not resume:
            write_spec(folder.encoder, Spec(**spec.encoder))
            write_model_spec(folder.path / MODEL, spec)
            folder.write(folder.config, config.to_yaml())
        done = _fit(learner, parts, config, folder, dataset, resume=resume, allow_changes=allow_changes)
        training = {**spec.training, "steps": done.step, "kept": learner.kept_at if parts.val else done.step}
        base = {**spec.encoder, "training": {**spec.encoder["training"], "steps": done.step}}
        model = TrainedModel(*learner.kept(), replace(spec, training=training, encoder=base), folder.path / MODEL)
        protocol = {key: training[key] for key in ("data", "content_hash", "split", "validation", "steps", "kept")}
        test = (parts.test.samples, parts.test.targets) if parts.test else None
        units = parts.test.samples.units if parts.test else None
        tested = examine(model, parts.train.targets, test, protocol, seed=config.seed, units=units)
        folder.write(folder.path / "finetune.json", json.dumps(tested.to_json(), indent=1, ensure_ascii=False))
        report_drift(before, model.base, dataset, folder, by_class=config.head.name == DEFAULT_TASK)
        model.base.save(folder.encoder)
        model.save(folder.path / MODEL, card(model.spec, tested))
        return model, tested


def prepare(config: FinetuneConfig) -> tuple[Dataset, Parts, Finetune]:
    """The data, their parts, and the network as it is before the first step. Raises `UsageError`, `DataError`."""
    start = Start.at(config.init_from)
    dataset = _open(config, start)
    parts = split(dataset, config.head.name, seed=config.seed, max_bad=config.max_bad)
    return dataset, parts, _learner(config, parts, start)


def _open(config: FinetuneConfig, start: Start) -> Dataset:
    layout = start.layout(config.modality)
    dataset = open_dataset(config.data, config.kind, config.modality, layout, seed=config.seed, max_bad=config.max_bad)
    if config.labels is not None:
        dataset = with_labels(dataset, Path(config.labels))
    dataset.say_notes()
    return dataset


def _learner(config: FinetuneConfig, parts: Parts, start: Start) -> Finetune:
    """The encoder and the head as they are before the first step."""
    torch.manual_seed(config.seed)
    train = parts.train
    sample = sample_of(train.samples)
    encoder = start.encoder(config.encoder, config.kind, sample)
    head = HEADS[config.head.name](config.head, encoder, sample, train.targets.classes)
    head.inherit(start.learner)
    head.prepare(train.targets)
    return Finetune(config.method, encoder, head, train.targets)


def _fit(
    learner: Finetune,
    parts: Parts,
    config: FinetuneConfig,
    folder: RunFolder,
    dataset: Dataset,
    *,
    resume: bool,
    allow_changes: bool,
) -> Progress:
    val = parts.val and parts.val.few(learner.head.looks)
    values = config.model_dump(mode="json")
    fingerprint = {name: str(values[name]) for name in ("method", "head", "encoder", "modality", "init_from", "labels")}
    return loop.fit(
        learner,
        parts.train.samples,
        config.kind.augment(config.modality),
        config,
        folder,
        resume=resume,
        allow_changes=allow_changes,
        evaluators=[validation(val.samples, val.targets)] if val else [],
        fingerprint={"data": dataset.content_hash, "split": dataset.protocol, **fingerprint},
    )


def _spec(config: FinetuneConfig, dataset: Dataset, parts: Parts, learner: Finetune) -> ModelSpec:
    """The model's `config.json` before training."""
    training = {
        "data": config.data,
        "labels": config.labels,
        "samples": len(parts.train.samples),
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "validation": parts.protocol,
        "seed": config.seed,
        "init_from": config.init_from,
    }
    encoder = Spec(
        modality=config.modality.model_dump(mode="json"),
        layout=dataset.layout.model_dump(mode="json"),
        encoder=config.encoder.model_dump(mode="json"),
        dim=learner.encoder.dim,
        training={"method": f"finetune for {config.head.name}", **training},
    )
    head = config.head.model_dump(mode="json")
    return ModelSpec(config.head.name, head, parts.train.targets.classes, asdict(encoder), training)
