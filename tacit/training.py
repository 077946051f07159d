"""From data to an encoder: the composition of data, method and engine that `tacit train` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tacit import interrupt
from tacit.config import Config, flat
from tacit.console import say
from tacit.core import ClosedForm, Encoder, Learner, Method, View
from tacit.data.dataset import Dataset, Subset, open_dataset
from tacit.encoder import Spec, TrainedEncoder, load, write_spec
from tacit.engine import closed, loop
from tacit.engine.runfolder import RunFolder
from tacit.errors import DataError, UsageError, nearest
from tacit.evaluation.features import watched_rows
from tacit.evaluation.health import watch_evaluator
from tacit.settings import ENCODERS, RunConfig, build

SAMPLE = 1024
"""Samples whose statistics standardise the encoder's input."""


def configure(
    layers: Sequence[Mapping[str, Any]], *, preset: str | None = None, resume: Path | None = None
) -> RunConfig:
    """The configuration of a run; that of the run at `resume` where it goes on, which `layers` may repeat, not change.

    Weights to start from bring their own architecture and layout, unless `layers` say otherwise.
    """
    if resume is not None:
        path = resume / "config.yaml"
        if not path.is_file():
            raise UsageError(f"{resume} holds no run to resume: leave out --resume to start one, or name another --out")
        stored = RunConfig.from_yaml(path.read_text(), str(path))
        wanted = build([stored.model_dump(mode="json"), *layers], preset)
        if wanted != stored:
            raise UsageError(
                f"{resume} was started with other settings:\n{_differences(stored, wanted)}\nA resumed run goes on "
                "as it began: leave them out, or start a new run with another --out (and --init-from these weights)"
            )
        return stored
    start = next((layer["init_from"] for layer in reversed(layers) if layer.get("init_from")), None)
    inherited: list[Mapping[str, Any]] = []
    if start is not None:
        spec = load(start).spec
        sizes = {name: spec.layout[name] for name in ("size", "channels", "frame") if name in spec.layout}
        inherited = [{"encoder": spec.encoder, "modality": {"name": spec.modality["name"], **sizes}}]
    return build([*inherited, *layers], preset)


def encoder_named(name: str) -> dict[str, str]:
    """The settings of the encoder called `name`: one of ours, or any model of timm. Raises `UsageError`."""
    if name in ENCODERS:
        return {"name": name}
    import timm

    if timm.is_model(name):
        return {"name": "timm", "model": name}
    raise UsageError(f"no encoder {name!r}; {nearest(name, ENCODERS)}, and {len(timm.list_models())} names of timm")


def _differences(stored: Config, wanted: Config) -> str:
    before, after = flat(stored.model_dump(mode="json")), flat(wanted.model_dump(mode="json"))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "\n".join(f"  {name}: {before.get(name)} then, {after.get(name)} now" for name in names)


def train(config: RunConfig, out: Path, *, resume: bool = False, allow_changes: bool = False) -> TrainedEncoder:
    """Run `config` in the folder `out` and return the encoder, which also stands in `out/encoder`.

    Raises `UsageError`, `DataError`, `RunError` with what to do, and `Interrupted` on SIGINT and SIGTERM, once all
    that was learnt is saved.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with interrupt.listening(), RunFolder(out, resume=resume) as folder:
        dataset = _open(config)
        samples = dataset.part("train")
        dataset.write_skipped(out / "skipped.txt")
        _enough(samples, config, dataset)
        learner = make_learner(config, samples)
        spec = describe(config, dataset, learner.encoder, samples)
        if not resume:
            write_spec(folder.encoder, spec)
            folder.write(folder.config, config.to_yaml())
        augment = config.kind.augment(config.modality)
        fingerprint = {"data": dataset.content_hash, "split": dataset.protocol, **_identity(config)}
        if isinstance(learner, Method):
            watched = watch_evaluator(samples, augment, (learner.views[0], learner.views[0]))
            done = loop.fit(
                learner,
                samples,
                augment,
                config,
                folder,
                resume=resume,
                allow_changes=allow_changes,
                evaluators=(watched,),
                fingerprint=fingerprint,
            )
        else:
            assert isinstance(learner, ClosedForm)
            done = closed.fit(
                learner, samples, config, folder, resume=resume, allow_changes=allow_changes, fingerprint=fingerprint
            )
        finished = Spec(**{**vars(spec), "training": {**spec.training, "steps": done.step}})
        encoder = TrainedEncoder(learner.encoder, finished, folder.encoder)
        encoder.save(folder.encoder)
        return encoder


def _open(config: RunConfig) -> Dataset:
    layout = load(config.init_from).layout if config.init_from else None
    dataset = open_dataset(config.data, config.kind, config.modality, layout, seed=config.seed, max_bad=config.max_bad)
    for note in dataset.notes:
        say(f"note: {note}")
    return dataset


def _enough(samples: Subset, config: RunConfig, dataset: Dataset) -> None:
    unit = config.kind.unit
    if len(samples) < 2:
        raise DataError(
            f"{dataset.name} has {len(samples)} {unit} for training ({len(dataset)} in all), and learning needs at "
            "least 2, better thousands: give more data"
        )
    if config.batch is not None and config.batch > len(samples):
        raise UsageError(
            f"a batch of {config.batch} is larger than the {len(samples)} {unit} there are for training: "
            f"give --batch {len(samples)} or less, or leave it out"
        )


def make_learner(config: RunConfig, samples: Subset) -> Learner:
    """The method and its encoder as they are before the first step: a function of the configuration and the data."""
    modality = config.kind
    torch.manual_seed(config.seed)
    sample = sample_of(samples)
    if config.init_from:
        start = load(config.init_from)
        _same_encoder(start.spec, config)
        encoder = start.network.cpu()
    else:
        encoder = modality.encoders[config.encoder.name](config.encoder, sample)
    return config.learner(config.method, encoder, modality, sample)


def sample_of(samples: Subset) -> View:
    """Plain views that stand for all `samples`: their shape and their statistics."""
    return samples.view(watched_rows(samples, SAMPLE))


def _same_encoder(spec: Spec, config: RunConfig) -> None:
    if spec.encoder != config.encoder.model_dump(mode="json"):
        raise UsageError(
            f"--init-from {config.init_from} holds {dict(spec.encoder)}, but the settings ask for "
            f"{config.encoder.model_dump(mode='json')}: leave --encoder out to take what the weights fit"
        )


def describe(config: RunConfig, dataset: Dataset, encoder: Encoder, samples: Subset) -> Spec:
    """The encoder's `config.json` before training."""
    return Spec(
        modality=config.modality.model_dump(mode="json"),
        layout=dataset.layout.model_dump(mode="json"),
        encoder=config.encoder.model_dump(mode="json"),
        dim=encoder.dim,
        training={
            "method": config.method.name,
            "data": config.data,
            "samples": len(samples),
            "content_hash": dataset.content_hash,
            "split": dataset.protocol,
            "seed": config.seed,
            "init_from": config.init_from,
        },
    )


def _identity(config: RunConfig) -> dict[str, str]:
    """The settings that bits depend on and that the engine does not know."""
    values = config.model_dump(mode="json")
    return {name: str(values[name]) for name in ("method", "encoder", "modality", "init_from")}
