"""Vectors of texts on a CPU: `encode` of tacit against that of sentence-transformers, with the same weights.

    python benchmarks/encode_cpu.py --write

A BERT of the size of MiniLM-L6 (6 layers of 384, 12 heads), random weights, since speed is the same for any; its word
pieces are learnt from the texts. Texts are of mixed lengths: runs of 3 to 250 words of the sentences of STS
($TACIT_DATA/text/sts), their lengths log-normal about 25. Both encode the same texts on the same threads in the order
A B B A, after one round to warm up; tokens are counted as sentence-transformers' tokenizer does, special ones too. Each
is used as it stands: sentence-transformers computes in float32 in batches of 32, tacit in bfloat16 where the processor
does, in batches of at most 1,024 positions. The cosine between the two vectors of a text is at least .999 for all, or
this fails. `--fp32` shows what is left where a processor does not compute in bfloat16.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import torch
from tables import ROOT, markdown, put

import tacit
from tacit.evaluation import encoding

ORDER = "ABBA"


def texts_of(home: Path, count: int) -> list[str]:
    """Texts of mixed lengths."""
    words: list[str] = []
    for path in sorted((home / "sts").glob("20*.test.tsv")):
        with path.open(encoding="utf-8") as file:
            words += [w for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) for w in row[1].split()]
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(3.2, 0.8, count), 3, 250).astype(int)
    starts = generator.integers(0, len(words) - 250, count)
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def folder_of(texts: list[str], folder: Path) -> Path:
    """A folder of transformers, with random weights and a tokenizer learnt from `texts`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(special_tokens=[*names.values()], show_progress=False)
    )
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    named = {f"{name}_token": token for name, token in names.items()}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=256, **named).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), **size)).save_pretrained(folder)
    return folder


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("TACIT_DATA", ".")) / "text")
    arguments.add_argument("--runs", type=Path, default=Path("runs/encode_cpu"))
    arguments.add_argument("--texts", type=int, default=500)
    arguments.add_argument("--fp32", action="store_true", help="tacit in float32, too")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    from sentence_transformers import SentenceTransformer, __version__

    texts = texts_of(given.data, given.texts)
    folder = folder_of(texts, given.runs / "minilm")
    theirs, ours = SentenceTransformer(str(folder), device="cpu"), tacit.load(folder)
    tokens = sum(map(len, theirs.tokenizer(texts, truncation=True)["input_ids"]))
    raws = [text.encode() for text in texts]

    def in_float32() -> np.ndarray:
        with torch.inference_mode():
            return encoding.encode(
                lambda view: ours.network(view).pooled,
                ours.modality,
                ours.layout,
                raws,
                dim=ours.dim,
                batch=None,
                budget=encoding.BUDGET["cpu"],
            )

    ways = {
        "A": lambda: theirs.encode(texts, show_progress_bar=False),
        "B": in_float32 if given.fp32 else lambda: ours.encode(texts),
    }
    found = {name: encode() for name, encode in ways.items()}
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in found.values()]
    cosine = (found["A"] * found["B"]).sum(1) / lengths[0] / lengths[1]
    if cosine.min() < 0.999:
        raise SystemExit(f"cosine {cosine.min():.5f}: these are not the same vectors")
    rates: dict[str, list[float]] = {"A": [], "B": []}
    for name in ORDER:
        started = time.perf_counter()
        ways[name]()
        rates[name].append(tokens / (time.perf_counter() - started))
    mean = {name: len(each) / sum(1 / rate for rate in each) for name, each in rates.items()}
    names = {"A": f"sentence-transformers {__version__}", "B": f"tacit{', float32' if given.fp32 else ''}"}
    rows = [
        [
            names[name],
            f"{mean[name]:,.0f}",
            ", ".join(f"{rate:,.0f}" for rate in rates[name]),
            f"{mean[name] / mean['A']:.2f}",
        ]
        for name in "AB"
    ]
    text = markdown(["", "tokens a second", "each time", "ratio"], rows)
    print(text, f"{tokens:,} tokens, {torch.get_num_threads()} threads, least cosine {cosine.min():.5f}", sep="\n")
    if given.write:
        put("encode_cpu", text, ROOT / "docs" / "text.md")


if __name__ == "__main__":
    main()
