"""Does pre-training help to understand speech? `tacit evaluate --task recognise`: one recogniser, several starts."""

from __future__ import annotations

from collections.abc import Sequence

from tacit import interrupt
from tacit.encoder import TrainedEncoder
from tacit.heads.ctc import Ctc
from tacit.proving.outcome import Proof
from tacit.proving.starts import Floor, blind, four, judged
from tacit.proving.trial import Effort, parts_of, trial_of

TASK = "recognise"
METRICS = ("CER", "WER")
EFFORT = Effort(steps={50: 900, 100: 1200}, steps_all=3000, draws=2, batch=8, draws_all=1)


def recognise(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    effort: Effort = EFFORT,
) -> Proof:
    """Judge `encoder` by what it is worth to a recogniser of what is said in `data`, beside its floors.

    The same recurrent network on tokens is trained on `totals` of the transcripts in the training part (50, 100 and
    all), with the same steps and draws, from the pre-trained encoder and from random weights, each learning as a whole
    and standing still under the network; a floor that listens to nothing says the commonest transcript. Error rates of
    letters and of words in the test part are means over the draws, with intervals over draws and recordings. Raises
    `DataError` where there are no transcripts to learn from or to judge by, and `UsageError` for an encoder without
    tokens.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        parts = parts_of(encoder, dataset, TASK, what="a transcript", max_bad=max_bad)
        trial = trial_of(encoder, dataset, TASK, parts, effort, METRICS, seed=seed, totals=totals, draws=draws)
        floors = [Floor(Ctc.floor, "majority", blind)]
        return Proof(judged(trial, four(trial), floors), dataset, encoder, "recognition")
