"""Small folders as transformers and sentence-transformers write them, with random weights."""

import warnings

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel, PreTrainedTokenizerFast
from transformers.utils import logging

logging.disable_progress_bar()
WORDS = ["the", "a", "film", "good", "bad", "cat", "dog", "##s", "##ing", "was", "is", "very", "old", "seen", "time"]
WORDS += ["book", "and", "of", "in", "on"]
LENGTH = 24
TEXTS = [
    "the good film",
    "cat",
    "",
    "A very old book, and a DOG; seen in time!",
    "bad cats is wording",
    "the good [SEP] film </s>",
    "good film " * 40,
]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def bert(folder, seed=0, kind=BertModel):
    """Padding is 0; a pooler that nobody asks for."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = word_pieces(specials, "[UNK]", "[CLS]", "[SEP]")
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), specials, strict=True))
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LENGTH, **named)
    torch.manual_seed(seed)
    model = kind(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=LENGTH + 8, **SMALL))
    return saved(folder, lively(model), wrapped)


def mpnet(folder, seed=0):
    """Padding is 1, and positions begin behind it."""
    specials = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    tokenizer = word_pieces(specials, "[UNK]", "<s>", "</s>")
    names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
    named = {**dict(zip(names, specials, strict=True)), "bos_token": "<s>", "eos_token": "</s>"}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    torch.manual_seed(seed)
    model = MPNetModel(MPNetConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=LENGTH + 2, **SMALL))
    return saved(folder, lively(model), wrapped)


def word_pieces(specials, unknown, first, last):
    ids = {word: number for number, word in enumerate([*specials, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, ids[first]), (last, ids[last])]
    )
    return tokenizer


def lively(model):
    """Weights large enough that texts differ: those of a fresh model make nearly one vector of all."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return model


def saved(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sentence_transformer(folder, home, pooling="mean", unit=True, length=LENGTH):
    """The model in `home` with its pooling, as a folder of sentence-transformers, and the model itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Normalize, Pooling, Transformer

        body = Transformer(str(home), max_seq_length=length)
        modules = [body, Pooling(SMALL["hidden_size"], pooling), *([Normalize()] if unit else [])]
        whole = SentenceTransformer(modules=modules, device="cpu")
        whole.save(str(folder), create_model_card=False)
        return SentenceTransformer(str(folder), device="cpu")
