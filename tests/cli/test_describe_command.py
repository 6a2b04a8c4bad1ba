"""``dictionaries describe``: one Finding in the store, one page on request, mistakes said before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from pellucid.cli.commands.dictionaries_describe import describe, numbers_of
from pellucid.dictionaries import Convention, TopK, save_dictionary
from pellucid.findings import InputError, MissingError
from pellucid.organisms import validation_text
from pellucid.store import open_store

app = typer.Typer()
app.command("describe")(describe)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A dictionary of bard with random directions, and a page of text."""
    folder = tmp_path_factory.mktemp("described")
    made = TopK(128, 40, 4, site_in="blocks.1.resid_post", convention=Convention(subtract="none"))
    save_dictionary(made, folder / "sae")
    words = folder / "words.txt"
    words.write_text(validation_text().read_text(encoding="utf-8")[:6000], encoding="utf-8")
    return [str(folder / "sae"), "--model", "organism:bard", "--text", str(words)]


def called(*arguments: str) -> Result:
    torch.set_num_threads(1)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_the_finding_is_kept_and_the_page_written(given: list[str], tmp_path: Path) -> None:
    store, page = f"sqlite:///{tmp_path / 'kept.db'}", tmp_path / "latents.html"
    done = called(*given, "--store", store, "--out", str(page), "--latents", "3, 14")
    assert done.exit_code == 0
    with open_store(store) as kept:
        (header,) = kept.find(kind="dictionaries.dashboard")
    assert header.measures["latents"].value == 2
    assert f"then /dictionaries/{header.id[:12]}" in done.stdout
    assert f"--store {store}" in done.stdout
    assert header.id[:12] in page.read_text(encoding="utf-8")


def test_programs_get_json(given: list[str], tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'kept.db'}"
    data = json.loads(called(*given, "--store", store, "--latents", "0", "--json").stdout)
    assert data["kind"] == "dictionaries.dashboard"
    assert data["page"] is None
    assert [m["value"] for m in data["measures"] if m["name"] == "latents"] == [1]
    assert "values" not in json.dumps(data["arrays"])  # axes alone: the numbers are in the store


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (["--latents", "3,x"], "CL17", "'x' is no number of a latent"),
        (["--latents", ","], "CL17", "',' is no number of a latent"),
        (["--out", "latents.pdf"], "CL18", r"Cannot write a page to 'latents\.pdf'"),
        (["--latents", "40"], "DI24", "No latent 40"),
    ],
)
def test_mistakes_are_said(given: list[str], tmp_path: Path, asked: list[str], code: str, words: str) -> None:
    store = f"sqlite:///{tmp_path / 'kept.db'}"
    with pytest.raises((InputError, MissingError), match=words) as caught:
        called(*given, "--store", store, *asked)
    assert caught.value.code == code


def test_latents_by_comma() -> None:
    assert numbers_of(None) is None
    assert numbers_of("3, 14,") == [3, 14]
