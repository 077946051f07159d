import torch

from tacit.evaluation.bench import evaluate
from tacit.evaluation.setup import Bench, PredictedRow, Row
from tacit.evaluation.tasks import Measurement
from tacit.proving.floors import Floors

FOUND = {
    ("knn", "k=20"): Measurement("k=20", 0.75, torch.tensor([[1.0, 0, 1, 1]]), {"k": 20}),
    ("health", "rankme"): Measurement("rankme", 3.5, None, {"rows": 4}),
}


def test_what_was_kept_is_recalled_whole(tmp_path):
    floors = Floors(tmp_path)
    assert floors.recall({"row": 1}) is None
    floors.keep({"row": 1}, FOUND)
    again = floors.recall({"row": 1})
    assert list(again) == list(FOUND)
    for key, measured in FOUND.items():
        assert again[key].value == measured.value
        assert again[key].protocol == measured.protocol
        if measured.correct is None:
            assert again[key].correct is None
        else:
            assert torch.equal(again[key].correct, measured.correct)
    assert floors.recall({"row": 2}) is None


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    Floors(tmp_path / "file" / "floors").keep({"row": 1}, FOUND)


class Points:
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def test_floors_are_measured_once_and_the_encoder_every_time(tmp_path):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat(20)
    asked = []

    def features(name):
        def compute(samples):
            asked.append(name)
            return torch.randn(len(samples), 8, generator=generator) + labels[: len(samples), None]

        return compute

    bench = Bench(
        train=Points(60), train_labels=labels, test=Points(30), test_labels=labels[:30], classes=["a", "b", "c"]
    )

    def predictions(_):
        asked.append("classifier")
        return {("knn", "k=20"): torch.zeros(1, 30, dtype=torch.long)}

    def left_out(_):
        asked.append("left out")
        return {}

    rows = [
        Row("mine", "encoder", features("mine")),
        Row("raw", "raw", features("raw"), identity={"kind": "raw"}),
        Row("untrained", "untrained", features("untrained")),
        PredictedRow("classifier", "raw", predictions, identity={"kind": "classifier"}),
        PredictedRow("left out", "raw", left_out, identity={"kind": "what is not installed"}),
    ]
    first = evaluate(bench, rows, ["knn"], Floors(tmp_path))
    count = asked.count("raw")
    second = evaluate(bench, rows, ["knn"], Floors(tmp_path))
    assert asked.count("raw") == count > 0
    assert asked.count("mine") == 2 * count
    assert asked.count("classifier") == 1
    assert asked.count("left out") == 2, "it may be there next time, and why it is not is said again"
    assert first.find("classifier", "knn", "k=20") == second.find("classifier", "knn", "k=20")
    assert first.find("raw", "knn", "k=20") == second.find("raw", "knn", "k=20")
    both = evaluate(bench, rows, ["linear", "knn"], Floors(tmp_path))
    again = evaluate(bench, rows, ["knn", "linear"], Floors(tmp_path))
    assert asked.count("raw") == 2 * count, "by another task alone"
    assert both.find("raw", "knn", "k=20") == again.find("raw", "knn", "k=20") == first.find("raw", "knn", "k=20")
    assert both.find("raw", "linear", "all") == again.find("raw", "linear", "all") is not None
    assert asked.count("classifier") == 3, "whose predictions may depend on all that is asked"
