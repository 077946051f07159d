import json
from collections.abc import Iterator
from pathlib import Path

import torch
from engine_toys import Blobs, Whitening, settings

from tacit.core import Learner, Progress, View
from tacit.engine import closed
from tacit.engine.runfolder import RunFolder


def test_stages_read_as_many_samples_as_they_want(tmp_path: Path) -> None:
    learner, samples = Whitening(noise=0.0), Blobs(90)
    sizes: list[tuple[int, int]] = []
    absorb = learner.absorb

    def recorded(view: View, stage: int) -> None:
        sizes.append((stage, len(view)))
        absorb(view, stage)

    learner.absorb = recorded  # type: ignore[method-assign]
    looked = []

    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        looked.append(progress.step)
        yield "std", 1.0

    with RunFolder(tmp_path / "run") as folder:
        progress = closed.fit(learner, samples, settings(), folder, evaluators=[evaluate])
    assert sizes == [(0, 32), (0, 32), (0, 16), (1, 32), (1, 32), (1, 26)]
    assert progress == Progress(6, 6)
    assert looked == [3, 6]
    stages = [json.loads(line).get("stage") for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert stages == [None, 0, 0, 0, 1, 1, 1]


def test_sums_over_batches_are_sums_over_the_data() -> None:
    learner, samples = Whitening(noise=0.0), Blobs(80)
    closed.fit(learner, samples, settings())
    x = samples.x.flatten(1).double()
    torch.testing.assert_close(learner.total, x.sum(0))
    torch.testing.assert_close(learner.square / 80, torch.cov(x.T, correction=0))
