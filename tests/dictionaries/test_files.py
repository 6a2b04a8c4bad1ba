"""Dictionaries on disk: read back to the bit, never torn without saying so."""

from __future__ import annotations

import json

import pytest
import torch

from pellucid.dictionaries import (
    VARIANTS,
    Convention,
    TopK,
    TrainConfig,
    load_dictionary,
    save_dictionary,
    train,
)
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError, MissingError


def drawn(**more: object) -> TopK:
    record = Convention(subtract="none", rank_score="h_norm", excluded_positions=(0,), excluded_tokens=(7, 9))
    return TopK(6, 20, 3, site_in="blocks.0.mlp_in", site_out="blocks.0.mlp_out", convention=record, **more)


@pytest.mark.parametrize("dictionary", [drawn(), drawn(d_out=4), drawn().double(), drawn().half()])
def test_what_is_read_is_what_was_written(dictionary, tmp_path):
    save_dictionary(dictionary, tmp_path / "made" / "here")
    back = load_dictionary(tmp_path / "made" / "here")
    assert back.sha256 == dictionary.sha256
    assert back.convention == dictionary.convention
    assert (back.k, back.site_in, back.site_out) == (3, "blocks.0.mlp_in", "blocks.0.mlp_out")
    for name, tensor in dictionary.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor)
        assert back.state_dict()[name].dtype == tensor.dtype


def test_the_training_travels_along(tmp_path):
    rows = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    trained = train(rows, TrainConfig(n_features=16, k=2, steps=5, batch=32, log_every=2))
    save_dictionary(trained, tmp_path)
    assert load_dictionary(tmp_path).training_record["log"] == trained.training_record["log"]
    written = json.loads((tmp_path / "dictionary.json").read_text(encoding="utf-8"))
    assert written["convention"]["subtract"] == "b_dec"
    assert written["training"]["config"]["n_features"] == 16


def test_writing_again_replaces(tmp_path):
    save_dictionary(drawn(), tmp_path)
    save_dictionary(drawn(seed=1), tmp_path)
    assert load_dictionary(tmp_path).sha256 == drawn(seed=1).sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dictionary.json", "weights.safetensors"]


def torn(folder) -> None:
    """A crash between the two files: weights of the new one, record of the old."""
    save_dictionary(drawn(), folder)
    old = (folder / "dictionary.json").read_bytes()
    save_dictionary(drawn(seed=1), folder)
    (folder / "dictionary.json").write_bytes(old)


def one_byte(folder) -> None:
    save_dictionary(drawn(), folder)
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)


def without_weights(folder) -> None:
    save_dictionary(drawn(), folder)
    (folder / "weights.safetensors").unlink()


def edited(folder, **change: object) -> None:
    save_dictionary(drawn(), folder)
    record = json.loads((folder / "dictionary.json").read_text(encoding="utf-8"))
    (folder / "dictionary.json").write_text(json.dumps(record | change), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (torn, "DI22", "is not the file that dictionary.json was written with"),
        (one_byte, "DI22", "is not the file that dictionary.json was written with"),
        (without_weights, "DI22", "cannot be read"),
        (lambda folder: (folder / "dictionary.json").write_text("{"), "DI22", "cannot be read"),
        (lambda folder: edited(folder, format="another"), "DI22", "is no dictionary's record"),
        (lambda folder: edited(folder, schema=99), "DI23", "has schema 99, not 2. Update pellucid."),
        (lambda folder: edited(folder, settings={"variant": "topk", "k": "many"}), "DI22", "cannot be read"),
        (
            lambda folder: edited(folder, settings={"variant": "topk", "k": 21}),
            "DI06",
            "k is 21 for 20 latents",
        ),
    ],
)
def test_damage_is_said(tmp_path, damage, code, words):
    damage(tmp_path)
    with pytest.raises(InputError) as caught:
        load_dictionary(tmp_path)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_what_is_no_dictionary(tmp_path):
    with pytest.raises(
        MissingError, match=r"Files by which one is known: pellucid: dictionary\.json"
    ) as caught:
        load_dictionary(tmp_path)
    assert caught.value.code == "DI21"
    with pytest.raises(MissingError, match=r"it has no dictionary\.json\. Give the folder that") as caught:
        load_dictionary(tmp_path, format="pellucid")
    assert caught.value.code == "DI21"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_read_as_it_was_written(tmp_path, variant):
    """With a skip path, a vector of its own to subtract, and a transform that belongs to each token."""
    record = Convention(subtract="b_pre", skip="linear", input_transform="layer_norm", restore="none")
    settings = {"variant": variant} | ({"k": 3} if variant in ("topk", "batchtopk", "matryoshka") else {})
    made = build(settings, 6, 20, d_out=5, convention=record, site_in="embed", site_out="logits")
    for value in made.requires_grad_(False).state_dict().values():
        value.add_(torch.rand(value.shape, generator=torch.Generator().manual_seed(4)))
    save_dictionary(made, tmp_path)
    back = load_dictionary(tmp_path)
    assert type(back) is type(made)
    assert (back.sha256, back.settings(), back.convention) == (made.sha256, made.settings(), made.convention)
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(5))
    assert torch.equal(back(x), made(x))


@pytest.mark.parametrize("call", [load_dictionary, lambda *a, **k: save_dictionary(drawn(), *a, **k)])
def test_formats_that_are_not_built(tmp_path, call):
    with pytest.raises(MissingError, match=r"No dictionary format 'pelucid'.* Did you mean 'pellucid'\?"):
        call(tmp_path, format="pelucid")
