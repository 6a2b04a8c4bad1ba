"""``dictionaries doctor``, ``convert`` and ``formats``: the answer, its exit status, and nothing changed unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from pellucid.cli.commands.dictionaries_files import add_to
from pellucid.dictionaries import Convention, TopK, load_dictionary, save_dictionary
from pellucid.findings import InputError, MissingError
from pellucid.organisms import validation_text

app = typer.Typer()
add_to(app)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An exact identity at bard's stream, once right and once read as if nothing were subtracted."""
    folder = tmp_path_factory.mktemp("files")
    both = torch.cat([torch.eye(128), -torch.eye(128)])
    record = Convention(subtract="b_dec", decoder_unit_norm=True)
    made = TopK(128, 256, 128, site_in="blocks.1.resid_post", convention=record)
    with torch.no_grad():
        made.W_enc.copy_(both)
        made.W_dec.copy_(both)
        made.b_dec.copy_(3 * torch.randn(128, generator=torch.Generator().manual_seed(1)))
    save_dictionary(made, folder / "right", format="saelens")
    config = json.loads((folder / "right" / "cfg.json").read_text(encoding="utf-8"))
    (folder / "wrong").mkdir()
    weights = (folder / "right" / "sae_weights.safetensors").read_bytes()
    (folder / "wrong" / "sae_weights.safetensors").write_bytes(weights)
    spoilt = json.dumps(config | {"apply_b_dec_to_input": False})
    (folder / "wrong" / "cfg.json").write_text(spoilt, encoding="utf-8")
    words = folder / "words.txt"
    words.write_text(validation_text().read_text(encoding="utf-8")[:3000], encoding="utf-8")
    store = f"sqlite:///{folder / 'kept.db'}"
    return folder, ["--model", "organism:bard", "--text", str(words), "--store", store]


def called(*arguments: str, caught: bool = False) -> Result:
    torch.set_num_threads(1)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=caught)


def test_a_right_dictionary_passes(given: tuple[Path, list[str]]) -> None:
    folder, rest = given
    done = called("doctor", str(folder / "right"), *rest)
    assert done.exit_code == 0, done.stdout
    assert "0 mistakes" in done.stdout.replace("\u2009", " ")


def test_a_contradicted_one_is_named_and_repaired_on_request(given: tuple[Path, list[str]]) -> None:
    folder, rest = given
    before = (folder / "wrong" / "cfg.json").read_bytes()
    done = called("doctor", str(folder / "wrong"), *rest, "--repaired", str(folder / "repaired"))
    assert done.exit_code == 1
    assert "subtraction: b_dec is subtracted from the input, not nothing" in done.stdout
    assert (folder / "wrong" / "cfg.json").read_bytes() == before
    assert load_dictionary(folder / "repaired").convention.subtract == "b_dec"


def test_programs_get_the_finding(given: tuple[Path, list[str]]) -> None:
    folder, rest = given
    done = called("doctor", str(folder / "wrong"), *rest, "--json")
    data = json.loads(done.stdout)
    assert done.exit_code == 1
    assert data["kind"] == "dictionaries.gate_check"
    assert [one["value"] for one in data["measures"] if one["name"] == "mistakes"] == [1]


def test_a_conversion_is_said(given: tuple[Path, list[str]]) -> None:
    folder, _ = given
    done = called("convert", str(folder / "right"), str(folder / "ours"), "--format", "sparsify", "--json")
    assert json.loads(done.stdout) == {
        "from": "saelens",
        "to": "sparsify",
        "out": str(folder / "ours"),
        "features": 256,
    }
    assert load_dictionary(folder / "ours").site_in == "blocks.1.resid_post"
    assert "it was saelens" in called("convert", str(folder / "right"), str(folder / "again")).stdout


def test_a_refused_conversion_says_why(given: tuple[Path, list[str]]) -> None:
    folder, _ = given
    done = called("convert", str(folder / "right"), str(folder / "no"), "--format", "goodfire", caught=True)
    assert isinstance(done.exception, InputError)
    assert done.exception.code == "DI84"


def test_a_site_that_is_not_there(given: tuple[Path, list[str]]) -> None:
    folder, _ = given
    right = str(folder / "right")
    done = called("convert", right, str(folder / "x"), "--site", "blocks.1.resid_pots", caught=True)
    assert isinstance(done.exception, MissingError)
    assert done.exception.code == "DI126"
    assert "Did you mean 'blocks.1.resid_post'" in str(done.exception)
    assert called("convert", right, str(folder / "y"), "--site", "blocks.1.resid_post").exit_code == 0


def test_the_formats_are_listed() -> None:
    listed = json.loads(called("formats", "--json").stdout)
    assert {"name", "program", "files", "written", "several"} == set(listed[0])
    assert [entry["name"] for entry in listed if not entry["written"]] == ["dunefsky"]
    assert [entry["name"] for entry in listed if entry["several"]] == ["circuit_tracer", "e2e_sae"]
    assert "llama_scope" in called("formats").stdout
