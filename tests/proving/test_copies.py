"""Copy detection: what must come out for readers whose answers are known, and the examination as a whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from tacit.cli import run
from tacit.data.dataset import open_dataset
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.modalities import MODALITIES
from tacit.proving import copies as exam
from tacit.proving.copies import MICRO, RECALL, Row, _hunt, _measured, copies

IMAGE = MODALITIES["image"]
RESAMPLES = 20


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Sixty pictures of noise in large cells: strangers to each other, and near to their copies."""
    cells = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("noise") / "noise.npy"
    np.save(path, cells.repeat(4, axis=1).repeat(4, axis=2))
    return path


@pytest.fixture(scope="module")
def encoder(noise, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    words = ["train", str(noise), "--steps", "2", "--batch", "4", "--set", "encoder.width=12", "--out", str(out)]
    assert run(words) == 0
    return out


def hunted(path, **ways):
    modality = replace(IMAGE, copies=ways) if ways else IMAGE
    return _hunt(open_dataset(str(path), modality, modality.config()), seed=0)


def measure(hunt, read, centre=True):
    weights = torch.ones(1 + RESAMPLES, hunt.units, dtype=torch.float64)
    row = Row("row", "raw", lambda _: read, centre=centre)
    return {one.metric: one for one in _measured(hunt, row, weights, {})}


def flat(view):
    return view.x.flatten(1)


def test_originals_lead_the_references_and_strangers_are_not_among_them(noise):
    hunt = hunted(noise)
    references = hunt.references.source_rows.tolist()
    assert references[: len(hunt.originals)] == hunt.originals.source_rows.tolist()
    assert len(set(references)) == len(references)
    assert not set(references) & set(hunt.strangers.source_rows.tolist())
    assert hunt.units == len(hunt.originals) + len(hunt.strangers)


def test_copies_that_are_no_different_are_all_found_and_strangers_cost_nothing(noise):
    found = measure(hunted(noise, same=lambda view, draws: view), flat)
    assert found[RECALL].values.item() == pytest.approx(1)
    assert found[MICRO].values.item() == pytest.approx(1)
    assert set(found) == {MICRO, RECALL, f"{RECALL}, same"}


def test_a_reader_that_sees_nothing_finds_nothing(noise):
    hunt = hunted(noise)
    found = measure(hunt, lambda view: torch.ones(len(view), 4))
    assert found[MICRO].values.item() < 0.1
    assert found[RECALL].values.item() <= 1 / len(hunt.originals) + 1e-9


def test_micro_ap_is_scikit_learns_over_all_guesses(noise):
    hunt = hunted(noise, flip=IMAGE.copies["flip"], noise=IMAGE.copies["noise"])
    found = measure(hunt, flat)
    gallery = torch.stack([flat(hunt.references.view(torch.tensor([row])))[0] for row in range(len(hunt.references))])
    mean = gallery.mean(0)
    gallery = torch.nn.functional.normalize(gallery - mean, dim=1)
    scores, hits, right = [], [], 0
    for number, way in enumerate(hunt.references.modality.copies.values()):
        for part, samples in enumerate((hunt.originals, hunt.strangers)):
            for row in range(len(samples)):
                source = torch.tensor([int(samples.source_rows[row])])
                query = flat(way(samples.view(torch.tensor([row])), exam.Draws.of(0, 0, source, number)))
                cosine = torch.nn.functional.normalize(query - mean, dim=1)[0] @ gallery.T
                near = cosine.topk(exam.GUESSES)
                scores += near.values.tolist()
                hits += [part == 0 and guess == row for guess in near.indices.tolist()]
                right += part == 0 and near.indices[0].item() == row
    wanted = 2 * len(hunt.originals)
    expected = average_precision_score(hits, scores) * sum(hits) / wanted
    assert found[MICRO].values.item() == pytest.approx(expected, abs=1e-6)
    assert found[RECALL].values.item() == pytest.approx(right / wanted)


def test_the_examination_has_all_rows_with_intervals_and_a_verdict_and_repeats(noise, encoder, tmp_path, capsys):
    proof = copies(load(encoder), str(noise))
    rows = {result.row: result.kind for result in proof.evaluation.results}
    assert rows == {"simclr": "encoder", "untrained": "untrained", "raw pixels": "raw", "perceptual hash": "raw"}
    for result in proof.evaluation.results:
        assert result.low is not None
        assert result.high is not None
        assert 0 <= result.low <= result.high <= 1
        assert result.low <= result.value <= result.high
    names = {result.metric for result in proof.evaluation.results}
    assert names == {MICRO, RECALL, *(f"{RECALL}, {way}" for way in IMAGE.copies)}
    assert proof.evaluation.verdict is not None
    assert "distorted copies among" in proof.evaluation.verdict.sentence
    assert run(["evaluate", str(encoder), str(noise), "--task", "copies", "--out", str(tmp_path)]) == 0
    assert "perceptual" in capsys.readouterr().out
    again = copies(load(encoder), str(noise))
    assert again.to_json() == proof.to_json()
    assert (tmp_path / "copies.json").is_file()


def test_too_few_samples_and_data_without_copies_are_refused(encoder, tmp_path):
    np.save(tmp_path / "few.npy", np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="copy detection needs"):
        copies(load(encoder), str(tmp_path / "few.npy"))
    loaded = load(encoder)
    loaded.modality = replace(IMAGE, copies={})
    with pytest.raises(UsageError, match="how images are copied"):
        copies(loaded, str(tmp_path / "few.npy"))
