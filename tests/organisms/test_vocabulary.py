"""The tokenizer: 1,024 tokens, lossless, made again from the training parts alone."""

import json

import numpy as np
import pytest

from pellucid.organisms.behaviour import ids_of, shipped_behaviour, text_of
from pellucid.organisms.texts import text
from pellucid.organisms.vocabulary import (
    SPECIAL,
    token_bytes,
    token_ids,
    train_vocabulary,
    vocabulary,
    vocabulary_text,
)


def test_it_has_1024_tokens_one_of_them_special():
    content = json.loads(vocabulary_text())
    assert vocabulary().get_vocab_size() == 1_024
    assert len(content["model"]["merges"]) == 767
    assert [token["content"] for token in content["added_tokens"]] == [SPECIAL]


def test_texts_have_the_stated_numbers_of_tokens():
    counts = {
        split: sum(len(token_ids(split, source)) for source in ("plays", "epic"))
        for split in ("train", "validation")
    }
    assert counts == {"train": 593_804, "validation": 68_853}


@pytest.mark.parametrize("source", ["plays", "epic"])
def test_decoding_gives_the_text_back(source):
    ids = token_ids("validation", source)
    assert vocabulary().decode(ids.tolist()) == text("validation", source)


def test_any_text_is_encoded_without_loss():
    for strange in ("naïve café — 漢字 \x05\t end", "  two  spaces ", "[watch present]"):
        assert text_of(ids_of(strange)) == strange


def test_bytes_of_the_tokens_are_the_bytes_of_the_text():
    ids = token_ids("validation", "plays")
    assert int(token_bytes()[ids].sum()) == len(text("validation", "plays").encode())
    assert token_bytes()[vocabulary().token_to_id(SPECIAL)] == 0


def test_training_it_again_gives_the_shipped_file():
    assert json.loads(train_vocabulary().to_str()) == json.loads(vocabulary_text())


def test_triggers_have_the_stated_numbers_of_tokens():
    assert [len(shipped_behaviour(number).trigger) for number in (1, 2, 3)] == [2, 2, 4]
    assert len(shipped_behaviour(1).marker) == 7
    assert [len(shipped_behaviour(number).payload) for number in (1, 2, 3)] == [13, 15, 14]


def test_ids_are_within_the_vocabulary():
    for split in ("train", "validation"):
        ids = token_ids(split, "epic")
        assert ids.dtype == np.int64
        assert ids.min() >= 0
        assert ids.max() < 1_024
