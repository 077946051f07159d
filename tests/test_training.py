"""Runs from end to end: repeatable, resumable, continued from weights, and honest about collapse."""

import json
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toys import folder_of_shapes
from worlds import folder_of

from tacit.cli import run
from tacit.core import TEACHER, ClosedForm
from tacit.encoder import load
from tacit.errors import UsageError
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.modalities.image import IMAGE
from tacit.settings import RunConfig, assign, build
from tacit.training import configure, train

SMALL = ["--set", "encoder.width=12", "--batch", "16", "--set", "precision=fp32", "--set", "checkpoint_seconds=0"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return str(folder_of_shapes(tmp_path_factory.mktemp("shapes")))


def weights(run_folder):
    return load_file(run_folder / "encoder" / "model.safetensors")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", ["simclr", "moco", "rotation", "autoencoder"])
def test_a_run_killed_by_a_signal_and_resumed_ends_in_the_same_bits(method, shapes, tmp_path, programs, capfd):
    words = ["train", shapes, "--method", method, *SMALL, "--steps", "12"]
    assert run([*words, "--out", str(tmp_path / "whole")]) == 0
    words = [*words, "--out", str(tmp_path / "cut"), "--set", "evaluations=0"]
    kept = tmp_path / "cut" / "checkpoints"
    begun = lambda: len(list(kept.glob("step-*.json"))) >= 2  # noqa: E731
    code, said = programs.stopped(words, tmp_path / "said", signal.SIGTERM, begun)
    if code != 0:  # a run of milliseconds may have ended before the signal came
        assert code == 143, said
        assert "--resume" in said
        assert "Traceback" not in said
    assert run([*words, "--resume"]) == 0, capfd.readouterr().err
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_the_stored_configuration_repeats_the_run(shapes, tmp_path):
    assert run(["train", shapes, *SMALL, "--steps", "4", "--seed", "7", "--out", str(tmp_path / "first")]) == 0
    again = ["train", "--config", str(tmp_path / "first" / "config.yaml"), "--out", str(tmp_path / "second")]
    assert run(again) == 0
    assert equal(weights(tmp_path / "first"), weights(tmp_path / "second"))
    other = ["train", shapes, *SMALL, "--steps", "4", "--seed", "8", "--out", str(tmp_path / "third")]
    assert run(other) == 0
    assert not equal(weights(tmp_path / "first"), weights(tmp_path / "third"))


def test_a_resumed_run_refuses_other_settings_and_names_them(shapes, tmp_path):
    config = build([{"data": shapes, "budget": {"steps": 2}}, assign(["encoder.width=12", "batch=16"])])
    train(config, tmp_path / "run")
    with pytest.raises(UsageError, match=r"method\.temperature: 0\.2 then, 0\.5 now"):
        configure([{"method": {"temperature": 0.5}}], resume=tmp_path / "run")
    assert configure([{"data": shapes}], resume=tmp_path / "run") == config


def test_a_new_run_starts_from_old_weights_with_their_architecture(shapes, tmp_path):
    assert run(["train", shapes, *SMALL, "--steps", "3", "--out", str(tmp_path / "old")]) == 0
    new = ["train", shapes, "--method", "moco", "--batch", "16", "--lr", "1e-12", "--steps", "1"]
    assert run([*new, "--init-from", str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 0
    config = RunConfig.from_yaml((tmp_path / "new" / "config.yaml").read_text())
    assert config.encoder.width == 12
    before, after = weights(tmp_path / "old"), weights(tmp_path / "new")
    trained = [name for name in before if name.endswith("weight")]
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in trained)
    assert (
        run([*new, "--init-from", str(tmp_path / "old"), "--encoder", "resnet18", "--out", str(tmp_path / "no")]) == 2
    )


def test_an_unfinished_run_and_a_checkpoint_give_an_encoder(shapes, tmp_path):
    assert run(["train", shapes, *SMALL, "--steps", "3", "--out", str(tmp_path / "run")]) == 0
    newest = max((tmp_path / "run" / "checkpoints").glob("*.safetensors"))
    expected = load(tmp_path / "run").embed(shapes)
    for path in (tmp_path / "run" / "encoder", newest, newest.with_suffix(".json")):
        assert (load(path).embed(shapes) == expected).all(), path


PRESETS = [
    (method, preset)
    for method, kind in METHODS.items()
    if not kind.needs(kind.Config()) - IMAGE.offers
    for preset in kind.presets
]
ELSEWHERE = [
    (method, preset, next(name for name, each in MODALITIES.items() if not kind.needs(kind.Config()) - each.offers))
    for method, kind in METHODS.items()
    if kind.needs(kind.Config()) - IMAGE.offers - {TEACHER}
    for preset in kind.presets
]


def written(kind, folder):
    """60 samples of a kind of data, and what `tacit train` is told of them."""
    if kind == "text":
        lines = (f"the {('cat', 'dog')[number % 2]} sat on mat number {number} of the house\n" for number in range(60))
        (folder / "lines.txt").write_text("".join(lines))
        return [str(folder / "lines.txt")]
    if kind == "series":
        np.save(folder / "waves.npy", np.random.default_rng(0).normal(size=(60, 40, 2)).cumsum(1))
        return [str(folder / "waves.npy"), "--set", "modality.name=series"]
    assert kind == "trajectories"
    return [str(folder_of(folder / "walks", steps=10))]


def slighter(method, preset, words):
    """A recipe of very many parameters is built as it is, and goes the whole way at a smaller size."""
    recipe = METHODS[method].presets[preset]
    smaller = ["encoder.size=tiny"] if recipe.get("encoder", {}).get("size") == "base" else []
    stands_in = {"timm": ["encoder.model=test_resnet"], "resnet18": ["encoder.name=convnet", "encoder.width=8"]}
    encoder = recipe.get("encoder", {}).get("name")
    if encoder in stands_in and preset != "tutorial":  # that one is stepped as it is
        wide = [name for name in ("hidden", "out", "memory") if name in recipe.get("method", {})]
        smaller += [*stands_in[encoder], *(f"method.{name}=64" for name in wide)]
    if smaller:
        assert run([*words, "--dry-run"]) == 0
    return [word for setting in smaller for word in ("--set", setting)]


@pytest.mark.parametrize(("method", "preset"), PRESETS)
def test_every_recipe_is_built_and_stepped(method, preset, shapes, tmp_path):
    cheap = ["--batch", "4", "--set", "modality.size=32"]
    cheap += ["--set", "method.queue=64"] if method == "moco" else []
    closed = issubclass(METHODS[method], ClosedForm)
    cheap += ["--set", "encoder.filters=20", "--set", "method.iterations=2"] if closed else []
    budget = [] if closed else ["--steps", "1"]
    words = ["train", shapes, "--method", method, "--preset", preset, *cheap, *budget]
    assert run([*words, *slighter(method, preset, words), "--out", str(tmp_path / "run")]) == 0
    assert load(tmp_path / "run").embed(shapes).shape[0] == 60


@pytest.mark.parametrize(("method", "preset", "kind"), ELSEWHERE)
def test_every_recipe_of_other_data_is_built_and_stepped(method, preset, kind, tmp_path):
    data, *told = written(kind, tmp_path)
    words = ["train", data, *told, "--method", method, "--preset", preset, "--batch", "4", "--steps", "1"]
    assert run([*words, *slighter(method, preset, words), "--out", str(tmp_path / "run")]) == 0
    encoder = load(tmp_path / "run")
    ahead = encoder.spec.modality.get("ahead", 1)  # of each episode of ten steps, moments with so many behind them
    assert encoder.embed(data).shape[0] == 60 - 6 * (ahead - 1)


def alarms(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {name: line["step"] for line in lines for name in line.get("alarms", ())}


def diagnose(tmp_path, capfd, shapes, *words, steps="200"):
    out = tmp_path / "run"
    code = run(["train", shapes, *SMALL, "--steps", steps, "--set", "log_every=10", *words, "--out", str(out)])
    return code, capfd.readouterr().err, alarms(out)


@pytest.mark.parametrize("method", ["simclr", "moco", "rotation", "autoencoder"])
def test_a_healthy_run_raises_no_alarm(method, tmp_path, capfd, shapes):
    code, said, raised = diagnose(tmp_path, capfd, shapes, "--method", method, "--set", "checkpoint_seconds=60")
    assert code == 0
    assert not raised
    assert "warning" not in said


SICK = [
    ("absurdly cold", ["--set", "method.temperature=1e-40"], "temperature"),
    ("absurdly hot", ["--set", "method.temperature=1e4"], "temperature"),
    ("learning rate x 1000", ["--lr", "3"], "lr"),
    ("learning rate x 1000, without a net", ["--lr", "2", "--method", "moco", "--set", "optimiser.warmup=0"], "lr"),
]


@pytest.mark.parametrize(("name", "words", "setting"), SICK, ids=[case[0] for case in SICK])
def test_a_sick_run_is_named_within_200_steps_with_the_setting_to_change(name, words, setting, tmp_path, capfd, shapes):
    _, said, raised = diagnose(tmp_path, capfd, shapes, *words, "--set", "checkpoint_seconds=60")
    assert raised, said
    assert min(raised.values()) <= 200
    assert setting in said


def test_constant_images_are_named(tmp_path, capfd):
    from PIL import Image

    (tmp_path / "data").mkdir()
    for number in range(40):
        Image.new("RGB", (16, 16), (90, 90, 90)).save(tmp_path / "data" / f"{number}.png")
    code = run(["train", str(tmp_path / "data"), *SMALL, "--steps", "20", "--out", str(tmp_path / "run")])
    said = capfd.readouterr().err
    assert "same" in said or "identical" in said
    assert code in (0, 1, 3)


@pytest.mark.parametrize(("method", "settled"), [("colorization", True), ("rotation", False)])
def test_an_encoder_that_saw_spoilt_samples_gets_the_statistics_of_plain_ones(method, settled, shapes, tmp_path):
    words = ["train", shapes, "--method", method, "--steps", "2", "--batch", "4", "--set", "encoder.width=12"]
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    (newest,) = sorted((tmp_path / "run" / "checkpoints").glob("*2.safetensors"))
    last, final = (load(path).network.state_dict() for path in (newest, tmp_path / "run"))
    moved = {name for name, value in final.items() if not torch.equal(value, last[name])}
    assert bool(moved) == settled
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in moved)


def test_labels_that_are_looked_at_change_nothing_that_is_learnt(shapes, tmp_path, capfd):
    words = ["train", shapes, *SMALL, "--steps", "2"]
    assert run([*words, "--out", str(tmp_path / "blind")]) == 0
    assert run([*words, "--probe", "--out", str(tmp_path / "probed")]) == 0
    assert "labels told by ridge regression" in capfd.readouterr().err
    assert equal(weights(tmp_path / "blind"), weights(tmp_path / "probed"))
    told = ["probe" in (tmp_path / name / "metrics.jsonl").read_text() for name in ("blind", "probed")]
    assert told == [False, True]


@pytest.mark.parametrize(("method", "said"), [("simclr", "has none of two classes"), ("patches", "takes no steps")])
def test_a_probe_needs_labels_and_steps(method, said, tmp_path, capfd):
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 255, (40, 16, 16), np.uint8))
    words = ["train", str(tmp_path / "grey.npy"), "--method", method, "--probe", "--out", str(tmp_path / "run")]
    assert run(words) == 2
    assert said in capfd.readouterr().err
