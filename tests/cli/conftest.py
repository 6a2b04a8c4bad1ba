"""Two tiny models, one a slightly trained copy of the other, and a text in their letters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE

from pellucid.cli.main import run
from pellucid.models import Transformer, TransformerConfig, save_transformer

LETTERS = "abcdefghijklmnopqrstuvwxyz ,.\n'!"


@dataclass(frozen=True)
class Place:
    base: Path
    copy: Path
    text: Path
    folder: Path

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'p.db'}"


def tokenizer() -> str:
    made = Tokenizer(BPE({letter: at for at, letter in enumerate(LETTERS)}, []))
    made.decoder = decoders.Fuse()
    return made.to_str()


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    config = TransformerConfig(d_vocab=32, context=96, n_layers=2, d_model=32, n_heads=4, d_mlp=64)
    base = Transformer(config, seed=1)
    save_transformer(base, folder / "base", tokenizer())
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in base.parameters():
            parameter += 0.02 * parameter.std().nan_to_num() * torch.randn(parameter.shape, generator=noise)
    save_transformer(base, folder / "copy", tokenizer())
    random = np.random.default_rng(0)
    text = folder / "text.txt"
    text.write_text("".join(LETTERS[i] for i in random.integers(0, len(LETTERS), 12_000)), encoding="utf-8")
    return folder / "base", folder / "copy", text


@pytest.fixture
def place(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Place(*models, tmp_path)


@pytest.fixture
def pellucid(capsys):
    """Run a command line; its exit status, standard output and error stream."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call
