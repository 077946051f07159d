"""The artefact of fine-tuning: an encoder and a head with all that they need to answer about new data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.core import Encoder, Raw, Samples
from tacit.encoder import CARD, CONFIG, WEIGHTS, Spec, TrainedEncoder, blank, build, read_weights
from tacit.engine import checkpoint, files
from tacit.engine.environment import computes_bf16
from tacit.errors import RunError, UsageError
from tacit.evaluation.encoding import samples_as_views
from tacit.heads import HEADS
from tacit.heads.finetune import answer, respond
from tacit.heads.head import Answers, Head

FORMAT = 1
ENCODER, HEAD = "encoder.", "head."
"""Where the two stand among the names of the weights."""


@dataclass(frozen=True)
class ModelSpec:
    """`config.json` of a model. Plain values only."""

    task: str
    """The name of its head in `heads.HEADS`."""
    head: Mapping[str, Any]
    """The head's configuration."""
    classes: Sequence[str]
    """Names of what is told apart, in the order of their numbers; of the columns where numbers are predicted."""
    encoder: Mapping[str, Any]
    """The encoder's `Spec`."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: data and their hash, steps, the encoder that it started from, figures."""
    format: int = FORMAT
    sha256: str | None = None
    """Of the weights; None until a run has ended."""


class TrainedModel:
    """A fine-tuned network ready for use, on the CPU or, where there is one, on the GPU."""

    def __init__(self, encoder: Encoder, head: Head, spec: ModelSpec, path: Path | None = None) -> None:
        self.base = TrainedEncoder(encoder, Spec(**spec.encoder), path)
        self.head, self.spec, self.path = head.to(self.base.device).eval(), spec, path

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what is told apart; of the columns where numbers are predicted."""
        return tuple(self.spec.classes)

    def respond(
        self, samples: Samples, *, batch: int = 256, title: str = "predicting"
    ) -> Iterator[tuple[Tensor, Answers]]:
        """Rows, long `[B]`, and the answers to them, batch by batch over all `samples`."""
        device = self.base.device
        return respond(
            self.base.network, self.head, samples, batch=batch, device=device, bf16=computes_bf16(device), title=title
        )

    def predict(self, x: Iterable[Raw | str | Path], *, batch: int = 256) -> dict[str, Any]:
        """Answers to samples in memory or in files: arrays, the bytes of files, or paths.

        Returns a value for each sample by name, such as `probabilities [N, K]` or `values [N, K]`. Raises `DataError`
        where a sample cannot be read.
        """
        base = self.base
        fast = computes_bf16(base.device)
        views = samples_as_views(base.modality, base.layout, x, batch)
        return join([answer(base.network, self.head, view, base.device, bf16=fast) for view in views])

    def save(self, folder: Path, card: str) -> None:
        """Write the artefact: weights, model card, and `config.json` with their hash last."""
        tensors = {ENCODER + name: value for name, value in self.base.network.state_dict().items()}
        tensors |= {HEAD + name: value for name, value in self.head.state_dict().items()}
        weights = checkpoint.serialise(checkpoint.State(tensors))
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / WEIGHTS, weights)
        files.write(folder / CARD, card.encode())
        write_spec(folder, ModelSpec(**{**asdict(self.spec), "sha256": hashlib.sha256(weights).hexdigest()}))


def join(parts: Sequence[Answers]) -> dict[str, Any]:
    """Answers in batches as answers to all samples: tensors as arrays, everything else as lists."""
    together: dict[str, Any] = {}
    for name in parts[0] if parts else ():
        values = [part[name] for part in parts]
        if isinstance(values[0], Tensor):
            together[name] = torch.cat(values).numpy()
        else:
            together[name] = [value for each in values for value in each]
    return together


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write `config.json`; a run does so before training, so that its checkpoints can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / CONFIG, json.dumps(asdict(spec), indent=1, ensure_ascii=False).encode())


def load_model(path: str | Path) -> TrainedModel:
    """The model at `path`: a run folder of `tacit finetune`, or a model folder.

    A run that has not ended gives the best weights so far. Raises `UsageError` where `path` is neither and `RunError`
    where a file is damaged.
    """
    given = Path(path)
    if not given.exists():
        raise UsageError(f"{given} does not exist: give a run folder of `tacit finetune`, or the model folder in it")
    if given.is_file() and given.name in (WEIGHTS, CONFIG):
        given = given.parent
    for folder in (given / "model", given):
        if (folder / CONFIG).is_file():
            spec = _read_spec(folder)
            return _with(_weights(folder, spec), spec, folder)
    if (given / "encoder" / CONFIG).is_file():
        raise _only_an_encoder(given)
    raise UsageError(f"{given} holds no model: give a run folder of `tacit finetune`, or the model folder in it")


def _only_an_encoder(path: Path) -> UsageError:
    return UsageError(
        f"{path} holds an encoder, which gives vectors and no answers: fine-tune it first, as in "
        f"`tacit finetune {path} DATA --task classify`"
    )


def _read_spec(folder: Path) -> ModelSpec:
    path = folder / CONFIG
    try:
        values = json.loads(path.read_bytes())
        if "layout" in values:
            raise _only_an_encoder(folder)
        spec = ModelSpec(**values)
        known = spec.format == FORMAT and spec.task in HEADS
    except UsageError:
        raise
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise RunError(f"{path} is damaged: {error}. Copy the model anew, or fine-tune again.") from None
    if not known:
        raise RunError(f"{path} was written by another version of tacit (format {spec.format}): upgrade tacit")
    return spec


def _weights(folder: Path, spec: ModelSpec) -> Mapping[str, Tensor]:
    """Names behind `ENCODER` and `HEAD` -> weights."""
    if spec.sha256 is None:
        found, _ = checkpoint.newest(folder.parent / "checkpoints")
        if found is None:
            raise UsageError(f"{folder.parent} has no model yet: its run stopped before the first checkpoint")
        best = {ENCODER: "learner.best.backbone.", HEAD: "learner.best.head."}
        tensors = found.state().tensors
        return {
            to + name.removeprefix(start): value
            for to, start in best.items()
            for name, value in tensors.items()
            if name.startswith(start)
        }
    return read_weights(folder, spec.sha256, "fine-tune again")


def _with(tensors: Mapping[str, Tensor], spec: ModelSpec, folder: Path) -> TrainedModel:
    base = Spec(**spec.encoder)
    encoder, kind = build(base), HEADS[spec.task]
    head = kind(kind.Config.parse(spec.head), encoder, blank(base), tuple(spec.classes))
    try:
        for start, module in ((ENCODER, encoder), (HEAD, head)):
            own = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
            module.load_state_dict(own)
    except RuntimeError as error:
        raise RunError(f"{folder}: the weights do not fit the model that {CONFIG} describes: {error}") from None
    return TrainedModel(encoder, head, spec, folder)
