"""Tokens of series in which values are hidden, from both sides."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import console, interrupt
from tacit.core import View
from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError
from tacit.evaluation.features import inference
from tacit.proving.courses import Course, apart
from tacit.proving.scores import cut

_BATCH = 64


def tokens_in_gaps(encoder: TrainedEncoder, course: Course, hide: Tensor, steps: int, title: str) -> Tensor:
    """The token that holds each step, made without the values that `hide [T, C]` names: float32 `[T, K, D]`.

    K is 1, or the number of channels where the encoder reads each by itself; `steps` make a token. Series are read in
    pieces of as many steps as rows had in training, each of which gives the tokens of its middle half.
    """
    length = encoder.layout.shape[0] // steps * steps
    edge = length // steps // 4 * steps
    inner = length - 2 * edge
    found = []
    with console.progress(title, len(course.values)) as tick:
        for begin, end in zip([0, *course.ends[:-1]], course.ends, strict=True):
            starts = torch.arange(0, end - begin, inner)
            beyond = course.values.new_full((edge, course.values.shape[1]), torch.nan)
            values = torch.cat([beyond, course.values[begin:end]])
            seen = torch.cat([beyond, course.values[begin:end].masked_fill(hide[begin:end], torch.nan)])
            parts = []
            for some in torch.split(starts, _BATCH):
                interrupt.check()
                tokens = _tokens(encoder, cut(values, some, length), cut(seen, some, length), length // steps)
                middle = tokens[:, edge // steps : (edge + inner) // steps]
                parts.append(middle.repeat_interleave(steps, dim=1).flatten(0, 1))
            found.append(torch.cat(parts)[: end - begin])
            tick(end)
    return torch.cat(found)


def _tokens(encoder: TrainedEncoder, whole: Tensor, seen: Tensor, count: int) -> Tensor:
    """Tokens `[B, count, K, D]` of `seen [B, L, C]`; where it lacks what `whole` has, the token still stands."""
    full, view = (encoder.modality.collate(apart(x, encoder), encoder.layout) for x in (whole, seen))
    with inference(encoder.network):
        tokens = encoder.network(_standing(view, full).to(encoder.device)).tokens
    if tokens is None:
        raise UsageError(
            f"gaps are filled from tokens, one a moment, and {encoder.spec.encoder['name']} has none: train tcn or "
            "transformer"
        )
    held = F.pad(tokens.float().cpu(), (0, 0, 0, count - tokens.shape[1]))  # they end with the last that is no padding
    return held.view(len(whole), -1, *held.shape[1:]).transpose(1, 2)


def _standing(view: View, full: View) -> View:
    """The view with the steps of `full`: those of which all values are hidden are missing, and no padding."""
    assert view.valid is not None
    assert full.valid is not None
    hidden = full.valid & ~view.valid
    return replace(view, x=view.x.masked_fill(hidden[..., None], torch.nan), valid=full.valid)
