"""Going on with a text, token by token, with an encoder that was trained to say what comes next."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.core import View
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, Unreadable, UsageError
from tacit.evaluation.features import inference
from tacit.writer import seen_at_once, writer

SPECIALS = 4
"""The first ids mean nothing that can be written: padding, what is unknown, marks."""


def write(
    encoder: TrainedEncoder,
    prompt: str,
    *,
    tokens: int = 200,
    temperature: float = 0.8,
    top: int = 50,
    count: int = 1,
    seed: int = 0,
) -> list[str]:
    """`count` texts that go on from `prompt` by `tokens` tokens, the prompt in front.

    Args:
        encoder: trained by `causal-prediction`.
        temperature: divides the logits before one token is drawn; 0 takes the likeliest.
        top: only so many of the likeliest tokens can be drawn.

    Raises:
        UsageError: the encoder was not trained to write, or a number makes no sense.
        DataError: the prompt is no text.
    """
    network = writer(encoder, "generate")
    for name, value, least in (
        ("tokens", tokens, 1),
        ("temperature", temperature, 0),
        ("top", top, 1),
        ("count", count, 1),
    ):
        if value < least:
            raise UsageError(f"--{name} {value}: give {least} or more")
    table, spell = network.table, encoder.modality.spell
    assert table is not None
    assert spell is not None
    ids = _begun(encoder, prompt).repeat(count, 1).to(encoder.device)
    context = _context(encoder)
    generator = torch.Generator(encoder.device).manual_seed(seed)
    with inference(network), console.progress("writing", tokens) as tick:
        for done in range(tokens):
            interrupt.check()
            seen = ids[:, -context:]
            states = network.layers(
                network.cut(View(seen, torch.ones_like(seen, dtype=torch.bool), vocabulary=len(table)))
            )
            logits = (states[-1][:, -1] @ table.T).float()
            logits[:, :SPECIALS] = -torch.inf
            ids = torch.cat([ids, _drawn(logits, temperature, top, generator)], dim=1)
            tick(done + 1)
    return list(spell(ids, encoder.layout))


def _drawn(logits: Tensor, temperature: float, top: int, generator: torch.Generator) -> Tensor:
    """One id for each of the `logits [B, V]`: long `[B, 1]`."""
    best, which = logits.topk(min(top, logits.shape[1] - SPECIALS), dim=1)
    if temperature == 0:
        return which[:, :1]
    place = torch.multinomial((best / temperature).softmax(dim=1), 1, generator=generator)
    return which.gather(1, place)


def _begun(encoder: TrainedEncoder, prompt: str) -> Tensor:
    """The ids of the prompt, `[1, L]`; of an empty one a full stop's, after which anything may begin."""
    for text in (prompt, ".", "a"):
        try:
            packed = torch.from_numpy(encoder.modality.read(text.encode(), encoder.layout)).long()
        except UnicodeEncodeError:
            raise DataError("the prompt holds characters that are no Unicode text") from None
        except Unreadable as error:
            if text.strip() and text == prompt:
                raise DataError(f"--prompt {prompt!r} cannot be read: {error}") from None
            continue
        return packed[packed > 0][None]
    raise DataError("give a --prompt: this tokenizer knows nothing to begin with")


def _context(encoder: TrainedEncoder) -> int:
    """How many tokens were seen at once in training."""
    length = encoder.layout.shape[0]
    whole = torch.full((1, length), SPECIALS)
    return seen_at_once(encoder, View(whole, whole > 0, vocabulary=SPECIALS + 1))
