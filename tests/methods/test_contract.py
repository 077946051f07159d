"""What holds for every method on every modality that it claims."""

import copy
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import pytest
import torch
from contract_toys import BATCH, CLOSED, GRADIENT, PAIRS, Held, as_taught, make, recordings, samples_of, views_of

from tacit.core import Progress, View
from tacit.engine import closed
from tacit.engine.settings import EngineConfig
from tacit.errors import UsageError
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.modalities.audio import AUDIO
from tacit.settings import build


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
    told = [{"data": "x", "modality": {"name": name}, "method": {"name": method}}]
    whole = build(told, preset).model_dump()
    # what is very wide says no more here, and takes seconds
    wide = ("choices", "clusters", "hidden", "out", "width")
    thin = {key: 64 for key in wide if whole["method"].get(key, 0) > 500}
    small = {"size": "micro"} if whole["encoder"].get("size") == "base" else {}
    small |= {"model": "test_resnet"} if whole["encoder"].get("model") == "resnet50" else {}
    config = build([*told, {"method": thin, "encoder": small}], preset)
    sample = samples_of(MODALITIES[name]) if name != "audio" else AUDIO.collate(*recordings(config.modality.front))
    encoder = MODALITIES[name].encoders[config.encoder.name](config.encoder, sample)
    learner = config.learner(config.method, encoder, MODALITIES[name], sample)
    assert learner(views_of(learner, config, sample), Progress(0, 1)).loss.isfinite().all()
    assert preset not in METHODS[method].presets


def test_every_method_runs_somewhere():
    assert {method for method, _ in PAIRS} == set(METHODS)


@dataclass(frozen=True)
class Trial:
    """What was seen of a learner in its first steps; sets are of names in its state."""

    storages: list
    """Where its tensors lie at first."""
    trained: set
    loss: torch.Tensor
    """Of the first step, as the four that follow."""
    nothing_learnt: float
    carried: dict
    unreached: set
    """Trained weights that the loss gave no finite gradient."""
    reaches_encoder: bool
    updated: set
    """What `update` moved."""
    twice: list
    """The loss of the fourth step, computed two times."""
    touched: set
    """What computing it moved."""
    losses: list


def forward(learner, views, progress):
    torch.manual_seed(5)
    return learner(views, progress)


def moved(learner, do, *given):
    """What `do` gives, and the names of what it moves in the learner's state."""
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    found = do(*given)
    return found, {key for key, value in learner.state_dict().items() if not torch.equal(value, before[key])}


def gradients_of(learner):
    trained = {key: value for key, value in learner.named_parameters() if value.requires_grad}
    unreached = {key for key, value in trained.items() if value.grad is None or not value.grad.isfinite().all()}
    reached = any(value.grad is not None and value.grad.abs().sum() > 0 for value in learner.encoder.parameters())
    return {"trained": set(trained), "unreached": unreached, "reaches_encoder": reached}


@cache
def trial(method, name):
    """Steps on one batch seen with the same random numbers each time, so that chance has no part in them."""
    learner, config, sample = make(method, name)
    seen = {"storages": [value.data_ptr() for value in learner.state_dict().values() if value.numel() > 1]}
    views, losses = views_of(learner, config, sample), []
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-3, fused=True)
    for number in range(30 if method == "moco" else 15):  # its queue is random at first, and easy to tell from
        progress = Progress(number, 15)
        step = forward(learner, views, progress)
        losses.append(float((step.loss.detach() / step.nothing_learnt).mean()))
        if number == 3:
            again, seen["touched"] = moved(learner, forward, learner, views, progress)
            seen["twice"] = [step.loss.detach(), again.loss.detach()]
        step.loss.mean().backward()
        if number == 0:
            seen |= {"loss": step.loss.detach(), "nothing_learnt": float(step.nothing_learnt)}
            seen |= gradients_of(learner)
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            if number == 0:
                seen["carried"] = {key: (len(rows), rows.requires_grad) for key, rows in step.carry.items()}
                _, seen["updated"] = moved(learner, learner.update, step.carry, progress)
            else:
                learner.update(step.carry, progress)
    return Trial(**seen, losses=losses)


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_the_loss_is_one_finite_number_a_sample_and_reaches_every_trained_weight(method, name):
    seen = trial(method, name)
    assert seen.loss.shape == (BATCH,)
    assert seen.loss.isfinite().all()
    assert seen.nothing_learnt > 0
    assert not seen.unreached
    assert seen.reaches_encoder


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_a_step_in_bfloat16_is_near_that_in_full_precision(method, name):
    """As on processors and GPUs that compute in it: the forward pass alone is cast, states stay as they are."""
    learner, config, sample = make(method, name)
    views, progress = views_of(learner, config, sample), Progress(0, 15)
    with torch.autocast("cpu", torch.bfloat16):
        step = forward(learner, views, progress)
    assert step.loss.isfinite().all()
    assert step.loss.mean().item() == pytest.approx(float(trial(method, name).loss.mean()), rel=0.05, abs=0.05)
    step.loss.mean().backward()
    assert not gradients_of(learner)["unreached"]
    kept = {key: value.dtype for key, value in learner.state_dict().items()}
    with torch.no_grad():
        learner.update(step.carry, progress)
    assert {key: value.dtype for key, value in learner.state_dict().items()} == kept


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
    config = build([settings, {"teacher": "x"} if method == "distillation" else {}])
    sample = as_taught(AUDIO.collate(*recordings("wave")))
    learner = config.learner(config.method, AUDIO.encoders["transformer"](config.encoder, sample), AUDIO, sample)
    step = learner(views_of(learner, config, sample), Progress(0, 10))
    assert step.loss.isfinite().all()
    step.loss.mean().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in learner.encoder.stem.body.parameters())


ON_SERIES = [(method, kind) for method, name in GRADIENT for kind in ("tcn", "fcn", "apart") if name == "series"]
REFUSED = [
    *product(("causal-prediction", "ts2vec", "pixpro"), ("fcn",)),
    *product(("mae", "i-jepa", "capi", "aim"), ("tcn", "fcn")),
]


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
    seen = trial(method, name)
    assert torch.equal(*seen.twice)
    assert all(key.endswith(("running_mean", "running_var", "num_batches_tracked")) for key in seen.touched)


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_what_update_moves_gets_no_gradient(method, name):
    seen = trial(method, name)
    assert all(each == (BATCH, False) for each in seen.carried.values())
    assert not seen.updated & seen.trained


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_weights_stand_once_in_the_state(method, name):
    storages = trial(method, name).storages
    assert len(storages) == len(set(storages))


@pytest.mark.parametrize(("method", "name"), GRADIENT)
def test_a_few_steps_lower_the_loss(method, name):
    losses = trial(method, name).losses
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
