"""Claims, Arguments, Evidence, in a YAML form of our own: the notation has no file format of its own.

A document begins with ``cae: "1.0"``. Below it stand the sections ``claims``, ``accepted-claims``
(assumptions), ``arguments`` (strategies, each with its ``block``), ``evidence`` (solutions), ``side-claims``
(justifications), ``contexts``, ``counter-claims`` and ``counter-evidence``; each maps ids to attributes.
``supportedBy`` names what an element rests on, ``sideClaims``, ``assumes`` and ``contexts`` what surrounds
it; every other attribute is named as in gsn2x, and unknown ones are kept as texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pellucid.cases.formats.exchange import HOME, Extras, Modules, Written, measured
from pellucid.cases.formats.gsn_yaml import module_block, module_of, node_of, plain_attributes
from pellucid.cases.formats.yaml_fields import Fields
from pellucid.cases.formats.yaml_text import yaml_text
from pellucid.cases.formats.yaml_values import Mapping, Reading, Scalar, Sequence, called, read_document
from pellucid.cases.nodes import Node, NodeKind, kind_of_prefix
from pellucid.findings import InputError, did_you_mean

SECTIONS = {
    "claims": NodeKind.GOAL,
    "accepted-claims": NodeKind.ASSUMPTION,
    "arguments": NodeKind.STRATEGY,
    "evidence": NodeKind.SOLUTION,
    "side-claims": NodeKind.JUSTIFICATION,
    "contexts": NodeKind.CONTEXT,
    "counter-claims": NodeKind.COUNTER_GOAL,
    "counter-evidence": NodeKind.COUNTER_SOLUTION,
}
_NAMED = {kind: section for section, kind in SECTIONS.items()}
_AROUND = {
    "contexts": NodeKind.CONTEXT,
    "assumes": NodeKind.ASSUMPTION,
    "sideClaims": NodeKind.JUSTIFICATION,
}
_ABSENT = "absent"
_OURS = frozenset([*_AROUND, _ABSENT, HOME])


# Reading ---------------------------------------------------------------------------------------


def parse_cae(text: str, file: str) -> Modules:
    """Read a CAE document.

    Raises:
        InputError: Y01 not YAML, Y02 stated twice, Y03 a value of the wrong type, Y35 no such section.

    Example:
        >>> (module,) = parse_cae('cae: "1.0"\\nclaims: {G1: {supportedBy: E1}}\\nevidence: {E1: {}}', "a")
        >>> [node.kind.value for node in module.nodes]
        ['Goal', 'Solution']
    """
    reading = Reading(file)
    document = read_document(reading, text)
    _known_sections(reading, document)
    homes: dict[int, list[Node]] = {}
    for home, node in _elements(reading, document):
        homes.setdefault(home, []).append(node)
    blocks = _blocks(reading, document)
    count = max([1, len(blocks), *(home + 1 for home in homes)])
    blocks += [Mapping({}, {}, 1)] * (count - len(blocks))
    modules = tuple(module_of(reading, block, tuple(homes.get(n, ()))) for n, block in enumerate(blocks))
    reading.refuse_faults()
    return modules


def _known_sections(reading: Reading, document: Mapping) -> None:
    for name, line in document.lines.items():
        if name not in (*SECTIONS, "cae", "module", "modules"):
            hint = did_you_mean(name, SECTIONS) or f"Sections are {', '.join(SECTIONS)}."
            raise InputError("Y35", f"{reading.at(line)}: no section '{name}' in a CAE document.", hint)


def _blocks(reading: Reading, document: Mapping) -> list[Mapping]:
    value = document.items.get("modules") or document.items.get("module")
    if value is None:
        return []
    blocks = value.items if isinstance(value, Sequence) else [value]
    for block in blocks:
        if not isinstance(block, Mapping):
            reading.fault(block.line, f"module is a {called(block)}; expected a mapping with a name")
    return [block for block in blocks if isinstance(block, Mapping)][:10_000]


def _elements(reading: Reading, document: Mapping) -> Iterator[tuple[int, Node]]:
    seen: dict[str, int] = {}
    for section, kind in SECTIONS.items():
        value = document.items.get(section)
        if value is None or (isinstance(value, Scalar) and value.empty):
            continue
        if not isinstance(value, Mapping):
            reading.fault(value.line, f"{section} is a {called(value)}; expected elements by id")
            continue
        for node_id, item in value.items.items():
            line = value.lines[node_id]
            if seen.setdefault(node_id, line) != line:
                problem = f"{reading.at(line)}: '{node_id}' (first on line {seen[node_id]}): stated twice."
                raise InputError("Y02", problem, "Give each element its own id.")
            yield from _element(reading, node_id, item, kind, line)


def _element(
    reading: Reading, node_id: str, item: Any, kind: NodeKind, line: int
) -> Iterator[tuple[int, Node]]:
    if isinstance(item, Scalar) and item.empty:
        item = Mapping({}, {}, line)
    if not isinstance(item, Mapping):
        reading.fault(item.line, f"{node_id} is a {called(item)}; expected its attributes (text, ...)")
        return
    fields = Fields(reading, node_id, item)
    node = node_of(fields, line, aside=_OURS)
    absent = fields.names(_ABSENT)
    stated = node.node_type or (None if kind_of_prefix(node_id) is kind else kind)
    around = tuple(name for group in _AROUND for name in fields.names(group))
    home = fields.integer(HOME, least=0) or 0
    yield (
        min(home, 9_999),
        replace(
            node,
            node_type=None if "nodeType" in absent else stated,
            in_context_of=node.in_context_of or (() if "inContextOf" in absent else around),
        ),
    )


# Writing ---------------------------------------------------------------------------------------


def dump_cae(modules: Modules) -> Written:
    """Write modules as one CAE document.

    Example:
        >>> from pellucid.cases.nodes import Module
        >>> print(dump_cae((Module(None, (Node("G1", text="Safe"),)),)).text)
        cae: '1.0'
        claims:
          G1:
            text: Safe
        <BLANKLINE>
    """
    return measured(modules, _write, lambda text: parse_cae(text, "cae"), "CAE")


def _write(modules: Modules, extras: Extras) -> str:
    kinds = {node.id: node.kind for module in modules for node in module.nodes}
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for number, module in enumerate(modules):
        for node in module.nodes:
            section = _NAMED[node.kind or NodeKind.GOAL]
            sections[section][node.id] = _attributes(node, kinds, extras, number)
    blocks = [module_block(module) for module in modules]
    heads: dict[str, Any] = {"module": blocks[0]} if len(blocks) == 1 and blocks[0] else {}
    if len(blocks) > 1:
        heads = {"modules": blocks}
    kept = {name: items for name, items in sections.items() if items}
    return yaml_text({"cae": "1.0", **heads, **kept})


def _attributes(node: Node, kinds: dict[str, NodeKind | None], extras: Extras, number: int) -> dict[str, Any]:
    stated = plain_attributes(node)
    more = extras.of(node.id)
    absent = [name for name in ("nodeType", "inContextOf") if name in more and name not in stated]
    for name in ("nodeType", "inContextOf"):
        if name not in more:
            stated.pop(name, None)
    if "inContextOf" not in more:
        groups = {group: _of_kind(node, kinds, kind) for group, kind in _AROUND.items()}
        stated |= {group: ids for group, ids in groups.items() if ids}
    return stated | ({_ABSENT: absent} if absent else {}) | ({HOME: str(number)} if number else {})


def _of_kind(node: Node, kinds: dict[str, NodeKind | None], kind: NodeKind) -> list[str]:
    around = {NodeKind.ASSUMPTION, NodeKind.JUSTIFICATION}
    found = {
        other: kinds.get(other) if kinds.get(other) in around else NodeKind.CONTEXT
        for other in node.in_context_of
    }
    return [other for other, its in found.items() if its is kind]
