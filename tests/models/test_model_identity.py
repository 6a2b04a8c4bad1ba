"""The identity of weights and tokens: one changed byte shows, nothing else does."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pellucid.findings import InputError, MissingError
from pellucid.models import FileTokenizer, Transformer, TransformerConfig, open_model, read_text, windows
from pellucid.models.hashing import weights_sha256


def test_one_changed_byte_of_the_file_changes_the_hash(folders, tmp_path):
    for name in ("own", "qwen2"):
        for file in folders[name].iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        before = open_model(tmp_path).sha256
        assert before == open_model(folders[name]).sha256
        body = bytearray((tmp_path / "model.safetensors").read_bytes())
        body[-2] ^= 1
        (tmp_path / "model.safetensors").write_bytes(bytes(body))
        assert open_model(tmp_path).sha256 != before


def test_the_hash_is_over_name_type_shape_and_bytes():
    module = nn.Linear(2, 1)
    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        sha.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        sha.update(tensor.numpy().tobytes())
    assert weights_sha256(module) == sha.hexdigest()


def test_tied_tensors_count_once_and_order_does_not():
    class Two(nn.Module):
        def __init__(self, names):
            super().__init__()
            for name in names:
                self.register_parameter(name, nn.Parameter(torch.ones(2)))

    assert weights_sha256(Two(["a", "b"])) == weights_sha256(Two(["b", "a"]))
    tied = Two(["a"])
    tied.b = tied.a
    assert weights_sha256(tied) == weights_sha256(Two(["a"]))


def test_shape_and_type_count():
    ones = {"flat": torch.ones(4), "square": torch.ones(2, 2), "double": torch.ones(4, dtype=torch.float64)}
    digests = set()
    for tensor in ones.values():
        module = nn.Module()
        module.register_buffer("w", tensor)
        digests.add(weights_sha256(module))
    assert len(digests) == 3


def test_a_model_that_is_changed_in_place_has_another_hash(tokens):
    model = open_model(
        Transformer(TransformerConfig(d_vocab=97, context=64, n_layers=1, d_model=8, n_heads=2, d_mlp=8))
    )
    before = model.sha256
    model.run(tokens, read="*")
    assert model.sha256 == before
    with torch.no_grad():
        model.module.embed.weight[3, 0] += 1
    after = model.sha256
    assert after != before
    with torch.no_grad():
        model.module.embed.weight[3, 0] -= 1
        model.module.embed.weight.copy_(model.module.embed.weight)
    model.module.norm = nn.LayerNorm(8)
    model.module.norm.weight.data.fill_(2)
    assert model.sha256 not in {before, after}


def test_float16_weights_hash_as_what_they_are_opened_as(folders, tmp_path):
    weights = {name: value.half() for name, value in load_file(folders["own"] / "model.safetensors").items()}
    (tmp_path / "config.json").write_text((folders["own"] / "config.json").read_text())
    save_file(weights, tmp_path / "model.safetensors")
    half = open_model(tmp_path)
    save_file({name: value.float() for name, value in weights.items()}, tmp_path / "model.safetensors")
    assert open_model(tmp_path).sha256 == half.sha256


@pytest.fixture(scope="module")
def tokenizer_json() -> bytes:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(["<s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer.to_str().encode()


def test_tokens_and_text_are_inverse(tokenizer_json):
    tokenizer = FileTokenizer(tokenizer_json)
    for text in ("My lord", "naïve — café\n", "日本", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.size == 257
    assert tokenizer.sha256 == hashlib.sha256(tokenizer_json).hexdigest()


def test_what_a_tokenizer_puts_first_is_stated_and_used(tokenizer_json, folders, tmp_path):
    config = TransformerConfig(d_vocab=257, context=16, n_layers=1, d_model=8, n_heads=2, d_mlp=8)
    from pellucid.models import save_transformer

    save_transformer(Transformer(config), tmp_path, tokenizer_json.decode())
    model = open_model(tmp_path)
    assert model.tokenizer.first == (0,)
    assert model.tokenizer.encode("ab") == model.tokens("ab")[0, 1:].tolist()
    assert model.tokens("ab")[0, 0] == 0
    assert model.run("ab").output.shape == (1, 3, 257)


def test_a_byte_that_is_no_text_has_a_name(tokenizer_json):
    tokenizer = FileTokenizer(tokenizer_json)
    first, second = tokenizer.encode("é")
    assert tokenizer.decode([first, second]) == "é"
    assert "\ufffd" not in tokenizer.token(first)
    assert tokenizer.token(tokenizer.encode("a")[0]) == "a"


def test_padding_and_cutting_in_the_file_have_no_effect(tokenizer_json):
    content = json.loads(tokenizer_json)
    content["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    content["padding"] = {
        "strategy": {"Fixed": 9},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<s>",
    }
    tokenizer = FileTokenizer(json.dumps(content).encode())
    assert len(tokenizer.encode("abcdef")) == 6
    assert tokenizer.first == (0,)


def test_a_damaged_tokenizer_is_one_message():
    with pytest.raises(InputError, match=r"tokenizer.json cannot be read .*Save the tokenizer again"):
        FileTokenizer(b"{")


def test_older_tokenizer_files_are_converted(tmp_path, folders):
    for file in folders["gpt2"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    letters = {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}
    (tmp_path / "vocab.json").write_text(json.dumps(letters))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    tokenizer = open_model(tmp_path).tokenizer
    assert tokenizer.encode("abb") == [2, 1]


def test_a_text_has_tokens_and_an_identity(tokenizer_json, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("to be", encoding="utf-8")
    text = read_text(path, FileTokenizer(tokenizer_json))
    assert (text.id, text.sha256) == ("text.txt", hashlib.sha256(b"to be").hexdigest())
    assert text.tokens.shape == (5,)
    assert text.ref.sha256 == text.sha256


def test_texts_that_cannot_be_read(tokenizer_json, tmp_path):
    tokenizer = FileTokenizer(tokenizer_json)
    with pytest.raises(MissingError, match="There is no text file at"):
        read_text(tmp_path / "none.txt", tokenizer)
    (tmp_path / "latin.txt").write_bytes("né".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.txt is not UTF-8 text \(byte 1\)"):
        read_text(tmp_path / "latin.txt", tokenizer)


def test_windows_cover_the_text():
    tokens = torch.arange(10)
    assert windows(tokens, 4, 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert windows(tokens, 4, 3)[:, 0].tolist() == [0, 3, 6]


def test_a_text_shorter_than_a_context():
    with pytest.raises(InputError) as error:
        windows(torch.arange(3), 4, 4)
    assert error.value.code == "MD33"
    assert str(error.value) == (
        "The text has 3 tokens, fewer than one context of 4. Give a text of at least 4 tokens."
    )


@pytest.mark.parametrize(("context", "stride"), [(0, 1), (4, 0)])
def test_windows_of_nothing(context, stride):
    with pytest.raises(InputError, match="Windows of"):
        windows(torch.arange(9), context, stride)
