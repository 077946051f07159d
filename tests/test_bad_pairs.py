"""Pairs, queries and folders of others that are not as they should be: one clear message, no traceback."""

import json
import re
import shutil
from dataclasses import dataclass

import pytest
from folder_toys import bert

from tacit.cli import run

GOOD = "".join(f"word{n} and word{n + 1}\tword{n % 3} or word{n}\t{n % 5}\n" for n in range(20))
HEADER = "text1\ttext2\tscore\n"


@dataclass(frozen=True)
class Case:
    """What is written into which file, what is called, and how it has to end."""

    name: str
    file: str
    content: str | bytes
    code: int
    said: tuple[str, ...]
    task: str = "similarity"


PAIRS = [
    Case("no header", "x.tsv", GOOD, 3, ("no two columns of samples", "text1")),
    Case("a misspelt column", "x.csv", "text1,text_2,score\na,b,1\n", 3, ("text_2", "did you mean 'text2'?")),
    Case("no scores", "x.csv", "text1,text2,rating\na,b,1\n", 3, ("no column of scores", "rating", "score")),
    Case("one score for all", "x.tsv", HEADER + re.sub(r"\t\d\n", "\t0\n", GOOD), 3, ("no two different scores",)),
    Case("scores that are none", "x.tsv", HEADER + "a\tb\thigh\n", 3, ("no pair with a score", "1 that are no pair")),
    Case("empty", "x.tsv", "", 3, ("no two columns",)),
    Case("an image", "x.png", b"\x89PNG", 3, ("no table of pairs",)),
    Case("damaged gzip", "x.tsv.gz", b"\x1f\x8b\x08", 3, ("cannot be read to its end",)),
    Case("damaged parquet", "x.parquet", b"PAR1", 3, ("damaged",)),
    Case("no folder to search", "x.tsv", HEADER + GOOD, 3, ("is no folder", "corpus.jsonl"), "search"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "texts.txt").write_text("".join(f"word{n} and word{n % 7}\n" for n in range(40)))
    words = ["train", str(folder / "texts.txt"), "--steps", "2", "--batch", "8", "--set", "encoder.width=8"]
    assert run([*words, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case.name)
def test_bad_pairs_get_a_clear_message(case, tmp_path, trained, capfd):
    path = tmp_path / case.file
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    capfd.readouterr()
    code = run(["evaluate", str(trained), str(path), "--task", case.task, "--out", str(tmp_path / "out")])
    ends(capfd, code, case.code, case.said)


@pytest.mark.parametrize("data", ["gone.tsv", "gone-{a,b}.tsv"])
def test_pairs_that_are_not_there(data, tmp_path, trained, capfd):
    code = run(["evaluate", str(trained), str(tmp_path / data), "--task", "similarity"])
    ends(capfd, code, 3, ("gone",))


def test_rows_that_are_no_pair_are_counted_and_the_rest_is_judged(tmp_path, trained, capfd):
    (tmp_path / "x.tsv").write_text(HEADER + GOOD + "a\tb\t\nonly one cell\na\tb\tc\td\n")
    code = run(
        ["evaluate", str(trained), str(tmp_path / "x.tsv"), "--task", "similarity", "--out", str(tmp_path / "out")]
    )
    ends(capfd, code, 0, ("1 rows have no score", "2 rows are no pair"))


def test_a_library_without_answers(tmp_path, trained, capfd):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "word1 and"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "word1 or"}\n')
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t0\n")
    ends(capfd, run(["evaluate", str(trained), str(tmp_path), "--task", "search"]), 3, ("relevant document",))
    (tmp_path / "qrels.tsv").write_text("query\tcorpus-id\tscore\nq\td\t1\n")
    ends(capfd, run(["evaluate", str(trained), str(tmp_path), "--task", "search"]), 3, ("no column 'query-id'",))


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def cut_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def config(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def torn_config(folder):
    (folder / "config.json").write_text('{"model_type": "bert", ')


def modules(*kinds):
    def change(folder):
        listed = [
            {"idx": n, "name": f"{n}", "path": "", "type": f"sentence_transformers.models.{kind}"}
            for n, kind in enumerate(kinds)
        ]
        (folder / "modules.json").write_text(json.dumps(listed))

    return change


FOLDERS = {
    "weights in a pickle": (pickled, 2, ("pytorch_model.bin", "save_pretrained")),
    "no tokenizer": (no_tokenizer, 2, ("tokenizer.json", "AutoTokenizer")),
    "no weights": (no_weights, 2, ("model.safetensors is missing",)),
    "half a file of weights": (cut_weights, 1, ("damaged",)),
    "code of its own": (config(model_type="nomic", auto_map={"AutoModel": "m.Model"}), 2, ("'nomic'", "does not run")),
    "no model of texts": (config(model_type="vit"), 2, ("no encoder of texts",)),
    "an encoder and a decoder": (config(model_type="bart"), 2, ("no encoder of texts",)),
    "a torn config": (torn_config, 1, ("damaged",)),
    "another size": (config(hidden_size=64), 1, ("another model",)),
    "layers that are not there": (config(num_hidden_layers=3), 2, ("no whole model",)),
    "a module that is not known": (modules("Transformer", "Pooling", "Dense"), 2, ("Dense",)),
    "modules out of order": (modules("Pooling", "Transformer"), 2, ("in this order",)),
    "no pooling": (modules("Transformer"), 2, ("in this order",)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("bert") / "model")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_cannot_be_read_says_what_to_do(name, folder, tmp_path, capfd):

    damage, code, said = FOLDERS[name]
    shutil.copytree(folder, tmp_path / "model")
    damage(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("a good film\nthe bad cat\n")
    capfd.readouterr()
    found = run(["embed", str(tmp_path / "model"), str(tmp_path / "texts.txt"), "--out", str(tmp_path / "v.npy")])
    ends(capfd, found, code, said)
    assert not (tmp_path / "v.npy").exists()


def ends(capfd, code, wanted, parts):
    said = " ".join("".join(capfd.readouterr()).split())
    assert code == wanted, said
    assert "Traceback" not in said
    assert "bug in tacit" not in said
    for part in parts:
        assert part in said, said
