"""The quick digest of weights is the one that opening the model gives, or none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pellucid.models import Transformer, TransformerConfig, open_model, save_transformer
from pellucid.organisms import names
from pellucid.web.weights import folder_of, is_ours, quick_sha256

SMALL = {"d_vocab": 16, "context": 8, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16}


@pytest.mark.parametrize("name", names())
def test_shipped_organisms(name: str) -> None:
    assert quick_sha256(f"organism:{name}") == open_model(f"organism:{name}").sha256


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_folders_of_our_layout(tmp_path: Path, tied: bool, biases: bool, dtype: torch.dtype) -> None:
    save_transformer(
        Transformer(TransformerConfig(**SMALL, tied=tied, biases=biases), seed=3), tmp_path, dtype=dtype
    )
    assert quick_sha256(str(tmp_path)) == open_model(tmp_path).sha256


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("mlp", ["gelu", "bilinear"])
def test_other_architectures(tmp_path: Path, norm: str, mlp: str) -> None:
    config = TransformerConfig(**SMALL, norm=norm, mlp=mlp, positions="rotary")
    save_transformer(Transformer(config, seed=1), tmp_path)
    assert quick_sha256(str(tmp_path)) == open_model(tmp_path).sha256


def test_a_changed_byte_changes_it(tmp_path: Path) -> None:
    save_transformer(Transformer(TransformerConfig(**SMALL), seed=3), tmp_path)
    before = quick_sha256(str(tmp_path))
    weights = tmp_path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-2] ^= 1
    weights.write_bytes(bytes(data))
    assert quick_sha256(str(tmp_path)) not in (before, None)
    assert quick_sha256(str(tmp_path)) == open_model(tmp_path).sha256


def test_what_it_cannot_read_is_none(tmp_path: Path) -> None:
    assert quick_sha256(str(tmp_path / "none")) is None
    assert quick_sha256("organism:unheard-of") is None
    assert quick_sha256(str(tmp_path)) is None
    save_transformer(Transformer(TransformerConfig(**SMALL), seed=3), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({name: value.bfloat16() for name, value in tensors.items()}, tmp_path / "model.safetensors")
    assert quick_sha256(str(tmp_path)) in (None, open_model(tmp_path).sha256)
    (tmp_path / "model.safetensors").write_bytes(b"short")
    assert quick_sha256(str(tmp_path)) is None
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": "gpt2"}))
    assert not is_ours(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert not is_ours(tmp_path)
    assert folder_of("organism:bard") is not None


def test_it_loads_no_torch() -> None:
    code = (
        "from pellucid.web.weights import quick_sha256\nimport sys\n"
        "assert quick_sha256('organism:bard')\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
