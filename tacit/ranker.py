"""Encoders that were trained to say what comes next, or what is hidden, as lists of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit import interrupt
from tacit.core import TokenEncoder, View
from tacit.encoder import TrainedEncoder, build
from tacit.engine import checkpoint
from tacit.errors import UsageError
from tacit.evaluation.chains import Chains, Floats
from tacit.evaluation.features import inference
from tacit.modalities.histories import HistoryLayout
from tacit.nn.heads import Vocabulary
from tacit.view import FIRST_WORD, MASK
from tacit.writer import WRITER, seen_at_once

FILLER = "masked-prediction"
"""The method that trains encoders to say what is hidden: here what would stand behind the last item."""
_HEAD, _MARK = "learner.goal.head.", "learner.mask"
Answer = Callable[[Tensor], Tensor]
"""States `[B, D]` -> scores of all ids, `[B, V]`."""


class Ranker:
    """Scores all items by what users took so far."""

    def __init__(
        self, network: TokenEncoder, window: int, head: Vocabulary | None = None, mark: Tensor | None = None
    ) -> None:
        """`window`: how many of the latest items are read; `head` and `mark [D]`: of an encoder that fills gaps, by
        which it answers and what stands in a gap."""
        self.network, self.window, self.head, self.mark = network, window, head, mark

    def __call__(self, chains: Chains) -> Floats:
        """`[U, N]`."""
        interrupt.check()
        latest = [chains.user(number)[-self.window :] + FIRST_WORD for number in range(len(chains))]
        pauses = [chains.paused(number)[-self.window :] for number in range(len(chains))]
        if self.mark is not None:  # how long before what comes next the last one was, nobody knows yet
            latest, pauses = (
                [np.append(row[-self.window + 1 :], behind) for row in rows]
                for rows, behind in ((latest, MASK), (pauses, 0))
            )
        with inference(self.network):
            return self._scores(latest, pauses)[:, FIRST_WORD:].float().cpu().numpy()

    def _scores(self, *told: Sequence[np.ndarray]) -> Tensor:
        """`[U, V]`, by the ids that users took and the pauses before them."""
        network = self.network
        assert network.table is not None
        device = network.table.device
        ids, pauses = (
            nn.utils.rnn.pad_sequence([torch.from_numpy(each) for each in rows], batch_first=True).to(device)
            for rows in told
        )
        count = (ids > 0).sum(dim=1)
        tokens = network.cut(View(ids, ids > 0, vocabulary=len(network.table), pauses=pauses))
        if self.mark is not None:
            tokens = tokens.with_x(torch.where((ids == MASK)[..., None], self.mark, tokens.x))
        states = network.layers(tokens)[-1]
        last = states[torch.arange(len(ids), device=device), (count - 1).clamp_min(0)]
        return last @ network.table.T if self.head is None else self.head(last, network.table)

    def of(self, network: TokenEncoder) -> Ranker:
        """The same by another network of this architecture, such as an untrained one, and a head as new as it is."""
        if self.head is None or self.mark is None:
            return Ranker(network, self.window)
        fresh = Vocabulary(network.width, len(self.head.bias)).to(self.head.bias.device).eval()
        return Ranker(network, self.window, fresh, torch.zeros_like(self.mark))


def ranker(encoder: TrainedEncoder, what: str) -> Ranker:
    """The lists of `encoder`. Raises `UsageError` where it was not trained to make any."""
    network, method = encoder.network, encoder.spec.training.get("method")
    if isinstance(network, TokenEncoder) and network.table is not None:
        layout = encoder.layout
        length = layout.length + layout.divided if isinstance(layout, HistoryLayout) else layout.shape[0]
        whole = torch.full((1, length), FIRST_WORD)
        window = max(2, seen_at_once(encoder, View(whole, whole > 0, vocabulary=FIRST_WORD + 1)))
        if method == WRITER and network.causal:
            return Ranker(network, window)
        if method == FILLER:
            return Ranker(network, window, *_of_run(encoder, network, what))
    raise UsageError(
        f"{what} needs an encoder that was trained to say what comes next, and {encoder.path or 'this one'} was "
        f"trained with {method}: train one with --method {WRITER}, or {FILLER}"
    )


def _of_run(encoder: TrainedEncoder, network: TokenEncoder, what: str) -> tuple[Vocabulary, Tensor]:
    """What the encoder answers by, which stands in its run alone."""
    folder = encoder.path.parent / "checkpoints" if encoder.path is not None else None
    found = checkpoint.newest(folder)[0] if folder is not None and folder.is_dir() else None
    tensors = found.state().tensors if found else {}
    own = {name.removeprefix(_HEAD): value for name, value in tensors.items() if name.startswith(_HEAD)}
    if not own or _MARK not in tensors:
        raise UsageError(
            f"{what}: an encoder trained with {FILLER} answers by a layer that stays in its run: give the run's "
            "folder, with its checkpoints"
        )
    assert network.table is not None
    head = Vocabulary(network.width, len(network.table))
    more = len(head.bias) - len(own["bias"])  # items that came later are neither likely nor unlikely by themselves
    head.load_state_dict({**own, "bias": F.pad(own["bias"], (0, more))})
    device = network.table.device
    return head.to(device).eval(), tensors[_MARK].to(device)


def grown(encoder: TrainedEncoder, names: Sequence[str], facts: Sequence[str]) -> TrainedEncoder:
    """The encoder with more items, of which it knows `facts` alone, a line each (see `catalogue.facts_of`).

    Their vectors are those of what is known of them. Raises `UsageError` where that is not how it reads items.
    """
    layout = encoder.layout
    if not isinstance(layout, HistoryLayout) or layout.catalogue is None:
        raise UsageError(
            f"{encoder.path or 'this encoder'} knows items by their names alone, and of a new one it can say nothing: "
            "train one with --set modality.features=items.csv"
        )
    spec = replace(encoder.spec, layout=layout.with_items(names, facts).model_dump(mode="json"))
    network = build(spec)
    own, state = network.state_dict(), dict(encoder.network.state_dict())
    for name, value in state.items():
        if len(value) != len(own[name]):  # a table of items
            state[name] = F.pad(value, (0, 0, 0, len(own[name]) - len(value)))
    network.load_state_dict(state)
    return TrainedEncoder(network, spec, encoder.path)
