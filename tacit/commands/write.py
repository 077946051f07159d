"""Write: `tacit generate`."""

from __future__ import annotations

import sys

from tacit.commands.kinds import Commands


def generate(
    encoder: str,
    *,
    prompt: str = "",
    tokens: int = 200,
    temperature: float = 0.8,
    top: int = 50,
    count: int = 1,
    seed: int = 0,
) -> None:
    """Go on with a text, by an encoder that was trained with --method causal-prediction.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    prompt
        How the text begins.
    tokens
        How many are added.
    temperature
        0 takes the likeliest token each time; the larger, the wilder.
    top
        One of so many of the likeliest tokens is drawn.
    count
        How many texts.
    seed
        Of what is drawn.
    """
    from tacit.applying.writing import write
    from tacit.encoder import load

    texts = write(load(encoder), prompt, tokens=tokens, temperature=temperature, top=top, count=count, seed=seed)
    sys.stdout.write("\n\n".join(texts) + "\n")


COMMANDS: Commands = (
    (
        generate,
        """Examples:
  tacit train plays.jsonl --method causal-prediction --time 5m --out runs/plays
  tacit generate runs/plays --prompt "To be"
  tacit generate runs/plays --prompt "To be" --tokens 50 --temperature 0 """.rstrip(),
    ),
)
