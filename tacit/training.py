"""From data to an encoder: the composition of data, method and engine that `tacit train` runs."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from tacit import interrupt
from tacit.choice import chosen
from tacit.config import Config, flat, merge
from tacit.console import counted, say
from tacit.core import ClosedForm, Encoder, Evaluator, Learner, Method, Modality, Progress
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.source import open_source
from tacit.data.subset import Subset
from tacit.encoder import Spec, TrainedEncoder, write_spec
from tacit.engine import closed, crew, loop
from tacit.engine.crew import Crew
from tacit.engine.runfolder import RunFolder
from tacit.errors import DataError, Unreadable, UsageError, nearest
from tacit.evaluation.features import plain_views, sample_of, settle
from tacit.evaluation.glance import glance
from tacit.evaluation.health import watch_evaluator
from tacit.initial import asked
from tacit.initial.drift import report_drift
from tacit.initial.start import Start
from tacit.modalities import MODALITIES
from tacit.settings import ENCODERS, RunConfig, build, modality_of

CAUTION = 0.2
"""What a run from weights takes of the recipe's learning rate, unless another is given: going back to the full rate
forgets first what is known (Gupta et al. 2023, arXiv 2308.04014). The drift report says what came of it."""
_LOOKED_AT = 16
"""Samples that are asked for the encoder that suits them: enough to pass over some that cannot be read."""
C = TypeVar("C", bound=Config)


def configure(
    layers: Sequence[Mapping[str, Any]], *, preset: str | None = None, resume: Path | None = None
) -> RunConfig:
    """The configuration of a run; that of the run at `resume` where it goes on, which `layers` may repeat, not change.

    Weights to start from bring their own architecture and layout, unless `layers` say otherwise. Where they name no
    method, one is chosen, and said (see `choice`).
    """
    if resume is not None:
        return resumed(resume, layers, lambda all_layers: build(all_layers, preset), RunConfig)
    told = merge(*layers)
    if told.get("init_from") is None:
        guessed = _guessed(told)
        return build([guessed, *layers, chosen(merge(guessed, told), preset)], preset)
    inherited = Start.at(told["init_from"]).settings()
    layers = [*layers, chosen(merge(inherited, told), preset)]
    config = build([inherited, *layers], preset)
    if told.get("optimiser", {}).get("lr") is not None or issubclass(config.learner, ClosedForm):
        return config
    rate = config.optimiser.lr * CAUTION
    say(
        f"note: the learning rate is {rate:g}, a fifth of the recipe's {config.optimiser.lr:g}, which is meant for "
        "weights drawn at random: large steps forget what is known (arXiv 2308.04014). --lr sets another"
    )
    return build([inherited, {"optimiser": {"lr": rate}}, *layers], preset)


def _guessed(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The modality of the data, where the settings do not name it and the data's files do, and the encoder that suits
    its samples, where they name none and it is not always the same."""
    modality = told.get("modality", {})
    if not isinstance(modality, Mapping) or not isinstance(told.get("data"), str):
        return {}
    guessed = {} if "name" in modality else {"modality": {"name": modality_of(told["data"]).name}}
    kind = MODALITIES.get(str({**modality, **guessed.get("modality", {})}["name"]))
    suited = _suited(kind, told["data"]) if kind and kind.suited and "encoder" not in told else None
    return guessed if suited is None else {**guessed, "encoder": {"name": suited}}


def _suited(kind: Modality, data: str) -> str | None:
    """The encoder that suits the first sample of `data` that tells, where that is not the kind's first one."""
    assert kind.suited is not None
    source = open_source(data, kind.suffixes, records=kind.records)
    for row in range(min(len(source), _LOOKED_AT)):
        try:
            suited = kind.suited(source.raw(row))
        except Unreadable:
            continue
        return suited if suited != next(iter(kind.encoders)) else None
    return None  # opening it for the run says why


def resumed(
    folder: Path,
    layers: Sequence[Mapping[str, Any]],
    construct: Callable[[Sequence[Mapping[str, Any]]], C],
    kind: type[C],
) -> C:
    """The configuration of the run at `folder`. Raises `UsageError` where there is none or `layers` ask for another."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise UsageError(f"{folder} holds no run to resume: leave out --resume to start one, or name another --out")
    stored = kind.from_yaml(path.read_text(), str(path))
    wanted = construct([stored.model_dump(mode="json"), *layers])
    if wanted != stored:
        raise UsageError(
            f"{folder} was started with other settings:\n{_differences(stored, wanted)}\nA resumed run goes on "
            "as it began: leave them out, or start a new run with another --out (and --init-from these weights)"
        )
    return stored


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
        dataset, start = open_data(config)
        samples = dataset.part("train")
        dataset.write_skipped(out / "skipped.txt")
        _enough(samples, config, dataset)
        probe = _probe(samples, config, dataset)
        learner = make_learner(config, samples, start)
        before = copy.deepcopy(learner.encoder) if start else None
        spec = describe(config, dataset, learner.encoder, samples, start)
        if not resume:
            write_spec(folder.encoder, spec)
            folder.write(folder.config, config.to_yaml())
        fingerprint = {"data": dataset.content_hash, "split": dataset.protocol, **_identity(config)}
        if config.kind.beside(config.modality):  # the layout says more than the samples and the settings do
            fingerprint |= {"layout": hashlib.sha256(dataset.layout.model_dump_json().encode()).hexdigest()}
        fingerprint |= asked.identity(dataset, config)
        with crew.hired(config.devices, folder.path) as first:
            done = _fit(
                learner,
                samples,
                config,
                folder,
                fingerprint,
                resume=resume,
                allow_changes=allow_changes,
                crew=first,
                probe=probe,
            )
        finished = Spec(**{**vars(spec), "training": {**spec.training, "steps": done.step}})
        encoder = TrainedEncoder(learner.encoder, finished, folder.encoder)
        if isinstance(learner, Method) and learner.settles:
            settle(encoder.network, samples, device=encoder.device)
        elif isinstance(learner, Method):
            encoder.network.conclude(plain_views(samples, encoder.device))
        if before is not None:
            report_drift(before, encoder, dataset, folder)
        encoder.save(folder.encoder)
        return encoder


def assist(config: RunConfig, crew: Crew) -> None:
    """What each process but the first of a run does: share its batches, write nothing.

    Raises what `train` raises, and ends where that one does.
    """
    with interrupt.listening():
        dataset, start = open_data(config)
        samples = dataset.part("train")
        learner = make_learner(config, samples, start)
        _fit(learner, samples, config, None, {}, resume=False, allow_changes=False, crew=crew)


def _fit(
    learner: Learner,
    samples: Subset,
    config: RunConfig,
    folder: RunFolder | None,
    fingerprint: Mapping[str, str],
    *,
    resume: bool,
    allow_changes: bool,
    crew: Crew,
    probe: Evaluator | None = None,
) -> Progress:
    if isinstance(learner, ClosedForm):
        return closed.fit(
            learner, samples, config, folder, resume=resume, allow_changes=allow_changes, fingerprint=fingerprint
        )
    assert isinstance(learner, Method)
    augment = config.kind.augment(config.modality)
    return loop.fit(
        learner,
        samples,
        augment,
        config,
        folder,
        resume=resume,
        allow_changes=allow_changes,
        evaluators=(watch_evaluator(samples, augment, (learner.views[0], learner.views[0])),),
        shown=() if probe is None else (probe,),
        fingerprint=fingerprint,
        crew=crew,
    )


def open_data(config: RunConfig) -> tuple[Dataset, Start | None]:
    """The data of a run, packed as the weights that it starts from read them, with what its method asks for beside; and
    these weights."""
    start = Start.at(config.init_from) if config.init_from else None
    layout = start.layout(config.modality) if start else None
    dataset = open_dataset(config.data, config.kind, config.modality, layout, seed=config.seed, max_bad=config.max_bad)
    dataset.say_notes()
    return asked.asked(dataset, config), start


def _enough(samples: Subset, config: RunConfig, dataset: Dataset) -> None:
    unit = config.kind.unit
    if len(samples) < 2:
        raise DataError(
            f"{dataset.name} has {counted(len(samples), unit)} for training ({len(dataset):,} in all), and learning "
            "needs at least 2, better thousands: give more data"
        )
    if config.devices > 1 and issubclass(config.learner, ClosedForm):
        raise UsageError(f"method {config.method.name} is computed by one process: leave out --devices")
    if config.batch is not None and config.batch > len(samples):
        raise UsageError(
            f"a batch of {config.batch} is larger than the number of {unit} for training, {len(samples):,}: "
            f"give --batch {len(samples)} or less, or leave it out"
        )


def _probe(samples: Subset, config: RunConfig, dataset: Dataset) -> Evaluator | None:
    """What labels say of the encoder while it learns without them, where `config` asks for it."""
    if not config.probe:
        return None
    if issubclass(config.learner, ClosedForm):
        raise UsageError(f"method {config.method.name} takes no steps between which to look: leave out --probe")
    if len(set(samples.labels[samples.labels >= 0].tolist())) < 2:
        raise UsageError(
            f"--probe looks at labels, and {dataset.name} has none of two classes for training: name classes by "
            "sub-folders or a column `label`, or leave out --probe"
        )
    return glance(samples, samples.labels, len(dataset.classes))


def make_learner(config: RunConfig, samples: Subset, start: Start | None = None) -> Learner:
    """The method and its encoder as they are before the first step: a function of the configuration and the data.

    `start`: the weights at `config.init_from`, where it names some. Raises `DataError` where the method learns from
    labels, and the samples have too few.
    """
    modality = config.kind
    asked.must_be_told_apart(samples, config)
    torch.manual_seed(config.seed)
    sample = sample_of(samples)
    if start is None:
        encoder = modality.encoders[config.encoder.name](config.encoder, sample)
    else:
        encoder = start.encoder(config.encoder, modality, sample)
    return config.learner(config.method, encoder, modality, sample)


def describe(
    config: RunConfig, dataset: Dataset, encoder: Encoder, samples: Subset, start: Start | None = None
) -> Spec:
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
            **asked.facts(config, dataset, samples, start),
        },
    )


def _identity(config: RunConfig) -> dict[str, str]:
    """The settings that bits depend on and that the engine does not know."""
    values = config.model_dump(mode="json")
    return {name: str(values[name]) for name in ("method", "encoder", "modality", "init_from")}
