"""Published weights: they give the very features of the network that they are from, or are refused with the reason."""

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from toys import folder_of_shapes

from tacit.cli import run
from tacit.core import View
from tacit.encoder import load
from tacit.errors import RunError, UsageError
from tacit.initial.weights import fill, is_published
from tacit.nn.convnet import ConvNet, ResNet18, Timm
from tacit.nn.standardise import IMAGENET

SIDE = 72


def view(channels=3, side=SIDE):
    return View(torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1)))


def net(maker):
    """A network whose norms have seen some data, as trained ones have: otherwise its features are all zero."""
    torch.manual_seed(0)
    made = maker().train()
    with torch.no_grad():
        for _ in range(10):
            made(torch.rand(8, 3, SIDE, SIDE))
    return made.eval()


@pytest.fixture(scope="module")
def resnet():
    return net(torchvision.models.resnet18)


@pytest.fixture
def file(tmp_path, resnet):
    torch.save(resnet.state_dict(), tmp_path / "resnet18-f37072fd.pth")
    return tmp_path / "resnet18-f37072fd.pth"


def ours(channels=3, side=SIDE):
    return ResNet18(ResNet18.Config(), view(channels, side)).eval()


def theirs(resnet, x):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    body = torch.nn.Sequential(*list(resnet.children())[:-1])
    return body((x - mean) / std).flatten(1)


@torch.no_grad()
def test_the_features_are_those_of_the_network_that_the_weights_are_from(file, resnet):
    encoder = ours()
    report = fill(encoder, file)
    found = encoder(view()).pooled
    assert (found > 0.01).float().mean() > 0.5, "the test can fail"
    torch.testing.assert_close(found, theirs(resnet, view().x), rtol=1e-4, atol=1e-5)
    assert report.loaded == report.wanted == 100
    assert report.left == ("fc.weight", "fc.bias")
    assert "left in the file: fc.weight, fc.bias" in report.in_words(file)


@torch.no_grad()
def test_a_grey_image_gives_the_features_of_the_same_image_in_colour(file, resnet):
    """Their filters are summed; the statistics are the colours' mean, so the two are nearly equal."""
    encoder = ours(channels=1)
    report = fill(encoder, file)
    assert report.adapted == ("conv1.weight",)
    grey = view(1)
    found, expected = encoder(grey).pooled, theirs(resnet, grey.x.expand(-1, 3, -1, -1))
    assert torch.cosine_similarity(found, expected).min() > 0.95


@torch.no_grad()
def test_more_channels_repeat_the_colours_and_keep_the_size_of_the_response(file):
    six, three = ours(channels=6), ours()
    for encoder in (six, three):
        fill(encoder, file)
    doubled = View(view().x.repeat(1, 2, 1, 1))
    torch.testing.assert_close(six(doubled).pooled, three(view()).pooled, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_names_behind_prefixes_and_in_nested_parts_are_found(tmp_path, resnet):
    nested = {"state_dict": {f"module.backbone.{n}": v for n, v in resnet.state_dict().items()}, "epoch": 3}
    torch.save(nested, tmp_path / "ddp.pt")
    encoder = ours()
    fill(encoder, tmp_path / "ddp.pt")
    torch.testing.assert_close(encoder(view()).pooled, theirs(resnet, view().x), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_any_model_of_timm_takes_its_own_weights_and_statistics(tmp_path):
    published = net(lambda: timm.create_model("resnet10t"))
    save_file(published.state_dict(), tmp_path / "r.safetensors")
    encoder = Timm(Timm.Config(model="resnet10t"), view()).eval()
    fill(encoder, tmp_path / "r.safetensors")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    expected = published.forward_head(published.forward_features((view().x - mean) / std), pre_logits=True)
    torch.testing.assert_close(encoder(view()).pooled, expected, rtol=1e-4, atol=1e-5)


def test_positions_of_a_transformer_are_interpolated_to_another_size(tmp_path):
    name = "vit_tiny_patch16_224"
    published = timm.create_model(name)
    with torch.no_grad():  # a ramp stays a ramp, and the class token stays as it is
        grid = torch.linspace(0, 1, 14).view(1, 14, 1, 1).expand(1, 14, 14, 192).flatten(1, 2)
        published.pos_embed.copy_(torch.cat([torch.full((1, 1, 192), 5.0), grid], 1))
    save_file(published.state_dict(), tmp_path / "vit.safetensors")
    encoder = Timm(Timm.Config(model=name), view(side=96))
    report = fill(encoder, tmp_path / "vit.safetensors")
    assert report.adapted == ("pos_embed",)
    assert torch.equal(encoder.body.pos_embed[0, 0], torch.full((192,), 5.0))
    rows = encoder.body.pos_embed[0, 1:].detach().view(6, 6, 192)
    assert (rows.std(1) < 1e-4).all()
    assert (rows[:, 0, 0].diff() > 0.1).all()
    torch.testing.assert_close(encoder.standardise.mean.flatten(), torch.full((3,), 0.5))


def test_what_does_not_fit_is_refused_with_the_model_that_does(tmp_path, file):
    with pytest.raises(UsageError, match=r"conv1.weight \[64, 3, 7, 7\] there, \[64, 3, 3, 3\] here.*modality.size=96"):
        fill(ours(side=32), file)
    with pytest.raises(UsageError, match=r"It fits timm's resnet18: --encoder resnet18"):
        fill(Timm(Timm.Config(model="resnet10t"), view()), file)
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "resnet34-b627a593.pth")
    with pytest.raises(UsageError, match=r"80 more tensors .* It fits timm's resnet34"):
        fill(ours(), tmp_path / "resnet34-b627a593.pth")
    with pytest.raises(UsageError, match="ConvNet is tacit's own design"):
        fill(ConvNet(ConvNet.Config(), view()), file)
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="holds 1 tensors, such as a"):
        fill(ours(), tmp_path / "other.pth")


class Harmful:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_nothing_is_unpickled(tmp_path, capfd):
    torch.save({"w": torch.ones(1), "x": Harmful()}, tmp_path / "evil.pth")
    with pytest.raises(UsageError, match="unpickling runs whatever code"):
        fill(ours(), tmp_path / "evil.pth")
    assert "unpickled" not in capfd.readouterr().out
    for name in ("bad.pth", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"hello, I am no weights at all")
        with pytest.raises((RunError, UsageError), match="bad"):
            fill(ours(), tmp_path / name)


def test_files_of_tacit_and_of_others_are_told_apart(tmp_path, file):
    assert is_published(file)
    assert not is_published(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert is_published(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"architecture": "resnet50"}')
    assert is_published(tmp_path / "model.safetensors"), "a download with timm's own config.json"
    (tmp_path / "config.json").write_text('{"layout": {}}')
    assert not is_published(tmp_path / "model.safetensors")


def test_a_run_from_published_weights_takes_a_lower_rate_and_reports_drift(file, tmp_path, capfd):
    data = str(folder_of_shapes(tmp_path / "shapes", 8))
    words = ["train", data, "--encoder", "resnet18", "--init-from", str(file), "--set", f"modality.size={SIDE}"]
    out = tmp_path / "run"
    words += ["--steps", "1", "--batch", "4", "--set", "evaluations=0", "--set", "method.local=0", "--out", str(out)]
    assert run(words) == 0
    said = capfd.readouterr().err
    assert said.count("the learning rate is 0.0006, a fifth of the recipe's 0.003") == 1
    assert "100 of the encoder's 100 tensors" in said
    assert "drift: features have" in said
    assert "lr: 0.0006" in (out / "config.yaml").read_text()
    assert load(out).spec.training["init_from"] == str(file)
    assert run([*words, "--resume"]) == 0
    assert run(["train", "--config", str(out / "config.yaml"), "--out", str(tmp_path / "again"), "--lr", "0.1"]) == 0
    assert "lr: 0.1" in (tmp_path / "again" / "config.yaml").read_text()
