"""What must be measured again: exactly what is stale, parents first, one step a command."""

from __future__ import annotations

import random

import pytest
from case_arguments import header, retracted
from rerun_lab import NOON, Lab, Recipe, descendants, flip, later, random_lab

from pellucid.cases import Case, Node
from pellucid.cases.rerun import Plan, Step, compare, plan
from pellucid.findings import Header, InputError, MissingError

ONE = [Recipe("a", "organism:m", "x.txt", command="pellucid measure a")]
CHAIN = [
    Recipe("a", "organism:m", "x.txt", command="pellucid measure a"),
    Recipe("b", "organism:n", "y.txt", ("a",), "pellucid measure b"),
    Recipe("c", "organism:n", "y.txt", ("b",), "pellucid measure c"),
]


def commands(planned: Plan) -> list[str]:
    return [step.command for step in planned.steps]


def reasons(planned: Plan) -> dict[str, str]:
    return {refusal.element: refusal.reason for refusal in planned.refusals}


def test_nothing_is_planned_while_all_is_fresh() -> None:
    lab = Lab.of(CHAIN)
    planned = lab.plan(lab.case())
    assert (planned.steps, planned.refusals, planned.known, planned.leaves) == ((), (), (), ())


def test_all_takes_up_what_is_fresh_too_but_not_what_nobody_cites() -> None:
    lab = Lab.of(CHAIN)
    assert commands(lab.plan(lab.case(), only_stale=False)) == [f"pellucid measure {name}" for name in "abc"]
    assert commands(lab.plan(lab.case(["c"]), only_stale=False)) == ["pellucid measure c"]


@pytest.mark.parametrize(
    ("cited", "changed", "expected"),
    [
        ("abc", "organism:m", "abc"),
        ("abc", "organism:n", "bc"),
        ("c", "organism:m", "abc"),
        ("c", "organism:n", "bc"),
        ("b", "organism:m", "ab"),
        ("a", "organism:n", ""),
        ("a", "organism:m", "a"),
    ],
)
def test_stale_leaves_and_their_stale_parents_parents_first(cited: str, changed: str, expected: str) -> None:
    lab = Lab.of(CHAIN)
    case = lab.case(cited)
    lab.weights[changed] = flip(lab.weights[changed], -1)
    planned = lab.plan(case)
    assert commands(planned) == [f"pellucid measure {name}" for name in expected]
    assert set(planned.leaves) == {f"Sn-{name}" for name in cited if name in expected}
    for before, step in zip(planned.steps, planned.steps[1:], strict=False):
        assert step.needs == (before.command,)


def test_one_step_a_command_whatever_it_makes() -> None:
    recipes = [Recipe(name, "organism:m", "x.txt", command="pellucid measure all") for name in "abc"]
    lab = Lab.of(recipes)
    case = lab.case()
    lab.weights["organism:m"] = b"clean too"
    (step,) = lab.plan(case).steps
    assert step.leaves == ("Sn-a", "Sn-b", "Sn-c")
    assert [found.id for found in step.findings] == list(case.citations.values())


def test_one_finding_under_several_leaves_is_made_once() -> None:
    lab = Lab.of(ONE)
    case = lab.case()
    twin = Node("Sn-2").having(finding=lab.current["a"][:10], predicate="score.low >= 0")
    case = Case.of([*case.nodes.values(), twin])
    lab.texts["x.txt"] = b"another text"
    held = dict(lab.held)

    def ask(key: str) -> Header:
        found = [kept.header for name, kept in held.items() if name.startswith(key)]
        if not found:
            raise MissingError("ST13", "none", "")
        return found[0]

    (step,) = plan(case, ask, lab.present, NOON).steps
    assert step.citing == {lab.current["a"]: ("Sn-a", "Sn-2")}


def test_age_alone_is_a_reason() -> None:
    lab = Lab.of(CHAIN)
    case = lab.case(["c"], validFor="30 days")
    lab.clock = later(days=29)
    assert commands(lab.plan(case)) == []
    lab.clock = later(days=31)
    assert commands(lab.plan(case)) == [f"pellucid measure {name}" for name in "abc"]


def test_what_cannot_be_measured_again_says_why() -> None:
    byhand = header(data=("text", "d0"))
    lost = "3f2a" * 16
    parent = header(salt="parent", data=("text", "d0"))
    child = header(parents=[parent.id], salt="child")
    child = child.model_copy(
        update={"provenance": child.provenance.model_copy(update={"command": "pellucid measure child"})}
    )
    foreign = header(salt="foreign", data=("text", "d0"))
    foreign = foreign.model_copy(
        update={"provenance": foreign.provenance.model_copy(update={"command": "rm -rf /"})}
    )
    gone = retracted(header(salt="gone"))
    cited = {"Sn1": byhand.id, "Sn2": lost, "Sn3": child.id, "Sn4": foreign.id, "Sn5": gone.id}
    leaves = [Node(name).having(finding=finding, predicate="score > 0") for name, finding in cited.items()]
    leaves += [Node("Sn6"), Node("Sn7").having(log="abababab", predicate="score > 0"), Node("A1")]
    case = Case.of([Node("G1", supported_by=tuple(leaf.id for leaf in leaves)), *leaves])
    held = [byhand, parent, child, foreign, gone]
    planned = plan(
        case, held, {"data:text": "d1"}, refuse=lambda command: "not ours" if command[:2] == "rm" else None
    )
    by_hand = "it names no command: it was measured or imported by hand"
    assert planned.steps == ()
    assert reasons(planned) == {
        "Sn1": by_hand,
        "Sn2": "Finding 3f2a3f2a… is not at hand, so how it was measured is not known",
        "Sn3": f"it was made from Finding {parent.id[:8]}…, which cannot be measured again: {by_hand}",
        "Sn4": "not ours",
        "Sn5": "it was retracted: wrong batch",
        "Sn6": "it cites no Finding",
        "Sn7": "log abababab is not at hand, so how it was measured is not known",
    }


def test_a_tolerance_nobody_can_read_is_refused_before_anything_is_run() -> None:
    lab = Lab.of(ONE)
    case = lab.case(tolerance="about")
    assert lab.plan(case).steps == ()
    with pytest.raises(InputError, match="'about' is no tolerance"):
        lab.plan(case, only_stale=False)


def test_two_commands_that_need_each_other_are_both_planned() -> None:
    recipes = [
        Recipe("a", "organism:m", "x.txt", command="pellucid measure odd"),
        Recipe("b", "organism:m", "x.txt", ("a",), "pellucid measure even"),
        Recipe("c", "organism:m", "x.txt", ("b",), "pellucid measure odd"),
    ]
    lab = Lab.of(recipes)
    case = lab.case()
    lab.weights["organism:m"] = b"clean too"
    steps = lab.plan(case).steps
    assert sorted(step.command for step in steps) == ["pellucid measure even", "pellucid measure odd"]
    assert steps[0].needs == ()


def test_what_was_replaced_before_is_known_and_not_run_again() -> None:
    lab = Lab.of(ONE)
    case, old = lab.case(), lab.held[lab.current["a"]]
    lab.weights["organism:m"] = b"clean too"
    new = lab.measure("a")
    lab.add(new)
    lab.add(compare(old.header, new.header, case.nodes["Sn-a"]))
    planned = lab.plan(case)
    assert planned.steps == ()
    assert [(known.element, known.new.id) for known in planned.known] == [("Sn-a", new.id)]
    lab.weights["organism:m"] = b"clean three"
    assert commands(lab.plan(case)) == ["pellucid measure a"]


def test_all_ignores_what_is_known() -> None:
    lab = Lab.of(ONE)
    case = lab.case()
    lab.weights["organism:m"] = b"clean too"
    new = lab.measure("a")
    lab.add(new)
    lab.add(compare(lab.held[lab.current["a"]].header, new.header))
    assert commands(lab.plan(case, only_stale=False)) == ["pellucid measure a"]


@pytest.mark.parametrize("seed", range(60))
def test_plans_of_random_origins_agree_with_brute_force(seed: int) -> None:
    """Change one object: exactly the descendants of what was made from it, above some leaf, are planned."""
    lab, draw = random_lab(seed), random.Random(seed)
    cited = {name for name in lab.recipes if draw.random() < 0.4} or {"m0"}
    case = lab.case(sorted(cited))
    kind, name = draw.choice([("model", "organism:a"), ("model", "organism:b"), ("data", "x.txt")])
    held = lab.weights if kind == "model" else lab.texts
    held[name] = flip(held[name], draw.randrange(len(held[name])))
    made_from = {
        r.name for r in lab.recipes.values() if name in (r.model if kind == "model" else r.text, r.text)
    }
    stale = descendants(lab, made_from)
    above = {one for one in lab.recipes if cited & stale & descendants(lab, {one})}
    planned = lab.plan(case)
    by_id = {finding: one for one, finding in lab.current.items()}
    found = [by_id[header.id] for step in planned.steps for header in step.findings]
    assert set(found) == stale & above
    assert len(found) == len(set(found))
    assert {leaf.removeprefix("Sn-") for leaf in planned.leaves} == cited & stale
    assert len(set(commands(planned))) == len(planned.steps)
    _parents_first(lab, planned.steps, by_id)


def _parents_first(lab: Lab, steps: tuple[Step, ...], by_id: dict[str, str]) -> None:
    done: set[str] = set()
    for step in steps:
        names = [by_id[header.id] for header in step.findings]
        assert set(step.needs) <= done
        for place, name in enumerate(names):
            own = [parent for parent in lab.recipes[name].parents if parent in names]
            assert all(names.index(parent) < place for parent in own)
        done.add(step.command)
