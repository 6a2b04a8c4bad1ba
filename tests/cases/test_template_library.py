"""The shipped templates: complete, undecided without evidence, standing with it, defeated by a failing leaf."""

from __future__ import annotations

import itertools
from importlib.resources import files

import pytest
from pattern_arguments import accepted, bound

from pellucid.cases import Case, NodeKind
from pellucid.cases.checks.patterns import check_patterns
from pellucid.cases.defeaters.carrying import causal_word
from pellucid.cases.patterns.library import Template, template, templates
from pellucid.cases.patterns.slots import bind_slots, slots
from pellucid.findings import Header, MissingError, Predicate

ALL = templates()
NAMES = [one.name for one in ALL]


def example(name: str) -> Case:
    return template(name).instantiate(template(name).example)


def whole(name: str) -> Case:
    return accepted(example(name))


def word(case: Case, **more: object) -> str:
    ready, leaves = bound(case, **more)
    return ready.evaluate(leaves).word


def needed(case: Case) -> list[str]:
    """Leaves without which the case does not stand although everything else holds."""
    ready, leaves = bound(case)
    return [row.leaf for row in ready.sensitivity(leaves) if row.without != "T"]


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


# All of them -----------------------------------------------------------------------------------


def test_the_templates_of_the_issue_are_there():
    assert {"scheming", "four-categories", "operational", "control", "cyber-inability", "unlearned"} <= set(
        NAMES
    )


def test_each_has_title_source_and_parameters():
    for one in ALL:
        assert isinstance(one, Template)
        assert one.title
        assert one.source
        assert one.parameters
        assert one.title == one.case.modules[0].brief


def test_unknown_names_are_answered():
    with pytest.raises(MissingError, match=r"Did you mean 'scheming'\? There are control") as caught:
        template("schemeing")
    assert caught.value.code == "Y55"


def test_each_is_valid_as_a_pattern(name):
    case = template(name).case
    assert [d for d in case.check() if d.code[0] in "VC"] == []
    assert {d.code for d in check_patterns(case.modules, case.graph)} == {"P01"}


def test_each_example_is_a_valid_case(name):
    case = example(name)
    faults = [*case.check(), *check_patterns(case.modules, case.graph)]
    assert [d for d in faults if d.level == "error" or d.code[0] in "VCP"] == []
    assert len(case.graph.roots) == 1


def test_no_blank_or_mark_is_left(name):
    for node in example(name).nodes.values():
        assert "{" not in (node.text or "") + "".join(text for _, text in node.layers)
        assert node.layer("multiplicity") is None


def test_every_value_of_the_example_is_used(name):
    stated = set(template(name).example) - {"choose", "include"}
    assert stated == {p.name for p in template(name).parameters if p.type.word not in ("choice", "optional")}


def test_every_element_has_words_of_its_own(name):
    texts = [node.text for node in template(name).case.nodes.values()]
    assert all(text and text.strip() for text in texts)


def test_every_leaf_waits_for_a_measurement_by_a_readable_predicate(name):
    leaves = (NodeKind.SOLUTION, NodeKind.COUNTER_SOLUTION)
    for node in example(name).nodes.values():
        if node.kind in leaves:
            assert node.layer("slot")
            # the end of an interval, never the point, so that E04 has nothing to say
            assert all(end != "value" or other == "tried" for other, end in _points(node.predicate)), node.id


def _points(predicate: str) -> list[tuple[str, str]]:
    exact = ("means_tried", "stealth_limit", "awareness_limit")
    return [("tried" if name in exact else name, end) for name, end in Predicate.parse(predicate).ends()]


def test_every_doubt_says_its_kind_and_has_an_answer_to_fill(name):
    case = example(name)
    for node in case.nodes.values():
        if node.challenges and node.undeveloped:
            assert node.layer("defeater")
            assert case.graph.challengers[node.id]


def test_without_evidence_it_is_undecided(name):
    case = example(name)
    verdict = case.evaluate([])
    assert verdict.word == "undecided"
    assert set(verdict.open_assumptions) == {
        n for n, node in case.nodes.items() if node.kind is NodeKind.ASSUMPTION
    }


def test_with_evidence_and_assumptions_it_stands(name):
    assert word(whole(name)) == "stands"


def test_with_evidence_but_without_an_assumption_it_does_not(name):
    case = example(name)
    for leaf in needed(whole(name)):
        if case.nodes[leaf].kind is NodeKind.ASSUMPTION:
            others = [n for n in case.nodes if n != leaf]
            assert word(accepted(case, others)) == "undecided", leaf


def test_a_failing_leaf_never_leaves_more_than_its_absence(name):
    case = whole(name)
    ready, leaves = bound(case)
    rows = {row.leaf: row for row in ready.sensitivity(leaves)}
    replies = {leaf for n, node in case.nodes.items() if node.challenges for leaf in node.supported_by}
    for leaf in [n for n, node in case.nodes.items() if node.layer("slot")]:
        outcome = word(case, failing=[leaf])
        if rows[leaf].without == "T":
            assert outcome == "stands", leaf
        elif leaf in replies:
            # a failed answer leaves the doubt open, which is not yet a proof of the opposite
            assert outcome == "undecided", leaf
        else:
            assert outcome == "defeated", leaf


def test_most_templates_need_most_leaves():
    shares = {
        one: len(needed(whole(one))) / len([n for n in whole(one).nodes if n.startswith(("Sn", "CSn", "A"))])
        for one in NAMES
    }
    assert shares["control"] == 1
    assert shares["unlearned"] == 1
    assert shares["honeypot"] == 1
    assert shares["cyber-inability"] == 1


def test_an_empty_list_is_never_a_case(name):
    one = template(name)
    for parameter in one.parameters:
        if parameter.repeats:
            case = accepted(one.instantiate(one.example | {parameter.name: []}))
            assert "P02" in {d.code for d in check_patterns(case.modules, case.graph)}, parameter.name
            assert word(case) == "undecided" or _carried_otherwise(name, parameter.name)


def _carried_otherwise(name: str, parameter: str) -> bool:
    # one of three core arguments, and one of two abilities, suffices: the others still carry
    lists = {
        "scheming": ("reasoning_skills", "concealment_skills"),
        "operational": ("stealth_challenges", "awareness_challenges"),
    }
    return parameter in lists.get(name, ())


def test_round_trip_through_its_file(name, tmp_path):
    case = example(name)
    assert Case.read(case.write(tmp_path / "case.yaml")).normal() == case.normal()


# Scheming --------------------------------------------------------------------------------------

CORE = ("G1", "G2", "G3")


def below(case: Case, top: str) -> set[str]:
    starts = [n for n in case.nodes if n.split("_")[0] == top]
    return set(case.graph.reach(starts, case.graph.depends))


def only(case: Case, core: str) -> set[str]:
    """Leaves that belong to one core argument."""
    others = set().union(*(below(case, other) for other in (*CORE, "G4") if other != core))
    return {n for n in below(case, core) - others if case.nodes[n].layer("slot")}


def test_scheming_has_the_tree_of_the_paper():
    nodes = template("scheming").case.nodes
    wanted = "G0 C0.1 C0.2 C0.3 C0.4 C0.5 S0 G1 S1 G1.1 A1.1a G1.2 G1.2.1 G1.2.2 G1.2.3 G1.3 G1.3.1 G1.3.2 A1.3 G1.4 "
    wanted += "G2 G2.1 G2.2 G2.3 G2.4 G3 S3 G3.1 A3.1 G3.2 G3.3 G3.4 G3.5 G3.6 G4 G4.1 D-rare G4.2 G4.3"
    assert set(wanted.split()) <= nodes.keys()
    assert [nodes[n].need for n in ("S0", "G1.2", "G1.3.2")] == ["any"] * 3
    assert nodes["S0"].multiplicity == "threat in threats"
    assert nodes["D-rare"].challenges == ("G4.1",)


def test_open_problems_of_scheming_are_assumptions_that_start_undecided():
    case = example("scheming")
    marked = {n.split("_")[0] for n, node in case.nodes.items() if node.layer("open") == "true"}
    assert {"A1.1a", "A1.3", "A2.1", "A3.1", "A3.1a", "A4.1a", "A4.2", "A4.3"} <= marked
    assert all(case.nodes[n].kind is NodeKind.ASSUMPTION for n in case.nodes if case.nodes[n].layer("open"))
    assert not any(node.accepted for node in case.nodes.values())


@pytest.mark.parametrize("core", CORE)
def test_one_core_argument_carries_alone(core):
    case = whole("scheming")
    others = set().union(*(only(case, other) for other in CORE if other != core))
    assert word(case, absent=others) == "stands"


@pytest.mark.parametrize("core", CORE)
def test_removing_the_core_argument_that_carried_opens_the_top(core):
    """Claim C2 of the scheming paper."""
    case = whole("scheming")
    absent = set().union(*(only(case, other) for other in CORE))
    assert word(case, absent=absent - only(case, core)) == "stands"
    assert word(case, absent=absent) == "undecided"


@pytest.mark.parametrize("core", CORE)
def test_a_needed_leaf_of_the_only_core_argument_defeats(core):
    case = whole("scheming")
    wrong = [leaf for other in CORE if other != core for leaf in only(case, other)]
    assert word(case, failing=wrong) == "stands"
    ready, leaves = bound(case, failing=wrong)
    replies = {leaf for node in case.nodes.values() if node.challenges for leaf in node.supported_by}
    for row in ready.sensitivity(leaves):
        if row.without != "T" and ready.nodes[row.leaf].layer("slot") and row.leaf not in replies:
            assert word(case, failing=[*wrong, row.leaf]) == "defeated", row.leaf


def test_alignment_alone_carries_nothing():
    case = whole("scheming")
    absent = set().union(*(only(case, core) for core in CORE))
    ready, leaves = bound(case, absent=absent)
    verdict = ready.evaluate(leaves)
    assert verdict.states["G4"].value == "T"
    assert verdict.word == "undecided"


def test_failing_alignment_defeats_nothing():
    case = whole("scheming")
    wrong = [n for n in below(case, "G4") if case.nodes[n].layer("slot")]
    assert word(case, failing=wrong) == "stands"


def test_d_rare_pulls_the_honeypot_argument_down_until_it_is_answered():
    ready, leaves = bound(whole("scheming"), absent=["CSn4.1"])
    verdict = ready.evaluate(leaves)
    assert verdict.states["G4.1"].value == "U"
    ready, leaves = bound(whole("scheming"))
    assert ready.evaluate(leaves).states["G4.1"].value == "T"


def test_each_threat_model_needs_a_core_argument_of_its_own():
    one = template("scheming")
    threats = one.example["threats"]
    second = {**threats[0], "name": "mass influence"}
    case = accepted(one.instantiate(one.example | {"threats": [*threats, second]}))
    assert case.nodes["G0"].supported_by[:2] == ("S0_a-poisoned-data-set", "S0_mass-influence")
    for first, other in itertools.product(CORE, CORE):
        kept = {
            n
            for core, threat in ((first, "a-poisoned-data-set"), (other, "mass-influence"))
            for n in case.graph.reach([f"{core}_{threat}"], case.graph.depends)
        }
        gone = {n for core in CORE for n in below(case, core) if case.nodes[n].layer("slot")} - kept
        assert word(case, absent=gone) == "stands"
        alone = {n for n in kept if n.split("_")[1:2] == ["mass-influence"]}
        assert word(case, absent=gone | alone) == "undecided"


# Others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "absent"),
    [
        ({"G1": ["G1.1"]}, "G1.2"),
        ({"G1": ["G1.2"], "G1.2": ["G1.2.1"]}, "G1.1"),
        ({"G1": ["G1.2"], "G1.2": ["G1.2.2"], "G1.2.2": ["G1.2.2.2"]}, "G1.2.2.1"),
    ],
)
def test_the_four_categories_can_be_argued_one_by_one(chosen, absent):
    one = template("four-categories")
    case = accepted(one.instantiate(one.example | {"choose": one.example["choose"] | chosen}))
    assert not any(n.split("_")[0] == absent for n in case.nodes)
    assert word(case) == "stands"


def test_the_four_categories_follow_six_steps():
    words = " ".join(node.text for node in template("four-categories").case.nodes.values())
    assert all(f"Step {number}" in words for number in range(1, 7))


def test_unlearned_asks_for_what_undoes_a_shallow_edit():
    waits = slots(template("unlearned").case)
    for slot in (
        "held_out_test",
        "relearning_attack",
        "format_transfer",
        "side_effects",
        "localisation",
        "sham_control",
    ):
        assert slot in waits
    assert word(whole("unlearned"), failing=["CSn3"]) == "undecided"
    assert word(whole("unlearned"), failing=["Sn3a"]) == "defeated"


def test_slots_bind_by_name_and_by_leaf():
    case = Case.read("G1: {supportedBy: [Sn1, Sn2]}\nSn1: {slot: power}\nSn2: {slot: power}")
    assert bind_slots(case, {"power": "aaaa", "Sn2": "bbbb"}).citations == {"Sn1": "aaaa", "Sn2": "bbbb"}
    with pytest.raises(
        MissingError, match=r"No leaf or slot 'powr' in case 'text'\. Did you mean 'power'\?"
    ) as caught:
        bind_slots(case, {"powr": "aaaa"})
    assert caught.value.code == "Y52"


def test_correlation_under_the_words_of_a_template_is_no_causal_claim(name):
    ready, leaves = bound(whole(name))
    weak = {found.id: _weak(found) for found in leaves}
    text = ready.text
    for old, found in weak.items():
        text = text.replace(old, found.id)
    case = Case.read(text)
    told = [found.message for found in case.check(list(weak.values())) if found.code == "E05"]
    # the one claim that says itself that it is causal
    assert all("'G4'" in message for message in told)
    assert bool(told) == (name == "unlearned")
    assert not [found for found in ready.check(leaves) if found.code == "E05"]


def _weak(found: Header) -> Header:
    made = found.model_copy(update={"evidence": "correlational"})
    return made.model_copy(update={"id": made.identity()})


def test_the_template_of_the_audit_has_no_causal_words():
    folder = files("pellucid.audit") / "templates"
    read = [
        Case.read(path.read_text(encoding="utf-8")) for path in folder.iterdir() if path.name[-5:] == ".yaml"
    ]
    assert read
    assert {causal_word(node) for case in read for node in case.nodes.values()} == {None}
