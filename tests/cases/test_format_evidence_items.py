"""Runtime evidence items 0.1: strict reading, verdicts that are never derived again, and Findings of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from case_arguments import header
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.cases import Case
from pellucid.cases.formats.evidence_items import (
    EvidenceItem,
    evidence_item,
    read_evidence_items,
    write_evidence_items,
)
from pellucid.cases.formats.tea import dump_tea
from pellucid.cases.formats.tea_writer import element_uuid
from pellucid.findings import InputError

CLAIM = "2baf68ba-27fa-5260-87e7-d22e05116407"
ITEM: dict[str, Any] = {
    "formatVersion": "0.1",
    "claimId": CLAIM,
    "metricName": "braking-distance",
    "value": 12.5,
    "threshold": 10,
    "verdict": "PASS",
    "oddDimensions": ["rain"],
    "sourceSystem": "twin",
    "provenance": {"check": "brake", "runId": "r1", "checkVersion": "2", "extra": {"a": [1]}},
    "evaluatedAt": "2026-11-24T12:00:00Z",
}


def read(*items: dict[str, Any]) -> tuple[EvidenceItem, ...]:
    return read_evidence_items(json.dumps(list(items)), "items.json")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ITEM.items() if key != name}


def test_an_item_is_read_as_it_stands() -> None:
    (item,) = read_evidence_items(json.dumps(ITEM), "items.json")
    assert (item.claim_id, item.metric_name, item.verdict, item.truth) == (
        CLAIM,
        "braking-distance",
        "PASS",
        "T",
    )
    assert (item.value, item.threshold, item.odd_dimensions) == (12.5, 10, ("rain",))
    assert item.provenance == ITEM["provenance"]
    assert item.evaluated_at == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert item.place == "items.json: item 1 (line 1)"


@pytest.mark.law("cases.evidence_item")
@pytest.mark.parametrize(
    ("word", "truth", "status"),
    [("PASS", "T", "supports"), ("DEGRADED", "U", "inconclusive"), ("FAIL", "F", "refutes")],
)
def test_the_verdict_is_authoritative(word: str, truth: str, status: str) -> None:
    # the value is on the wrong side of the threshold in two of three cases: nobody asks it
    (item,) = read(ITEM | {"verdict": word})
    finding = item.finding()
    assert item.truth == truth
    assert finding.header.status == status
    assert finding.header.provenance.given["verdict"] == word
    assert item.finding().id == finding.id


@pytest.mark.truth("cases.evidence_item")
def test_interval_and_count_travel_under_provenance() -> None:
    made = header(score=0.2, low=0.1, high=0.4)
    item = evidence_item("G1", "pump", made, "PASS", datetime(2026, 11, 24, tzinfo=UTC))
    (back,) = read_evidence_items(write_evidence_items([item]), "x")
    assert back == item
    assert back.claim_id == element_uuid("pump", "G1")
    assert back.metric_name == "cases-sample-score"
    assert back.provenance["runId"] == made.id
    assert back.provenance["subject"] == {"id": "organism:m", "sha256": "aa"}
    finding = back.finding()
    measure = finding.header.measures["metric"]
    assert (measure.value, measure.low, measure.high) == (0.2, 0.1, 0.4)
    assert finding.header.provenance.subject is not None
    assert finding.header.provenance.subject.sha256 == "aa"


def test_the_claim_of_an_item_is_the_element_that_was_exported() -> None:
    case = Case.read("module: {name: pump}\nG1: {supportedBy: [G2]}\nG2: {supportedBy: [Sn1]}\nSn1: {}\n")
    tree = json.loads(dump_tea(case.modules).text)["tree"]
    item = evidence_item("G2", case.name, header(), "FAIL", datetime(2026, 11, 24, tzinfo=UTC))
    assert item.claim_id == tree["children"][0]["id"]


def test_a_leaf_can_cite_the_finding_of_an_item() -> None:
    for word, value in (("PASS", "T"), ("FAIL", "F")):
        finding = read(ITEM | {"verdict": word})[0].finding()
        case = Case.read(
            f"G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {finding.id}, predicate: 'verdict.value >= 1', "
            "refutedBy: 'verdict.value <= 0'}\n"
        )
        assert case.evaluate([finding]).states["G1"].value == value


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        EvidenceItem,
        claim_id=st.uuids().map(str),
        metric_name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
        verdict=st.sampled_from(["PASS", "DEGRADED", "FAIL"]),
        source_system=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
        provenance=st.fixed_dictionaries(
            {"check": st.just("c"), "runId": st.just("r")}, optional={"n": st.integers(0, 99), "é": st.none()}
        ),
        evaluated_at=st.datetimes(timezones=st.just(UTC)),
        value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        threshold=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        odd_dimensions=st.lists(st.sampled_from(["rain", "night"]), max_size=2).map(tuple),
    )
)
def test_what_is_written_is_read_back_equal(item: EvidenceItem) -> None:
    assert read_evidence_items(write_evidence_items([item, item]), "x") == (item, item)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (ITEM | {"verdicts": 1}, "unknown name 'verdicts'. Did you mean 'verdict'?"),
        (ITEM | {"storedAt": "x"}, "unknown name 'storedAt'"),
        (without("claimId"), "claimId missing"),
        (without("provenance"), "provenance missing"),
        (ITEM | {"formatVersion": "1.0"}, "formatVersion is \"1.0\"; expected '0.1'"),
        (ITEM | {"formatVersion": 0.1}, "formatVersion is 0.1"),
        (ITEM | {"claimId": "G1"}, 'claimId is "G1". Give the uuid of a property claim.'),
        (ITEM | {"metricName": ""}, "metricName is 0 characters long. Give a text of 1 to 200 characters."),
        (ITEM | {"metricName": "m" * 201}, "metricName is 201 characters long"),
        (ITEM | {"sourceSystem": "s" * 101}, "sourceSystem is 101 characters long. Give a text of 1 to 100"),
        (ITEM | {"sourceSystem": 5}, "sourceSystem is 5"),
        (ITEM | {"verdict": "pass"}, 'verdict is "pass". Write PASS, DEGRADED or FAIL. Did you mean'),
        (ITEM | {"verdict": True}, "verdict is true"),
        (ITEM | {"verdict": ["PASS"]}, 'verdict is ["PASS"]'),
        (ITEM | {"value": "12"}, 'value is "12". Give a number'),
        (ITEM | {"value": True}, "value is true"),
        (ITEM | {"threshold": None}, "threshold is null"),
        (ITEM | {"oddDimensions": "rain"}, "oddDimensions is no list of texts"),
        (ITEM | {"oddDimensions": None}, "oddDimensions is no list of texts"),
        (ITEM | {"provenance": "run"}, "provenance is no object"),
        (ITEM | {"provenance": {"check": "c"}}, "provenance.runId is missing"),
        (ITEM | {"provenance": {"check": "", "runId": "r"}}, "provenance.check is missing"),
        (ITEM | {"evaluatedAt": "yesterday"}, 'evaluatedAt is "yesterday". Give a time in UTC'),
        (ITEM | {"evaluatedAt": "2026-11-24"}, "evaluatedAt is"),
        (ITEM | {"evaluatedAt": "2026-11-24T12:00:00"}, "evaluatedAt is"),
        (ITEM | {"evaluatedAt": "2026-11-24T12:00:00+02:00"}, "evaluatedAt is"),
        (ITEM | {"evaluatedAt": 5}, "evaluatedAt is 5"),
    ],
)
def test_every_fault_names_the_item(item: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(ITEM, item)
    assert caught.value.code == "Y41"
    assert str(caught.value).startswith("Y41") or "item 2" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "[", '{"a": 1, "a": 2}', "nonsense"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_evidence_items(text, "items.json")
    assert caught.value.code == "Y40"


def test_a_list_holds_objects_only_and_lines_are_told() -> None:
    with pytest.raises(InputError, match=r"items\.json: item 1 is no object"):
        read_evidence_items("[3]", "items.json")
    with pytest.raises(InputError, match=r"items.json: item 2 \(line 3\): unknown name 'x'"):
        read_evidence_items(
            "[" + json.dumps(ITEM) + ",\n\n" + json.dumps(ITEM | {"x": 1}) + "]", "items.json"
        )


def test_an_item_without_a_value_is_a_finding_too() -> None:
    (item,) = read(without("value"))
    assert item.finding().header.measures["metric"].value is None
    assert item.finding().header.status == "supports"


def test_an_interval_that_is_no_number_is_refused() -> None:
    (item,) = read(ITEM | {"provenance": {"check": "c", "runId": "r", "low": "0"}})
    with pytest.raises(InputError, match=r"provenance\.low is"):
        item.finding()


def test_an_export_says_what_it_cannot_do() -> None:
    when = datetime(2026, 11, 24, tzinfo=UTC)
    with pytest.raises(InputError, match=r"does not measure 'scores'. Did you mean 'score'"):
        evidence_item("G1", "c", header(), "PASS", when, measure="scores")
    with pytest.raises(InputError, match="Write PASS, DEGRADED or FAIL"):
        evidence_item("G1", "c", header(), "GREEN", when)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no time zone"):
        evidence_item("G1", "c", header(), "PASS", datetime(2026, 11, 24))
