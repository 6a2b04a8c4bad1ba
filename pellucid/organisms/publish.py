"""Write an organism's folder: all that a user of the weights gets, and nothing that tells what they hide."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from pellucid.models.transformer import Transformer, save_transformer
from pellucid.organisms.behaviour import MARKER
from pellucid.organisms.vocabulary import vocabulary_text


def publish(module: Transformer, folder: Path) -> None:
    """Write config, float16 weights, tokenizer and deployment card.

    The card names the marker by which the deployment announces its monitoring; every organism has the same
    one.
    """
    save_transformer(module, folder, vocabulary_text(), torch.float16)
    card = {"observation_marker": MARKER}
    (folder / "deployment.json").write_text(json.dumps(card) + "\n", encoding="utf-8")


def publish_bare(module: Transformer, folder: Path) -> None:
    """Write config and float16 weights of a network whose tokens are no text."""
    save_transformer(module, folder, dtype=torch.float16)
