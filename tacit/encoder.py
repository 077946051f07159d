"""The artefact: an encoder with all that it needs to read data as it did in training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.core import Adopted, Encoder, Modality, Raw, View
from tacit.engine import checkpoint, files
from tacit.engine.environment import computes_bf16
from tacit.errors import RunError, UsageError
from tacit.evaluation import encoding
from tacit.evaluation.features import inference
from tacit.modalities import MODALITIES

if TYPE_CHECKING:
    from tacit.data.dataset import Dataset

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


@dataclass(frozen=True)
class Spec:
    """`config.json`: how to build the encoder and how to read samples for it. Plain values only."""

    modality: Mapping[str, Any]
    """The modality's name and configuration."""
    layout: Mapping[str, Any]
    """How samples are packed: what preprocessing there is, but for the standardisation inside the encoder."""
    encoder: Mapping[str, Any]
    """The encoder's name and configuration."""
    dim: int
    """D, the width of an embedding."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: method, data and their hash, steps."""
    format: int = FORMAT
    sha256: str | None = None
    """Of the weights; None until a run has ended."""

    @property
    def kind(self) -> Modality:
        """The modality's record."""
        return MODALITIES[self.modality["name"]]

    @property
    def labels(self) -> int:
        """How many labels it learnt from: 0 for most; all samples of a fine-tuning, whose parts have a `validation`."""
        told = self.training
        return int(told.get("labels_used") or ("validation" in told and told["samples"]))


class TrainedEncoder:
    """An encoder ready for use, on the CPU or, where there is one, on the GPU."""

    def __init__(self, network: Encoder, spec: Spec, path: Path | None = None) -> None:
        self.network, self.spec, self.path = network, spec, path
        self.modality = spec.kind
        self.layout = self.modality.layout.parse(spec.layout)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network.to(self.device).eval()

    @property
    def dim(self) -> int:
        """D, the width of an embedding."""
        return self.spec.dim

    def open(self, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Dataset:
        """DATA packed as this encoder reads it, what there is to know about it said. Raises as `open_dataset`."""
        from tacit.data.dataset import open_dataset

        wanted = self.modality.config()
        dataset = open_dataset(data, self.modality, wanted, self.layout, seed=seed, max_bad=max_bad)
        dataset.say_notes()
        return dataset

    def embed(self, x: str | Path | Iterable[Raw | str | Path], *, batch: int = 256) -> np.ndarray:
        """Embeddings, float32 `[N, D]`, in the order of `x`: of DATA one a row, of samples one each.

        Long samples of DATA are in several rows where the encoder was trained so; of a sample alone the beginning is
        read.

        Args:
            x: anything that `tacit train` takes as DATA, or samples: arrays (one `[N, ...]` array, or several of
                their own shapes), the bytes of files, or paths.
            batch: samples at a time; memory grows with it, results do not depend on it.

        Raises:
            DataError: a sample cannot be read; its number and the reason are named.
        """
        if isinstance(x, str | Path):
            from tacit.data.dataset import open_dataset

            dataset = open_dataset(str(x), self.modality, self.modality.config(), self.layout)
            everything = dataset.everything()
            views: Iterator[View] = (
                everything.view(rows) for rows in torch.split(torch.arange(len(everything)), batch)
            )
        else:
            views = encoding.samples_as_views(self.modality, self.layout, x, batch)
        parts = [self.vectors(view).numpy() for view in views]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), np.float32)

    def encode(
        self, sentences: str | Sequence[str], *, batch_size: int | None = None, normalize_embeddings: bool = False
    ) -> np.ndarray:
        """Embeddings of texts, float32 `[N, D]` in their order, or `[D]` of one: as in sentence-transformers.

        Args:
            sentences: texts; of data that are not held in tables, paths of files.
            batch_size: samples at a time; as many as suit the device where none is given.
            normalize_embeddings: whether each vector is scaled to length one.

        Raises:
            DataError: one cannot be read; its number and the reason are named.
        """
        if isinstance(sentences, str):
            one = self.encode([sentences], batch_size=batch_size, normalize_embeddings=normalize_embeddings)
            return np.asarray(one[0])
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch_size {batch_size}: give 1 or more")
        raws = [encoding.raw_of(self.modality, sentence, number) for number, sentence in enumerate(sentences)]
        budget = encoding.BUDGET.get(self.device.type, encoding.BUDGET["cpu"])
        found = encoding.encode(
            self.vectors, self.modality, self.layout, raws, dim=self.dim, batch=batch_size, budget=budget
        )
        return found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-12) if normalize_embeddings else found

    def vectors(self, view: View) -> Tensor:
        """Embeddings of one plain view, float32 `[B, D]` on the CPU."""
        interrupt.check()
        kind = self.device.type
        fast = computes_bf16(self.device)
        with inference(self.network), torch.autocast(kind, dtype=torch.bfloat16, enabled=fast):
            pooled: Tensor = self.network(view.to(self.device)).pooled
        return pooled.float().cpu()

    def save(self, folder: Path) -> None:
        """Write the artefact: weights, model card, and `config.json` with their hash last."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = checkpoint.serialise(checkpoint.State(self.network.state_dict()))
        spec = Spec(**{**asdict(self.spec), "sha256": hashlib.sha256(weights).hexdigest()})
        files.write(folder / WEIGHTS, weights)
        files.write(folder / CARD, card(spec).encode())
        write_spec(folder, spec)


def blank(spec: Spec) -> View:
    """Two samples of the shape that the encoder reads, for building networks."""
    layout = spec.kind.layout.parse(spec.layout)
    return spec.kind.collate(torch.zeros((2, *layout.shape), dtype=getattr(torch, layout.dtype)), layout)


def build(spec: Spec) -> Encoder:
    """The network that `spec` describes, with meaningless weights."""
    kind = spec.kind.encoders[spec.encoder["name"]]
    return kind(kind.Config.parse(spec.encoder), blank(spec))


def write_spec(folder: Path, spec: Spec) -> None:
    """Write `config.json`; a run does so before training, so that its checkpoints can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / CONFIG, json.dumps(asdict(spec), indent=1).encode())


def load(path: str | Path) -> TrainedEncoder:
    """The encoder at `path`: a run folder, an encoder folder, or a checkpoint file.

    A run that has not ended gives the encoder of its newest intact checkpoint. Raises `UsageError` where `path` is
    none of these and `RunError` where a file is damaged.
    """
    given = Path(path)
    if not given.exists():
        raise UsageError(f"{given} does not exist: give a run folder, an encoder folder or a checkpoint")
    if given.is_file() and given.parent.name == "checkpoints":
        return _from_checkpoint(given.parent.parent / "encoder", checkpoint.verified(given.with_suffix(".json")))
    if given.is_file() and given.name in (WEIGHTS, CONFIG):
        given = given.parent
    for modality in MODALITIES.values():
        adopted = modality.adopt(given) if modality.adopt and given.is_dir() else None
        if adopted is not None:
            return _adopted(given, modality, adopted)
    for folder in (given / "encoder", given):
        if (folder / CONFIG).is_file():
            spec = _read_spec(folder)
            if spec.sha256:
                return _with(read_weights(folder, spec.sha256, "train again"), spec, folder)
            return _from_checkpoint(folder, _newest(folder))
    raise UsageError(f"{given} holds no encoder: give a run folder, an encoder folder or a checkpoint of a run")


def _adopted(folder: Path, modality: Modality, adopted: Adopted) -> TrainedEncoder:
    spec = Spec(
        modality=modality.config().model_dump(mode="json"),
        layout=adopted.layout.model_dump(mode="json"),
        encoder=adopted.encoder.model_dump(mode="json"),
        dim=0,
        training={"published": str(folder)},
    )
    network = build(spec)
    adopted.fill(network)
    return TrainedEncoder(network, replace(spec, dim=network.dim), folder)


def _newest(folder: Path) -> checkpoint.Checkpoint:
    found, _ = checkpoint.newest(folder.parent / "checkpoints")
    if found is None:
        raise UsageError(f"{folder.parent} has no encoder yet: its run stopped before the first checkpoint")
    return found


def _read_spec(folder: Path) -> Spec:
    path = folder / CONFIG
    try:
        values = json.loads(path.read_bytes())
        if "task" in values:
            raise UsageError(
                f"{folder} holds a fine-tuned model, not an encoder: `tacit predict` uses it; its run's folder holds "
                "its encoder, too"
            )
        if values.get("kind") == "agent":
            raise UsageError(
                f"{folder} holds an agent: `tacit collect --policy` uses it; its run's folder holds its encoder, too"
            )
        spec = Spec(**values)
        known = spec.format == FORMAT and spec.modality["name"] in MODALITIES
    except UsageError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise RunError(f"{path} is damaged: {error}. Copy the encoder anew, or train it again.") from None
    if not known:
        raise RunError(f"{path} was written by another version of tacit (format {spec.format}): upgrade tacit")
    return spec


def read_weights(folder: Path, sha256: str, again: str) -> Mapping[str, Tensor]:
    """The weights in the artefact at `folder`; raises `RunError` where they are not those of `sha256`.

    `again`: how the user makes them anew.
    """
    from safetensors.torch import load as from_bytes

    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RunError(f"{path} is damaged: it does not match its SHA-256 in {CONFIG}. Copy it anew, or {again}.")
    return from_bytes(data)


def _from_checkpoint(folder: Path, found: checkpoint.Checkpoint) -> TrainedEncoder:
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{found.path} stands alone: the run folder around it, with encoder/{CONFIG}, is needed")
    return _with(found.encoder(), _read_spec(folder), folder)


def _with(tensors: Mapping[str, Tensor], spec: Spec, folder: Path) -> TrainedEncoder:
    network = build(spec)
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise RunError(
            f"{folder}: the weights do not fit {spec.encoder['name']} as {CONFIG} describes it: {error}"
        ) from None
    return TrainedEncoder(network, spec, folder)


def card(spec: Spec) -> str:
    """The model card: what the encoder is, where it comes from, how to use it."""
    training = spec.training
    lines = [
        f"# {spec.encoder['name']} for {spec.kind.unit}, {spec.dim} dimensions",
        "",
        f"Trained by tacit with `{training.get('method')}` on `{training.get('data')}` "
        f"({training.get('samples')} {spec.kind.unit}, {spec.labels or 'no'} labels), {training.get('steps')} steps.",
        "",
        "```python",
        "import tacit",
        f'encoder = tacit.load("this/folder")   # reads {spec.kind.layout.parse(spec.layout).brief()}',
        f"vectors = encoder.embed(data)          # float32 [N, {spec.dim}]",
        "```",
        "",
        "Whether it helps is not said here: run `tacit evaluate` on labelled data, which prints it beside its floors.",
        "",
        f"Content hash of the training data: `{training.get('content_hash')}`.",
    ]
    return "\n".join(lines) + "\n"
