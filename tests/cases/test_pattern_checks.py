"""Checks P01 to P03 of patterns and of the cases made from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pattern_arguments import FOUR, FOUR_VALUES

from pellucid.cases import Case
from pellucid.cases.checks.patterns import check_patterns
from pellucid.cases.patterns.instantiate import instantiate


def found(case: Case) -> list[str]:
    return [f"{d.level} {d.code} {d.where}" for d in check_patterns(case.modules, case.graph)]


def said(text: str) -> str:
    case = Case.read(text)
    (diagnostic,) = check_patterns(case.modules, case.graph)
    return str(diagnostic)


def test_a_pattern_is_valid_as_a_pattern():
    assert {line.split()[0] for line in found(Case.read(FOUR))} == {"warning"}
    assert {line.split()[1] for line in found(Case.read(FOUR))} == {"P01"}


def test_a_blank_outside_a_pattern_is_an_error():
    text = FOUR.replace('pattern: "true"', "brief: none")
    assert {line.split()[0] for line in found(Case.read(text))} == {"error"}


def test_a_filled_case_has_nothing_left():
    assert found(instantiate(Case.read(FOUR), FOUR_VALUES)) == []


def test_a_half_filled_case_is_valid_only_as_a_pattern():
    half = instantiate(Case.read(FOUR), {"AI system": "S"}, partial=True)
    assert {line.split()[0] for line in found(half)} == {"warning"}
    (module,) = half.modules
    assert {line.split()[0] for line in found(Case((replace(module, layers=()),)))} == {"error"}


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "data" / "gsn").rglob("*.yaml")), ids=lambda p: p.name
)
def test_files_of_gsn2x_have_no_pattern_faults(path):
    assert found(Case.read(path)) == []


def test_plain_arguments_have_no_pattern_faults():
    assert found(Case.read("G1: {text: 'sets {1, 2} and {a, b}', supportedBy: Sn1}\nSn1: {}")) == []


def test_braces_of_a_plain_argument_are_a_warning_and_literal_ones_are_nothing():
    plain = "G1: {text: 'the set {x} is safe', supportedBy: Sn1}\nSn1: {}"
    assert {line.split()[0] for line in found(Case.read(plain))} == {"warning"}
    assert {line.split()[0] for line in found(Case.read(plain + "\nC1: {text: '{n: integer}'}"))} == {"error"}
    assert {
        line.split()[0] for line in found(Case.read(plain.replace("Sn1: {}", "Sn1: {log: 0123abcd}")))
    } == {"error"}
    assert found(Case.read("module: {braces: literal}\n" + plain.replace("{x}", "{x: text}"))) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "G1: {text: 'at most {n: integer} and {n: integer}'}",
            "error (text:1 G1) (P01): 'G1' still has {n: integer}. Give it a value, or say that this is a pattern: "
            '`module: {pattern: "true"}`.',
        ),
        ("G1: {uninstantiated: 'true'}", "'G1' is marked uninstantiated."),
        (
            "module: {name: '{what}'}\nG1: {predicate: a.low > 1}",
            "error (text:1 module) (P01): The module '{what}' still has {what}.",
        ),
        ("G1: {multiplicity: xs}", "(P01): 'G1' still has multiplicity 'xs'."),
        ("G1: {predicate: 'a.low > {b}'}", "'G1' still has {b}."),
        ("G1: {multiplicity: 2..n}", "error (text:1 G1) (P02): The multiplicity of 'G1' is '2..n'."),
        ("G1: {empty: xs}", "(P02): 'G1' was to be repeated over 'xs', which is empty: nothing is argued."),
        ("G1: {choice: some, supportedBy: [Sn1]}\nSn1: {}", "(P03): The choice of 'G1' is 'some'."),
        (
            "G1: {choice: 1 of 2, supportedBy: [Sn1, Sn2]}\nSn1: {}\nSn2: {}",
            "(P03): 'G1' has 2 of its choice; expected 1.",
        ),
        (
            "G1: {choice: 1..2, chosen: 'Sn1, Sn2 + Sn3', supportedBy: [Sn4]}\nSn4: {}",
            "(P03): 'G1' has 0 of its choice; expected 1 to 2.",
        ),
        (
            "module: {pattern: 'true'}\nG1: {choice: 1 of 3, supportedBy: [Sn1, Sn2]}\nSn1: {}\nSn2: {}",
            "(P03): 'G1' offers a choice of 1 of 3 among 2 legs.",
        ),
    ],
)
def test_messages(text, message):
    assert message in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "G1: {choice: 1..2, chosen: 'Sn1, Sn2 + Sn3', supportedBy: [Sn1]}\nSn1: {}",
        "G1: {choice: 1 of 2, chosen: 'Sn2 + Sn3', supportedBy: [Sn2, Sn3]}\nSn2: {}\nSn3: {}",
        "G1: {choice: 1..2, supportedBy: [Sn2, Sn3]}\nSn2: {}\nSn3: {}",
        "module: {pattern: 'true'}\nG1: {choice: 1 of 2, supportedBy: [Sn2, Sn3]}\nSn2: {}\nSn3: {}",
    ],
)
def test_choices_within_their_bounds(text):
    assert found(Case.read(text)) == []


def test_an_empty_list_is_said_where_it_stands():
    case = instantiate(Case.read(FOUR), dict(FOUR_VALUES) | {"abilities": []})
    assert found(case) == ["error P02 text:11 G2"]
