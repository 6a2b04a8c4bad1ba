"""Claims, Arguments, Evidence: the sections, the blocks, and what is refused."""

from __future__ import annotations

import pytest

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.formats.cae import SECTIONS, dump_cae
from pellucid.findings import InputError

DOCUMENT = """cae: "1.0"
module: {name: Pump}
claims:
  C-top: {text: The pump is safe, supportedBy: [A-split]}
  C-part: {text: Its valve is safe, supportedBy: [A-test]}
arguments:
  A-split: {text: By parts, block: decomposition, supportedBy: [C-part], sideClaims: [W1], contexts: [X1]}
  A-test: {block: evidence incorporation, supportedBy: [E1]}
evidence:
  E1: {text: Test report, url: report.pdf, finding: ab12}
side-claims:
  W1: {text: There are no other parts}
contexts:
  X1:
counter-claims:
  D1: {text: There is a seal, challenges: W1}
"""


def test_sections_say_what_elements_are() -> None:
    case = Case.read(DOCUMENT)
    assert {name: node.kind for name, node in case.nodes.items()} == {
        "C-top": NodeKind.GOAL,
        "C-part": NodeKind.GOAL,
        "A-split": NodeKind.STRATEGY,
        "A-test": NodeKind.STRATEGY,
        "E1": NodeKind.SOLUTION,
        "W1": NodeKind.JUSTIFICATION,
        "X1": NodeKind.CONTEXT,
        "D1": NodeKind.COUNTER_GOAL,
    }
    assert case.nodes["A-split"].in_context_of == ("X1", "W1")
    assert case.nodes["A-test"].block == "evidence-incorporation"
    assert case.name == "Pump"
    assert [d.code for d in case.check() if d.level == "error"] == []
    assert case.losses("cae") == []
    assert Case.read(dump_cae(case.modules).text).normal() == case.normal()


def test_every_kind_has_its_section() -> None:
    assert sorted(SECTIONS.values()) == sorted(NodeKind)
    case = Case.of([Node(f"x{n}", node_type=kind) for n, kind in enumerate(NodeKind)])
    text = dump_cae(case.modules).text
    assert all(f"\n{section}:\n" in text for section in SECTIONS)
    assert "nodeType" not in text
    assert Case.read(text).normal() == case.normal()


def test_an_element_of_no_kind_and_a_mixed_order_survive() -> None:
    nodes = [Node("x"), Node("G1", supported_by=("x",), in_context_of=("A1", "C1", "J1", "C9"))]
    case = Case.of([*nodes, Node("A1"), Node("C1"), Node("J1")])
    assert case.losses("cae") == []
    assert Case.read(dump_cae(case.modules).text).normal() == case.normal()


def test_an_id_that_gsn2x_keeps_for_itself_is_carried() -> None:
    case = Case.of([Node("module", node_type=NodeKind.GOAL, undeveloped=True)])
    assert "gsn2x YAML does not carry the element itself of 'module'." in [
        d.message for d in case.losses("gsn")
    ]
    assert case.losses("cae") == []


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            'cae: "1.0"\nclaim: {}\n',
            "Y35",
            "text:2: no section 'claim' in a CAE document. Did you mean 'claims'?",
        ),
        (
            'cae: "1.0"\nclaims: {G1: {}}\nevidence:\n  G1: {}\n',
            "Y02",
            "text:4: 'G1' (first on line 2): stated twice.",
        ),
        ('cae: "1.0"\nclaims: [G1]\n', "Y03", "text:2: claims is a list; expected elements by id"),
        ('cae: "1.0"\nclaims:\n  G1: text\n', "Y03", "text:3: G1 is a single value; expected its attributes"),
        ('cae: "1.0"\nclaims:\n  G1: {sideClaims: {a: b}}\n', "Y03", "G1 sideClaims is a mapping"),
        ('cae: "1.0"\nmodule: [a]\n', "Y03", "text:2: module is a single value; expected a mapping"),
        ('cae: "1.0"\nclaims: {a: [}\n', "Y01", "text:2 is not YAML: "),
        ('cae: "1.0"\nclaims: {G1: {}, G1: {}}\n', "Y02", "'G1' (first on line 2)"),
    ],
)
def test_faults_are_named_with_their_line(text: str, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Case.read(text)
    assert caught.value.code == code
    assert message in str(caught.value)
