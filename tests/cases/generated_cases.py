"""Hypothesis strategies for cases: sound ones, and ones with texts and names that break careless writers."""

from __future__ import annotations

from hypothesis import strategies as st

from pellucid.cases import Case, Extension, Module, Node, NodeKind

AWKWARD = [
    "",
    " ",
    "No",
    "on",
    "~",
    "null",
    "1_000",
    "0x1F",
    "- a",
    "#",
    "# a",
    "a: b",
    "'",
    '"',
    " lead",
    "trail ",
    "two\nlines",
    "tab\there",
    "\nlead",
    "x\n\n\ny",
    "cr\rlf\r\nend",
    "<b>&amp;</b>",
    "]]>",
    "<!DOCTYPE a>",
    "&#0;",
    "{needssupport}",
    "(a.md)",
    "end (a)",
    "end {a}",
    "end {a} (b)",
    "end (b) {a}",
    "a {b {c}}",
    "{",
    "}",
    "(",
    ")",
    "^[P] G1",
    "Link G1",
    "- Claim G1: x",
    "→ ∀x ∈ ℝ 😀",
    "nbsp\u00a0here",
    "\u2028sep",
    "\x85",
    "long " * 400,
    "a,b, c",
    "name=text",
    "-text",
    "%41",
    "```",
    "G1 -> G2",
]
LAYERS = [
    "finding",
    "predicate",
    "refutedBy",
    "need",
    "accepted",
    "away",
    "symbol",
    "choice",
    "multiplicity",
    "uninstantiated",
    "optional",
    "block",
    "name",
    "options",
    "assertionDeclaration",
    "refutedby",
    "tea:comments",
    "tea:id",
    "Layer Two",
    "a,b",
    "é",
    "module",
    "absent",
    "sideClaims",
]
plain = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn", "Co"]), max_size=30
)
texts = st.one_of(plain, st.sampled_from(AWKWARD))
PREFIXES = ["G", "S", "Sn", "C", "A", "J", "CG", "CSn"]
usual = st.builds("{}{}".format, st.sampled_from(PREFIXES), st.integers(1, 5))
odd = st.sampled_from(
    ["G 1", "G-1", "A2'", "e0", "m0", "case", "x", "G:1", "^G1", "[P]", "Ärger", "id#1", "a.b", "{x}", "G(1)"]
)
ids = st.one_of(usual, usual, usual, odd)
lists = st.lists(ids, max_size=4).map(tuple)
layers = st.dictionaries(st.sampled_from(LAYERS), texts, max_size=3).map(lambda found: tuple(found.items()))
indices = st.none() | st.tuples(st.just("relative"), st.integers(-9, 9)) | st.just(("absolute", "last"))
nodes = st.builds(
    Node,
    id=ids,
    text=st.none() | texts,
    node_type=st.none() | st.sampled_from(NodeKind),
    supported_by=lists,
    in_context_of=lists,
    undeveloped=st.booleans(),
    challenges=st.lists(ids, max_size=2).map(tuple),
    defeated=st.booleans(),
    defeated_relation=lists,
    acp=st.dictionaries(texts, lists, max_size=2).map(lambda points: tuple(points.items())),
    classes=lists,
    url=st.none() | texts,
    horizontal_index=indices,
    rank_increment=st.integers(0, 3),
    char_wrap=st.none() | st.integers(1, 99),
    layers=layers,
)
extensions = st.builds(
    Extension,
    st.sampled_from(["Main", "other"]),
    st.dictionaries(ids, lists, max_size=2).map(lambda found: tuple(found.items())),
)


def modules(size: int) -> st.SearchStrategy[Module]:
    """Modules of up to ``size`` elements."""
    return st.builds(
        Module,
        stated_name=st.none() | texts,
        nodes=st.lists(nodes, max_size=size, unique_by=lambda node: node.id).map(tuple),
        brief=st.none() | texts,
        uses=lists,
        extends=st.lists(extensions, max_size=1).map(tuple),
        layers=st.dictionaries(st.sampled_from(["author", "Two Words"]), texts, max_size=1).map(
            lambda found: tuple(found.items())
        ),
        stylesheets=lists,
        horizontal_index=indices,
        rank_increment=st.integers(0, 2),
        char_wrap=st.none() | st.integers(1, 99),
    )


awkward_cases = st.lists(modules(6), min_size=1, max_size=2).map(lambda found: Case(tuple(found)))


@st.composite
def sound_cases(draw: st.DrawFn) -> Case:
    """Cases as people write them: a goal, strategies, evidence, surroundings, challenges of nodes and relations."""
    goals = [f"G{n}" for n in range(draw(st.integers(1, 6)))]
    leaves = [f"Sn{n}" for n in range(draw(st.integers(1, 4)))]
    made = []
    for n, goal in enumerate(goals):
        below = draw(st.lists(st.sampled_from([*goals[n + 1 :], *leaves]), max_size=3, unique=True))
        if draw(st.booleans()) and below:
            made.append(
                Node(f"S{n}", draw(plain), supported_by=tuple(below), layers=(("block", "decomposition"),))
            )
            below = [f"S{n}"]
        around = draw(st.lists(st.sampled_from(["C1", "A1", "J1"]), max_size=2, unique=True))
        undeveloped = not below
        made.append(
            Node(
                goal,
                draw(plain),
                supported_by=tuple(below),
                in_context_of=tuple(around),
                undeveloped=undeveloped,
            )
        )
    bound = (("finding", "ab12"), ("predicate", "rate.high <= 0.005"))
    made += [Node(leaf, draw(plain), url="https://x.org/a", layers=bound) for leaf in leaves]
    made += [Node(name, draw(plain)) for name in ("C1", "A1", "J1")]
    target = draw(st.sampled_from(made))
    ends = (
        (target.id, target.supported_by[0]) if target.supported_by and draw(st.booleans()) else (target.id,)
    )
    made.append(Node("CSn1", draw(plain), challenges=ends, layers=(("defeater", "undercutting"),)))
    return Case.of(made, name="Main")
