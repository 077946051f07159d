"""The artefact in use: one result by every way in, and at home in scikit-learn."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from toys import SHAPES, folder_of_shapes, shape

import tacit
from tacit.cli import run
from tacit.errors import DataError


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return folder_of_shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    settings = {"budget": {"steps": 5}, "batch": 16, "encoder": {"width": 12}}
    return tacit.train(shapes, tmp_path_factory.mktemp("runs") / "run", settings=settings)


def test_paths_arrays_bytes_and_data_give_the_same_vectors(trained, shapes):
    files = sorted(shapes.rglob("*.png"))
    expected = trained.embed(shapes)
    assert expected.shape == (60, trained.dim)
    assert expected.dtype == np.float32
    arrays = np.stack([np.asarray(Image.open(path)) for path in files])
    for given in (files, [str(path) for path in files], [path.read_bytes() for path in files], arrays, list(arrays)):
        assert np.allclose(trained.embed(given), expected, atol=2e-2)  # bf16 rounds by batch


def test_the_size_of_the_batch_changes_nothing(trained, shapes):
    assert np.allclose(trained.embed(shapes, batch=7), trained.embed(shapes), atol=2e-2)


def test_nothing_gives_no_vectors(trained):
    assert trained.embed([]).shape == (0, trained.dim)


def test_an_unreadable_sample_is_named(trained):
    with pytest.raises(DataError, match="sample 1 cannot be read"):
        trained.embed([np.zeros((16, 16, 3), np.uint8), b"text"])


def test_save_and_load_keep_every_bit(trained, shapes, tmp_path):
    trained.save(tmp_path / "copy")
    again = tacit.load(tmp_path / "copy")
    assert (again.embed(shapes) == trained.embed(shapes)).all()
    assert again.spec.training["method"] == "simclr"
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_vectors_are_streamed_to_parquet_with_names_labels_and_parts(trained, shapes, tmp_path):
    out = tmp_path / "deep" / "v.parquet"
    assert run(["embed", str(trained.path), str(shapes), "--out", str(out), "--batch", "16"]) == 0
    table = pq.read_table(out)
    assert table.column_names == ["name", "label", "part", "vector"]
    assert table.num_rows == 60
    assert set(table["label"].to_pylist()) == set(SHAPES)
    assert set(table["part"].to_pylist()) == {"train", "test"}
    assert all(name.endswith(".png") for name in table["name"].to_pylist())
    vectors = np.array(table["vector"].to_pylist(), dtype=np.float32)
    assert np.allclose(vectors, trained.embed(shapes), atol=2e-2)


def test_vectors_are_streamed_to_npy_with_the_names_beside(trained, shapes, tmp_path):
    assert run(["embed", str(trained.path), str(shapes), "--out", str(tmp_path / "v.npy")]) == 0
    vectors = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert vectors.shape == (60, trained.dim)
    assert len((tmp_path / "v.txt").read_text().splitlines()) == 60
    assert not list(tmp_path.glob(".*"))


def labelled():
    x = np.stack([np.asarray(shape(kind, 5000 + seed)) for seed in range(12) for kind in SHAPES])
    return x, np.array(list(SHAPES) * 12)


def test_the_encoder_is_at_home_in_scikit_learn(trained):
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    x, y = labelled()
    transformer = tacit.EncoderTransformer(str(trained.path), batch=10)
    assert clone(transformer).get_params() == transformer.get_params()
    pipeline = make_pipeline(transformer, LogisticRegression(max_iter=500))
    scores = cross_val_score(pipeline, x, y, cv=3)
    assert scores.shape == (3,)
    assert scores.mean() > 0.4
    frame = clone(transformer).set_output(transform="pandas").fit(x).transform(x)
    assert list(frame.columns) == [f"tacit{number}" for number in range(trained.dim)]
    assert len(frame) == len(x)


def test_a_transformer_that_was_not_fitted_says_so(trained):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        tacit.EncoderTransformer(str(trained.path)).transform([])


def test_pictures_of_other_modes_and_sizes_are_read_as_in_training(trained):
    buffer = io.BytesIO()
    shape("disc", 1, side=40).convert("CMYK").save(buffer, "TIFF")
    assert trained.embed([buffer.getvalue()]).shape == (1, trained.dim)
