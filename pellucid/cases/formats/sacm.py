"""Structured Assurance Case Metamodel, 2.x, in XMI.

The details of the XMI are reconstructed (unconfirmed), so the reader takes what tools are known to write:
classes as ``xmi:type`` or as names of elements, ids as ``xmi:id``, ``id`` or ``gid``, references as
attributes, as children with ``ref``, ``href`` or ``idref``, or as paths (``//@argumentPackage.0/@claim.1``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pellucid.cases.formats.attributes import Texts
from pellucid.cases.formats.exchange import HOME, Draft, Modules, Written, assembled, measured
from pellucid.cases.formats.sacm_writer import CLASSES, DECLARED, write_sacm
from pellucid.cases.formats.xml_text import Element, read_xml
from pellucid.cases.nodes import NodeKind, kind_of_prefix
from pellucid.findings import InputError

_ELEMENTS = frozenset(["claim", "argumentreasoning", "artifactreference"])
_RELATIONS = {
    "assertedinference": "support",
    "assertedevidence": "support",
    "assertedartifactsupport": "support",
    "assertedcontext": "context",
    "assertedartifactcontext": "context",
}
_OWN = _ELEMENTS | set(_RELATIONS)
_SHORT = re.compile(r"(CSn|CG|Sn|[GSCAJ])[0-9][\w.'-]*")


@dataclass
class _Relation:
    sources: list[str]
    targets: list[str]
    reasoning: list[str]
    counter: bool
    role: str
    line: int


@dataclass
class _Reading:
    file: str
    named: dict[str, Element] = field(default_factory=dict)
    parents: dict[int, Element] = field(default_factory=dict)
    drafts: dict[int, Draft] = field(default_factory=dict)
    ids: dict[str, Draft] = field(default_factory=dict)
    relations: dict[int, _Relation] = field(default_factory=dict)

    def fail(self, line: int, what: str, remedy: str) -> InputError:
        """The InputError of a place in the file."""
        return InputError("Y21", f"{self.file}:{line}: {what}.", remedy)


def parse_sacm(text: str, file: str) -> Modules:
    """Read a SACM document; each ArgumentPackage becomes a module.

    Raises:
        InputError: Y20 not XML or with a document type, Y21 not SACM or with a reference to nothing, Y22 an
            id stated twice, Y13 a TaggedValue of ours that cannot be read.

    Example:
        >>> (module,) = parse_sacm('<ArgumentPackage><claim id="G1" content="Safe"/></ArgumentPackage>', "a")
        >>> module.nodes[0].text
        'Safe'

    Source: OMG, Structured Assurance Case Metamodel 2.2, clauses 8 to 11.
    """
    root = read_xml(text, file=file, code="Y20")
    if _class(root) not in ("assurancecasepackage", "argumentpackage"):
        problem = f"{file}:{root.line}: the document is '{root.tag}', not an AssuranceCasePackage."
        raise InputError("Y21", problem, "Give a SACM document, or a case in another format.")
    reading = _Reading(file)
    _name(reading, root)
    heads: list[Texts] = []
    for package, own in _packages(root):
        _read_package(reading, own, len(heads))
        heads.append(_head(package))
    for relation in list(reading.relations.values()):
        _relate(reading, relation)
    for draft in reading.drafts.values():
        _settle(draft)
    return assembled(reading.drafts.values(), heads, file)


def dump_sacm(modules: Modules) -> Written:
    """Write modules as one SACM document.

    Example:
        >>> from pellucid.cases.nodes import Module, Node
        >>> 'gid="G1" assertionDeclaration="asserted"' in dump_sacm((Module(None, (Node("G1"),)),)).text
        True
    """
    return measured(modules, write_sacm, lambda text: parse_sacm(text, "sacm"), "SACM")


# Packages and names ----------------------------------------------------------------------------


def _class(element: Element) -> str:
    stated = element.attributes.get("xmi:type") or element.attributes.get("xsi:type") or element.tag
    return stated.rpartition(":")[2].lower()


def _name(reading: _Reading, root: Element) -> None:
    """Note every identifier of every element; of equal ones ``xmi:id`` comes first."""
    elements = list(root.walk())
    for name in ("xmi:id", "id", "gid"):
        for element in elements:
            if name in element.attributes:
                reading.named.setdefault(element.attributes[name], element)
    waiting = [(root, "/")]
    while waiting:
        element, path = waiting.pop()
        reading.named.setdefault(path, element)
        counts: dict[str, int] = {}
        for child in element.children:
            number = counts.setdefault(child.tag, 0)
            counts[child.tag] += 1
            reading.parents[id(child)] = element
            waiting.append((child, f"{path}/@{child.tag}.{number}"))


def _packages(root: Element) -> Iterator[tuple[Element, list[Element]]]:
    """Each ArgumentPackage that holds elements or nothing at all, with the elements of its own."""
    packages = [element for element in root.walk() if _class(element) == "argumentpackage"]
    for package in packages:
        own = [
            child for child in package.children if _class(child) in _ELEMENTS or _class(child) in _RELATIONS
        ]
        inner = any(_class(child) == "argumentpackage" for child in package.children)
        if own or not inner:
            yield package, own


def _head(package: Element) -> Texts:
    name, brief = _child_text(package, "name"), _child_text(package, "description")
    head: dict[str, str | None] = {"name": name if name is not None else package.get("name"), "brief": brief}
    return head | _tags(package)


def _child_text(element: Element, tag: str) -> str | None:
    """What a name or description says: the first text anywhere inside it."""
    for child in element.all(tag):
        for part in child.walk():
            said = part.get("content", "value")
            if said is not None or part.text:
                return said if said is not None else part.text
    return None


def _tags(element: Element) -> dict[str, str | None]:
    tags: dict[str, str | None] = {}
    for tag in element.all("taggedValue"):
        key = _child_text(tag, "key") or tag.get("key")
        if key is not None:
            said = _child_text(tag, "content")
            tags[key] = said if said is not None else tag.get("content", "value")
    return tags


# Elements --------------------------------------------------------------------------------------


def _read_package(reading: _Reading, own: list[Element], number: int) -> None:
    for element in own:
        if _class(element) in _ELEMENTS:
            draft = _draft(reading, element)
            if number:
                draft.extras[HOME] = str(number)
            reading.drafts[id(element)] = reading.ids[draft.id] = draft
        else:
            reading.relations[id(element)] = _relation(reading, element)


def _draft(reading: _Reading, element: Element) -> Draft:
    node_id, name = _identity(reading, element)
    if node_id in reading.ids:
        problem = f"{reading.file}:{element.line}: '{node_id}' (first on line {reading.ids[node_id].line})"
        raise InputError("Y22", f"{problem}: stated twice.", "Give each element its own id.")
    said = _child_text(element, "description")
    text = said if said is not None else element.get("content", "description")
    layers = {"name": name} if name is not None and name != node_id and text is not None else {}
    if text is None and name != node_id:
        text = name
    draft = Draft(node_id, _first_kind(element, node_id), element.line, text, layers=layers)
    _declare(reading, draft, element)
    draft.extras |= _tags(element)
    return draft


def _identity(reading: _Reading, element: Element) -> tuple[str, str | None]:
    name = _child_text(element, "name")
    name = name if name is not None else element.get("name")
    ids = [element.attributes.get(key) for key in ("gid", "xmi:id", "id")]
    stated = next((given for given in ids if given is not None), None)
    if name and _SHORT.fullmatch(name) and name not in reading.ids and not kind_of_prefix(stated or ""):
        return name, name
    if stated is None and not name:
        raise reading.fail(element.line, f"a {element.tag} has neither id nor name", "Give it an xmi:id.")
    return (stated if stated is not None else str(name)), name


def _first_kind(element: Element, node_id: str) -> NodeKind:
    """The kind that an element's id announces, if its class allows it; relations may say otherwise later."""
    announced = kind_of_prefix(node_id)
    if announced is not None and CLASSES[announced].lower() == _class(element):
        return announced
    return {
        "claim": NodeKind.GOAL,
        "argumentreasoning": NodeKind.STRATEGY,
        "artifactreference": NodeKind.SOLUTION,
    }[_class(element)]


def _declare(reading: _Reading, draft: Draft, element: Element) -> None:
    declared = element.get("assertionDeclaration") or "asserted"
    draft.defeated, draft.undeveloped = declared == "defeated", declared == "needsSupport"
    if declared not in ("asserted", "defeated", "needsSupport"):
        draft.layers["assertionDeclaration"] = declared
    if element.get("isAbstract") == "true":
        draft.layers["uninstantiated"] = "true"
    cited = reading.named.get((element.get("citedElement") or "").removeprefix("#"))
    if cited is not None and element.get("isCitation") == "true":
        draft.layers["away"] = _away(reading, cited)


def _away(reading: _Reading, cited: Element) -> str:
    package = reading.parents.get(id(cited))
    name = (_head(package).get("name") if package else None) or "case"
    return f"{name}/{cited.attributes.get('gid') or cited.get('id')}"


# Relations -------------------------------------------------------------------------------------


def _relation(reading: _Reading, element: Element) -> _Relation:
    ends = {name: list(_references(element, name)) for name in ("source", "target", "reasoning")}
    counter = element.get("isCounter") == "true"
    role = _RELATIONS[_class(element)]
    return _Relation(ends["source"], ends["target"], ends["reasoning"], counter, role, element.line)


def _references(element: Element, name: str) -> Iterator[str]:
    yield from (element.get(name) or "").split()
    for child in element.all(name):
        said = child.get("ref", "href", "idref") or child.text
        yield from said.split()


def _relate(reading: _Reading, relation: _Relation) -> None:
    sources = [_node(reading, name, relation.line) for name in relation.sources]
    reasons = [_node(reading, name, relation.line) for name in relation.reasoning]
    for name in relation.targets:
        challenged = reading.relations.get(id(_found(reading, name, relation.line)))
        if challenged is not None:
            ends = (*challenged.targets[:1], *challenged.sources[:1])
            _challenge(sources, tuple(_node(reading, end, relation.line).id for end in ends))
        elif relation.counter:
            _challenge(sources, (_node(reading, name, relation.line).id,))
        else:
            _join(_node(reading, name, relation.line), sources, reasons, relation.role)


def _join(target: Draft, sources: list[Draft], reasons: list[Draft], role: str) -> None:
    if role == "context":
        target.in_context_of += [source.id for source in sources]
        for source in sources:
            source.kind = _around(source)
        return
    target.supported_by += [reason.id for reason in reasons] or [source.id for source in sources]
    for reason in reasons:
        reason.supported_by += [source.id for source in sources]


def _around(source: Draft) -> NodeKind:
    """The kind of what surrounds another element, unless its id says so already."""
    if source.kind in (NodeKind.CONTEXT, NodeKind.ASSUMPTION, NodeKind.JUSTIFICATION):
        return source.kind
    if source.kind is NodeKind.SOLUTION and kind_of_prefix(source.id) is None:
        return NodeKind.CONTEXT
    if source.kind is NodeKind.GOAL and kind_of_prefix(source.id) is None:
        assumed = source.layers.get("assertionDeclaration") == "assumed"
        return NodeKind.ASSUMPTION if assumed else NodeKind.JUSTIFICATION
    return source.kind


def _challenge(sources: list[Draft], ends: tuple[str, ...]) -> None:
    counters = {NodeKind.GOAL: NodeKind.COUNTER_GOAL, NodeKind.SOLUTION: NodeKind.COUNTER_SOLUTION}
    for source in sources:
        source.challenges = source.challenges or ends
        source.kind = counters.get(source.kind, source.kind)


def _found(reading: _Reading, name: str, line: int) -> Element:
    found = reading.named.get(name.rpartition("#")[2])
    if found is None:
        raise reading.fail(line, f"a relation names '{name}', which is not in the file", "Correct the name.")
    return found


def _node(reading: _Reading, name: str, line: int) -> Draft:
    draft = reading.drafts.get(id(_found(reading, name, line)))
    if draft is None:
        what = f"a relation names '{name}', which is no claim, reasoning or artefact reference"
        raise reading.fail(line, what, "Name an element of an ArgumentPackage.")
    return draft


def _settle(draft: Draft) -> None:
    """Drop the declaration that the kind says already."""
    if draft.layers.get("assertionDeclaration") == DECLARED.get(draft.kind, ""):
        del draft.layers["assertionDeclaration"]
