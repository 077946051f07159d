"""How what is too long for one row is divided among several."""

from __future__ import annotations

from collections.abc import Iterator


def even(total: int, most: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the fewest parts of `total` that have `most` at most, and differ by one at most.

    No part is short, and nothing is left over: of 61 seconds and a limit of 10 there are 7 parts of 8.7.
    """
    count = -(-total // most)
    return ((total * number // count, total * (number + 1) // count) for number in range(count))
