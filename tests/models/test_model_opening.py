"""Opening models: every kind of bad folder is one clear message, with its code and its remedy."""

from __future__ import annotations

import json
import pickle
import shutil
import sys

import pytest
import torch
from model_families import HUB
from safetensors.torch import load_file, save_file
from torch import nn

from pellucid.findings import InputError, MissingError
from pellucid.models import Model, open_model, register_source
from pellucid.models import open as opening


@pytest.fixture
def copy(folders, tmp_path):
    """A copy of a family's folder that may be damaged."""
    return lambda name: shutil.copytree(folders[name], tmp_path / name)


def error_of(ref, kind=InputError, **keywords):
    with pytest.raises(kind) as error:
        open_model(ref, **keywords)
    assert "\n" not in str(error.value)
    return error.value.code, str(error.value)


@pytest.mark.parametrize("ref", ["./nowhere", "nowhere", "/nowhere/at/all"])
def test_a_missing_folder(ref):
    code, text = error_of(ref, MissingError)
    assert code == "MD01"
    assert f"There is no model folder at {ref!r}. Give a folder with config.json, organism:NAME" in text


def test_a_folder_without_configuration(tmp_path):
    code, text = error_of(tmp_path, MissingError)
    assert (code, "has no config.json" in text) == ("MD02", True)


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
@pytest.mark.parametrize("name", ["own", "llama"])
def test_an_unreadable_configuration(name, copy, content):
    folder = copy(name)
    (folder / "config.json").write_bytes(content.encode("latin-1"))
    code, text = error_of(folder)
    assert code == "MD04"
    assert f"{name} cannot be read" in text
    assert "Save or download the model again." in text


def test_a_folder_without_weights(copy):
    folder = copy("gpt2")
    (folder / "model.safetensors").unlink()
    code, text = error_of(folder, MissingError)
    assert code == "MD03"
    assert "Put model.safetensors beside config.json." in text


@pytest.mark.parametrize("name", ["own", "gpt2"])
def test_damaged_weights(name, copy):
    folder = copy(name)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert error_of(folder)[0] == "MD04"


def test_pickles_are_never_loaded(copy, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    folder = copy("gpt2")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    code, text = error_of(folder)
    assert code == "MD08"
    assert "as a pickle (pytorch_model.bin), which could run code when loaded" in text
    assert not (tmp_path / "exploded").exists()


def test_an_unknown_family(copy):
    folder = copy("gpt2")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gemma22"}))
    code, text = error_of(folder)
    assert code == "MD06"
    assert "family 'gemma22', which is not known here. Known: gpt2, gpt_neox, llama" in text
    assert "Did you mean 'gemma2'?" in text


def test_code_of_its_own_is_not_run_unasked(copy):
    folder = copy("gpt2")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "model.Model"}}))
    (folder / "model.py").write_text("raise SystemExit('ran')")
    code, text = error_of(folder)
    assert code == "MD12"
    assert "trust_remote_code=True" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["own", "llama"])
def test_weights_that_are_not_finite_are_named(name, copy, value):
    folder = copy(name)
    weights = load_file(folder / "model.safetensors")
    some = [key for key in sorted(weights) if "blocks.1" in key or "layers.1" in key][:2]
    for key in some:
        weights[key].view(-1)[3] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    code, text = error_of(folder)
    assert code == "MD05"
    assert "weights that are NaN or infinite" in text
    assert all(key in text for key in some)


@pytest.mark.parametrize("change", ["missing", "misshapen"])
@pytest.mark.parametrize("name", ["gpt2", "qwen3"])
def test_weights_that_do_not_fit_are_named(name, change, copy):
    """transformers would draw them at random, and every number would be about another model."""
    folder = copy(name)
    weights = load_file(folder / "model.safetensors")
    key = sorted(key for key in weights if "mlp" in key)[0]
    weights[key] = weights[key][:-1].clone()
    if change == "missing":
        del weights[key]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    code, text = error_of(folder)
    assert code == "MD09"
    assert key in text
    assert "Keep config.json and weights of one save together." in text


def test_our_own_weights_that_do_not_fit_are_named(copy):
    folder = copy("own")
    weights = load_file(folder / "model.safetensors")
    del weights["blocks.0.attn.q.weight"]
    save_file(weights, folder / "model.safetensors")
    assert "blocks.0.attn.q.weight" in error_of(folder)[1]


def test_references_of_another_type():
    assert error_of(3)[0] == "MD14"


def test_a_device_that_is_not_there():
    code, text = error_of(nn.Linear(2, 2), device="cuda:7")
    assert code == "MD13"
    assert "cannot be put on 'cuda:7'" in text


def test_an_unknown_source():
    code, text = error_of("zoo:lion", MissingError)
    assert code == "MD07"
    assert "No source 'zoo' of models. Sources: organism" in text


def test_sources_open_folders_by_name(folders, monkeypatch):
    monkeypatch.setattr(opening, "_SOURCES", {})
    register_source("family", lambda name: folders[name])
    model = open_model("family:own")
    assert (model.id, model.family) == ("family:own", "pellucid-transformer")


def test_a_repository_of_the_hub_that_cannot_be_had(monkeypatch):
    import huggingface_hub

    asked = []

    def download(repository, **keywords):
        asked.append((repository, keywords["local_files_only"]))
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    code, text = error_of("nobody/nothing", MissingError)
    assert code == "MD11"
    assert "'nobody/nothing' is no folder here, and cannot be had" in text
    assert asked == [("nobody/nothing", True), ("nobody/nothing", False)]


def test_a_repository_of_the_hub_that_is_kept_here(monkeypatch, folders):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(folders["llama"]))
    assert open_model("somebody/llama").id == "somebody/llama"


def test_the_weights_file_of_a_folder_opens_the_folder(folders):
    assert open_model(folders["own"] / "model.safetensors").id == "own"


@pytest.mark.parametrize("name", HUB)
def test_a_loaded_module_of_a_known_family_opens_as_it_is(name, folders, models, tokens):
    import transformers

    module = transformers.AutoModelForCausalLM.from_pretrained(folders[name], dtype=torch.float32)
    model = open_model(module)
    assert model.module is module
    assert model.sha256 == models[name].sha256
    with torch.no_grad():
        assert torch.equal(model.run(tokens, read="*").output, models[name].run(tokens, read="*").output)


def test_float16_and_bfloat16_folders_open_as_float32(folders, tmp_path):
    weights = load_file(folders["llama"] / "model.safetensors")
    shutil.copytree(folders["llama"], tmp_path / "half")
    half = {name: value.to(torch.bfloat16) for name, value in weights.items()}
    save_file(half, tmp_path / "half" / "model.safetensors", {"format": "pt"})
    opened = open_model(tmp_path / "half")
    assert {parameter.dtype for parameter in opened.module.parameters()} == {torch.float32}
    asked = open_model(tmp_path / "half", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in asked.module.parameters()} == {torch.bfloat16}
    assert opened.sha256 != asked.sha256


def test_models_open_in_evaluation_mode(models):
    assert not any(part.training for model in models.values() for part in model.module.modules())


def test_the_card_is_what_the_deployment_states(copy):
    folder = copy("own")
    assert open_model(folder).card == {}
    (folder / "deployment.json").write_text('{"observation_marker": "[seen]"}')
    assert open_model(folder).card == {"observation_marker": "[seen]"}
    (folder / "deployment.json").write_text("{")
    assert "deployment.json cannot be read" in error_of(folder)[1]


@pytest.mark.parametrize("name", ["own-rotary", "gpt2", "gemma2"])
def test_models_travel_between_processes(name, models, tokens):
    there = pickle.loads(pickle.dumps(models[name]))
    assert there.sha256 == models[name].sha256
    with torch.no_grad():
        for site in ("blocks.0.attn.pattern", "blocks.1.attn.q"):
            ours, theirs = (model.run(tokens, read=site) for model in (models[name], there))
            assert torch.equal(ours[site], theirs[site])
            assert torch.equal(ours.output, theirs.output)


def test_opening_leaves_transformers_messages_as_they_were(folders):
    from transformers.utils import logging

    for bars in (True, False):
        (logging.enable_progress_bar if bars else logging.disable_progress_bar)()
        level = logging.get_verbosity()
        open_model(folders["gpt2"])
        assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == (bars, level)


def test_the_room_does_not_load_transformers():
    import subprocess

    code = "import sys, pellucid.models; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_model_says_what_it_is(models):
    parameters = f"{models['own'].facts.parameters:,}"
    assert repr(models["own"]) == f"Model('own', pellucid-transformer, {parameters} parameters)"
    assert isinstance(models["own"], Model)
    assert models["own"].subject.sha256 == models["own"].sha256
