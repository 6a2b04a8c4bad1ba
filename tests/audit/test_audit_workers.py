"""Hugging Face models travel to worker processes and run there as they do here."""

from __future__ import annotations

import numpy as np
import torch
import transformers

from pellucid.audit import Session
from pellucid.compute import executor
from pellucid.models import Model, open_model


def last_logits(model: Model, tokens: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model.run(tokens).output[:, -1].numpy()


def test_a_hugging_face_model_gives_the_same_numbers_in_a_worker(tmp_path):
    config = transformers.GPT2Config(
        vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    model, tokens = open_model(tmp_path), torch.arange(8)[None]
    model._tokenizer = Words()
    with executor(2) as pool:
        (there,) = Session(executor=pool).map("logits", last_logits, [(model, tokens)])
    np.testing.assert_allclose(there, last_logits(model, tokens), atol=1e-6)


class Words:
    """A tokenizer that only has to travel."""

    sha256, size = "0" * 64, 32
