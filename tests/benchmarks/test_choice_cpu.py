"""The held-out check of the choice: what its table says of how far a choice is behind."""

from choice_cpu import SETS, table

from tacit.choice import measured


def a_set(title, chosen, **figures):
    around = {name: [value, value - 0.1, value + 0.1] for name, value in figures.items()}
    return {"title": title, "chosen": chosen, "figures": around}


def test_regret_is_how_far_the_choice_is_behind_the_best():
    right, wrong = a_set("a", "simclr", simclr=0.8, mae=0.4), a_set("b", "simclr", simclr=0.5, mae=0.6, byol=0.1)
    begun = a_set("c", "simclr", mae=0.4)
    lines = table({"a": right, "b": wrong, "c": begun}).splitlines()[2:]
    assert lines[0] == "| a | `simclr` 0.800 [0.700, 0.900] | the same | `mae` 0.400 | 0.000 | 0.200 |"
    assert lines[1].startswith(
        "| b | `simclr` 0.500 [0.400, 0.600] | `mae` 0.600 [0.500, 0.700] | `byol` 0.100 | 0.100 |"
    )
    assert lines[2] == "| *mean* |  |  |  | 0.050 | 0.200 |"
    assert len(lines) == 3  # what the choice has not been measured on is no regret
    assert len(table({}).splitlines()) == 2


def test_no_set_is_one_that_the_choice_was_made_from():
    assert not SETS.keys() & {case.name for case in measured() if case.beside}
