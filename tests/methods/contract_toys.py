"""Every method on every modality that it claims, as small as it can be: data, learners and what they see."""

import io
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from worlds import walk

from tacit import core
from tacit.core import TEACHER, ClosedForm, Method
from tacit.data.alike import Alike, counted_from
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.modalities.audio import AUDIO
from tacit.modalities.histories import written
from tacit.modalities.interactions import INTERACTIONS
from tacit.modalities.pictures import ImageLayout
from tacit.modalities.series import SERIES
from tacit.modalities.text import TEXT
from tacit.modalities.trajectories import TRAJECTORIES
from tacit.settings import build

BATCH = 8


def images():
    generator = torch.Generator().manual_seed(0)
    packed = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(packed.float(), 5, 1, 2).to(torch.uint8)
    return smooth, ImageLayout(channels=3, size=32)


def texts():
    generator = np.random.default_rng(0)
    topics = [generator.integers(0, 8, 20) + 8 * (number % 8) for number in range(64)]
    raws = [" ".join(f"word{number}" for number in topic).encode() for topic in topics]
    layout = TEXT.survey(raws, TEXT.config())
    return torch.from_numpy(np.stack([TEXT.read(raw, layout) for raw in raws])), layout


def recordings(front="log-mel"):
    """Tones of eight pitches that start at any time."""
    generator = np.random.default_rng(0)
    time = np.arange(4_000) / 8_000
    raws = [
        (np.sin(2 * np.pi * 300 * (1 + number % 8) * time) * (time > generator.uniform(0, 0.2))).astype(np.float32)
        for number in range(64)
    ]
    layout = AUDIO.survey(raws, AUDIO.config(rate=8_000, front=front))
    return torch.from_numpy(np.stack([AUDIO.read(raw, layout) for raw in raws])), layout


def series():
    """Two channels of eight rhythms, of unequal length, with gaps in one."""
    generator = np.random.default_rng(0)
    raws = []
    for number in range(64):
        time = np.arange(generator.integers(30, 48)) + generator.uniform(0, 10)
        raw = np.stack([np.sin(time * (1 + number % 8) / 8), np.cos(time / (2 + number % 8))], axis=1)
        raw[3:6, 0] = np.nan
        raws.append(raw)
    layout = SERIES.survey(raws, SERIES.config())
    return torch.from_numpy(np.stack([SERIES.read(raw, layout) for raw in raws])), layout


def interactions():
    """What users took: runs around rings of eight items, a ring each."""
    generator = np.random.default_rng(0)
    raws = []
    for number in range(64):
        steps = generator.integers(8) + np.arange(generator.integers(8, 20))
        raws.append(written([f"{number % 4}-{step % 8}" for step in steps]))
    layout = INTERACTIONS.survey(raws, INTERACTIONS.config())
    return torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in raws])), layout


def moments(world=walk, **settings):
    """Four short episodes of a dot that walks through frames, or of a ball on a line."""
    held = [io.BytesIO() for _ in range(4)]
    for number, file in enumerate(held):
        np.savez(file, **world(number, steps=16))
    raws = [file.getvalue() for file in held]
    layout = TRAJECTORIES.survey(raws, TRAJECTORIES.config(**settings))
    return torch.from_numpy(np.stack([row for raw in raws for row, _ in TRAJECTORIES.pieces.cut(raw, layout)])), layout


PACKED = {
    "image": images,
    "text": texts,
    "audio": recordings,
    "series": series,
    "interactions": interactions,
    "trajectories": moments,
}


@cache
def packed_of(name):
    return PACKED[name]()


def as_taught(view):
    """The view of samples of which a teacher has said something, and of most of which it is known what they are."""
    said = torch.randn(len(view), 6, generator=torch.Generator().manual_seed(0))
    return replace(view, taught=said, label=torch.arange(len(view)) % 4 - 1)


def samples_of(modality):
    """Some plain views of something: what a modality's packed samples become."""
    packed, layout = packed_of(modality.name)
    return as_taught(modality.collate(packed.clone(), layout))


class Held:
    """Samples in memory; `seen`: what of a view training sees."""

    def __init__(self, view, seen=lambda view: view):
        self.whole, self.seen = view, seen

    def __len__(self):
        return len(self.whole)

    def view(self, rows):
        return replace(self.whole[rows], index=rows)

    def later(self, rows):
        return rows

    def alike(self, view, draws):
        rows, places = Alike.of(len(self), self.view, self.seen).partners(view, draws)
        return counted_from(self.view(rows.clamp_min(0)), places, view.index)


PAIRS = [
    (method, name)
    for method, kind in METHODS.items()
    for name, modality in MODALITIES.items()
    if not kind.needs(kind.Config()) - modality.offers - {TEACHER}
]
GRADIENT = [(method, name) for method, name in PAIRS if issubclass(METHODS[method], Method)]
CLOSED = [(method, name) for method, name in PAIRS if issubclass(METHODS[method], ClosedForm)]


def make(method, name, encoder=None, **wishes):
    """A small learner by the method's own default recipe and what is wished of it, its configuration and data."""
    small = {"method": {"name": method, **wishes}, "data": "x", "modality": {"name": name}, "encoder": encoder or {}}
    config = build([small, {"teacher": "x"} if method == "distillation" else {}])
    modality = MODALITIES[name]
    sample = samples_of(modality)
    torch.manual_seed(0)
    kind = modality.encoders[config.encoder.name]
    return config.learner(config.method, kind(config.encoder, sample), modality, sample), config, sample


def views_of(learner, config, sample, epoch=0):
    seen = partial(config.kind.seen, config=config.modality) if config.kind.seen else lambda view: view
    augment = config.kind.augment(config.modality)
    return core.views_of(Held(sample, seen), torch.arange(BATCH), learner.views, augment, 0, epoch)
