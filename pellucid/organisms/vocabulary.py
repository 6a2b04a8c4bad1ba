"""The organisms' tokenizer: byte-level BPE of 1,024 tokens, trained on the training parts only."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pellucid.organisms.texts import text

SIZE = 1_024
SPECIAL = "<|endoftext|>"


def train_vocabulary() -> Tokenizer:
    """Learn 767 merges over 256 byte symbols, with one special token (Sennrich et al. 2016)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text("train", "plays"), text("train", "epic")], trainer)
    return tokenizer


def vocabulary_text() -> str:
    """The shipped tokenizer.json."""
    return (Path(__file__).parent / "data" / "tokenizer.json").read_text(encoding="utf-8")


@cache
def vocabulary() -> Tokenizer:
    """The shipped tokenizer."""
    return Tokenizer.from_str(vocabulary_text())


@cache
def token_ids(split: str, source: str) -> np.ndarray:
    """Token ids of one part of one text."""
    return np.asarray(vocabulary().encode(text(split, source)).ids, dtype=np.int64)


@cache
def token_bytes() -> np.ndarray:
    """How many bytes each token stands for: byte-level symbols are one character per byte."""
    names = [str(vocabulary().id_to_token(index)) for index in range(vocabulary().get_vocab_size())]
    return np.asarray([0 if name == SPECIAL else len(name) for name in names], dtype=np.int64)
