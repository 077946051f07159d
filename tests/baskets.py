"""Made-up users: what each took, one thing leading to the next around a ring, with some noise."""

import numpy as np

SETTINGS = {
    "budget": {"steps": 150},
    "batch": 50,
    "evaluations": 0,
    "encoder": {"dropout": 0.0},
    "optimiser": {"lr": 0.01},
}
"""By which a small encoder learns the ring in seconds."""


def histories(users=60, items=24, seed=0, noise=0.2, shortest=6, longest=16):
    """A list of lists of items: after item i mostly comes i + 1."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(users):
        at, taken = int(generator.integers(items)), []
        for _ in range(int(generator.integers(shortest, longest))):
            at = int(generator.integers(items)) if generator.random() < noise else (at + 1) % items
            taken.append(f"item-{at}")
        found.append(taken)
    return found


def sequences(path, taken):
    """A line a user."""
    path.write_text("".join(f"user-{number} {' '.join(items)}\n" for number, items in enumerate(taken)))
    return path


def log(path, taken, sign=","):
    """A row an interaction, the users in turn."""
    rows = [
        (step, number, f"user-{number}{sign}{item}{sign}{1_700_000_000 + 60 * step}")
        for number, items in enumerate(taken)
        for step, item in enumerate(items)
    ]
    path.write_text(f"user{sign}item{sign}time\n" + "".join(f"{row}\n" for *_, row in sorted(rows)))
    return path


def shelves(users=150, shelves=6, each=8, seed=0):
    """Users who go from shelf to shelf around a ring and take any item of each, and a table of what stands where."""
    generator = np.random.default_rng(seed)
    taken = []
    for _ in range(users):
        at = int(generator.integers(shelves))
        picked = [(at + step) % shelves * each + int(generator.integers(each)) for step in range(10)]
        taken.append([f"item-{item}" for item in picked])
    names = ["tea", "cups", "books", "lamps", "rugs", "toys"]
    rows = [f"item-{item},{names[item // each]},{item % 3}.5" for item in range(shelves * each)]
    return taken, "item,shelf,price\n" + "".join(f"{row}\n" for row in rows)


PAUSES = (60.0, 5_000.0, 400_000.0)
"""Seconds: a minute, an hour and more, some days."""


def paced(path, users=200, items=30, seed=0):
    """A log of users who go around a ring, the further the longer they have paused just before: without the times every
    step is one of three."""
    generator, rows = np.random.default_rng(seed), []
    for user in range(users):
        at, time, pause = int(generator.integers(items)), 1_700_000_000.0, 0
        for _ in range(10):
            rows.append(f"user-{user},item-{at},{time:.0f}\n")
            at = (at + 1 + pause) % items
            pause = int(generator.integers(len(PAUSES)))
            time += PAUSES[pause]
    path.write_text("user,item,time\n" + "".join(rows))
    return path
