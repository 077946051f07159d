"""Translation: losses against a naive loop, figures against sacrebleu's own, and the whole way as a user goes it."""

import csv
import json

import pytest
import sacrebleu
import torch
from safetensors.torch import load_file
from translation_toys import alone, pairs

import tacit
from tacit.cli import run
from tacit.core import View
from tacit.engine import checkpoint
from tacit.errors import UsageError
from tacit.heads.texts import TextTargets, padded, scores, signatures
from tacit.heads.translate import Translate
from tacit.nn.bag import Bag
from tacit.nn.transformer import Transformer

SAID = ["A dog runs over the green grass.", "Two men are there.", "A woman in a red coat holds a bag.", "Nothing."]
TRUTH = [
    "A dog runs on the green grass.",
    "Two men sit there.",
    "A lady in a red coat is holding a bag.",
    "A boy runs.",
]


def targets():
    ids = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0], [5, 0, 0, 0], [8, 9, 0, 0]])
    return TextTargets(ids, ["a b c", "d e", "a", "d e"], lambda rows: [str(row[row > 0].tolist()) for row in rows])


def head(**settings):
    torch.manual_seed(0)
    view = View(torch.randint(4, 12, (4, 6)), index=torch.arange(4), vocabulary=12)
    encoder = Transformer(Transformer.Config(), view)
    return Translate(Translate.Config(dropout=0.0, **settings), encoder, view, ()), encoder, view


def test_figures_are_those_of_sacrebleu():
    once = torch.ones(1, len(SAID), dtype=torch.float64)
    own = scores(SAID, TRUTH)(once)
    assert own["BLEU"].item() == pytest.approx(sacrebleu.corpus_bleu(SAID, [TRUTH]).score)
    assert own["chrF"].item() == pytest.approx(sacrebleu.corpus_chrf(SAID, [TRUTH]).score)


def test_a_text_that_counts_twice_is_a_text_that_stands_twice():
    weights = torch.tensor([[2.0, 1, 1, 0], [0, 0, 3, 1]], dtype=torch.float64)
    found = scores(SAID, TRUTH)(weights)
    for row, counts in enumerate(weights.long().tolist()):
        said, truth = (
            [text for text, count in zip(each, counts, strict=True) for _ in range(count)] for each in (SAID, TRUTH)
        )
        assert found["BLEU"][row].item() == pytest.approx(sacrebleu.corpus_bleu(said, [truth]).score)
        assert found["chrF"][row].item() == pytest.approx(sacrebleu.corpus_chrf(said, [truth]).score)


def test_the_signature_says_how_it_was_measured():
    assert "tok:13a" in signatures()["BLEU"]
    assert "nc:6" in signatures()["chrF"]


def test_the_loss_is_the_mean_over_tokens_and_the_end():
    translate, encoder, view = head(smoothing=0.0)
    memory = translate(encoder(view))
    truth = targets().of(view)
    losses = translate.loss(memory, truth)
    for row in range(4):
        text, one = truth[row][truth[row] > 0][None], view[row : row + 1]
        told = translate.decoder(text, text > 0, translate(encoder(one)))
        naive = [-told.logits[place].log_softmax(0)[word] for place, word in enumerate([*text[0].tolist(), 2])]
        assert losses[row].item() == pytest.approx((sum(naive) / len(naive)).item(), rel=1e-4)


def test_smoothing_is_for_training_alone():
    translate, encoder, view = head(smoothing=0.3)
    memory, truth = translate(encoder(view)), targets().of(view)
    smooth = translate.train().loss(memory, truth)
    assert not torch.allclose(smooth, translate.eval().loss(memory, truth))


def test_nothing_learnt_is_the_entropy_of_the_ids():
    translate, _, _ = head()
    translate.prepare(targets())
    counts = torch.tensor([2.0, 1, 1, 2, 2, 4])  # 5, 6, 7, 8, 9 and four ends
    share = counts / counts.sum()
    assert translate.nothing_learnt == pytest.approx(-(share * share.log()).sum().item(), rel=1e-5)


def test_who_never_looks_says_the_most_frequent_text():
    translate, _, _ = head()
    assert translate.blind(targets(), 3) == {"ids": [[8, 9]] * 3}
    figures = translate.judge([translate.blind(targets(), 4)], targets())(torch.ones(1, 4, dtype=torch.float64))
    assert figures["BLEU"].item() < 50


def test_answers_are_ids_of_words_alone():
    translate, encoder, view = head()
    with torch.no_grad():
        said = translate.eval().answers(translate(encoder(view)))["ids"]
    assert len(said) == 4
    assert all(4 <= number < 12 for text in said for number in text)
    assert padded(said).shape == (4, max(map(len, said)))


def test_encoders_that_cannot_serve_are_refused():
    view = View(torch.randint(4, 12, (4, 6)), torch.ones(4, 6, dtype=torch.bool), vocabulary=12)
    causal = Transformer(Transformer.Config(causal=True), view)
    for encoder in (causal, Bag(Bag.Config(), view)):
        with pytest.raises(UsageError, match="denoising-seq2seq"):
            Translate(Translate.Config(), encoder, view, ())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("translate")


@pytest.fixture(scope="module")
def pretrained(home):
    words = ["--method", "denoising-seq2seq", "--steps", "50", "--batch", "32", "--set", "precision=fp32"]
    assert run(["train", str(alone(home / "alone.jsonl")), *words, "--out", str(home / "pre")]) == 0
    return home / "pre"


@pytest.fixture(scope="module")
def tuned(home, pretrained):
    words = ["--task", "translate", "--steps", "70", "--batch", "32", "--set", "evaluations=1"]
    data = pairs(home / "pairs.jsonl")
    assert run(["finetune", str(pretrained), str(data), *words, "--out", str(home / "tuned")]) == 0
    return home / "tuned"


def test_a_translator_learns_and_says_how_good_it_is(tuned):
    found = {figure["metric"]: figure for figure in json.loads((tuned / "finetune.json").read_text())["figures"]}
    assert found["BLEU"]["value"] > 50 > found["BLEU"]["floor"]
    assert found["chrF"]["low"] <= found["chrF"]["value"] <= found["chrF"]["high"]
    card = (tuned / "model" / "README.md").read_text()
    assert "Answers about" not in card
    assert "usual text" in card


def test_translations_are_written_beside_the_names(tuned, home):
    assert run(["predict", str(tuned), str(home / "pairs.jsonl"), "--out", str(home / "said.csv")]) == 0
    with (home / "said.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = [json.loads(line)["target"] for line in (home / "pairs.jsonl").read_text().splitlines()]
    assert list(rows[0]) == ["name", "translation"]
    assert sum(row["translation"] == text for row, text in zip(rows, wanted, strict=True)) > 60
    told = tacit.predict(str(tuned), str(home / "pairs.jsonl"))
    assert told["text"] == [row["translation"] for row in rows]


def test_the_decoder_is_taken_over_where_the_run_has_one(pretrained, home, capfd):
    data, words = str(home / "pairs.jsonl"), ["--task", "translate", "--steps", "1", "--lr", "1e-9"]
    assert run(["finetune", str(pretrained), data, *words, "--out", str(home / "first")]) == 0
    assert "begins at random" not in capfd.readouterr().err
    before, _ = checkpoint.newest(pretrained / "checkpoints")
    model = load_file(home / "first" / "model" / "model.safetensors")
    name = "decoder.crosses.0.query.weight"
    assert torch.allclose(model["head." + name], before.learner()[name], atol=1e-6)
    assert run(["finetune", str(pretrained / "encoder"), data, *words, "--out", str(home / "second")]) == 0
    (home / "moved").mkdir()
    for file in (pretrained / "encoder").iterdir():
        (home / "moved" / file.name).write_bytes(file.read_bytes())
    capfd.readouterr()
    assert run(["finetune", str(home / "moved"), data, *words, "--out", str(home / "third")]) == 0
    assert "begins at random" in capfd.readouterr().err


def test_a_decoder_of_another_depth_is_named(pretrained, home, capfd):
    words = ["--task", "translate", "--set", "head.layers=3", "--out", str(home / "deep")]
    assert run(["finetune", str(pretrained), str(home / "pairs.jsonl"), *words]) == 2
    assert "head.layers=2" in capfd.readouterr().err
