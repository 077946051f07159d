"""What holds for every method on every modality that it claims."""

import copy
import io
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from worlds import walk

from tacit import core
from tacit.core import ClosedForm, Method, Progress, View
from tacit.data.alike import Alike, counted_from
from tacit.engine import closed
from tacit.engine.settings import EngineConfig
from tacit.errors import UsageError
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


def samples_of(modality):
    """Some plain views of something: what a modality's packed samples become."""
    packed, layout = PACKED[modality.name]()
    return modality.collate(packed, layout)


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
    if not kind.needs(kind.Config()) - modality.offers
]
GRADIENT = [(method, name) for method, name in PAIRS if issubclass(METHODS[method], Method)]
CLOSED = [(method, name) for method, name in PAIRS if issubclass(METHODS[method], ClosedForm)]


def make(method, name, encoder=None):
    """A small learner by the method's own default recipe, and its modality, configuration and data."""
    small = {"method": {"name": method}, "data": "x", "modality": {"name": name}, "encoder": encoder or {}}
    config = build([small])
    modality = MODALITIES[name]
    sample = samples_of(modality)
    torch.manual_seed(0)
    kind = modality.encoders[config.encoder.name]
    return config.learner(config.method, kind(config.encoder, sample), modality, sample), config, sample


def views_of(learner, config, sample, epoch=0):
    seen = partial(config.kind.seen, config=config.modality) if config.kind.seen else lambda view: view
    augment = config.kind.augment(config.modality)
    return core.views_of(Held(sample, seen), torch.arange(BATCH), learner.views, augment, 0, epoch)


@pytest.mark.parametrize(
    ("name", "method", "preset"),
    [
        (key, method, preset)
        for key, kind in MODALITIES.items()
        for method, own in kind.presets.items()
        for preset in own
    ],
)
def test_presets_of_one_kind_of_data_are_built_and_stepped(name, method, preset):
    config = build([{"data": "x", "modality": {"name": name}, "method": {"name": method}}], preset)
    sample = samples_of(MODALITIES[name]) if name != "audio" else AUDIO.collate(*recordings(config.modality.front))
    encoder = MODALITIES[name].encoders[config.encoder.name](config.encoder, sample)
    learner = config.learner(config.method, encoder, MODALITIES[name], sample)
    assert learner(views_of(learner, config, sample), Progress(0, 1)).loss.isfinite().all()
    assert preset not in METHODS[method].presets


def test_every_method_runs_somewhere():
    assert {method for method, _ in PAIRS} == set(METHODS)


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_the_loss_is_one_finite_number_a_sample_and_reaches_every_trained_weight(method, name):
    learner, config, sample = make(method, name)
    step = learner(views_of(learner, config, sample), Progress(0, 10))
    assert step.loss.shape == (BATCH,)
    assert step.loss.isfinite().all()
    assert float(step.nothing_learnt) > 0
    step.loss.mean().backward()
    for parameter_name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
    assert any(parameter.grad.abs().sum() > 0 for parameter in learner.encoder.parameters())


BESIDE = [
    (name, positive)
    for name in MODALITIES
    for positive in ("dropout", "view", "same-target")
    if positive != "same-target" or "alike" in MODALITIES[name].offers
]


@pytest.mark.parametrize(("name", "positive"), BESIDE)
def test_contrast_beside_the_next_token_reaches_every_trained_weight_and_a_weight_of_0_is_none(name, positive):
    sample = samples_of(MODALITIES[name])

    def stepped(**wishes):
        config = build([{"data": "x", "modality": {"name": name}, "method": {"name": "causal-prediction", **wishes}}])
        torch.manual_seed(0)
        encoder = MODALITIES[name].encoders[config.encoder.name](config.encoder, sample)
        learner = config.learner(config.method, encoder, MODALITIES[name], sample)
        views = views_of(learner, config, sample)
        torch.manual_seed(5)
        return learner, learner(views, Progress(0, 10))

    learner, step = stepped(contrast=0.5, positive=positive)
    _, plain = stepped()
    _, none = stepped(contrast=0.0, positive=positive)
    assert torch.equal(none.loss, plain.loss)
    added = (step.loss - plain.loss) / 0.5
    assert added.min() >= -1e-5
    assert float(step.metrics["contrast"]) == pytest.approx(float(added.detach().mean()), abs=1e-4)
    assert float(step.nothing_learnt) > float(plain.nothing_learnt)
    step.loss.mean().backward()
    assert all(weight.grad.isfinite().all() for weight in learner.parameters() if weight.requires_grad)


def test_another_sample_with_the_same_target_is_refused_where_there_are_no_targets():
    wishes = {"name": "causal-prediction", "contrast": 0.1, "positive": "same-target"}
    with pytest.raises(UsageError, match="needs alike, which text data do not have"):
        build([{"data": "x", "modality": {"name": "text"}, "method": wishes}])


@pytest.mark.parametrize("method", [method for method, name in GRADIENT if name == "audio"])
def test_methods_on_recordings_learn_from_waves_too(method):
    own = {"causal": True} if method == "causal-prediction" else {}
    settings = {
        "data": "x",
        "method": {"name": method},
        "modality": {"name": "audio", "front": "wave"},
        "encoder": {"name": "transformer", "channels": 16, "norms": "layer", **own},
    }
    config = build([settings])
    sample = AUDIO.collate(*recordings("wave"))
    learner = config.learner(config.method, AUDIO.encoders["transformer"](config.encoder, sample), AUDIO, sample)
    step = learner(views_of(learner, config, sample), Progress(0, 10))
    assert step.loss.isfinite().all()
    step.loss.mean().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in learner.encoder.stem.body.parameters())


ON_SERIES = [(method, kind) for method, name in GRADIENT for kind in ("tcn", "fcn", "apart") if name == "series"]
REFUSED = [("causal-prediction", "fcn"), ("ts2vec", "fcn"), *product(("mae", "i-jepa"), ("tcn", "fcn"))]


def on_series(method, kind):
    """A step of `method` by one of the encoders of series, and the views of it."""
    own = {"name": "transformer", "apart": True} if kind == "apart" else {"name": kind, "width": 8}
    causal = {"causal": True} if method == "causal-prediction" and kind != "fcn" else {}
    learner, config, sample = make(method, "series", {**own, **causal})
    views = views_of(learner, config, sample)
    return learner, views, learner(views, Progress(0, 10))


@pytest.mark.parametrize(("method", "kind"), [pair for pair in ON_SERIES if pair not in REFUSED])
def test_methods_on_series_learn_by_each_encoder_and_padding_is_inert(method, kind):
    learner, views, step = on_series(method, kind)
    assert step.loss.isfinite().all()
    step.loss.mean().backward()
    assert all(weight.grad.isfinite().all() for weight in learner.encoder.parameters())
    learner.eval()
    pad = torch.nn.functional.pad
    x, valid, where = pad(views[0].x, (0, 0, 0, 8), value=7.0), pad(views[0].valid, (0, 8)), pad(views[0].where, (0, 8))
    longer = replace(views[0], x=x, valid=valid, where=where)
    assert torch.allclose(learner.encoder(longer).pooled, learner.encoder(views[0]).pooled, atol=1e-4)


@pytest.mark.parametrize(("method", "kind"), REFUSED)
def test_encoders_of_series_that_a_method_cannot_use_are_refused(method, kind):
    with pytest.raises(UsageError, match="leave --encoder away"):
        on_series(method, kind)


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_forward_is_pure_but_for_running_statistics(method, name):
    learner, config, sample = make(method, name)
    views = views_of(learner, config, sample)
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    losses = []
    for _ in range(2):
        torch.manual_seed(5)
        losses.append(learner(views, Progress(3, 10)).loss)
    assert torch.equal(*losses)
    for key, value in learner.state_dict().items():
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_what_update_moves_gets_no_gradient(method, name):
    learner, config, sample = make(method, name)
    step = learner(views_of(learner, config, sample), Progress(0, 10))
    assert not any(rows.requires_grad for rows in step.carry.values())
    assert all(len(rows) == BATCH for rows in step.carry.values())
    trained = {key for key, parameter in learner.named_parameters() if parameter.requires_grad}
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    with torch.no_grad():
        learner.update(step.carry, Progress(0, 10))
    moved = {key for key, value in learner.state_dict().items() if not torch.equal(value, before[key])}
    assert not moved & trained


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_weights_stand_once_in_the_state(method, name):
    learner, _, _ = make(method, name)
    storages = [value.data_ptr() for value in learner.state_dict().values() if value.numel() > 1]
    assert len(storages) == len(set(storages))


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_a_few_steps_lower_the_loss(method, name):
    """On one batch seen with the same random numbers each time, so that chance has no part in it."""
    learner, config, sample = make(method, name)
    views = views_of(learner, config, sample)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-3)
    losses = []
    for number in range(30 if method == "moco" else 15):  # its queue is random at first, and easy to tell from
        torch.manual_seed(5)
        step = learner(views, Progress(number, 15))
        losses.append(float((step.loss.detach() / step.nothing_learnt).mean()))
        step.loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            learner.update(step.carry, Progress(number, 15))
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.parametrize(("method", "name"), CLOSED)
def test_sums_do_not_depend_on_how_the_data_are_cut_into_batches(method, name):
    first, _, sample = make(method, name, {"name": method, "filters": 16})
    second = copy.deepcopy(first)
    torch.manual_seed(0)
    rows = first.kmeans.some(first.encoder, sample[:32].x)
    for learner, cuts in ((first, [rows]), (second, list(rows.split(100)))):
        learner.kmeans.some = lambda reader, x: x
        for cut in cuts:
            learner.absorb(View(cut), 0)
        learner.solve(0)
    assert torch.allclose(first.encoder.whiten, second.encoder.whiten, atol=1e-4)


@pytest.mark.parametrize(("method", "name"), CLOSED)
def test_a_closed_form_ends_and_its_encoder_tells_samples_apart(method, name):
    learner, _, sample = make(method, name, {"name": method, "filters": 16})
    closed.fit(learner, Held(sample), EngineConfig(batch=16))
    pooled = learner.encoder(sample).pooled
    assert pooled.isfinite().all()
    assert pooled.shape == (64, learner.encoder.dim)
    assert pooled.std(0).mean() > 0
