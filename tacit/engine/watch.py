"""The health of a run in words: a function of the lines that the run logs.

Thresholds are set so that healthy runs raise nothing: each of them is far outside of what working recipes show, and
what is about the representation is measured against the same network before training.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median

from tacit.engine.settings import Optimiser

SAME = 1e-4
"""Standard deviation of features below which all samples look the same."""
VANISHED = 0.05
"""Share of the untrained standard deviation below which the representation has collapsed."""
FEW_CODES = 2.0
"""Perplexity of codes below which nearly all are the same: telling them apart teaches nothing."""
LINE = 1.2
"""Effective rank below which features lie on a line."""
GROWN = 10.0
"""How many times larger weights may become in the first `SOON` steps."""
SOON = 200
GLUED = 0.01
"""Relative distance to the value that means "nothing learnt" within which a loss has not moved."""
PATIENCE = 150
"""Steps during which a loss may stay where it is."""
SPREAD = -3.0
"""Uniformity of untrained features below which they point in all directions, and learning means drawing together."""
RISEN, TURNED = 0.1, 0.02
"""How far uniformity must have risen above the start, and fallen again from its highest value. Contrasting halves of
film reviews, five runs: with 50 labels per class the best step was at its highest value in each, and 6 points were
lost behind it. Images start at -.2 to -.4 and get more uniform all the time they improve: nothing is said of them."""
AWAKE = 0.4
"""Share of the full learning rate that those steps must have had on average: a warm-up moves little."""


@dataclass(frozen=True)
class Alarm:
    """Something is wrong: what, with numbers, and the setting to change."""

    name: str
    text: str
    fatal: bool = False
    """Whether going on is pointless."""
    ends: bool = False
    """Whether the run ends here, with what it has learnt."""


class Watch:
    """Reads a run's records in order. Each alarm is raised once."""

    def __init__(self, optimiser: Optimiser, *, contrasts: bool = False) -> None:
        """`contrasts`: whether the learner does, as `Method.contrasts` says."""
        self._optimiser, self._contrasts = optimiser, contrasts
        self._raised: set[str] = set()
        self._start: Mapping[str, float] = {}
        self._window: deque[Mapping[str, float]] = deque()
        self._highest = (-math.inf, 0.0)

    def see(self, record: Mapping[str, float]) -> list[Alarm]:
        """The alarms that `record` gives reason for.

        It has `step` (steps done); where known `loss`, `nothing_learnt`, `lr`, `code_perplexity`; the evaluators'
        `std`, effective `rank` and `uniformity` of features; `weights`, their norm; and at step 0 `distinct`, the share
        of samples that differ from the first.
        """
        rules = (
            self._not_finite,
            self._constant,
            self._grown,
            self._collapsed,
            self._same_codes,
            self._stuck,
            self._turned,
        )
        alarms = [rule(record) for rule in rules]
        new = [alarm for alarm in alarms if alarm is not None and alarm.name not in self._raised]
        self._raised |= {alarm.name for alarm in new}
        if record["step"] == 0:
            self._start = record
        return new

    def _not_finite(self, record: Mapping[str, float]) -> Alarm | None:
        if "loss" not in record or math.isfinite(record["loss"]):
            return None
        clip = "" if self._optimiser.clip is not None else ", set optimiser.clip to 1"
        advice = f"lower optimiser.lr (it is {self._optimiser.lr:g}), lengthen optimiser.warmup{clip}"
        return Alarm(
            "not-finite",
            f"the loss is {record['loss']} at step {record['step']:.0f}: {advice}, "
            "or raise the method's temperature if it has one",
            fatal=True,
        )

    def _constant(self, record: Mapping[str, float]) -> Alarm | None:
        spread, distinct = record.get("std", 1.0), record.get("distinct", 1.0)
        if record["step"] > 0 or (spread > SAME and distinct > 0):
            return None
        seen = "are equal" if distinct == 0 else f"give features with a standard deviation of {spread:.1e}"
        return Alarm(
            "constant-input",
            f"all samples look the same (those of the first batch {seen}), and there is nothing to learn: "
            "look at the data, and at the settings by which they are read",
        )

    def _grown(self, record: Mapping[str, float]) -> Alarm | None:
        growth = record.get("weights", 0.0) / (self._start.get("weights") or math.inf)
        if record["step"] > SOON or growth < GROWN:
            return None
        return Alarm(
            "weights-explode",
            f"weights have become {growth:.0f} times larger in {record['step']:.0f} steps, drowning what they knew: "
            f"lower optimiser.lr (it is {self._optimiser.lr:g})",
        )

    def _collapsed(self, record: Mapping[str, float]) -> Alarm | None:
        if "std" not in record or self._start.get("std", 0.0) <= SAME or "constant-input" in self._raised:
            return None
        spread, before = record["std"], self._start["std"]
        rank, rank_before = record.get("rank", math.inf), self._start.get("rank", math.inf)
        flat = math.isnan(spread) or spread < VANISHED * before
        thin = math.isnan(rank) or (rank < LINE and rank_before > 2 * LINE)
        if not flat and not thin:
            return None
        ranks = f", effective rank {rank:.3g} (untrained {rank_before:.3g})" if "rank" in record else ""
        return Alarm(
            "collapse",
            f"the representation has collapsed at step {record['step']:.0f}: standard deviation of features "
            f"{spread:.2g} (untrained {before:.2g}){ranks}. Lower optimiser.lr (it is {self._optimiser.lr:g}); if that "
            "does not help, change the method's temperature or raise batch",
        )

    def _same_codes(self, record: Mapping[str, float]) -> Alarm | None:
        if record.get("code_perplexity", math.inf) >= FEW_CODES or record["step"] == 0:
            return None
        return Alarm(
            "dead-codebook",
            f"nearly all codes are one at step {record['step']:.0f} (perplexity {record['code_perplexity']:.2g}), and "
            "predicting them teaches nothing: change method.codes, or look at whether the data vary",
        )

    def _stuck(self, record: Mapping[str, float]) -> Alarm | None:
        if record.get("nothing_learnt", 0.0) <= 0 or "constant-input" in self._raised:
            return None
        window = self._window
        window.append(record)
        while record["step"] - window[1 if len(window) > 1 else 0]["step"] >= PATIENCE:
            window.popleft()
        steps = record["step"] - window[0]["step"]
        if steps < PATIENCE or fmean(line["lr"] for line in window) < AWAKE * self._optimiser.lr:
            return None
        losses = [line["loss"] / line["nothing_learnt"] for line in window]
        half, fifth = len(losses) // 2, max(1, len(losses) // 5)
        early, late, last = median(losses[:half]), median(losses[half:]), median(losses[-fifth:])
        # a loss may start far above, as long as it closes half the gap on the way
        if min(early, late, last) < 1 - GLUED or late - (1 - GLUED) < (early - (1 - GLUED)) / 2:
            return None
        step, nothing = record["step"], record["nothing_learnt"]
        return Alarm(
            "nothing-learnt",
            f"after {step:.0f} steps the loss is {late * nothing:.4g}, where {nothing:.4g} means nothing learnt; "
            f"it has not fallen for {steps:.0f} steps. Change the method's temperature if it has one, optimiser.lr "
            f"(it is {self._optimiser.lr:g}), or batch",
        )

    def _turned(self, record: Mapping[str, float]) -> Alarm | None:
        value, start = record.get("uniformity"), self._start.get("uniformity", 0.0)
        if not self._contrasts or value is None or start > SPREAD:
            return None
        self._highest = max(self._highest, (value, record["step"]))
        highest, step = self._highest
        if highest < start + RISEN or value > highest - TURNED:
            return None
        return Alarm(
            "turned",
            f"uniformity rose from {start:.2f} to {highest:.2f} until step {step:.0f} and has fallen to {value:.2f} "
            "since: what samples have in common is learnt, and now each is told from all others at its cost. The run "
            f"ends here; one with --steps {step:.0f}, whose learning rate falls to 0 by then, ends better",
            ends=True,
        )


def in_words(record: Mapping[str, float], start: Mapping[str, float]) -> str:
    """The health of a representation as one line, beside its untrained start where that is known."""

    def value(name: str) -> str:
        before = f" (untrained {start[name]:.3g})" if name in start else ""
        return f"{record[name]:.3g}{before}"

    known = {
        "std": "standard deviation",
        "rank": "effective rank",
        "alignment": "alignment",
        "uniformity": "uniformity",
        "probe": "labels told by ridge regression",
    }
    parts = []
    for name in record:
        if name == "rank" and "dim" in record:
            parts.append(f"effective rank {value(name)} of {record['dim']:.0f}")
        elif name != "dim":
            parts.append(f"{known.get(name, name)} {value(name)}")
    return ", ".join(parts)
