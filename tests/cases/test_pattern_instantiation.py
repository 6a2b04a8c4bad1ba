"""Instantiating patterns: the four categories, copies, references, choices, options, two steps as one."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from case_arguments import EVIDENCE, header, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from pattern_arguments import FOUR, FOUR_VALUES

from pellucid.cases import Case
from pellucid.cases.patterns.instantiate import instantiate
from pellucid.cases.patterns.parameters import parameters
from pellucid.cases.patterns.placeholders import blanks
from pellucid.findings import InputError

FOURS = Case.read(FOUR)


def case_of(text: str) -> Case:
    return Case.read(text)


def fault(pattern: Case, values: dict, **more: object) -> InputError:
    with pytest.raises(InputError) as caught:
        instantiate(pattern, values, **more)
    return caught.value


# The first fixture -----------------------------------------------------------------------------


def test_four_categories_is_one_argument_an_ability():
    case = instantiate(FOURS, FOUR_VALUES)
    assert case.nodes["S1"].supported_by == ("G2_cyber", "G2_bio")
    assert case.nodes["G2_bio"].supported_by == ("G3_bio", "G4_bio")
    assert case.nodes["G3_cyber"].text == "cyber cannot cause unacceptable outcomes"
    assert case.nodes["Sn3_bio"].predicate == "rate.high <= 0.01"
    assert case.nodes["C1"].text == "Abilities: cyber and bio"
    assert not [blank for node in case.nodes.values() for blank in blanks(node)]


def test_four_categories_share_contexts_that_do_not_depend_on_the_ability():
    case = instantiate(FOURS, FOUR_VALUES)
    assert {"C5", "C6", "C7"} <= case.nodes.keys()
    assert case.nodes["G5_cyber"].in_context_of == case.nodes["G5_bio"].in_context_of == ("C5",)


def test_four_categories_have_no_structural_fault():
    case = instantiate(FOURS, FOUR_VALUES)
    assert [d for d in case.check() if d.level == "error" or d.code[0] in "VC"] == []
    assert case.evaluate([]).word == "undecided"


def test_choosing_only_inability_drops_the_rest():
    values = dict(FOUR_VALUES) | {"choose": {"G2": "G3", "G4": ["G5"]}}
    case = instantiate(FOURS, values)
    assert case.nodes["G2_cyber"].supported_by == ("G3_cyber",)
    assert not any(name.startswith(("G4", "G5", "G6", "C5", "Sn5", "C7")) for name in case.nodes)
    assert case.nodes["G2_cyber"].layer("chosen") == "G3_cyber"


def test_each_ability_may_choose_for_itself():
    values = dict(FOUR_VALUES) | {"choose": {"G2_cyber": ["G3"], "G2_bio": ["G4"], "G4": ["G5"]}}
    case = instantiate(FOURS, values)
    assert case.nodes["G2_cyber"].supported_by == ("G3_cyber",)
    assert case.nodes["G2_bio"].supported_by == ("G4_bio",)
    assert "G3_bio" not in case.nodes
    assert "G4_cyber" not in case.nodes


def test_empty_list_is_never_true():
    case = instantiate(FOURS, dict(FOUR_VALUES) | {"abilities": []})
    stub = case.nodes["G2"]
    assert stub.undeveloped
    assert stub.layer("empty") == "abilities"
    assert case.evaluate([]).now == "U"


# Copies ----------------------------------------------------------------------------------------

NESTED = """
G0: {text: top, supportedBy: [S1]}
S1: {text: "by {a.name}", multiplicity: a in as, supportedBy: [G1]}
G1: {text: "{b}", multiplicity: b in bs, supportedBy: [G2], acp: {point: [G1, G2]}}
G2: {text: "{c} of {a.name}", multiplicity: c in a.cs, supportedBy: [Sn1], inContextOf: [A1, C1]}
Sn1: {text: measured}
A1: {text: "fixed for {a.name}"}
C1: {text: fixed}
CG1: {text: doubt, challenges: G1 -> G2, undeveloped: true}
CG2: {text: answer, challenges: CG1, supportedBy: [CSn1]}
CSn1: {text: measured}
"""


def nested(sizes: list[int], width: int) -> dict:
    return {
        "as": [{"name": f"a{i}", "cs": [f"c{j}" for j in range(size)]} for i, size in enumerate(sizes)],
        "bs": [f"b{i}" for i in range(width)],
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 4))
def test_copies_are_the_product_of_the_lists(sizes, width):
    case = instantiate(case_of(NESTED), nested(sizes, width))
    count = {stem: sum(name.split("_")[0] == stem for name in case.nodes) for stem in case_of(NESTED).nodes}
    assert count["S1"] == len(sizes)
    assert count["G1"] == len(sizes) * width
    assert count["G2"] == count["Sn1"] == count["CG1"] == count["CSn1"] == sum(sizes) * width
    assert count["A1"] == len(sizes)
    assert count["C1"] == count["G0"] == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 3))
def test_every_reference_leads_to_the_right_copy(sizes, width):
    case = instantiate(case_of(NESTED), nested(sizes, width))
    assert [d for d in case.check() if d.code[0] in "VC"] == []
    for node in case.nodes.values():
        items = node.id.split("_")[1:]
        for other in (*node.supported_by, *node.in_context_of, *node.challenges):
            shared = other.split("_")[1:]
            assert shared[: len(items)] == items[: len(shared)]


def test_challenge_of_a_relation_and_claim_point_follow_their_copy():
    case = instantiate(case_of(NESTED), nested([2], 1))
    assert case.nodes["CG1_a0_b0_c1"].challenges == ("G1_a0_b0", "G2_a0_b0_c1")
    assert case.nodes["CG2_a0_b0_c1"].challenges == ("CG1_a0_b0_c1",)
    assert dict(case.nodes["G1_a0_b0"].acp) == {"point": ("G1_a0_b0", "G2_a0_b0_c0", "G2_a0_b0_c1")}


def test_what_is_reached_from_elsewhere_and_does_not_depend_is_shared():
    case = instantiate(
        case_of(
            "G0: {supportedBy: [G1, G2]}\nG1: {text: '{x}', multiplicity: x in xs, supportedBy: [G3, G4]}\n"
            "G2: {supportedBy: [G3, G4]}\nG3: {supportedBy: [Sn3]}\nSn3: {}\nG4: {supportedBy: [Sn4]}\nSn4: {text: '{x}'}\n"
        ),
        {"xs": ["a", "b"]},
    )
    assert case.nodes["G1_a"].supported_by == ("G3", "G4_a")
    assert case.nodes["G2"].supported_by == ("G3", "G4_a", "G4_b")


def test_a_list_in_an_item_may_be_met_before_its_item():
    """The walk reaches G3 through G1 first, although its list lies in an item of G2's."""
    text = (
        "G0: {supportedBy: [G1, G2]}\nG1: {supportedBy: [G3]}\nG2: {text: '{a.name}', multiplicity: a in as, supportedBy: [G3]}\n"
        "G3: {text: '{y}', multiplicity: y in a.ys, supportedBy: [Sn1]}\nSn1: {}"
    )
    case = instantiate(case_of(text), {"as": [{"name": "p", "ys": ["u", "v"]}, {"name": "q", "ys": ["w"]}]})
    assert case.nodes["G2_p"].supported_by == ("G3_p_u", "G3_p_v")
    assert case.nodes["G1"].supported_by == ("G3_p_u", "G3_p_v", "G3_q_w")


def test_two_marks_over_one_list_are_one_repetition():
    case = instantiate(
        case_of(
            "G0: {supportedBy: [G1, G2]}\nG1: {text: '{x}', multiplicity: x in xs, supportedBy: [Sn1]}\n"
            "G2: {text: 'not {x}', multiplicity: x in xs, supportedBy: [Sn1]}\nSn1: {text: 'about {x}'}\n"
        ),
        {"xs": ["a", "b"]},
    )
    assert case.nodes["G1_a"].supported_by == case.nodes["G2_a"].supported_by == ("Sn1_a",)


@pytest.mark.parametrize(
    ("items", "endings"),
    [
        (["one two", "three"], ["one-two", "three"]),
        (["same", "same", "same-2"], ["same", "same-2", "same-2-2"]),
        (["..", "élan"], ["1", "elan"]),
        (["x" * 60], ["x" * 24]),
    ],
)
def test_ids_end_in_the_item(items, endings):
    case = instantiate(
        case_of("G0: {supportedBy: [Sn1]}\nSn1: {text: '{x}', multiplicity: x in xs}"), {"xs": items}
    )
    assert case.nodes["G0"].supported_by == tuple(f"Sn1_{ending}" for ending in endings)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30).filter(lambda t: t.strip() and "{" not in t), max_size=6))
def test_ids_are_unique_whatever_the_items(items):
    text = "G0: {supportedBy: [G1, G1_a]}\nG1: {text: '{x}', multiplicity: x in xs, supportedBy: [Sn1]}\nSn1: {}\nG1_a: {undeveloped: true}"
    case = instantiate(case_of(text), {"xs": items})
    names = [node.id for module in case.modules for node in module.nodes]
    assert len(set(names)) == len(names)
    assert "G1_a" in names
    assert Case.read(case.text).normal() == case.normal()


def test_numbers_and_models_name_copies_too():
    text = "G0: {supportedBy: [Sn1]}\nSn1: {text: '{x.m: model} in {x.n: integer}', multiplicity: x in xs}"
    model = {"id": "bard", "sha256": "AB" * 32}
    case = instantiate(case_of(text), {"xs": [{"id": "one", "m": model, "n": 3}]})
    assert case.nodes["Sn1_one"].text == f"bard (weights {'ab' * 6}) in 3"


@pytest.mark.parametrize("mark", ["capabilities", "capability in capabilities"])
def test_items_go_by_the_singular_of_their_list(mark):
    text = f"G0: {{supportedBy: [Sn1]}}\nSn1: {{text: '{{capability.name}} / {{item.name}}', multiplicity: {mark}}}"
    case = instantiate(case_of(text), {"capabilities": [{"name": "cyber"}]})
    assert case.nodes["Sn1_cyber"].text == "cyber / cyber"


def test_a_list_may_be_called_by_its_item():
    text = "G0: {text: 'over {capability}', supportedBy: [G1]}\nG1: {text: '{capability.name}', multiplicity: capability, supportedBy: [Sn1]}\nSn1: {}"
    case = instantiate(case_of(text), {"capability": [{"name": "cyber"}, {"name": "bio"}]})
    assert [case.nodes[n].text for n in ("G0", "G1_cyber", "G1_bio")] == [
        "over cyber and bio",
        "cyber",
        "bio",
    ]


def test_modules_extensions_and_their_texts_follow():
    text = (
        "module: {name: '{what}', brief: 'About {what}', extends: [{module: other, develops: {G9: [G1]}}]}\n"
        "G1: {text: '{x}', multiplicity: x in xs, supportedBy: [Sn1]}\nSn1: {url: 'https://example.org/{x}'}"
    )
    (module,) = instantiate(case_of(text), {"what": "a case", "xs": ["a", "b"]}).modules
    assert (module.name, module.brief) == ("a case", "About a case")
    assert module.extends[0].develops == (("G9", ("G1_a", "G1_b")),)
    assert [node.url for node in module.nodes if node.id.startswith("Sn")] == [
        "https://example.org/a",
        "https://example.org/b",
    ]


# Two steps are one -----------------------------------------------------------------------------

KEYS = ("AI system", "abilities", "unacceptable outcomes", "trustworthy", "controls", "credible", "choose")


@settings(max_examples=80, deadline=None)
@given(st.sets(st.sampled_from(KEYS)), st.integers(0, 3))
def test_two_steps_are_one(first, count):
    values = dict(FOUR_VALUES) | {"abilities": list(FOUR_VALUES["abilities"])[:count]}
    early = {key: value for key, value in values.items() if key in first}
    late = {key: value for key, value in values.items() if key not in first}
    if "choose" in late and "abilities" in early:
        # after the copies are made, a choice names the copies
        names = [ability["name"] for ability in values["abilities"]]
        late["choose"] = {
            f"{parent}_{name}": [f"{leg}_{name}" for leg in legs]
            for parent, legs in values["choose"].items()
            for name in names
        }
    half = instantiate(FOURS, early, partial=True)
    # an empty list takes the questions below it along
    asked = {parameter.name for parameter in parameters(half)} | {"choose"}
    late = {key: value for key, value in late.items() if key in asked}
    assert instantiate(half, late).normal() == instantiate(FOURS, values).normal()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.integers(1, 2))
def test_outer_lists_first_are_all_at_once(sizes, early):
    pattern = case_of(NESTED.replace("a.cs", "cs"))
    names = ("as", "bs", "cs")
    values = {name: [f"{name[0]}{i}" for i in range(size)] for name, size in zip(names, sizes, strict=True)}
    values["as"] = [{"name": name} for name in values["as"]]
    half = instantiate(pattern, {name: values[name] for name in names[:early]}, partial=True)
    asked = {parameter.name for parameter in parameters(half)}
    late = {name: values[name] for name in names[early:] if name in asked}
    assert instantiate(half, late).normal() == instantiate(pattern, values).normal()


def test_inner_list_cannot_go_first():
    error = fault(case_of(NESTED), {"bs": ["b"]}, partial=True)
    assert error.code == "Y51"
    assert (
        str(error)
        == "'bs' is repeated inside 'as', which has no value yet. Give 'as' first, or both together."
    )


def test_nothing_given_changes_nothing():
    assert instantiate(FOURS, {}, partial=True).normal().text.count("multiplicity") == 1
    assert dict(instantiate(FOURS, {}, partial=True).modules[0].layers) == {"pattern": "true"}


def test_a_full_case_is_a_fixed_point():
    case = instantiate(FOURS, FOUR_VALUES)
    assert instantiate(case, {}) == case
    assert dict(case.modules[0].layers) == {}


# Nothing is vacuously true ---------------------------------------------------------------------

REQUIRED = """
G0: {text: top, supportedBy: [S1], inContextOf: [A1, C1]}
S1: {text: over, supportedBy: [G1]}
G1: {text: "{b}", multiplicity: b in bs, supportedBy: [Sn1], inContextOf: [A2]}
Sn1: {text: "{c}", multiplicity: c in cs, finding: abcd, predicate: "x.value >= 1"}
A1: {text: "{d}", multiplicity: d in ds, accepted: "R. Reviewer, 2026-11-21"}
A2: {text: "{b} and {e}", multiplicity: e in es, accepted: "R. Reviewer, 2026-11-21"}
C1: {text: "{f}", multiplicity: f in fs}
CG1: {text: "{g}", multiplicity: g in gs, challenges: G1, undeveloped: true}
CG2: {text: answered, challenges: CG1, supportedBy: [Sn2]}
Sn2: {finding: abcd, predicate: "x.value >= 1"}
"""


@settings(max_examples=120, deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.lists(st.just("i"), max_size=2) for name in ("bs", "cs", "ds", "es", "fs", "gs")}
    )
)
def test_no_empty_list_makes_the_top_true(values):
    from pellucid.cases.checks.patterns import check_patterns

    case = instantiate(case_of(REQUIRED), values)
    leaf = header(name="x", score=2.0)
    verdict = case.bind({name: leaf.id for name, node in case.nodes.items() if node.finding}).evaluate([leaf])
    stubs = [name for name, node in case.nodes.items() if node.layer("empty")]
    assert [d.code for d in check_patterns(case.modules, case.graph)] == ["P02"] * len(stubs)
    assert all(verdict.states[name].value != "T" for name in stubs)
    assert verdict.stands == (all(values.values()))


def test_an_optional_list_may_be_empty():
    text = (
        "G0: {supportedBy: [Sn0, Sn1]}\nSn0: {}\nSn1: {text: '{x}', multiplicity: x in xs, optional: 'true'}"
    )
    case = instantiate(case_of(text), {"xs": []})
    assert list(case.nodes) == ["G0", "Sn0"]
    assert case.nodes["G0"].supported_by == ("Sn0",)


def test_what_vanishes_with_a_list_is_not_forgotten_elsewhere():
    """A claim reached from outside the repetition leaves its owner with the stub, not with one leg less."""
    text = (
        "G0: {supportedBy: [G1, G2]}\nG1: {text: '{x}', multiplicity: x in xs, supportedBy: [G3]}\n"
        "G2: {supportedBy: [Sn2, G3]}\nSn2: {}\nG3: {text: '{x}', undeveloped: true}"
    )
    case = instantiate(case_of(text), {"xs": []})
    assert case.nodes["G2"].supported_by == ("Sn2", "G1")


# Options ---------------------------------------------------------------------------------------

OPTIONS = """
G0: {supportedBy: [Sn0, G1], inContextOf: [C1]}
Sn0: {}
C1: {optional: "true"}
G1: {text: '{x}', multiplicity: x in xs, optional: "true", supportedBy: [Sn1]}
Sn1: {}
CG1: {challenges: G1, undeveloped: true}
"""


def test_options_stay_unless_switched_off():
    case = instantiate(case_of(OPTIONS), {"xs": ["a", "b"]})
    assert case.nodes["G0"].supported_by == ("Sn0", "G1_a", "G1_b")
    assert not any(node.optional for node in case.nodes.values())


def test_options_take_what_is_below_and_what_challenges_them_along():
    case = instantiate(case_of(OPTIONS), {"xs": ["a", "b"], "include": {"G1": False, "C1": "false"}})
    assert list(case.nodes) == ["G0", "Sn0"]


def test_one_copy_may_be_left_out():
    case = instantiate(case_of(OPTIONS), {"xs": ["a", "b"], "include": {"G1_b": False}})
    assert case.nodes["G0"].supported_by == ("Sn0", "G1_a")
    assert "CG1_b" not in case.nodes
    assert "CG1_a" in case.nodes


def test_options_wait_in_a_partial_case():
    half = instantiate(case_of(OPTIONS), {"xs": ["a"]}, partial=True)
    assert half.nodes["G1_a"].optional
    whole = instantiate(half, {"include": {"G1_a": False}})
    assert whole == instantiate(case_of(OPTIONS), {"xs": ["a"], "include": {"G1": False}})


def test_types_survive_what_is_dropped_between_two_steps():
    text = "G0: {text: 'at most {n}', supportedBy: [Sn0, Sn1]}\nSn0: {}\nSn1: {text: '{n: integer}', optional: 'true'}"
    half = instantiate(case_of(text), {"include": {"Sn1": False}}, partial=True)
    assert half.nodes["G0"].text == "at most {n: integer}"


# Faults ----------------------------------------------------------------------------------------


def test_all_faults_come_at_once():
    error = fault(
        FOURS, {"AI systm": "S", "abilities": [{"name": "x", "limt": 2}], "choose": {"G2": [], "G4": ["G3"]}}
    )
    assert error.code == "Y51"
    for part in (
        "'AI system' is missing; expected text",
        "'AI systm' is not asked for (Did you mean 'AI system'?)",
        "'abilities[1]' has no field 'limt' (Did you mean 'limit'?)",
        "'abilities[1].limit' is missing; expected probability",
        "'choose.G2' chooses 0 legs; expected 1 to 2 (P03)",
        "'choose.G4' names 'G3' (There are G5, G6.)",
    ):
        assert part in error.problem, part


def test_choices_are_asked_for():
    values = {key: value for key, value in FOUR_VALUES.items() if key != "choose"}
    assert "'choose.G2' is missing; expected 1 to 2 of G3, G4" in fault(FOURS, values).problem


def test_all_of_n_needs_no_choice():
    case = instantiate(case_of("G0: {choice: 2 of 2, supportedBy: [Sn1, Sn2]}\nSn1: {}\nSn2: {}"), {})
    assert case.nodes["G0"].supported_by == ("Sn1", "Sn2")


@pytest.mark.parametrize(
    "block",
    [{"choose": ["G2"]}, {"choose": {"G9": ["G3"]}}, {"choose": {"G2": 3}}, {"include": {"G2": True}}],
)
def test_bad_choices_are_said(block):
    assert fault(FOURS, dict(FOUR_VALUES) | block).code == "Y51"


def test_ids_that_stand_twice_are_refused():
    pattern = Case((*case_of("G1: {undeveloped: true}").modules, *case_of("G1: {}").modules))
    assert (
        str(fault(pattern, {}))
        == "The pattern 'text' cannot be used: G1 stand twice. Give each element its own id."
    )


def test_large_lists_are_laid_out():
    text = "G0: {supportedBy: [G1]}\nG1: {text: '{x}', multiplicity: x in xs, supportedBy: [Sn1]}\nSn1: {}"
    case = instantiate(case_of(text), {"xs": [f"item {number}" for number in range(2000)]})
    assert len(case.nodes) == 4001
    assert math.prod((2, 2000)) + 1 == len(case.nodes)


# Whole arguments -------------------------------------------------------------------------------


def repeated(seed: int) -> tuple[Case, dict]:
    """A random argument with repetitions at random places, of items that random texts below name."""
    draw = random.Random(seed)
    plain = random_case(seed, least=8, most=24)
    nodes = [
        node.having(need="any") if node.need not in ("all", "any") else node for node in plain.nodes.values()
    ]
    marked = draw.sample([node.id for node in nodes if node.id != plain.graph.tops[0]], 3)
    lists = {name: f"list{index}" for index, name in enumerate(marked)}
    made = []
    for node in nodes:
        if node.id in lists:
            node = node.having(multiplicity=f"x{lists[node.id][-1]} in {lists[node.id]}")
        made.append(node)
    below = {name: plain.graph.reach([name], plain.graph.depends) for name in marked}
    for index, node in enumerate(made):
        around = [name for name in marked if node.id in below[name]]
        if around and draw.random() < 0.5:
            made[index] = replace(node, text=f"about {{x{lists[draw.choice(around)][-1]}}}")
    return Case.of(made), {lists[name]: [f"i{j}" for j in range(draw.randint(1, 3))] for name in marked}


@pytest.mark.parametrize("seed", range(120))
def test_items_with_the_same_evidence_change_no_value(seed):
    """AND and OR over copies of one value are that value, so laying a list out decides nothing."""
    pattern, values = repeated(seed)
    case = instantiate(pattern, values)
    before, after = pattern.evaluate(EVIDENCE.values()), case.evaluate(EVIDENCE.values())
    assert after.now == before.now
    for name, state in after.states.items():
        assert state.now == before.states[name.split("_")[0]].now, name


@pytest.mark.parametrize("seed", range(120))
def test_laying_out_leaves_nothing_dangling(seed):
    pattern, values = repeated(seed)
    faults = {d.code for d in pattern.check() if d.code[0] in "VC"}
    case = instantiate(pattern, values)
    assert {d.code for d in case.check() if d.code[0] in "VC"} <= faults
    names = [node.id for module in case.modules for node in module.nodes]
    assert len(names) == len(set(names))
    assert not [blank for node in case.nodes.values() for blank in blanks(node)]


@pytest.mark.parametrize("seed", range(60))
def test_an_emptied_list_is_never_a_reason_to_stand(seed):
    pattern, values = repeated(seed)
    before = pattern.evaluate(EVIDENCE.values())
    for name in values:
        case = instantiate(pattern, values | {name: []})
        after = case.evaluate(EVIDENCE.values())
        assert not (after.now == "T" and before.now != "T") or _doubted(pattern, name)
        assert any(node.layer("empty") == name for node in case.nodes.values()) or name not in _used(
            case, pattern
        )


def _doubted(pattern: Case, name: str) -> bool:
    """Whether the repetition marks a doubt: without it, what it doubted may hold."""
    return any(node.challenges for node in pattern.nodes.values() if (node.multiplicity or "").endswith(name))


def _used(case: Case, pattern: Case) -> set[str]:
    """Lists whose marked element is still reached when another list is empty."""
    return {
        node.multiplicity.split(" in ")[1]
        for node in pattern.nodes.values()
        if node.multiplicity and any(name.split("_")[0] == node.id for name in case.nodes)
    }
