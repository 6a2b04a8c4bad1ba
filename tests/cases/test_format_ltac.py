"""LTAC: what verocase accepts, what other writers write, and what is refused."""

from __future__ import annotations

import re

import pytest
from generated_cases import sound_cases
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.formats.ltac import dump_ltac
from pellucid.cases.formats.ltac_line import Tail, attribute, is_id, option, split_line
from pellucid.findings import InputError

# The line of verocase 0.7.2, restated: options before the reference, `-` only.
TYPES = "Claim|Strategy|Evidence|Justification|Context|Assumption|Relation|Link|Connector"
VEROCASE = re.compile(
    rf"(?P<indent>(?:  )*)- (?P<type>{TYPES})(?:\s+(?P<cited>\^)?(?P<id>[^:{{\n(]*))?"
    r"(?::\s*(?P<text>.*?))?(?:\s*\{(?P<options>[^}\n]*)\})?(?:\s*\((?P<ref>[^)\n]*)\))?\s*"
)
MAY_HOLD = {
    "Claim": {"Claim", "Strategy", "Assumption", "Justification", "Evidence", "Context"},
    "Strategy": {"Claim", "Justification", "Assumption", "Evidence", "Context"},
}


def verocase_lines(text: str) -> list[dict[str, str]]:
    """The lines as verocase reads them; fails where it would report an error."""
    found, depths, known = [], [-1], set()
    for line in text.split("\n"):
        if not line.strip():
            depths = [-1]
            continue
        match = VEROCASE.fullmatch(line)
        assert match, line
        depth = len(match["indent"]) // 2
        assert depth <= len(depths) - 1, line
        depths = [*depths[: depth + 1], depth]
        if match["type"] != "Link" and not match["cited"]:
            assert match["text"] is not None, line
            assert match["id"].strip() not in known, line
            known.add(match["id"].strip())
        found.append({name: value or "" for name, value in match.groupdict().items()})
    return found


@settings(max_examples=40, deadline=None)
@given(case=sound_cases())
def test_verocase_reads_every_line_and_finds_the_same_words(case: Case) -> None:
    read = [line for line in verocase_lines(dump_ltac(case.modules).text) if line["type"] != "Link"]
    texts = {line["id"].strip(): line["text"] for line in read if not line["cited"]}
    assert set(texts) == set(case.nodes)
    for name, node in case.nodes.items():
        # an open bracket in a statement would swallow what follows it, and becomes another one
        assert brackets_alike(texts[name]) == brackets_alike(" ".join((node.text or "").split()))


def brackets_alike(text: str) -> str:
    return text.replace("{", "[").replace("(", "[")


def test_a_case_reads_like_ltac() -> None:
    case = Case.read(
        "G1: {text: Safe, supportedBy: [S1], inContextOf: [C1]}\nS1: {text: By parts, supportedBy: [G2, G3]}\n"
        "G2: {text: One, supportedBy: [Sn1]}\nG3: {text: Two, supportedBy: [Sn1]}\nG4: {text: Far, undeveloped: true}\n"
        "Sn1: {text: Report, url: a.pdf}\nC1: {text: Use}\nCSn1: {text: No, challenges: G2}\n"
    )
    assert dump_ltac(case.modules).text == (
        "- Claim G1: Safe\n"
        "  - Strategy S1: By parts\n"
        "    - Claim G2: One\n"
        "      - Evidence Sn1: Report (a.pdf)\n"
        "      - Evidence CSn1: No {iscounter}\n"
        "    - Claim G3: Two\n"
        "      - Link Sn1\n"
        "  - Context C1: Use\n"
        "\n"
        "- Claim G4: Far {needssupport}\n"
    )


FOREIGN = """# A comment
```
- Claim Top: The system is secure: enough
  * Strategy Life: By its processes {metaClaim}
    - Claim ^Requirements: Requirements are met
    - Claim ^[Package Design] Design: It has security built in
    - Claim Controls: Controls give confidence {needsSupport}
  - Context X1: Specification (Dev17.pdf)

- Claim Requirements: Requirements are met
  - Evidence Ev1: Hazard analysis (HARA report.pdf) {defeated}
  - Evidence Ev2: Tests {assumed} (tests.html)
  - Claim Doubt: The tests were old {isCounter}
  - Link X1
  - Claim: No id at all
```
"""


def test_what_others_write_is_read() -> None:
    nodes = Case.read(FOREIGN).nodes
    assert nodes["Top"].text == "The system is secure: enough"
    assert nodes["Top"].supported_by == ("Life",)
    assert nodes["Top"].in_context_of == ("X1",)
    assert nodes["Life"].supported_by == ("Requirements", "Design", "Controls")
    assert nodes["Life"].layer("options") == "metaclaim"
    assert str(nodes["Design"].away) == "Package Design/Design"
    assert nodes["Controls"].undeveloped
    assert (nodes["Ev1"].kind, nodes["Ev1"].url, nodes["Ev1"].defeated) == (
        NodeKind.SOLUTION,
        "HARA report.pdf",
        True,
    )
    assert (nodes["Ev2"].url, nodes["Ev2"].layer("options")) == ("tests.html", "assumed")
    assert nodes["Doubt"].kind is NodeKind.COUNTER_GOAL
    assert nodes["Doubt"].challenges == ("Requirements",)
    assert nodes["Requirements"].in_context_of == ("X1",)
    assert nodes["No id at all"].text == "No id at all"


def test_a_counter_is_one_whatever_its_id_announces() -> None:
    case = Case.read(
        "- Claim G1: Safe\n  - Claim G2: Not so {isCounter}\n  - Evidence Sn1: Seen {iscounter}\n"
    )
    assert [case.nodes[name].kind for name in ("G2", "Sn1")] == [
        NodeKind.COUNTER_GOAL,
        NodeKind.COUNTER_SOLUTION,
    ]
    assert {case.nodes[name].challenges for name in ("G2", "Sn1")} == {("G1",)}


def test_a_relation_may_carry_the_challenge() -> None:
    case = Case.read("- Claim G1: Safe\n  - Relation R1: doubted {isCounter}\n    - Claim CG1: Not so\n")
    assert case.nodes["CG1"].challenges == ("G1",)


def test_a_citation_of_nothing_stays_a_reference_to_nothing() -> None:
    case = Case.read("- Claim G1: Safe\n  - Claim ^G2:\n")
    assert [d.code for d in case.check()] == ["C03"]
    assert Case.read(dump_ltac(case.modules).text).normal() == case.normal()


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "- Claim G1: a\n   - Claim G2: b\n",
            "Y25",
            "text:2: indented by 3 blanks; expected two for each level",
        ),
        ("- Claim G1: a\n\t- Claim G2: b\n", "Y25", "text:2: indented with a tab"),
        (
            "- Claim G1: a\n    - Claim G2: b\n",
            "Y25",
            "text:2: stands 2 levels deep, below an element 1 deep",
        ),
        ("- Claim G1: a\nplain text: b\n", "Y25", "text:2: 'plain text: b' is no element"),
        ("- Claim G1: a\n- Claims G2: b\n", "Y25", "text:2: '- Claims G2: b' is no element"),
        ("- Claim G1: a\n- Claim G2\n", "Y25", "text:2: 'Claim G2' has no colon after its id"),
        ("- Claim G1: a\n- Claim:\n", "Y25", "text:2: a Claim with neither id nor text"),
        ("- Claim G1: a\n  - Link\n", "Y25", "text:2: a Link names nothing"),
        ("- Claim G1: a\n- Claim G1: b\n", "Y26", "text:2: 'G1' (first on line 1): declared twice."),
        ("- Claim G1: a {acp=x}\n", "Y13", "text:1: G1 acp is 'x', which cannot be read."),
    ],
)
def test_faults_are_named_with_their_line(text: str, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Case.read(text)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(InputError, match=r"text:2: .*text:3: .*and 2 more: not LTAC"):
        Case.read("- Claim G1: a\n" + "x\n" * 12)


# Lines -----------------------------------------------------------------------------------------

endings = st.sampled_from(
    ["", "a", "a (b)", "a {b}", "a {b} (c)", "a (c) {b}", "(x)", "{x}", "a {b {c}}", "a ()", "{}"]
)


@given(endings, st.lists(st.sampled_from(["defeated", "x=1"]), max_size=2), st.none() | st.just("r.md"))
def test_the_end_of_a_line_is_never_taken_from_the_statement(
    text: str, options: list[str], reference: str | None
) -> None:
    line = f"- Claim G1: {text}{Tail(list(options), reference).after(text)}"
    ours, theirs = split_line(line, 1), VEROCASE.fullmatch(line)
    assert ours is not None
    assert theirs is not None
    assert (ours.text, list(ours.options), ours.reference) == (text, options, reference)
    assert (theirs["text"], theirs["ref"] or "") == (text, reference or "")


@given(st.text(max_size=12), st.none() | st.text(max_size=30))
def test_any_attribute_travels_among_the_options(name: str, text: str | None) -> None:
    said = option(name, text)
    assert not set(said) & set("{}(),\n:^")
    assert said == said.strip()
    # a reader may lower the case of options
    if name and "\ud800" not in name:
        assert attribute(said.lower()) == (name, text)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("G1", True),
        ("A2'", True),
        ("G 1", True),
        ("G:1", False),
        ("^G", False),
        ("", False),
        (" G", False),
        ("a\nb", False),
    ],
)
def test_ids_that_ltac_can_hold(name: str, good: bool) -> None:
    assert is_id(name) is good


def test_ids_that_ltac_cannot_hold_or_tell_apart_get_another_one() -> None:
    case = Case.of([Node("G1", supported_by=("G:1", "A2'", "A2")), Node("G:1"), Node("A2'"), Node("A2")])
    written = dump_ltac(case.modules)
    assert written.losses == ()
    assert "- Claim G_1_1:" in written.text
    assert Case.read(written.text).normal() == case.normal()


def test_a_deep_case_is_cut_into_packages() -> None:
    chain = [Node(f"G{n}", supported_by=(f"G{n + 1}",)) for n in range(3_000)] + [
        Node("G3000", undeveloped=True)
    ]
    written = dump_ltac(Case.of(chain).modules)
    assert written.losses == ()
    assert len(written.text) < 400_000
    assert Case.read(written.text).normal() == Case.of(chain).normal()
