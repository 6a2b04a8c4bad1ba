"""The study of the safetywashing paper: its claims as the base table has them."""

from __future__ import annotations

import pytest

from pellucid.compute import SILENT, executor
from pellucid.findings import Measure, start
from pellucid.library import catalogue
from pellucid.library.states import claim_state
from pellucid.library.studies import safetywashing as study
from pellucid.library.studies.protocol import Conditions


@pytest.fixture(scope="module")
def findings():
    with executor() as pool:
        return list(study.table_claims(Conditions("quick", (0,), None, pool, SILENT)))


@pytest.fixture(scope="module")
def by_claim(findings):
    return {f.provenance.parameters["claim"]: f for f in findings if "claim" in f.provenance.parameters}


def test_each_claim_has_one_finding_whose_parent_is_the_analysis(findings, by_claim):
    assert sorted(by_claim) == [f"safetywashing.C{number}" for number in (1, 2, 3, 4)]
    analysis = findings[0]
    assert analysis.kind == "metascience.safetywashing"
    for finding in by_claim.values():
        assert finding.provenance.parents == (analysis.id,)
        finding.verify()


@pytest.mark.truth("library.safetywashing_share")
@pytest.mark.truth("library.safetywashing_compute")
@pytest.mark.truth("library.safetywashing_headlines")
def test_the_numbers_of_the_table(by_claim):
    share = by_claim["safetywashing.C1"].measures["share"]
    assert share.value == pytest.approx(78.25708729, abs=1e-8)
    assert share.low < share.value < share.high
    assert share.reference.value == 78.26
    headlines = by_claim["safetywashing.C2"].measures
    assert f"{headlines['ethics_all'].value:.4f}" == "0.7027"
    assert f"{headlines['wmdp_bio'].value:.4f}" == "-0.9249"
    assert f"{headlines['bbq_amb'].value:.4f}" == "0.3077"
    assert headlines["held"].value == 3
    compute = by_claim["safetywashing.C4"].measures["compute"]
    assert f"{compute.value:.4f}" == "0.9650"
    assert compute.n == 24


@pytest.mark.truth("library.safetywashing_independent")
def test_what_looks_independent_is_undecided(by_claim):
    measures = by_claim["safetywashing.C3"].measures
    assert measures["decorrelated"].value == 0
    assert measures["decorrelated"].n == 164
    assert measures["near_zero"].value == 56
    assert measures["undecided"].value >= 56
    assert measures["undecided"].value + measures["correlated"].value == 164
    assert by_claim["safetywashing.C3"].status == "inconclusive"


def test_the_states_of_the_claims(findings):
    headers = [finding.header for finding in findings]
    states = {claim.id: claim_state(claim, headers) for claim in catalogue().get("safetywashing").claims}
    assert states["C1"] == states["C4"] == "reproduced"
    # the chat models are not in the public table: the base half alone is a part of the claim
    assert states["C2"] in {"reproduced", "partly"}
    assert states["C3"] == "inconclusive"


@pytest.mark.law("library.safetywashing_share")
@pytest.mark.parametrize(
    ("value", "status"), [(78.2571, "supports"), (77.0, "inconclusive"), (40.0, "refutes")]
)
def test_share_is_judged_by_its_predicate(value, status):
    measures = [Measure.of("share", value, n=27), Measure.of("capabilities", 12.0)]
    assert start(study.table_claims).finding(study.SHARE, measures=measures).status == status


@pytest.mark.law("library.safetywashing_headlines")
@pytest.mark.parametrize(
    ("value", "status"), [(0.0003, "supports"), (0.05, "inconclusive"), (0.2, "refutes")]
)
def test_headlines_are_judged_by_their_predicate(value, status):
    measures = [Measure.of("difference", value), Measure.of("held", 1.0, n=3)]
    assert start(study.table_claims).finding(study.HEADLINE, measures=measures).status == status


@pytest.mark.law("library.safetywashing_independent")
@pytest.mark.parametrize(
    ("decorrelated", "undecided", "status"), [(1, 5, "supports"), (0, 5, "inconclusive"), (0, 0, "refutes")]
)
def test_independence_is_judged_by_its_predicate(decorrelated, undecided, status):
    counts = {"decorrelated": decorrelated, "undecided": undecided, "correlated": 3, "near_zero": 2}
    measures = [Measure.of(name, float(count), n=10) for name, count in counts.items()]
    assert start(study.table_claims).finding(study.INDEPENDENT, measures=measures).status == status


@pytest.mark.law("library.safetywashing_compute")
@pytest.mark.parametrize(
    ("ends", "status"),
    [((0.965, 0.88, 0.99), "supports"), ((0.9, 0.8, 0.95), "inconclusive"), ((0.1, -0.2, 0.3), "refutes")],
)
def test_compute_is_judged_by_its_predicate(ends, status):
    value, low, high = ends
    measures = [Measure(name="compute", value=value, low=low, high=high, n=24)]
    assert start(study.table_claims).finding(study.COMPUTE, measures=measures).status == status
