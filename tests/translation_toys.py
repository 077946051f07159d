"""Pairs of made-up sentences: a language whose words stand for those of another, one by one."""

import json
import random

HERE = ["ein", "hund", "mann", "frau", "kind", "haus", "baum", "ball", "rot", "sieht", "wirft", "trägt"]
THERE = ["a", "dog", "man", "woman", "child", "house", "tree", "ball", "red", "sees", "throws", "carries"]


def sentences(count, seed=0):
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        words = [draw.randrange(len(HERE)) for _ in range(draw.randint(2, 6))]
        rows.append(tuple(" ".join(side[word] for word in words) + "." for side in (HERE, THERE)))
    return rows


def alone(path, count=300):
    """The sentences of both languages, not paired."""
    rows = [text for pair in sentences(count) for text in pair]
    path.write_text("".join(json.dumps({"text": text, "split": "train"}) + "\n" for text in rows))
    return path


def pairs(path, count=200):
    """A tenth of them to validate by, a tenth to test."""
    parts = ["test", "val", *["train"] * 8]
    rows = [
        {"text": text, "target": target, "split": parts[number % 10]}
        for number, (text, target) in enumerate(sentences(count, seed=1))
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path
