"""SACM XMI: the shape of what we write, the dialects that are read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated_cases import sound_cases
from hypothesis import given, settings

from pellucid.cases import Case, Module, Node, NodeKind
from pellucid.cases.formats.sacm import dump_sacm, parse_sacm
from pellucid.cases.formats.xml_text import Element, read_xml
from pellucid.findings import InputError

ELEMENTS = {"sacm:Claim", "sacm:ArgumentReasoning", "sacm:ArtifactReference"}
RELATIONS = {"sacm:AssertedInference", "sacm:AssertedEvidence", "sacm:AssertedContext"}
DECLARATIONS = {"asserted", "needsSupport", "assumed", "axiomatic", "defeated", "asCited"}


def shape_faults(root: Element) -> list[str]:
    """The rules of the metamodel that a document breaks, restated from its clauses 8 to 11."""
    kinds = {
        e.attributes["xmi:id"]: e.attributes["xmi:type"] for e in root.walk() if "xmi:type" in e.attributes
    }
    faults = [] if root.tag == "AssuranceCasePackage" else ["root"]
    for element in root.walk():
        kind = element.attributes.get("xmi:type")
        if kind in ELEMENTS:
            declared = element.attributes.get("assertionDeclaration")
            if (declared is not None) != (kind == "sacm:Claim") or declared not in (None, *DECLARATIONS):
                faults.append(f"declaration of {element.attributes['gid']}")
        elif kind in RELATIONS:
            faults += relation_faults(element, kinds)
        elif kind is not None:
            faults.append(f"class {kind}")
    return faults


def relation_faults(element: Element, kinds: dict[str, str]) -> list[str]:
    sources = [kinds[name] for name in element.attributes["source"].split()]
    kind, reasoning = element.attributes["xmi:type"], element.attributes.get("reasoning")
    faults = []
    if not sources and element.attributes.get("assertionDeclaration") != "needsSupport":
        faults.append("no source")
    if kind == "sacm:AssertedInference" and set(sources) - {"sacm:Claim"}:
        faults.append("inference from something else than claims")
    if kind == "sacm:AssertedEvidence" and set(sources) - {"sacm:ArtifactReference"}:
        faults.append("evidence that is no artefact")
    if reasoning is not None and kinds[reasoning] != "sacm:ArgumentReasoning":
        faults.append("reasoning that is none")
    assert all(name in kinds for name in element.attributes["target"].split())
    return faults


@settings(max_examples=40, deadline=None)
@given(case=sound_cases())
def test_what_is_written_has_the_shape_of_the_metamodel(case: Case) -> None:
    assert shape_faults(read_xml(dump_sacm(case.modules).text, file="case", code="Y20")) == []


def test_the_words_of_sacm_are_used() -> None:
    case = Case.read(
        "G1: {text: Safe, supportedBy: [S1], inContextOf: [A1, C1]}\n"
        "S1: {supportedBy: [G2, Sn1]}\nG2: {undeveloped: true}\nSn1: {}\nA1: {}\nC1: {}\n"
        "CSn1: {challenges: G1 -> A1}\nCG1: {challenges: G2}\n"
    )
    text = dump_sacm(case.modules).text
    for part in (
        'xmi:type="sacm:AssertedInference" xmi:id="r0" source="e2" target="e0" reasoning="e1"',
        'xmi:type="sacm:AssertedEvidence" xmi:id="r1" source="e3" target="e0" reasoning="e1"',
        'gid="G2" assertionDeclaration="needsSupport"',
        'gid="A1" assertionDeclaration="assumed"',
        'isCounter="true" source="e7" target="e2"',
    ):
        assert part in text
    assert "taggedValue" not in text  # all of it has a word
    (relation,) = [line for line in text.splitlines() if 'source="e6"' in line]
    assert 'target="r2"' in relation  # the challenge of a relation names the relation
    assert Case.read(text).normal() == case.normal()


def test_marks_and_away_elements_use_citation_and_abstraction() -> None:
    one = Module("One", (Node("G1", layers=(("away", "Two/G2"), ("uninstantiated", "true"))),))
    two = Module("Two", (Node("G2", text="There"),))
    text = dump_sacm((one, two)).text
    assert 'isAbstract="true" isCitation="true" citedElement="e1"' in text
    assert "taggedValue" not in text
    assert parse_sacm(text, "x")[0].nodes[0].away == one.nodes[0].away


DIALECT = """<?xml version="1.0" encoding="UTF-8"?>
<!-- classes as names of elements, ids as id, references as children -->
<sacm:AssuranceCasePackage xmlns:sacm="http://www.omg.org/spec/SACM/2.2/Argumentation" id="T" name="T">
  <argumentPackage id="AP" name="Args">
    <claim id="top" name="Top" assertionDeclaration="asserted" content="The system is safe"/>
    <claim id="sub" name="Sub" assertionDeclaration="needsSupport">
      <description><content lang="en">It was tested</content></description>
    </claim>
    <claim id="side" name="Stable" assertionDeclaration="assumed"/>
    <argumentReasoning id="why" name="By parts"/>
    <artifactReference id="ev" name="Report"/>
    <artifactReference id="odd" name="Domain"/>
    <assertedInference id="i1"><source ref="sub"/><target ref="top"/><reasoning ref="why"/></assertedInference>
    <assertedEvidence id="i2"><source href="#ev"/><target ref="sub"/></assertedEvidence>
    <assertedContext id="i3"><source ref="odd"/><source ref="side"/><target ref="top"/></assertedContext>
    <claim id="doubt" name="It may break"/>
    <assertedInference id="i4" isCounter="true"><source ref="doubt"/><target ref="i2"/></assertedInference>
  </argumentPackage>
</sacm:AssuranceCasePackage>
"""


def test_another_dialect_is_read() -> None:
    case = Case.read(DIALECT)
    kinds = {name: node.kind for name, node in case.nodes.items()}
    assert kinds == {
        "top": NodeKind.GOAL,
        "sub": NodeKind.GOAL,
        "side": NodeKind.ASSUMPTION,
        "why": NodeKind.STRATEGY,
        "ev": NodeKind.SOLUTION,
        "odd": NodeKind.CONTEXT,
        "doubt": NodeKind.COUNTER_GOAL,
    }
    assert case.nodes["top"].text == "The system is safe"
    assert case.nodes["sub"].text == "It was tested"
    assert case.nodes["sub"].undeveloped
    assert case.nodes["ev"].text == "Report"
    assert case.nodes["top"].supported_by == ("why",)
    assert case.nodes["why"].supported_by == ("sub",)
    assert case.nodes["top"].in_context_of == ("odd", "side")
    assert case.nodes["doubt"].challenges == ("sub", "ev")
    assert case.name == "Args"


def test_paths_of_emf_are_followed() -> None:
    text = (
        '<a:AssuranceCasePackage xmlns:a="urn:a" xmlns:xsi="urn:xsi">\n<argumentPackage>\n'
        '<argumentationElement xsi:type="a:Claim" gid="G1"/>\n<argumentationElement xsi:type="a:Claim" gid="G2"/>\n'
        '<argumentationElement xsi:type="a:AssertedInference" source="//@argumentPackage.0/@argumentationElement.1"'
        ' target="//@argumentPackage.0/@argumentationElement.0"/>\n</argumentPackage></a:AssuranceCasePackage>'
    )
    assert Case.read(text).nodes["G1"].supported_by == ("G2",)


def test_short_names_become_ids_when_ids_are_keys() -> None:
    text = (
        '<ArgumentPackage><claim id="_x1" name="G1" content="Safe"/><claim id="_x2" name="G2"/>'
        '<assertedInference source="_x2" target="_x1"/></ArgumentPackage>'
    )
    assert Case.read(text).nodes["G1"].supported_by == ("G2",)


PACKAGE = "<AssuranceCasePackage>\n<argumentPackage>\n%s\n</argumentPackage>\n</AssuranceCasePackage>"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("<html><body/></html>", "Y21", "text:1: the document is 'html', not an AssuranceCasePackage."),
        ("<AssuranceCasePackage>\n<a>", "Y20", "text:2: not XML: no element found."),
        ('<!DOCTYPE a [<!ENTITY b "c">]>\n<a>&b;</a>', "Y20", "text:1: a document type is declared. Remove"),
        ("<a>" * 100 + "</a>" * 100, "Y20", "nested deeper than 64"),
        (PACKAGE % '<claim id="a"/>\n<claim id="a"/>', "Y22", "text:4: 'a' (first on line 3): stated twice."),
        (
            PACKAGE % '<assertedInference source="x" target="y"/>',
            "Y21",
            "text:3: a relation names 'x', which is",
        ),
        (
            PACKAGE % '<claim id="a"/><argumentPackage id="b"/>\n<assertedInference source="b" target="a"/>',
            "Y21",
            "text:4: a relation names 'b', which is no claim",
        ),
        (PACKAGE % "<claim/>", "Y21", "text:3: a claim has neither id nor name"),
        (
            PACKAGE % '<claim id="a"><taggedValue key="acp" content="{"/></claim>',
            "Y13",
            "text:3: a acp is '{', which cannot be read.",
        ),
        ('<a b="\x01"/>', "Y20", "not XML"),
    ],
)
def test_faults_are_named_with_their_line(text: str, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Case.read(text)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_a_bomb_of_entities_is_refused_before_it_grows() -> None:
    lines = ['<!ENTITY a0 "aaaaaaaaaa">'] + [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 20)]
    with pytest.raises(InputError, match="a document type is declared"):
        Case.read(f"<!DOCTYPE a [{''.join(lines)}]>\n<a>&a19;</a>")


def test_control_characters_are_a_loss_that_is_listed() -> None:
    case = Case.of([Node("G1", text="bell \x07", undeveloped=True)])
    (loss,) = case.losses("sacm")
    assert (loss.code, loss.message) == ("N01", "SACM does not carry text of 'G1'.")
    assert Case.read(dump_sacm(case.modules).text).nodes["G1"].text == "bell \ufffd"


def test_a_declared_encoding_no_longer_matters(tmp_path: Path) -> None:
    path = tmp_path / "case.xmi"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-16"?>\n<ArgumentPackage><claim id="Gä"/></ArgumentPackage>'
    )
    assert list(Case.read(path).nodes) == ["Gä"]


def test_several_modules_fit_one_document(tmp_path: Path) -> None:
    case = Case.read(Path(__file__).parent / "data" / "gsn" / "modular" / "index.gsn.yaml")
    path = case.write(tmp_path / "all.sacm.xml")
    assert Case.read(path).normal() == case.normal()
    assert [module.name for module in Case.read(path).modules] == ["Main", "Sub1", "Sub3"]
