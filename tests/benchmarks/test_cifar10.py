from cifar10 import METHODS, table

from tacit.methods import METHODS as ALL


def evaluation(method, knn):
    rows = ((method, "knn", "k=20", knn), (method, "linear", "all", 0.9), ("untrained", "knn", "k=20", 0.3))
    return {"results": [dict(zip(("row", "task", "metric", "value"), each, strict=True)) for each in rows]}


def test_a_cell_is_the_mean_over_seeds_the_least_and_the_most_and_what_was_not_measured_is_empty():
    text = table({"moco": [evaluation("moco", 0.5), evaluation("moco", 0.8)], "dino": []}).splitlines()
    assert text[2:] == [
        "| `moco` | 0.650 [0.500, 0.800] | 0.900 [0.900, 0.900] |",
        "| `dino` |  |  |",
        "| *untrained* | 0.300 [0.300, 0.300] |  |",
        "| *raw pixels* |  |  |",
    ]


def test_the_methods_of_the_table_are_there():
    assert set(METHODS) <= set(ALL)
