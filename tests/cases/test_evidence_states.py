"""States of freshness: by input, by age, by parent, irreproducible, missing, retracted; several hold at once."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from case_arguments import BY_ID, EVIDENCE, header, leaf, leaves_of, random_case, retracted, slowly
from evidence_samples import NOON, ago, layered, one, started, verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.evaluation.verdict import judge
from pellucid.cases.evidence.evidence import Evidence, config_digest
from pellucid.cases.evidence.freshness import ORDER, STALE, worst
from pellucid.cases.evidence.validity import parse_duration, validities
from pellucid.cases.rerun import compare
from pellucid.findings import Header, InputError

# The order of the states ----------------------------------------------------------------------------


def test_the_states_in_the_order_of_the_specification() -> None:
    assert ORDER == (
        "fresh",
        "stale-by-input",
        "stale-by-age",
        "stale-by-parent",
        "irreproducible",
        "missing",
        "retracted",
    )
    assert worst(()) == "fresh"


def test_the_worst_of_a_set_is_the_last_in_order() -> None:
    for size in (1, 2, 3):
        for states in itertools.combinations(ORDER, size):
            assert worst(frozenset(states)) == states[-1]


# Age ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("30 days", 720),
        ("1 day", 24),
        ("36 h", 36),
        ("36h", 36),
        ("12 hours", 12),
        ("2 weeks", 336),
        ("2 w", 336),
        ("6 months", 6 * 720),
        ("1 Month", 720),
        ("1 year", 8760),
        ("1.5 d", 36),
        ("90 min", 1.5),
        (" 10  minutes ", 1 / 6),
    ],
)
def test_durations_that_can_be_read(text: str, hours: float) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "days",
        "-1 days",
        "0 days",
        "1e3 days",
        "30 dayss",
        "5 m",
        "9" * 30 + " days",
        "3 days 2 h",
        "inf d",
    ],
)
def test_durations_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError, match="is no length of time") as refused:
        parse_duration(text)
    assert refused.value.code == "Y80"
    assert "'30 days'" in refused.value.remedy


@pytest.mark.parametrize(
    ("days", "fresh"), [(0, True), (29.9, True), (30, True), (30.01, False), (400, False)]
)
def test_evidence_counts_for_as_long_as_its_leaf_says(days: float, fresh: bool) -> None:
    found = ago(header(), days=days)
    judged = verdict(one(found, validFor="30 days"), [found]).states["Sn1"]
    assert (judged.value, judged.now) == ("T", "T" if fresh else "U")
    assert judged.freshness == ({"fresh"} if fresh else {"stale-by-age"})
    assert judged.stale is not fresh
    if not fresh:
        day = (NOON - timedelta(days=days)).date().isoformat()
        assert (
            judged.reason
            == f"`score.low >= 1` holds; it ran on {day}, and Sn1 lets evidence count for 30 days"
        )


def test_without_a_window_nothing_ages() -> None:
    found = ago(header(), days=5000)
    assert verdict(one(found), [found]).stands


@pytest.mark.parametrize(
    ("windows", "owner"),
    [
        (("1 day", "9 days", "9 days", "9 days"), "Sn1"),
        (("", "1 day", "9 days", "9 days"), "G1"),
        (("", "", "1 day", "9 days"), "G0"),
        (("", "", "", "1 day"), "module m"),
        (("9 days", "1 day", "1 day", "1 day"), None),
        (("", "9 days", "1 day", "1 day"), None),
        (("", "", "9 days", "1 day"), None),
    ],
)
def test_the_nearest_window_wins(windows: tuple[str, ...], owner: str | None) -> None:
    judged = verdict(layered(*windows), [ago(header(), days=2)]).states["Sn1"]
    assert judged.stale is (owner is not None)
    assert owner is None or f"and {owner} lets evidence count for 1 day" in judged.reason


def test_of_two_windows_equally_near_the_strictest_wins() -> None:
    found = ago(header(), days=2)
    nodes = [
        Node("G0", supported_by=("G1", "G2")),
        Node("G1", supported_by=("Sn1",)).having(validFor="9 days"),
        Node("G2", supported_by=("Sn1",)).having(validFor="1 day"),
        Node("Sn1").having(finding=found.id, predicate="score.low >= 1"),
    ]
    for order in itertools.permutations(nodes):
        assert "G2 lets" in verdict(Case.of(order), [found]).states["Sn1"].reason


def test_a_counter_solution_ages_by_itself_or_by_what_it_challenges() -> None:
    found = ago(header(), days=2)
    for where in ("CSn1", "G1"):
        nodes = [
            Node("G1", supported_by=("Sn1",)),
            leaf("Sn1", "T"),
            Node("CSn1", challenges=("G1",)).having(finding=found.id, predicate="score.low >= 1"),
        ]
        case = Case.of([node.having(validFor="1 day") if node.id == where else node for node in nodes])
        judged = verdict(case, [found, *(ago(kept, hours=1) for kept in EVIDENCE.values())])
        assert (judged.value, judged.now) == ("F", "U")
        assert judged.states["CSn1"].freshness == {"stale-by-age"}


def test_a_window_nobody_can_read_lets_nothing_pass() -> None:
    found = ago(header(), hours=1)
    judged = verdict(one(found, validFor="soon"), [found]).states["Sn1"]
    assert judged.freshness == {"stale-by-age"}
    assert "'soon', cannot be read" in judged.reason


@pytest.mark.parametrize("time", ["", "yesterday", "2026-13-01"])
def test_a_time_nobody_can_read_counts_as_too_old_where_age_counts(time: str) -> None:
    found = started(header(), time)
    judged = verdict(one(found, validFor="30 days"), [found]).states["Sn1"]
    assert "it does not say when it ran" in judged.reason
    assert judged.freshness == {"stale-by-age"}
    assert verdict(one(found), [found]).stands


@pytest.mark.parametrize(
    ("time", "fresh"),
    [
        ("2026-11-24T12:00:00+00:00", True),
        ("2026-11-24T12:04:59Z", True),
        ("2026-11-24T12:06:00Z", False),
        ("2026-11-24T13:00:00+01:00", True),
        ("2026-11-24T12:00:00-02:00", False),
        ("2026-11-24T12:03:00", True),
        ("2027-01-01T00:00:00Z", False),
    ],
)
def test_a_time_that_is_yet_to_come_is_refused_with_its_own_reason(time: str, fresh: bool) -> None:
    found = started(header(), time)
    judged = verdict(one(found), [found]).states["Sn1"]
    assert judged.freshness == ({"fresh"} if fresh else {"stale-by-age"})
    assert fresh or "which is yet to come" in judged.reason


def test_the_time_of_judgement_names_its_zone() -> None:
    with pytest.raises(InputError, match="names no time zone") as refused:
        verdict(one(header()), [header()], at=datetime(2026, 11, 24))
    assert refused.value.code == "Y81"


def test_the_clock_is_now_unless_it_is_given() -> None:
    found = started(header(), datetime.now(UTC).isoformat())
    case = one(found, validFor="1 h")
    assert judge(case.graph, Evidence.of(case.graph, [found], modules=case.modules)).stands
    assert not verdict(case, [found], at=datetime.now(UTC) + timedelta(hours=2)).stands


def test_what_was_derived_today_from_an_old_measurement_is_as_old() -> None:
    old = ago(header(salt="old"), days=60)
    found = ago(header(parents=[old.id]), hours=1)
    judged = verdict(one(found, validFor="30 days"), [old, found]).states["Sn1"]
    assert judged.freshness == {"stale-by-parent"}
    assert f"made from Finding {old.id[:8]}…, which is too old" in judged.reason


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000))
def test_windows_agree_with_a_search_for_the_nearest_statement(seed: int) -> None:
    draw = random.Random(seed)
    case = random_case(seed)
    stated = {name: f"{draw.randint(1, 5)} days" for name in case.nodes if draw.random() < 0.2}
    nodes = [
        node.having(validFor=stated[node.id]) if node.id in stated else node for node in case.nodes.values()
    ]
    graph = Case.of(nodes).graph
    found = {name: validity.text for name, validity in validities(graph).items()}
    for name in graph.nodes:
        layer, seen = {name}, set[str]()
        while layer and not layer & stated.keys():
            seen |= layer
            layer = {above for below in layer for above in graph.dependents.get(below, ())} - seen
        near = [parse_duration(stated[above]) for above in layer & stated.keys()]
        assert (parse_duration(found[name]) if name in found else None) == min(near, default=None)


# Inputs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "why"),
    [
        ({"model:organism:m": "ab"}, "model organism:m was aa and is now ab"),
        ({"data:text": "d1"}, "data text was d0 and is now d1"),
        ({"code:room.method": "c1"}, "the code of room.method was c0 and is now c1"),
        ({"package:torch": "3"}, "the package torch was 2 and is now 3"),
        ({"config:room.method": "s1"}, "the settings of room.method was "),
        ({"package:numpy": "2", "config:room.other": "s1", "model:other": "x"}, None),
    ],
)
def test_each_input_by_itself_makes_stale(present: dict[str, str], why: str | None) -> None:
    plain = header(data=("text", "d0"))
    provenance = plain.provenance.model_copy(
        update={"packages": {"torch": "2"}, "parameters": {"k": 1, "name": "ü"}}
    )
    found = plain.model_copy(update={"provenance": provenance})
    found = found.model_copy(update={"id": found.identity()})
    judged = verdict(one(found), [found], present).states["Sn1"]
    assert judged.freshness == ({"stale-by-input"} if why else {"fresh"})
    assert why is None or f"; {why}" in judged.reason
    same = {"config:room.method": config_digest({"name": "ü", "k": 1}), "package:torch": "2"}
    assert verdict(one(found), [found], same).stands


# Irreproducible -------------------------------------------------------------------------------------


def rerun_of(old: Header, new: Header, **options: str) -> Header:
    return compare(old, new, **options).header  # type: ignore[arg-type]


def test_what_came_out_otherwise_is_irreproducible_for_every_case_that_knows() -> None:
    old, new = header(score=1.0), header(score=3.0, salt="again")
    against = rerun_of(old, new)
    assert against.status == "refutes"
    judged = verdict(one(old), [old, new], reruns=[against])
    state = judged.states["Sn1"]
    assert (judged.value, judged.now, state.freshness) == ("T", "U", {"irreproducible"})
    assert f"a re-run gave Finding {new.id[:8]}…, outside tolerance" in state.reason
    assert state.stale
    assert verdict(one(old), [old, new]).stands
    assert verdict(one(new), [old, new], reruns=[against]).stands


def test_a_rerun_that_agrees_or_was_retracted_takes_nothing_out() -> None:
    old, new = header(score=1.0), header(score=3.0, salt="again")
    good = rerun_of(old, header(score=1.0, salt="again"))
    assert verdict(one(old), [old], reruns=[good]).stands
    assert verdict(one(old), [old], reruns=[retracted(rerun_of(old, new))]).stands


def test_once_irreproducible_stays_so_though_a_later_run_agrees() -> None:
    old = header(score=1.0)
    against = rerun_of(old, header(score=3.0, salt="a"), ran="2026-01-01T00:00:00Z")
    good = rerun_of(old, header(score=1.0, salt="b"), ran="2026-02-01T00:00:00Z")
    assert verdict(one(old), [old], reruns=[good, against]).now == "U"


def test_what_rests_on_something_irreproducible_is_stale_by_parent() -> None:
    old = header(salt="old")
    found = header(parents=[old.id])
    against = rerun_of(old, header(score=3.0, salt="again"))
    judged = verdict(one(found), [old, found], reruns=[against]).states["Sn1"]
    assert judged.freshness == {"stale-by-parent"}
    assert "which could not be reproduced" in judged.reason


def test_a_run_that_gives_the_very_same_again_makes_it_young() -> None:
    found = ago(header(), days=60)
    case = one(found, validFor="30 days")
    assert verdict(case, [found]).now == "U"
    again = rerun_of(found, found, ran=(NOON - timedelta(days=1)).isoformat())
    assert verdict(case, [found], reruns=[again]).stands
    late = rerun_of(found, found, ran=(NOON + timedelta(days=1)).isoformat())
    assert "yet to come" in verdict(case, [found], reruns=[late]).states["Sn1"].reason


# Several at once ------------------------------------------------------------------------------------


def test_several_states_hold_at_once_and_the_worst_is_shown() -> None:
    old = header(salt="old")
    found = ago(header(parents=[old.id], data=("text", "d0")), days=60)
    against = rerun_of(found, header(score=3.0, salt="again", parents=[old.id], data=("text", "d0")))
    case = one(found, validFor="30 days")
    present = {"data:text": "d1"}
    judged = verdict(case, [retracted(old), found], present, reruns=[against]).states["Sn1"]
    assert judged.freshness == STALE
    assert judged.worst == "irreproducible"
    assert (judged.value, judged.now) == ("T", "U")
    judged = verdict(case, [retracted(old), retracted(found)], present, reruns=[against]).states["Sn1"]
    assert judged.freshness == STALE | {"retracted"}
    assert judged.worst == "retracted"
    assert verdict(case, []).states["Sn1"].worst == "missing"
    assert verdict(one(found), [old, found]).states["Sn1"].worst == "fresh"


def test_staleness_of_a_counter_leaves_a_doubt_open() -> None:
    """A stale answer no longer silences a doubt, and a stale doubt no longer kills."""
    found = ago(header(score=0.0), days=60)
    nodes = [
        Node("G1", supported_by=("Sn1",)),
        leaf("Sn1", "T"),
        Node("CSn1", challenges=("G1",)).having(
            finding=found.id, predicate="score.low >= 1", validFor="1 day"
        ),
    ]
    judged = verdict(Case.of(nodes), [*BY_ID.values(), found])
    assert (judged.value, judged.now) == ("T", "U")


# 1,000 random arguments -----------------------------------------------------------------------------


def test_staleness_agrees_with_brute_force_on_1000_random_arguments() -> None:
    """Every leaf in turn made stale: value kept, now re-derived, touched is reach, changed a part of it."""
    agreed = 0
    for seed in range(1000):
        case, draw = random_case(seed, most=40), random.Random(seed)
        bound = list(case.citations)
        fresh = {
            value: header(score=1.0 if value == "T" else 0.0, model=("other", "x"), salt=value)
            for value in "TF"
        }
        by_value = {kept.id: value for value, kept in EVIDENCE.items()}
        aged = {name for name in bound if draw.random() < 0.3}
        swap = {
            name: fresh[value].id
            for name in bound
            if name not in aged and (value := by_value[case.citations[name]]) in fresh
        }
        held = [*BY_ID.values(), *fresh.values()]
        judged = verdict(case.bind(swap), held, {"model:organism:m": "changed"})
        before = verdict(case.bind(swap), held)
        taken_out = {name: "U" for name in bound if name not in swap}
        assert {name: state.value for name, state in judged.states.items()} == slowly(case)
        assert {name: state.now for name, state in judged.states.items()} == slowly(case, taken_out)
        touched = _reach(case, {name for name in bound if name not in swap})
        assert {name for name, state in judged.states.items() if state.stale} == touched
        assert case.touched([name for name in bound if name not in swap]) == touched
        assert judged.changed(before) <= touched
        agreed += 1
    assert agreed == 1000


def _reach(case: Case, start: set[str]) -> set[str]:
    """All that read, over any number of steps, what is in ``start``; by the relations as they are written."""
    nodes = case.nodes.values()
    found = set(start)
    while True:
        more = {
            node.id
            for node in nodes
            if found & {*node.supported_by, *node.in_context_of}
            or any(
                other.id in found
                and (
                    other.challenges == (node.id,)
                    or (
                        len(other.challenges) == 2
                        and node.id in other.challenges
                        and _reads(case, node, next(end for end in other.challenges if end != node.id))
                    )
                )
                for other in nodes
            )
        }
        if more <= found:
            return found
        found |= more


def _reads(case: Case, node: Node, other: str) -> bool:
    """Whether an element reads another one, so that a doubt about their relation reaches it."""
    return other in (*node.supported_by, *node.in_context_of) or case.nodes[other].challenges == (node.id,)


@pytest.mark.parametrize("seed", range(25))
def test_a_single_leaf_made_stale_touches_what_reaches_it(seed: int) -> None:
    case = random_case(seed)
    for name in leaves_of(case):
        node = case.nodes[name]
        if node.kind is NodeKind.ASSUMPTION or node.finding is None:
            continue
        aged = Case(
            tuple(
                replace(
                    module,
                    nodes=tuple(
                        one.having(validFor="1 day") if one.id == name else one for one in module.nodes
                    ),
                )
                for module in case.modules
            )
        )
        times = [ago(kept, days=2) for kept in BY_ID.values()]
        judged = verdict(aged, times)
        stale = {other for other, state in judged.states.items() if state.stale}
        assert stale == _reach(case, _windowed(aged, name))


def _windowed(case: Case, name: str) -> set[str]:
    """The leaf, and the leaves below it through challenges of it, to which its window also applies."""
    below = case.graph.reach([name], case.graph.depends)
    return {other for other in below if case.nodes[other].finding}
