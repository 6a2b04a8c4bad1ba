"""Reading and writing cases: the same case comes back, and bad files give one clear message."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.cases import Acceptance, Case, Extension, Module, Node, NodeKind
from pellucid.cases.formats.gsn_yaml import dump_module, parse_module
from pellucid.cases.nodes import Away, Choice
from pellucid.findings import InputError, MissingError

DATA = Path(__file__).parent / "data"
EXAMPLES = sorted((DATA / "gsn").rglob("*.yaml"))

# Round trips ---------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
printable = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn", "Co"]), max_size=40
)
awkward = st.sampled_from(
    ["", "No", "on", "1_000", "~", "null", "0x1F", "1.5", "- a", "#", "a: b", "'", '"', " lead"]
)
words = st.one_of(
    printable, awkward, st.sampled_from(["two\nlines", "trail \n", "\nlead", "tab\there", "x\n\n\ny"])
)
ids = st.one_of(st.sampled_from(["G1", "Sn2", "C0.1", "A2'", "No", "1", "true", "G 1"]), words).filter(
    lambda name: name != "module" and "->" not in name and name == name.strip() and name != ""
)
ATTRIBUTES = {
    "text",
    "nodeType",
    "supportedBy",
    "inContextOf",
    "undeveloped",
    "challenges",
    "defeated",
    "defeatedRelation",
    "acp",
    "classes",
    "url",
    "horizontalIndex",
    "rankIncrement",
    "charWrap",
}
lists = st.lists(ids, max_size=3).map(tuple)
layers = st.dictionaries(words.filter(lambda name: name not in ATTRIBUTES), words, max_size=3)
nodes = st.builds(
    Node,
    id=ids,
    text=st.none() | words,
    node_type=st.none() | st.sampled_from(NodeKind),
    supported_by=lists,
    in_context_of=lists,
    undeveloped=st.booleans(),
    challenges=st.lists(ids, max_size=2).map(tuple),
    defeated=st.booleans(),
    defeated_relation=lists,
    acp=st.dictionaries(words, lists, max_size=2).map(lambda points: tuple(points.items())),
    classes=lists,
    url=st.none() | words,
    horizontal_index=st.none()
    | st.tuples(st.just("relative"), st.integers(-99, 99))
    | st.tuples(st.just("absolute"), st.integers(-99, 99) | st.just("last")),
    rank_increment=st.integers(0, 9),
    char_wrap=st.none() | st.integers(1, 99),
    layers=layers.map(lambda found: tuple(found.items())),
)
modules = st.builds(
    Module,
    stated_name=st.none() | words,
    nodes=st.lists(nodes, max_size=4, unique_by=lambda node: node.id).map(tuple),
    brief=st.none() | words,
    uses=lists,
    extends=st.lists(
        st.builds(
            Extension, words, st.dictionaries(ids, lists, max_size=2).map(lambda found: tuple(found.items()))
        ),
        max_size=2,
    ).map(tuple),
    stylesheets=lists,
    rank_increment=st.integers(0, 3),
    char_wrap=st.none() | st.integers(1, 99),
    horizontal_index=st.none() | st.just(("absolute", "last")),
)


@settings(max_examples=300, deadline=None)
@given(modules)
def test_what_is_written_is_read_back_equal(module: Module) -> None:
    assert parse_module(dump_module(module), file="file") == module


@settings(max_examples=200, deadline=None)
@given(texts)
def test_any_text_that_yaml_can_hold_comes_back(text: str) -> None:
    module = Module(None, (Node("G1", text=text, layers=(("layer", text),)),))
    assert parse_module(dump_module(module), file="file") == module


@settings(max_examples=60, deadline=None)
@given(modules)
def test_the_normal_form_is_its_own_normal_form_and_survives_a_round_trip(module: Module) -> None:
    normal = Case((module,)).normal()
    assert normal.normal() == normal
    assert Case((parse_module(normal.text, file="file"),)).normal() == normal


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_of_gsn2x_load_and_round_trip(path: Path) -> None:
    for module in Case.read(path).modules:
        assert parse_module(dump_module(module), file=module.file) == module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_have_the_elements_that_gsn2x_draws(path: Path) -> None:
    drawing = path.with_suffix(".svg")
    if not drawing.exists():
        return
    drawn = set(__import__("re").findall(r'id="node_([^"]+)"', drawing.read_text()))
    own = {node.id.lower() for node in Case.read(path).modules[0].nodes}
    assert own <= drawn


def test_digests_follow_the_content_and_not_the_order_of_the_file() -> None:
    one = Case.read("G1: {text: Safe, supportedBy: [Sn1]}\nSn1: {}")
    other = Case.read("Sn1: {}\nG1:\n  supportedBy: Sn1\n  text: Safe")
    changed = Case.read("G1: {text: Safer, supportedBy: [Sn1]}\nSn1: {}")
    assert one.sha256 == other.sha256 != changed.sha256


def test_bindings_are_text_attributes_so_that_gsn2x_reads_the_file() -> None:
    case = Case.read('Sn1: {finding: abc, predicate: "x.high <= 1", refutedBy: "x.low > 1", need: 2}')
    node = case.nodes["Sn1"]
    assert (node.finding, node.predicate, node.refuted_by, node.need) == (
        "abc",
        "x.high <= 1",
        "x.low > 1",
        "2",
    )
    assert "need: '2'" in case.text


# Kinds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("G1", "Goal"),
        ("S1", "Strategy"),
        ("Sn1", "Solution"),
        ("C1", "Context"),
        ("A1", "Assumption"),
        ("J1", "Justification"),
        ("CG1", "CounterGoal"),
        ("CSn1", "CounterSolution"),
        ("CS1", "Context"),
        ("CCSn1", "Context"),
        ("Goal", "Goal"),
    ],
)
def test_prefixes_longest_first_and_case_sensitive(name: str, kind: str) -> None:
    assert Node(name).kind == NodeKind(kind)
    assert Node(name.lower()).kind is None
    assert Node(name, node_type=NodeKind.GOAL).kind is NodeKind.GOAL


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("M", Away("M")),
        (" M / G1 ", Away("M", "G1")),
        ("M/a/b", Away("M", "a/b")),
        ("", None),
        ("/", None),
        ("M/", None),
        ("/G1", None),
    ],
)
def test_away_names_a_module_and_perhaps_an_element(text: str, read: Away | None) -> None:
    assert Away.parse(text) == read == Node("G1", layers=(("away", text),)).away
    assert read is None or Away.parse(str(read)) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1 of 3", Choice(1, 1, 3)),
        ("0..2", Choice(0, 2)),
        (" 2..2 ", Choice(2, 2)),
        ("1of3", Choice(1, 1, 3)),
        ("3 of 2", None),
        ("2..1", None),
        ("-1..2", None),
        ("1...3", None),
        ("", None),
        ("٣ of ٤", None),
        ("1 of 99999999", None),
    ],
)
def test_a_choice_is_m_of_n_or_a_range(text: str, read: Choice | None) -> None:
    assert Choice.parse(text) == read == Node("G1", layers=(("choice", text),)).choice
    assert read is None or Choice.parse(str(read)) == read


def test_marks_of_patterns_and_symbols_are_texts() -> None:
    node = Case.read(
        "G1: {optional: true, uninstantiated: 'True', multiplicity: ' hazards ', symbol: contract}\n"
        "S1: {block: Evidence Incorporation}\n"
    ).nodes
    assert (node["G1"].optional, node["G1"].uninstantiated, node["G1"].multiplicity) == (
        True,
        True,
        "hazards",
    )
    assert (node["G1"].symbol, node["S1"].block) == ("contract", "evidence-incorporation")
    bare = Node("G2", layers=(("optional", "no"), ("symbol", "box"), ("block", "none")))
    assert not bare.optional
    assert (bare.symbol, bare.block, bare.away, bare.choice, bare.multiplicity) == (None,) * 5


def test_a_module_keeps_what_gsn2x_draws_it_with() -> None:
    text = (
        "module:\n  name: M\n  stylesheets: [a.css, b.css]\n  horizontalIndex: {relative: -1}\n"
        "  rankIncrement: 2\n  charWrap: 30\n  author: Ada\n"
    )
    (module,) = Case.read(text).modules
    assert (module.stylesheets, module.horizontal_index) == (("a.css", "b.css"), ("relative", -1))
    assert (module.rank_increment, module.char_wrap, module.layers) == (2, 30, (("author", "Ada"),))
    assert parse_module(dump_module(module), file="file") == module


def test_acceptance_needs_a_name_and_a_day() -> None:
    assert str(Acceptance.parse(" Ada, Countess, 2026-11-21 ")) == "Ada, Countess, 2026-11-21"
    for text in ("", "Ada", "2026-11-21", ", 2026-11-21", "Ada, 2026-02-30", "Ada, soon", "Ada 2026-11-21"):
        assert Acceptance.parse(text) is None


# YAML's traps --------------------------------------------------------------------------------------


def test_ids_and_texts_stay_strings() -> None:
    case = Case.read(
        "No: {text: on}\n1_000: {text: 1e3, layer: 2026-11-21}\nnull: {text: ~}\n1.0: {text: 0o7}"
    )
    assert list(case.nodes) == ["No", "1_000", "null", "1.0"]
    assert [node.text for node in case.nodes.values()] == ["on", "1e3", "~", "0o7"]
    assert case.nodes["1_000"].layer("layer") == "2026-11-21"


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "{}\n"])
def test_an_empty_document_is_an_empty_case(text: str) -> None:
    case = Case.read(text)
    assert case.nodes == {}
    assert [str(one) for one in case.check()] == [
        "warning (text:1) (V18): The case 'text' holds no element: it argues nothing. "
        "Begin with its top claim, as `G1: {text: ...}`."
    ]
    assert case.check(strict_peer=True) == []


def test_an_element_may_be_empty_and_a_list_may_be_one_name() -> None:
    case = Case.read("G1:\n  supportedBy: Sn1\n  inContextOf:\nSn1:\nC1: {}\n")
    assert case.nodes["G1"].supported_by == ("Sn1",)
    assert case.nodes["G1"].in_context_of == ()


def test_other_attributes_may_be_anything_as_in_gsn2x() -> None:
    node = Case.read(
        'G1:\n  marked: true\n  list:\n    - a\n    - 1\n  map: { a: "b", c: [d, ] }\n  nothing:\n'
    ).nodes["G1"]
    assert node.layers == (("marked", "true"), ("list", '["a", "1"]'), ("map", '{"a": "b", "c": ["d"]}'))


def test_anchors_are_followed_once() -> None:
    case = Case.read("G1: {supportedBy: &legs [Sn1, Sn2]}\nG2: {supportedBy: *legs}\n")
    assert case.nodes["G2"].supported_by == ("Sn1", "Sn2")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("G1: {}\nG2: {}\nG1: {}\n", "Y02", "text:3: 'G1' (first on line 1): stated twice."),
        ("G1:\n  text: a\n  text: b\n", "Y02", "text:3: 'text' (first on line 2): stated twice."),
        ("G1: [a\nG2: b", "Y01", "text:2 is not YAML: "),
        ("G1: {text: *nowhere}\n", "Y01", "text:1: no anchor 'nowhere' above."),
        ("G1: {}\n---\nG2: {}\n", "Y01", "text:2 begins a second document."),
        ("- G1\n- G2\n", "Y03", "text:1: the document is a list, not elements by id."),
        ("G1: {}\nG2: some text\n", "Y03", "text:2: G2 is a single value; expected its attributes"),
        ("G1:\n  undeveloped: yes\n", "Y03", "text:2: G1 undeveloped is 'yes'; expected true or false"),
        ("G1:\n  text: [a]\n", "Y03", "text:2: G1 text is a list; expected a text"),
        (
            "G1:\n  supportedBy: {a: b}\n",
            "Y03",
            "text:2: G1 supportedBy is a mapping; expected an id or a list of ids",
        ),
        ("G1:\n  supportedBy: [[a]]\n", "Y03", "G1 supportedBy is a list; expected an id or a list of ids"),
        (
            "G1:\n  rankIncrement: -1\n",
            "Y03",
            "G1 rankIncrement is '-1'; expected a whole number of at least 0",
        ),
        ("G1:\n  charWrap: wide\n", "Y03", "G1 charWrap is 'wide'; expected a whole number of at least 1"),
        ("G1:\n  nodeType: goal\n", "Y03", "Did you mean 'Goal'?"),
        ("G1:\n  challenges: a -> b -> c\n", "Y03", "expected an id, or a relation `A -> B`"),
        ("G1:\n  horizontalIndex: 3\n", "Y03", "expected {relative: number} or {absolute: number or last}"),
        ("G1:\n  horizontalIndex: {relative: last}\n", "Y03", "relative is 'last'; expected a whole number"),
        (
            "G1:\n  horizontalIndex: {up: 1}\n",
            "Y03",
            "expected {relative: number} or {absolute: number or last}",
        ),
        (
            "G1:\n  acp: [a]\n",
            "Y03",
            "G1 acp is a list; expected names of claim points with the ids they sit on",
        ),
        ("G1:\n  finding: {a: b}\n", "Y03", "G1 finding is a mapping; expected a text"),
        ("G1:\n  need: [any]\n", "Y03", "G1 need is a list; expected a text"),
        ("module: name\nG1: {}\n", "Y03", "module is a single value; expected a mapping with a name"),
        ("module: {extends: [a]}\n", "Y03", "module extends needs entries with `module` and `develops`"),
        (
            "G1: !!python/object:os.system {}\n",
            "Y03",
            "the tag tag:yaml.org,2002:python/object:os.system is not",
        ),
        ("? [a, b]\n: {}\n", "Y03", "a list where a name belongs"),
        ("a: " + "[" * 5000 + "]" * 5000 + "\n", "Y01", "nested deeper than 12"),
        ("G1:\n\ttext: a\n", "Y01", "text:2 is not YAML: "),
        ("G1: {text: \x07bell}\n", "Y01", "text:1 is not YAML"),
    ],
)
def test_faults_of_a_file_are_named_with_their_line(text: str, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Case.read(text)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_all_faults_are_listed_at_once_up_to_ten() -> None:
    text = "".join(f"G{index}:\n  undeveloped: maybe\n" for index in range(13))
    with pytest.raises(InputError, match=r"text:2: G0 .*text:20: G9 .*and 3 more: of the wrong type"):
        Case.read(text)


def test_a_bomb_of_aliases_stays_small() -> None:
    lines = ["G0: &a0 {text: x}"] + [f"G{n}: &a{n} {{acp: {{p: x}}, layer: y}}" for n in range(1, 30)]
    assert len(Case.read("\n".join(lines) + "\n").nodes) == 30


# Files ---------------------------------------------------------------------------------------------


def test_a_missing_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "safety.gsn.yaml").write_text("G1: {}\n")
    with pytest.raises(
        MissingError, match=r"No case file .*safty\.gsn\.yaml\. Did you mean 'safety\.gsn\.yaml'\?"
    ) as e:
        Case.read(tmp_path / "safty.gsn.yaml")
    assert e.value.code == "Y04"
    with pytest.raises(MissingError, match=r"No case file nowhere/at-all\.yaml\. Give the path"):
        Case.read("nowhere/at-all.yaml")


def test_a_binary_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.yaml").write_bytes(b"G1: \x80\x81\x00")
    with pytest.raises(InputError, match=r"weights\.yaml:1 is not text: byte 4 is not UTF-8") as caught:
        Case.read(tmp_path / "weights.yaml")
    assert caught.value.code == "Y01"
    with pytest.raises(InputError, match="cannot be read"):
        Case.read(tmp_path)


@pytest.mark.parametrize("content", [b"G1: {}\n# caf\xe9\n", b"G1: {}\nG2: {text: '\x07'}\n"])
def test_an_unreadable_character_is_named_with_its_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.yaml:2 is not ") as caught:
        Case.read(tmp_path / "a.yaml")
    assert caught.value.code == "Y01"


@pytest.mark.parametrize("used", ["nowhere.yaml", "."])
def test_a_used_file_that_cannot_be_read_is_named_with_its_user(tmp_path: Path, used: str) -> None:
    (tmp_path / "a.yaml").write_text(f"# a case\nmodule:\n  uses: [{used}]\nG1: {{}}\n")
    with pytest.raises((InputError, MissingError), match=r", which .*a\.yaml:3 module uses"):
        Case.read(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.ltac", "- Clame G1: Safe\n", "Y25"),
        ("a.cae.yaml", "claims: {C1: {text: Safe}}\n", None),
        ("a.tea.json", '{"nodes": []}', "Y31"),
        ("a.sacm", "no XML", "Y20"),
        ("a.yaml", "- Clame G1: Safe\n", "Y03"),
    ],
)
def test_an_ending_tells_the_format_where_the_content_does_not(
    tmp_path: Path, name: str, text: str, code: str | None
) -> None:
    (tmp_path / name).write_text(text)
    if code is None:
        assert list(Case.read(tmp_path / name).nodes) == ["C1"]
        return
    with pytest.raises(InputError) as caught:
        Case.read(tmp_path / name)
    assert caught.value.code == code
    assert f"{name}:1" in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfG1: {}\n")
    assert list(Case.read(tmp_path / "a.yaml").nodes) == ["G1"]


def test_used_modules_are_read_along_once() -> None:
    folder = DATA / "gsn" / "modular"
    case = Case.read(folder / "index.gsn.yaml", folder / "sub1.gsn.yaml")
    assert [module.name for module in case.modules] == ["Main", "Sub1", "Sub3"]
    assert case.module("Sub3").nodes.keys() == {"C2", "Sn1"}
    with pytest.raises(
        MissingError, match=r"No module 'Sub2'\. The case has Main, Sub1, Sub3\. Did you mean"
    ) as caught:
        case.module("Sub2")
    assert caught.value.code == "Y07"


def test_modules_that_use_each_other_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("module: {name: A, uses: [b.yaml]}\nG1: {}\n")
    (tmp_path / "b.yaml").write_text("module: {name: B, uses: [a.yaml]}\nG2: {}\n")
    assert [module.name for module in Case.read(tmp_path / "a.yaml").modules] == ["A", "B"]


def test_writing_and_reading_a_file(tmp_path: Path) -> None:
    case = Case.read(DATA / "hidden_behaviour.gsn.yaml")
    path = case.write(tmp_path / "copy.yaml")
    assert Case.read(path) == case
    assert os.listdir(tmp_path) == ["copy.yaml"]
    path.chmod(0o600)
    case.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_several_modules_do_not_fit_one_file(tmp_path: Path) -> None:
    case = Case.read(DATA / "gsn" / "modular" / "index.gsn.yaml")
    with pytest.raises(InputError, match=r"3 modules \(Main, Sub1, Sub3\).*case\.module\(NAME\)") as caught:
        case.write(tmp_path / "all.yaml")
    assert caught.value.code == "Y05"
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Case.read("G1: {}\n").write(tmp_path / "case.yaml")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        InputError, match=r"No space left on device.*what was there before is unchanged"
    ) as caught:
        Case.read("G2: {}\n").write(path)
    assert caught.value.code == "Y06"
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["case.yaml"]


def test_a_link_stays_one_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    draft, link = tmp_path / "far" / "case.yaml", tmp_path / "case.yaml"
    draft.write_text("G1: {}\n")
    link.symlink_to(draft)
    Case.of([Node("G2")]).write(link)
    assert link.is_symlink()
    assert list(Case.read(draft).nodes) == ["G2"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["case.yaml", "case.yaml", "far"]


def test_a_read_only_draft_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = tmp_path / "case.yaml"
    draft.write_text("G1: {}\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the administrator may write everything
    with pytest.raises(InputError, match=r"case\.yaml cannot be written: It is read-only") as caught:
        Case.of([Node("G2")]).write(draft)
    assert caught.value.code == "Y06"
    assert draft.read_text() == "G1: {}\n"
    assert list(tmp_path.iterdir()) == [draft]


def test_a_write_that_is_interrupted_leaves_the_draft_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    draft = tmp_path / "case.yaml"
    draft.write_text("G1: {}\n")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Case.of([Node("G2")]).write(draft)
    assert draft.read_text() == "G1: {}\n"
    assert list(tmp_path.iterdir()) == [draft]


def test_a_place_that_does_not_exist_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        Case.read("G1: {}\n").write(tmp_path / "no" / "case.yaml")


def test_binding_an_unknown_element_names_a_near_one() -> None:
    case = Case.read("Sn1: {}\n")
    assert case.bind({"Sn1": "abc"}).citations == {"Sn1": "abc"}
    with pytest.raises(
        MissingError, match=r"No element 'Sn2' to bind in case 'text'\. Did you mean 'Sn1'"
    ) as caught:
        case.bind({"Sn2": "abc"})
    assert caught.value.code == "Y08"


def test_contexts_name_weights() -> None:
    case = Case.read("C1: {sha256: 'aa, bb', subject: 'organism:m'}\nC2: {sha256: cc}\nG1: {sha256: dd}\n")
    assert {name: [(s.id, s.sha256) for s in subjects] for name, subjects in case.subjects.items()} == {
        "C1": [("organism:m", "aa"), ("organism:m", "bb")],
        "C2": [("", "cc")],
    }


def test_the_room_loads_without_torch_and_drawing_libraries() -> None:
    heavy = ["torch", "plotly", "rich", "typer", "fastapi", "sqlalchemy", "scipy", "numpy.random"]
    code = f"import sys, pellucid.cases; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['numpy.random']")
