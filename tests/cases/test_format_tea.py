"""AssurancePlatform JSON: its schema restated, its three forms read, and what is refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from generated_cases import sound_cases
from hypothesis import given, settings

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.formats.tea import dump_tea, dump_tea_flat
from pellucid.cases.formats.tea_writer import element_uuid
from pellucid.findings import InputError

# The schema of TEA, restated: allowed types, and the types that a field may stand on.
TYPES = [
    "GOAL",
    "CONTEXT",
    "STRATEGY",
    "PROPERTY_CLAIM",
    "EVIDENCE",
    "JUSTIFICATION",
    "ASSUMPTION",
    "MODULE",
    "AWAY_GOAL",
    "CONTRACT",
]
ONLY = {
    "url": {"EVIDENCE"},
    "level": {"PROPERTY_CLAIM"},
    "role": {"GOAL"},
    "moduleReferenceId": {"MODULE", "AWAY_GOAL"},
    "moduleEmbedType": {"MODULE"},
}


def check_element(element: dict[str, Any], kind: str) -> None:
    uuid.UUID(element["id"])
    assert kind in TYPES
    assert isinstance(element["description"], str)
    assert isinstance(element["inSandbox"], bool)
    assert element["name"] is None or isinstance(element["name"], str)
    for name, kinds in ONLY.items():
        assert name not in element or kind in kinds, (name, kind)
    for name in ("moduleReferenceId", "defeatsElementId"):
        if name in element:
            uuid.UUID(element[name])
    if kind in ("MODULE", "AWAY_GOAL"):
        assert "moduleReferenceId" in element


def check_document(document: dict[str, Any]) -> None:
    assert document["case"]["name"]
    assert isinstance(document["case"]["description"], str)
    assert document["exportedAt"].endswith("Z")
    if document["version"] == "2.0":
        keys = {element["id"] for element in document["elements"]}
        for element in document["elements"]:
            check_element(element, element["elementType"])
            assert element["parentId"] is None or element["parentId"] in keys
        for link in document["evidenceLinks"]:
            assert {link["evidenceId"], link["claimId"]} <= keys
        return
    assert document["version"] == "1.0"
    waiting = [document["tree"]]
    while waiting:
        element = waiting.pop()
        check_element(element, element["type"])
        waiting.extend(element["children"])


@settings(max_examples=40, deadline=None)
@given(case=sound_cases())
def test_what_is_written_fits_the_schema(case: Case) -> None:
    check_document(json.loads(dump_tea(case.modules).text))
    check_document(json.loads(dump_tea_flat(case.modules).text))


def test_ids_are_derived_and_names_kept() -> None:
    case = Case.of([Node("G1", "Safe", supported_by=("Sn1",)), Node("Sn1", url="https://x.org")], name="pump")
    tree = json.loads(dump_tea(case.modules).text)["tree"]
    assert tree["id"] == element_uuid("pump", "G1") != element_uuid("other", "G1")
    assert (tree["type"], tree["role"], tree["name"], tree["description"]) == (
        "GOAL",
        "TOP_LEVEL",
        "G1",
        "Safe",
    )
    (evidence,) = tree["children"]
    assert (evidence["type"], evidence["url"]) == ("EVIDENCE", "https://x.org")
    assert "metadata" not in tree


def test_shared_leaves_are_repeated_and_merged_again() -> None:
    case = Case.read(
        "G1: {supportedBy: [G2, G3]}\nG2: {supportedBy: [Sn1]}\nG3: {supportedBy: [Sn1], inContextOf: [C1]}\n"
        "Sn1: {text: Report}\nC1: {}\n"
    )
    text = dump_tea(case.modules).text
    assert text.count('"name": "Sn1"') == 2
    assert Case.read(text).normal() == case.normal()
    flat = json.loads(dump_tea_flat(case.modules).text)
    assert len(flat["evidenceLinks"]) == 2


def test_defeaters_modules_and_away_goals_have_their_fields() -> None:
    case = Case.read(
        "G1: {supportedBy: [G2, G3, G4]}\nG2: {away: Other/G9}\nG3: {symbol: module}\nG4: {symbol: contract}\n"
        "CG1: {text: No, challenges: G2}\n"
    )
    tree = json.loads(dump_tea(case.modules).text)["tree"]
    away, module, contract = tree["children"]
    assert [child["type"] for child in tree["children"]] == ["AWAY_GOAL", "MODULE", "CONTRACT"]
    assert module["moduleEmbedType"] == "REFERENCE"
    assert "moduleReferenceId" not in contract
    (doubt,) = away["children"]
    assert (doubt["isDefeater"], doubt["defeatsElementId"], doubt["type"]) == (
        True,
        away["id"],
        "PROPERTY_CLAIM",
    )
    assert Case.read(json.dumps(tree_only(tree))).nodes["CG1"].challenges == ("G2",)


def tree_only(tree: dict[str, Any]) -> dict[str, Any]:
    return {"version": "1.0", "case": {"name": "c", "description": ""}, "tree": tree}


def element(name: str, kind: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    key = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    return {
        "id": key,
        "type": kind,
        "name": name,
        "description": f"About {name}",
        "children": list(children),
        **more,
    }


def test_an_export_of_the_platform_is_read() -> None:
    claim = element("P1", "PROPERTY_CLAIM", element("E1", "EVIDENCE", url="www.example.com"), level=1)
    tree = element(
        "G1",
        "GOAL",
        element("S1", "STRATEGY", claim, comments=[{"author": "a", "content": "b", "createdAt": "c"}]),
        element("draft", "PROPERTY_CLAIM", inSandbox=True),
        assumption="It is used indoors.",
        justification="Required by law.",
        context=["Industry", "All day"],
        role="TOP_LEVEL",
    )
    case = Case.read(json.dumps(tree_only(tree)))
    nodes = case.nodes
    assert nodes["P1"].kind is NodeKind.GOAL
    assert nodes["E1"].kind is NodeKind.SOLUTION
    assert nodes["E1"].url == "www.example.com"
    assert nodes["G1"].supported_by == ("S1",)
    assert nodes["G1"].in_context_of == ("A.G1", "J.G1", "C.G1.1", "C.G1.2")
    assert nodes["A.G1"].text == "It is used indoors."
    assert nodes["C.G1.2"].text == "All day"
    assert nodes["S1"].layer("tea:comments") == '[{"author":"a","content":"b","createdAt":"c"}]'
    assert "draft" in case.graph.roots
    again = json.loads(dump_tea(case.modules).text)["tree"]
    assert again["id"] == tree["id"]
    assert case.losses("tea") == case.losses("tea-flat") == []


def test_equal_names_do_not_merge_elements() -> None:
    tree = element(
        "G1", "GOAL", element("P", "PROPERTY_CLAIM"), {**element("x", "PROPERTY_CLAIM"), "name": "P"}
    )
    case = Case.read(json.dumps(tree_only(tree)))
    assert len(case.nodes) == 3
    assert [node.layer("name") for node in case.nodes.values()] == [None, None, "P"]
    assert case.losses("tea") == []


LEGACY = {
    "id": 7,
    "type": "AssuranceCase",
    "name": "Old",
    "description": "An older export",
    "goals": [
        {
            "id": 1,
            "name": "G1",
            "short_description": "The goal",
            "long_description": "N/A",
            "context": [{"id": 1, "name": "C1", "short_description": "", "long_description": "Where"}],
            "property_claims": [
                {
                    "id": 1,
                    "name": "P1",
                    "short_description": "claim",
                    "long_description": "",
                    "evidence": [
                        {
                            "id": 3,
                            "name": "E1",
                            "short_description": "",
                            "long_description": "Seen",
                            "URL": "u",
                        }
                    ],
                }
            ],
            "strategies": [
                {
                    "id": 1,
                    "name": "S1",
                    "short_description": "",
                    "long_description": "Split",
                    "property_claims": [
                        {
                            "id": 2,
                            "name": "P2",
                            "short_description": "",
                            "long_description": "More",
                            "evidence": [
                                {"id": 3, "name": "E1", "short_description": "", "long_description": "Seen"}
                            ],
                        }
                    ],
                }
            ],
        }
    ],
}


def test_the_older_form_is_read() -> None:
    case = Case.read(json.dumps(LEGACY))
    assert case.name == "Old"
    assert case.nodes["G1"].supported_by == ("P1", "S1")
    assert case.nodes["G1"].in_context_of == ("C1",)
    assert case.nodes["P1"].supported_by == case.nodes["P2"].supported_by == ("E1",)
    assert case.nodes["G1"].text == "The goal"
    assert case.nodes["P1"].text == "claim"
    assert case.nodes["E1"].url == "u"
    assert case.modules[0].brief == "An older export"


def nested(text: str) -> str:
    return f'{{"version": "1.0",\n"case": {{"name": "c"}},\n"tree": {text}}}'


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('{"version": "3.0", "case": {"name": "c"}}', "Y32", 'version "3.0" of the format is not known'),
        ('{"version": "1.0",\n"version": "1.0"}', "Y30", "text:2: the name 'version' is stated twice"),
        ('{"version": "1.0", "tree": {', "Y30", "text:1: not JSON"),
        (nested("[" * 400 + "]" * 400), "Y30", "text:3: nested deeper than 300"),
        (nested("[]"), "Y31", "tree is no object"),
        (nested('{"type": "GOAL"}'), "Y31", "text:3: an element without id"),
        (nested('{"id": "a",\n"type": "GOALS"}'), "Y31", "text:3: type is 'GOALS'. Did you mean 'GOAL'?"),
        (
            nested('{"id": "a", "type": "GOAL", "description": 5}'),
            "Y31",
            "text:3: description is 5; expected a text",
        ),
        (nested('{"id": "a", "type": "GOAL", "children": [1]}'), "Y31", "children is no list of objects"),
        (
            nested(
                '{"id": "a", "type": "GOAL", "children": [\n{"id": "b", "type": "GOAL", "isDefeater": true, "defeatsElementId": "z"}]}'
            ),
            "Y31",
            "text:4: 'z' is no element of the file",
        ),
        ('{"version": "2.0", "case": {"name": "c"}, "elements": 3}', "Y31", "elements is no list of objects"),
        (
            '{"version": "2.0", "case": {"name": "c"}, "elements": [{"id": "a", "elementType": "GOAL", "parentId": "q"}]}',
            "Y31",
            "'q' is no element of the file",
        ),
        ('{"version": "1.0", "case": [], "tree": null}', "Y31", "case is no object"),
        ('{"case": {"name": "c"}, "version": null}', "Y31", "neither tree, elements nor goals"),
        (
            nested('{"id": "a", "type": "GOAL", "metadata": {"pellucid": {"acp": "x"}}}'),
            "Y13",
            "text:3: a acp is 'x', which cannot be read",
        ),
        (nested('{"id": "a", "type": "GOAL", "assumption": 7}'), "Y31", "assumption is 7; expected a text"),
    ],
)
def test_faults_are_named_with_their_line(text: str, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Case.read(text)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_a_deep_case_stays_readable() -> None:
    chain = [Node(f"G{n}", supported_by=(f"G{n + 1}",)) for n in range(2_000)] + [
        Node("G2000", undeveloped=True)
    ]
    case = Case.of(chain)
    assert case.losses("tea") == []
    assert Case.read(dump_tea(case.modules).text).normal() == case.normal()
