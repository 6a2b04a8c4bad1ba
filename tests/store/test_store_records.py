"""Models and cases."""

from __future__ import annotations

import pytest
from store_samples import SHA

from pellucid.findings import InputError, MissingError
from pellucid.store import CaseRecord, ModelRecord

BARD = ModelRecord(
    SHA["a"], "organism:bard", "pellucid", 1_800_000, {"n_layers": 4, "parallel_residual": False}
)
TWIN = ModelRecord(SHA["b"], "organism:bard-twin", "pellucid", 1_800_000, {"n_layers": 4})


def bare(record):
    return record.to_dict() | {"stored": ""}


def test_models_come_back_the_newest_first(store):
    store.put_model(BARD)
    store.put_model(TWIN)
    assert [bare(record) for record in store.models()] == [TWIN.to_dict(), BARD.to_dict()]
    assert bare(store.model(SHA["a"])) == BARD.to_dict()
    assert store.model(SHA["a"][:6]).id == "organism:bard"
    assert store.models()[0].stored.endswith("Z")


def test_the_same_weights_under_another_name_are_the_same_model(store):
    store.put_model(BARD)
    first = store.model(SHA["a"]).stored
    store.put_model(ModelRecord(SHA["a"], "folder/bard", "pellucid", 1_800_000, {"n_layers": 5}))
    (record,) = store.models()
    assert (record.id, record.facts, record.stored) == ("folder/bard", {"n_layers": 5}, first)


def test_an_unknown_model_says_how_to_list(store):
    with pytest.raises(
        MissingError, match=r"No model 'ffff' in this store\. List them: pellucid models list"
    ):
        store.model("ffff")


def test_characters_that_fit_two_models_are_refused(store):
    store.put_model(BARD)
    store.put_model(ModelRecord(SHA["a"][:10] + SHA["b"][10:], "near", "pellucid", 1))
    with pytest.raises(InputError, match=r"'a1a1' fits several: a1a1a1a1, a1a1a1a1\. Give more characters\."):
        store.model("a1a1")


def test_every_version_of_a_case_is_kept(store):
    assert store.put_case("hidden", "G0: one", SHA["a"], {"word": "undecided"}) == 1
    assert store.put_case("other", "G0: x", SHA["b"], {"word": "stands"}) == 1
    assert store.put_case("hidden", "G0: two", SHA["a"], {"word": "defeated", "path": ["G0", "S1"]}) == 2
    newest = store.case("hidden")
    assert (newest.yaml, newest.version, newest.subject_sha) == ("G0: two", 2, SHA["a"])
    assert newest.verdict == {"word": "defeated", "path": ["G0", "S1"]}
    assert store.case("hidden", version=1).yaml == "G0: one"
    assert [record.version for record in store.case_history("hidden")] == [2, 1]
    assert [(record.name, record.version) for record in store.cases()] == [("hidden", 2), ("other", 1)]
    assert isinstance(newest, CaseRecord)
    assert newest.to_dict()["name"] == "hidden"


def test_a_case_that_is_not_there_names_the_near_one(store):
    with pytest.raises(MissingError, match=r"No case 'hiden' in this store\. List them: pellucid case list"):
        store.case("hiden")
    store.put_case("hidden", "G0: one", SHA["a"], {})
    with pytest.raises(MissingError, match=r"No case 'hiden' in this store\. Did you mean 'hidden'\?"):
        store.case("hiden")
    with pytest.raises(MissingError, match=r"Case 'hidden' has no version 7\. It has 1\."):
        store.case("hidden", version=7)
    assert store.case_history("nobody") == []
