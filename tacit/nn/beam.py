"""Beam search: the likeliest texts that a decoder can write."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit import interrupt
from tacit.nn.decoder import Decoder, Memory
from tacit.view import FIRST_WORD, MARK


@torch.no_grad()
def beam_search(decoder: Decoder, memory: Memory, *, width: int, longest: int, power: float = 1.0) -> list[list[int]]:
    """The likeliest text found for each of the B samples, as ids without marks.

    At each step the `width` best beginnings go on. A text that ends is worth its log-probability divided by its length,
    end included, to the `power` (Wu et al. 2016, arXiv 1609.08144, equation 14, without the constant). A sample is done
    once one that has ended is worth more than any beginning as far as it is written, or after `longest` tokens, when
    what has not ended counts as it is. With power 0, and a beam that is wide enough, what is found is the likeliest
    text.
    """
    B, device = len(memory.tokens), memory.tokens.device
    found: list[list[int]] = [[] for _ in range(B)]
    worth = torch.full((B,), -torch.inf, device=device)  # of what was found
    alive = torch.arange(B, device=device)  # the samples that go on
    writing = decoder.begin(memory)
    logits, writing = decoder.step(torch.full((B,), MARK, device=device), writing)
    scores = torch.zeros(B, 1, device=device)
    texts = torch.zeros(B, 1, 0, dtype=torch.long, device=device)  # [B, width, written]
    for length in range(1, longest + 1):
        interrupt.check()
        best, came, which = _best(logits, scores, width)
        ended = (which == MARK) & (torch.arange(best.shape[1], device=device) < width)
        grown = texts.gather(1, came[:, :, None].expand(-1, -1, texts.shape[2]))
        value, place = best.masked_fill(~ended, -torch.inf).max(dim=1)
        better = value / length**power > worth[alive]
        for row in better.nonzero().flatten().tolist():
            found[int(alive[row])] = grown[row, place[row]].tolist()
        worth[alive[better]] = value[better] / length**power
        scores, order = best.masked_fill(which == MARK, -torch.inf).topk(min(width, best.shape[1]), dim=1)
        parent, ids = came.gather(1, order), which.gather(1, order)
        old = texts.gather(1, parent[:, :, None].expand(-1, -1, texts.shape[2]))
        texts = torch.cat([old, ids[:, :, None]], dim=2)
        left = scores[:, 0] / length**power > worth[alive]
        if length == longest or not left.any():
            break
        before = len(logits) // len(alive)
        rows = before * torch.arange(len(alive), device=device)[:, None] + parent
        alive, scores, texts, ids, rows = (x[left] for x in (alive, scores, texts, ids, rows))
        logits, writing = decoder.step(ids.flatten(), writing.pick(rows.flatten()))
    for row in left.nonzero().flatten().tolist():
        found[int(alive[row])] = texts[row, 0].tolist()
    return found


def _best(logits: Tensor, scores: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The 2 `width` best ways to go on, best first: their scores, from which beginning, with which id, `[B, 2 width]`.

    `logits [B K, V]`, `scores [B, K]` of the beginnings. Nothing below `FIRST_WORD` is written but the end.
    """
    B, K = scores.shape
    step = logits.float().log_softmax(dim=1)
    step[:, [number for number in range(FIRST_WORD) if number != MARK]] = -torch.inf
    total = (scores[:, :, None] + step.view(B, K, -1)).flatten(1)
    best, place = total.topk(min(2 * width, total.shape[1]), dim=1)
    return best, place // step.shape[1], place % step.shape[1]
