"""The examination of layers: which rows there are, what is stored with them, and what the verdict compares."""

import json

import pytest
import torch
from sounds import folder_of_tones

from tacit.cli import run
from tacit.core import View
from tacit.encoder import load
from tacit.errors import UsageError
from tacit.evaluation.linear import GRID
from tacit.evaluation.setup import Bench
from tacit.nn.transformer import Transformer
from tacit.proving.exams import judge
from tacit.proving.layers import Row, judged, pooled_layers
from tacit.proving.outcome import gate, write
from tacit.report.table import markdown


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("layers")
    data = folder_of_tones(home / "tones", each=20)
    words = ["--method", "masked-prediction", "--steps", "2", "--batch", "8"]
    assert run(["train", str(data), *words, "--out", str(home / "run")]) == 0
    return load(home / "run"), data


def test_each_layer_and_their_sum_are_judged_beside_untrained_ones(trained, tmp_path):
    encoder, data = trained
    proof = judge(encoder, str(data), tasks=("layers",))
    found = proof.evaluation
    metrics = ["weighted sum", "layer 0", "layer 1", "layer 2"]
    for row in ("masked-prediction", "untrained", "majority"):
        assert [result.metric for result in found.results if result.row == row] == metrics
    for result in found.results:
        assert result.low <= result.value <= result.high
    own = found.find("masked-prediction", "layers", "weighted sum")
    assert sum(own.protocol["weights"]) == pytest.approx(1, abs=1e-3)
    assert own.protocol["grid"] == list(GRID)
    assert set(own.protocol["C"]) == set(metrics)
    assert set(own.protocol["C"].values()) <= set(GRID)
    assert "drawn by class, then refitted" in own.protocol["tuned_on"]
    others = found.find("untrained", "layers", "weighted sum").protocol
    assert len(others["members"]) == 3
    assert all(sum(member["weights"]) == pytest.approx(1, abs=1e-3) for member in others["member_protocols"])
    assert "all labels and a weighted sum of layers pre-training reaches" in found.verdict.sentence
    assert "Its weights from layer 0 on: " in found.verdict.sentence
    gate(found, {"layers": 0.5, "layers.layer 2": 0.5})
    (path,) = write(proof, tmp_path)
    assert path.name == "layers.json"
    assert json.loads(path.read_text())["results"][0]["protocol"]["weights"] == own.protocol["weights"]
    assert markdown(found).splitlines()[0] == "|  | weighted sum | layer 0 | layer 1 | layer 2 |"


def test_a_layer_is_the_mean_of_its_valid_tokens():
    generator = torch.Generator().manual_seed(0)
    view = View(torch.randn(3, 9, 5, generator=generator), torch.arange(9) < torch.tensor([[9], [4], [7]]))
    torch.manual_seed(0)
    network = Transformer(Transformer.Config(patch=2), view).eval()
    found = pooled_layers(network, view)
    assert found.shape == (3, 3, 128)
    tokens = network.cut(view)
    for row, count in enumerate([5, 2, 4]):
        assert torch.allclose(found[row, 0], tokens.x[row, :count].mean(0), atol=1e-5)
        assert torch.allclose(found[row, 1], network.layers(tokens)[0][row, :count].mean(0), atol=1e-5)
    assert torch.allclose(found[:, 2], network(view).pooled, atol=1e-5)


def bench_of(labels):
    parts = torch.split(labels, len(labels) // 2)
    return Bench(train=parts[0], train_labels=parts[0], test=parts[1], test_labels=parts[1], classes=["a", "b"])


def made_up(telling, seed):
    """Features of three layers, in which one may say the label, however noisy; labels stand for samples."""

    def features(labels):
        generator = torch.Generator().manual_seed(seed + int(labels[:64].sum()))
        x = torch.randn(len(labels), 3, 6, generator=generator)
        if telling is not None:
            x[:, telling, 0] += 3 * labels
        return x

    return features


def test_the_verdict_compares_the_sums():
    bench = bench_of(torch.randint(2, (800,), generator=torch.Generator().manual_seed(0)))
    floors = [Row("untrained", "untrained", made_up(None, 10 * seed)) for seed in (1, 2, 3)]
    good = judged(bench, [Row("mine", "encoder", made_up(0, 0)), *floors])
    assert good.verdict.helped
    assert good.find("mine", "layers", "weighted sum").protocol["weights"][0] > 0.9
    assert good.find("mine", "layers", "layer 2").value < 0.6  # the last layer, which all else is judged by
    assert "The last layer alone reaches ." in good.verdict.sentence
    equal = [Row("untrained", "untrained", made_up(1, 10 * seed)) for seed in (1, 2, 3)]
    assert not judged(bench, [Row("mine", "encoder", made_up(0, 0)), *equal]).verdict.helped


def test_chance_that_guesses_the_commoner_class_is_a_floor():
    labels = (torch.rand(800, generator=torch.Generator().manual_seed(0)) < 0.2).long()
    floors = [Row("untrained", "untrained", made_up(None, 10 * seed)) for seed in (1, 2, 3)]
    found = judged(bench_of(labels), [Row("mine", "encoder", made_up(None, 0)), *floors])
    assert "majority" in found.verdict.sentence
    assert not found.verdict.helped


def test_an_encoder_without_layers_and_other_tasks_beside_it_are_refused(trained, tmp_path):
    encoder, data = trained
    run(
        ["train", str(data), "--steps", "1", "--batch", "8", "--set", "encoder.width=8", "--out", str(tmp_path / "run")]
    )
    with pytest.raises(UsageError, match=r"which tdnn has not.*--encoder transformer"):
        judge(load(tmp_path / "run"), str(data), tasks=("layers",))
    with pytest.raises(UsageError, match="ask for it alone"):
        judge(encoder, str(data), tasks=("layers", "knn"))
