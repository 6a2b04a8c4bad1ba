"""Formats by name, ending and content; Mermaid and Markdown; large and broken files of every format."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pellucid.cases import Case, Module, Node
from pellucid.cases.formats.registry import FORMATS, format_for, format_named, recognised
from pellucid.findings import InputError, MissingError

DATA = Path(__file__).parent / "data"
EXAMPLES = sorted(DATA.rglob("*.yaml"))
READ = [known.name for known in FORMATS if known.parse is not None]


@pytest.mark.parametrize("name", [name for name in READ if name != "gsn"])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_go_through_every_format_and_back(path: Path, name: str, tmp_path: Path) -> None:
    case = Case.read(path)
    assert case.losses(name) == []
    written = case.write(tmp_path / f"case{format_named(name).endings[0]}")
    again = Case.read(written)
    assert again.normal() == case.normal()
    assert sorted(d.code for d in again.check()) == sorted(d.code for d in case.check())
    assert again.write(tmp_path / "again", format=name).read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.yaml", "gsn"),
        ("a.gsn.yml", "gsn"),
        ("a", "gsn"),
        ("a.cae.yaml", "cae"),
        ("a.sacm", "sacm"),
        ("A.XMI", "sacm"),
        ("a.sacm.xml", "sacm"),
        ("a.ltac", "ltac"),
        ("a.json", "tea"),
        ("a.flat.json", "tea-flat"),
        ("a.mmd", "mermaid"),
        ("a.md", "markdown"),
    ],
)
def test_endings_say_the_format(path: str, name: str) -> None:
    assert format_for(path).name == name


def test_unknown_names_and_endings_are_told(tmp_path: Path) -> None:
    case = Case.of([Node("G1", undeveloped=True)])
    with pytest.raises(MissingError, match=r"No format 'ltax'\. .*Did you mean 'ltac'\?") as caught:
        case.write(tmp_path / "a", format="ltax")
    assert caught.value.code == "Y10"
    with pytest.raises(InputError, match=r"ending of 'a\.docx'\. Name the format, or use one of") as ending:
        case.write(tmp_path / "a.docx")
    assert ending.value.code == "Y11"
    with pytest.raises(MissingError):
        case.losses("word")
    assert not list(tmp_path.iterdir())


def test_the_name_wins_over_the_ending(tmp_path: Path) -> None:
    path = Case.of([Node("G1", undeveloped=True)]).write(tmp_path / "a.yaml", format="ltac")
    assert path.read_text() == "- Claim G1: {needssupport %40head0.name=case}\n".replace(" %40", ", %40")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("G1: {}", "gsn"),
        ('{"G1": {"text": "a"}}', "gsn"),
        ("{}", "gsn"),
        ("", "gsn"),
        ("# - Claim\nG1: {}", "gsn"),
        ("---\n# a\ncae: 1\n", "cae"),
        ("  <a/>", "sacm"),
        ("\n- Claim G1: a", "ltac"),
        ("* Strategy S: a", "ltac"),
        ("- Claims", "gsn"),
        ('{\n "version": "1.0"}', "tea"),
        ('{"goals": []}', "tea"),
    ],
)
def test_documents_are_recognised_by_content(text: str, name: str) -> None:
    assert recognised(text, "text").name == name


def test_evidence_items_are_no_case() -> None:
    with pytest.raises(InputError, match="text:1 begins a list of evidence items, not a case") as caught:
        Case.read('[{"formatVersion": "0.1"}]')
    assert caught.value.code == "Y12"


def test_a_failed_export_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of([Node("G1", undeveloped=True)])
    path = case.write(tmp_path / "case.ltac")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        Case.of([Node("G2", undeveloped=True)]).write(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["case.ltac"]


@pytest.mark.parametrize(
    ("name", "code"), [("gsn", "Y14"), ("cae", "Y14"), ("markdown", "Y06"), ("ltac", "Y06")]
)
def test_a_lone_surrogate_is_no_traceback(name: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "case"
    path.write_text("old")
    with pytest.raises(InputError, match="lone surrogate") as caught:
        Case.of([Node("G1", text="\ud800")]).write(path, format=name)
    assert caught.value.code == code
    assert path.read_text() == "old"


# Written only ----------------------------------------------------------------------------------


def test_mermaid_shows_kinds_relations_and_states() -> None:
    case = Case.read(
        'G1: {text: "Say \\"yes\\" & <b>", supportedBy: [S1, Sn9], inContextOf: [C1, A1]}\n'
        "S1: {supportedBy: [Sn1]}\nSn1: {text: 'a #1'}\nC1: {}\nA1: {}\nG2: {undeveloped: true, defeated: true}\n"
        "CSn1: {challenges: G1 -> S1}\n"
    )
    text = format_named("mermaid").dump(case.modules).text
    for line in (
        '  n0["G1<br/>Say #quot;yes#quot; #amp; #lt;b#gt;"]',
        '  n1[/"S1"/]',
        '  n2(("Sn1<br/>a #35;1"))',
        '  n3("C1")',
        '  n4(["A1<br/>(A)"])',
        '  n5["G2<br/>(undeveloped)<br/>(defeated)"]',
        "  n0 --> n1",
        '  n0 --> x536e39["Sn9<br/>(missing)"]',
        "  n0 --o n3",
        '  n6 -.->|"challenges G1 -#gt; S1"| n0',
    ):
        assert line in text.splitlines()
    assert case.losses("mermaid") == []
    bound = Case.of([Node("Sn1", url="a", layers=(("finding", "ab"),))])
    assert [loss.message for loss in bound.losses("mermaid")] == [
        "Mermaid does not carry finding of 'Sn1'.",
        "Mermaid does not carry url of 'Sn1'.",
    ]


def test_mermaid_draws_a_box_for_each_module() -> None:
    case = Case((Module("A", (Node("G1"),)), Module("B", (Node("G2"),))))
    assert 'subgraph m1["B"]' in format_named("mermaid").dump(case.modules).text


def test_markdown_holds_everything() -> None:
    case = Case.read(DATA / "hidden_behaviour.gsn.yaml")
    text = format_named("markdown").dump(case.modules).text
    assert case.losses("markdown") == []
    for name, node in case.nodes.items():
        assert f" {name}\n" in text
        for _, value in node.layers:
            assert all(word in text.replace("\\", "") for word in value.split())
    raw = Case.of([Node("G1", text="<script>*a*")])
    assert "\\<script\\>\\*a\\*" in format_named("markdown").dump(raw.modules).text


@pytest.mark.parametrize("name", [known.name for known in FORMATS])
def test_the_same_case_gives_the_same_bytes(name: str) -> None:
    case = Case.read(DATA / "hidden_behaviour.gsn.yaml")
    assert len({format_named(name).dump(case.modules).text for _ in range(3)}) == 1
    assert format_named(name).dump(()).text is not None


# Large files -----------------------------------------------------------------------------------


def wide(count: int) -> Case:
    """A tree of ``count`` elements with ten below each."""
    nodes = []
    for n in range(count):
        below = tuple(f"G{m}" for m in range(10 * n + 1, 10 * n + 11) if m < count)
        nodes.append(Node(f"G{n}", text=f"Claim {n}", supported_by=below, undeveloped=not below))
    return Case.of(nodes)


@pytest.mark.parametrize("name", READ)
def test_ten_thousand_elements_are_read_and_checked(name: str, tmp_path: Path) -> None:
    case = wide(10_000)
    path = case.write(tmp_path / "case", format=name)
    again = Case.read(path)
    assert again.check() == []
    assert len(again.nodes) == 10_000


def test_aliases_cannot_multiply_without_end() -> None:
    names = ", ".join(f"Sn{n}" for n in range(3_000))
    text = f"G0: {{supportedBy: &a [{names}]}}\n" + "".join(
        f"G{n}: {{supportedBy: *a}}\n" for n in range(1, 1_000)
    )
    with pytest.raises(InputError, match=r"aliases stand for more than 1,000,000 values") as caught:
        Case.read(text)
    assert caught.value.code == "Y01"


@pytest.mark.parametrize("text", ["<", "{", "[", "- Claim", "\x00", "<a", '{"version"', "- Link x: y", "*"])
def test_broken_beginnings_are_one_message(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Case.read(text + "\n")
    assert caught.value.code.startswith("Y")
    assert caught.value.remedy


def test_a_module_that_uses_files_keeps_them_in_one_document(tmp_path: Path) -> None:
    case = Case.read(DATA / "gsn" / "modular" / "index.gsn.yaml")
    for name in ("sacm", "ltac", "tea", "cae"):
        again = Case.read(case.write(tmp_path / f"all.{name}", format=name))
        assert [module.name for module in again.modules] == ["Main", "Sub1", "Sub3"]


@pytest.mark.parametrize("head", ["\n", " \r\n#\n", "# A licence\n\n", "```\n\n", "#", " \t"])
def test_a_long_head_is_passed_over(head: str) -> None:
    """Every line of a head has one reading: with two, these would double the work until the test is stopped."""
    assert recognised(head * 300 + "\nG1: {}", "text").name == "gsn"
    assert recognised("# A licence\n\n" * 20 + "cae: {}\nclaims: {}\n", "text").name == "cae"
    assert recognised("# A title\n\n" * 20 + "- Claim G1: Safe\n", "text").name == "ltac"


def test_a_declaration_of_blanks_is_read() -> None:
    with pytest.raises(InputError, match="text:1: not XML"):
        Case.read("<?xml" + " " * 100_000)
