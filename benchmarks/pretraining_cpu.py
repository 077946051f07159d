"""How fast the models of texts learn on a CPU, beside what the processor can multiply at all.

    python benchmarks/pretraining_cpu.py --write              the table of docs/text.md, about two minutes
    python benchmarks/pretraining_cpu.py --data reviews.jsonl --sizes base --seconds 60

Protocol: steps as `tacit train` makes them by each method's own recipe (views, forward, backward, optimiser), for
`--seconds` each, twice: A B B A with products of matrices `[tokens of a batch, D] x [D, 4 D]` in the precision of the
steps, the largest that a layer of width D makes. Operations of a step are torch's count of its matrix products and
attention, forward and backward; the bound is the rate of the products divided by the operations a token. No ratio is
printed where two rounds of either differ by more than a quarter.
"""

from __future__ import annotations

import argparse
import time

import torch
from tables import ROOT, markdown, put
from torch.utils.flop_counter import FlopCounterMode

from tacit import interrupt, training
from tacit.core import Method, Progress
from tacit.draws import Draws
from tacit.engine import environment, loop
from tacit.nn.transformer import Transformer
from tacit.settings import RunConfig

METHODS = ("masked-prediction", "causal-prediction", "electra", "denoising-seq2seq")
DIFFERENT = 1.25


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default="imdb")
    arguments.add_argument("--methods", nargs="*", default=METHODS)
    arguments.add_argument("--sizes", nargs="*", default=["tiny", "mini"])
    arguments.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    with interrupt.listening():
        rows = [row(given.data, method, size, given.seconds) for method in given.methods for size in given.sizes]
    text = markdown(["method", "encoder", "tokens a second", "bound", "share", "operations a token"], rows)
    print(text, f"{torch.get_num_threads()} threads, torch {torch.__version__}", sep="\n")
    if given.write:
        put("pretraining_cpu", text, ROOT / "docs" / "text.md")


def row(data: str, method: str, size: str, seconds: float) -> list[str]:
    """A line of the table."""
    settings = {"data": data, "method": {"name": method}, "encoder": {"name": "transformer", "size": size}}
    config = training.configure([settings])
    dataset, _ = training.open_data(config)
    samples = dataset.part("train")
    learner = training.make_learner(config, samples)
    assert isinstance(learner, Method)
    assert isinstance(learner.encoder, Transformer)
    augment = config.kind.augment(config.modality)
    batch = min(config.batch or config.usual_batch, len(samples))
    chosen = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))[:batch]
    plain = samples.view(chosen)
    views = [augment[kind](plain, Draws.of(0, 0, chosen, number)) for number, kind in enumerate(learner.views)]
    tokens = sum(int((view.x > 0).sum()) for view in views)
    counter = FlopCounterMode(display=False)
    with counter:
        learner(views, Progress(1, 2)).loss.mean().backward()
    each = counter.get_total_flops() / tokens
    learner.zero_grad(set_to_none=True)

    def steps() -> float:
        return tokens / loop.trial(learner, samples, augment, config, seconds=seconds).step

    def products() -> float:
        return multiplied(tokens, learner.encoder.dim, config, seconds) / each

    rates = [products(), steps(), steps(), products()]
    bound, reached = (rates[0] + rates[3]) / 2, (rates[1] + rates[2]) / 2
    steady = max(rates[0] / rates[3], rates[3] / rates[0], rates[1] / rates[2], rates[2] / rates[1]) < DIFFERENT
    share = f"{reached / bound:.0%}" if steady else "not steady"
    return [f"`{method}`", f"{size}, batch {batch}", f"{reached:,.0f}", f"{bound:,.0f}", share, f"{each / 1e6:.1f} M"]


def multiplied(rows: int, width: int, config: RunConfig, seconds: float) -> float:
    """Operations a second of `[rows, width] x [width, 4 width]`, in the precision that the steps have."""
    half = config.precision != "fp32" and environment.computes_bf16(torch.device("cpu"))
    a, b = torch.randn(rows, width), torch.randn(width, 4 * width)
    a, b = (a.bfloat16(), b.bfloat16()) if half else (a, b)
    for _ in range(3):
        a @ b
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds / 3:
        a @ b
        done += 1
    return done * 2 * rows * width * 4 * width / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
