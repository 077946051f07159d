"""`tacit show`: for every method, of finished and unfinished runs, on the run's own data and on others."""

import numpy as np
import pytest
from PIL import Image
from toys import folder_of_shapes, shape

from tacit.cli import run
from tacit.errors import RunError, UsageError
from tacit.looking.showing import show
from tacit.methods import METHODS
from tacit.modalities.image import IMAGE

QUICK = ["--steps", "2", "--batch", "4", "--set", "evaluations=0"]
CLOSED = ["--set", "encoder.filters=16", "--set", "method.iterations=1"]
SMALL = {"patches": CLOSED, "manifold": CLOSED}
DRAWN = [name for name, method in METHODS.items() if not method.needs(method.Config()) - IMAGE.offers]
"""Methods that learn from what can be drawn."""


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return folder_of_shapes(tmp_path_factory.mktemp("shapes") / "shapes")


@pytest.fixture(scope="module")
def finished(shapes, tmp_path_factory):
    """A run of each method, made when it is first asked for."""
    home, runs = tmp_path_factory.mktemp("runs"), {}

    def get(method):
        if method not in runs:
            tokens = METHODS[method].presets["default"].get("encoder") == {"name": "transformer"}
            narrow = [] if tokens or method == "causal-prediction" else ["--set", "encoder.width=12"]
            small = SMALL.get(method, [*QUICK, *narrow])
            runs[method] = home / method
            assert run(["train", str(shapes), "--method", method, *small, "--out", str(runs[method])]) == 0
        return runs[method]

    return get


@pytest.mark.parametrize("method", DRAWN)
def test_every_method_shows_what_it_does(method, finished, tmp_path):
    path = show(str(finished(method)), out=tmp_path / "picture.png", count=3)
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[0] > 3 * 128
    assert pixels.std() > 5, "something is drawn"
    again = show(str(finished(method)), out=tmp_path / "again.png", count=3)
    assert path.read_bytes() == again.read_bytes(), "the same seed, the same picture"
    other = show(str(finished(method)), out=tmp_path / "other.png", count=3, seed=1)
    assert path.read_bytes() != other.read_bytes()


def test_a_run_that_goes_on_shows_its_newest_checkpoint(finished, shapes, tmp_path, capfd):
    words = ["train", str(shapes), "--method", "rotation", *QUICK, "--set", "encoder.width=12"]
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    for name in ("model.safetensors", "README.md"):
        (tmp_path / "run" / "encoder" / name).unlink()
    capfd.readouterr()
    assert run(["show", str(tmp_path / "run"), "--count", "2"]) == 0
    assert capfd.readouterr().out.strip() == str(tmp_path / "run" / "show.png")
    assert (tmp_path / "run" / "show.png").is_file()


@pytest.mark.parametrize("method", ["moco", "colorization"])
def test_other_data_are_shown_and_need_not_be_as_large(method, finished, tmp_path):
    (tmp_path / "few").mkdir()
    for number in range(6):
        shape("ring", number, side=40).save(tmp_path / "few" / f"{number}.png")
    path = show(str(finished(method)), str(tmp_path / "few"), out=tmp_path / "picture.jpg", count=60)
    with Image.open(path) as picture:
        assert picture.format == "JPEG"


def test_what_cannot_be_shown_is_told(finished, shapes, tmp_path):
    done = str(finished("rotation"))
    with pytest.raises(UsageError, match="holds no run"):
        show(str(tmp_path))
    with pytest.raises(UsageError, match=r"\.png"):
        show(done, out=tmp_path / "picture.gif")
    with pytest.raises(UsageError, match="--count 0"):
        show(done, count=0)


def test_data_that_have_gone_are_named(tmp_path, capfd):
    shapes = folder_of_shapes(tmp_path / "shapes", each=5)
    words = ["train", str(shapes), "--method", "rotation", *QUICK, "--set", "encoder.width=12"]
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    shapes.rename(tmp_path / "elsewhere")
    assert run(["show", str(tmp_path / "run")]) == 3
    assert "tacit show RUN DATA" in capfd.readouterr().err
    assert run(["show", str(tmp_path / "run"), str(tmp_path / "elsewhere")]) == 0


def test_a_damaged_checkpoint_is_named(finished, tmp_path):
    import shutil

    copy = shutil.copytree(finished("autoencoder"), tmp_path / "copy")
    for tensors in (copy / "checkpoints").glob("*.safetensors"):
        tensors.write_bytes(b"spoilt")
    with pytest.raises(RunError, match="damaged"):
        show(str(copy))
