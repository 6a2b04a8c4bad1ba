"""Tiny models of every family: random weights, saved once a session with save_pretrained."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from model_families import CONFIGS, OWN, random_weights

from pellucid.models import Transformer, open_model, save_transformer

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A folder for every family."""
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    root = tmp_path_factory.mktemp("families")
    for name, make in CONFIGS.items():
        module = random_weights(transformers.AutoModelForCausalLM.from_config(make(transformers)))
        module.save_pretrained(root / name)
    for name, config in OWN.items():
        save_transformer(random_weights(Transformer(config)), root / name)
    return {path.name: path for path in root.iterdir()}


@pytest.fixture(scope="session")
def models(folders):
    """Every family, opened."""
    return {name: open_model(folder) for name, folder in folders.items()}


@pytest.fixture
def tokens():
    return torch.randint(3, 97, (2, 12), generator=torch.Generator().manual_seed(1))
