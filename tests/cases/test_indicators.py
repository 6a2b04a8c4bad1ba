"""Safety performance indicators: levels to warn and to revoke at, and what crossing them does."""

from __future__ import annotations

import pytest
from case_arguments import header
from hypothesis import given
from hypothesis import strategies as st

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.evidence.evidence import Evidence
from pellucid.cases.evidence.indicators import Indicator, indicators, watch
from pellucid.findings import Header

LEVELS = {"warnWhen": "score.high > 2", "revokeWhen": "score.low > 5"}


def case(found: Header, **layers: str) -> Case:
    bound = {"finding": found.id, "predicate": "score.low >= 1"} | layers
    return Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1").having(**bound)])


@pytest.mark.parametrize(
    ("low", "high", "level", "value"),
    [
        (1.0, 1.5, "normal", "T"),
        (1.0, 2.0, "normal", "T"),
        (1.0, 2.1, "warning", "T"),
        (4.9, 9.0, "warning", "T"),
        (5.0, 9.0, "warning", "T"),
        (5.1, 9.0, "revoked", "F"),
        (0.5, 1.0, "normal", "F"),
        (0.5, 3.0, "warning", "F"),
    ],
)
def test_a_level_that_is_crossed(low: float, high: float, level: str, value: str) -> None:
    found = header(low=low, high=high)
    judged = case(found, **LEVELS).evaluate([found])
    assert judged.states["Sn1"].value == judged.value == value
    node = case(found, **LEVELS).nodes["Sn1"]
    state = watch(node, found.measures)
    assert state is not None
    assert state.level == level


def test_revoking_outweighs_the_predicate_and_leaves_no_dead_zone() -> None:
    """Between `predicate` and `refutedBy` a leaf is undecided; revoked it is false at once."""
    found = header(low=6.0, high=7.0)
    layers = {"predicate": "score.low >= 9", "refutedBy": "score.high < 1"}
    assert case(found, **layers).evaluate([found]).value == "U"
    judged = case(found, **layers, **LEVELS).evaluate([found])
    assert judged.value == judged.now == "F"
    assert judged.reason == (
        "Sn1: neither `score.low >= 9` nor `score.high < 1` holds; the level to revoke, `score.low > 5`, is crossed."
    )


@pytest.mark.parametrize("level", ["warnWhen", "revokeWhen"])
@pytest.mark.parametrize("text", ["rate.low > 5", "score >", ""])
def test_a_level_that_cannot_be_read_leaves_nothing_true(level: str, text: str) -> None:
    for low, value in ((1.0, "U"), (0.0, "F")):
        found = header(low=low, high=2.0)
        judged = case(found, **{level: text}).evaluate([found]).states["Sn1"]
        assert judged.value == value
        assert "cannot be read from what was measured" in judged.reason


def test_only_what_supports_is_watched() -> None:
    found = header(low=6.0, high=7.0)
    layers = {"finding": found.id, "predicate": "score.low >= 1"} | LEVELS
    doubt = Node("CSn1", challenges=("G1",)).having(**layers)
    doubted = Case.of([Node("G1", undeveloped=True), doubt])
    assert doubted.evaluate([found]).states["CSn1"].value == "T"
    assert watch(doubt, found.measures) is None
    assert [d.code for d in doubted.check() if d.code == "E14"] == ["E14", "E14"]
    assumption = Node("A1").having(**layers)
    assert watch(assumption, found.measures) == Indicator(
        "A1", "revoked", "the level to revoke, `score.low > 5`, is crossed"
    )


def test_crossings_are_diagnosed() -> None:
    levels = {
        "normal": (1.0, 1.5, []),
        "warning": (1.0, 3.0, ["E15"]),
        "revoked": (6.0, 7.0, ["E15"]),
    }
    for low, high, expected in levels.values():
        found = header(low=low, high=high)
        messages = case(found, **LEVELS).check([found])
        assert [message.code for message in messages] == expected
        assert all(message.level == "warning" and message.remedy for message in messages)
    assert "The indicator of 'Sn1': the level to revoke, `score.low > 5`, is crossed." in str(messages[0])
    found = header(low=1.0, high=1.5)
    assert [d.code for d in case(found, revokeWhen="rate.low > 5").check([found])] == ["E12", "E15"]
    assert [d.code for d in case(found, warnWhen="score >").check()] == ["E11"]
    assert [d.code for d in case(found, warnWhen="score > 9").check([found])] == []


def test_revoked_evidence_that_went_stale_is_undecided_now() -> None:
    found = header(low=6.0, high=7.0)
    judged = case(found, **LEVELS).evaluate([found], {"model:organism:m": "zz"})
    assert (judged.value, judged.now) == ("F", "U")


def test_all_indicators_of_a_case_in_the_order_of_the_file() -> None:
    found = header(low=1.0, high=3.0)
    layers = {"finding": found.id, "predicate": "score.low >= 1"}
    nodes = [
        Node("G1", supported_by=("Sn2", "Sn1", "Sn3", "Sn4")),
        Node("Sn2").having(**layers, warnWhen="score.high > 2"),
        Node("Sn1").having(**layers, revokeWhen="score.high > 9"),
        Node("Sn3").having(**layers),
        Node("Sn4").having(finding="0" * 64, predicate="score > 1", warnWhen="score > 2"),
    ]
    argument = Case.of(nodes)
    evidence = Evidence.of(argument.graph, [found])
    assert [(one.element, one.level) for one in indicators(argument.graph, evidence)] == [
        ("Sn2", "warning"),
        ("Sn1", "normal"),
    ]


@given(st.floats(-10, 10), st.floats(0, 5))
def test_watching_never_makes_a_leaf_better(low: float, width: float) -> None:
    order = {"F": 0, "U": 1, "T": 2}
    found = header(low=low, high=low + width)
    plain, watched = (case(found, **layers).evaluate([found]).value for layers in ({}, LEVELS))
    assert order[watched] <= order[plain]
    assert (watched != plain) == (plain == "T" and low > 5)


def test_kinds_by_type_are_watched_like_kinds_by_prefix() -> None:
    found = header(low=6.0, high=7.0)
    node = Node("x1", node_type=NodeKind.SOLUTION).having(finding=found.id, predicate="score > 0", **LEVELS)
    assert Case.of([Node("G1", supported_by=("x1",)), node]).evaluate([found]).value == "F"
