"""JSON of the AssurancePlatform (TEA): nested 1.0, flat 2.0, and the older form without a version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pellucid.cases.formats.attributes import Texts, compact
from pellucid.cases.formats.exchange import Draft, Modules, Written, assembled, measured
from pellucid.cases.formats.json_text import JsonObject, read_json
from pellucid.cases.formats.tea_legacy import nested_from_legacy
from pellucid.cases.formats.tea_writer import KEPT, PASSED, element_uuid, write_flat, write_nested
from pellucid.cases.nodes import COUNTERS, SIDE, NodeKind, kind_of_prefix
from pellucid.findings import InputError, did_you_mean

_KINDS = {
    "GOAL": NodeKind.GOAL,
    "PROPERTY_CLAIM": NodeKind.GOAL,
    "MODULE": NodeKind.GOAL,
    "AWAY_GOAL": NodeKind.GOAL,
    "CONTRACT": NodeKind.GOAL,
    "STRATEGY": NodeKind.STRATEGY,
    "EVIDENCE": NodeKind.SOLUTION,
    "CONTEXT": NodeKind.CONTEXT,
    "ASSUMPTION": NodeKind.ASSUMPTION,
    "JUSTIFICATION": NodeKind.JUSTIFICATION,
}
_DEFEATERS = {NodeKind.GOAL: NodeKind.COUNTER_GOAL, NodeKind.SOLUTION: NodeKind.COUNTER_SOLUTION}
_ASIDE = {"assumption": "A", "justification": "J", "context": "C"}


@dataclass
class _Reading:
    file: str
    case_id: str
    drafts: dict[str, Draft] = field(default_factory=dict)
    """Elements by uuid."""
    ids: set[str] = field(default_factory=set)
    objects: dict[str, JsonObject] = field(default_factory=dict)

    def fail(self, owner: JsonObject, what: str, remedy: str = "Correct that object.") -> InputError:
        """The InputError of a place in the file."""
        return InputError("Y31", f"{self.file}:{owner.line}: {what}.", remedy)

    def string(self, owner: JsonObject, name: str) -> str | None:
        """A field that is a text or null."""
        value = owner.get(name)
        if value is not None and not isinstance(value, str):
            raise self.fail(owner, f"{name} is {compact(value)[:40]}; expected a text")
        return value

    def objects_of(self, owner: JsonObject, name: str) -> list[JsonObject]:
        """A field that is a list of objects."""
        value = owner.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, JsonObject) for item in value):
            raise self.fail(owner, f"{name} is no list of objects")
        return value


def parse_tea(text: str, file: str) -> Modules:
    """Read a case that the AssurancePlatform exported; names become ids, uuids are kept.

    Raises:
        InputError: Y30 not JSON, or a name stated twice, Y31 not a case of TEA or a field of the wrong type,
            Y32 a version that is not known, Y13 metadata of ours that cannot be read.

    Example:
        >>> goal = '{"id": "1", "type": "GOAL", "name": "G1", "description": "Safe", "children": []}'
        >>> (module,) = parse_tea('{"version": "1.0", "case": {"name": "c"}, "tree": ' + goal + '}', "a")
        >>> module.nodes[0].text
        'Safe'

    Source: alan-turing-institute/AssurancePlatform, schemas of case export.
    """
    document = read_json(text, file=file, code="Y30")
    if not isinstance(document, JsonObject):
        raise InputError("Y31", f"{file}:1: the document is no object.", "Give a case exported by TEA.")
    case = document.get("case", document)
    if not isinstance(case, JsonObject):
        problem = f"{file}:{document.line}: case is no object."
        raise InputError("Y31", problem, "Give a case exported by TEA.")
    reading = _Reading(file, "")
    reading.case_id = reading.string(case, "name") or "case"
    _read_elements(reading, document)
    _settle_challenges(reading)
    return assembled(reading.drafts.values(), _heads(reading, case), file)


def dump_tea(modules: Modules) -> Written:
    """Write modules as nested 1.0.

    Example:
        >>> from pellucid.cases.nodes import Module, Node
        >>> '"role": "TOP_LEVEL"' in dump_tea((Module(None, (Node("G1"),)),)).text
        True
    """
    return measured(modules, write_nested, lambda text: parse_tea(text, "tea"), "TEA")


def dump_tea_flat(modules: Modules) -> Written:
    """Write modules as flat 2.0.

    Example:
        >>> from pellucid.cases.nodes import Module, Node
        >>> '"parentId": null' in dump_tea_flat((Module(None, (Node("G1"),)),)).text
        True
    """
    return measured(modules, write_flat, lambda text: parse_tea(text, "tea"), "TEA")


def _heads(reading: _Reading, case: JsonObject) -> list[Texts]:
    own = case.get("metadata")
    pellucid = own.get("pellucid") if isinstance(own, JsonObject) else None
    heads = pellucid.get("modules", []) if isinstance(pellucid, JsonObject) else []
    if not isinstance(heads, list) or not all(isinstance(head, JsonObject) for head in heads):
        raise reading.fail(case, "metadata.pellucid.modules is no list of objects")
    brief = reading.string(case, "description") or None
    first: dict[str, str | None] = {"name": reading.case_id, "brief": brief}
    stated = [{str(name): reading.string(head, name) for name in head} for head in heads[:10_000]]
    return [first | (stated[0] if stated else {}), *stated[1:]]


# Elements --------------------------------------------------------------------------------------


def _read_elements(reading: _Reading, document: JsonObject) -> None:
    version = document.get("version")
    if version == "2.0" or (version is None and "elements" in document):
        _read_flat(reading, document)
    elif version == "1.0" or (version is None and "tree" in document):
        tree = document.get("tree")
        if tree is not None and not isinstance(tree, JsonObject):
            raise reading.fail(document, "tree is no object")
        _read_trees(reading, [tree] if tree is not None else [])
    elif version is None and "goals" in document:
        _read_trees(reading, nested_from_legacy(reading.objects_of(document, "goals"), reading.file))
    elif version is not None:
        problem = (
            f"{reading.file}:{document.line}: version {compact(version)[:40]} of the format is not known."
        )
        raise InputError("Y32", problem, "Export the case as version 1.0 or 2.0.")
    else:
        raise reading.fail(document, "neither tree, elements nor goals", "Give a case exported by TEA.")


def _read_trees(reading: _Reading, trees: list[JsonObject]) -> None:
    waiting: list[tuple[JsonObject, Draft | None]] = [(tree, None) for tree in reversed(trees)]
    while waiting:
        element, above = waiting.pop()
        draft = _draft(reading, element, "type")
        if above is not None and element.get("inSandbox") is not True:
            _hang(reading, above, draft, element)
        waiting += [(child, draft) for child in reversed(reading.objects_of(element, "children"))]


def _read_flat(reading: _Reading, document: JsonObject) -> None:
    elements = reading.objects_of(document, "elements")
    for element in elements:
        if reading.string(element, "id") in reading.drafts:
            raise reading.fail(element, f"the id {element['id']} is stated twice")
        _draft(reading, element, "elementType")
    for element in elements:
        parent = reading.string(element, "parentId")
        if parent is not None and element.get("inSandbox") is not True:
            _hang(reading, _known(reading, element, parent), reading.drafts[element["id"]], element)
    for link in reading.objects_of(document, "evidenceLinks"):
        ends = [reading.string(link, name) or "" for name in ("claimId", "evidenceId")]
        claim, evidence = (_known(reading, link, end) for end in ends)
        claim.supported_by.append(evidence.id)


def _known(reading: _Reading, owner: JsonObject, key: str) -> Draft:
    if key not in reading.drafts:
        raise reading.fail(owner, f"'{key}' is no element of the file", "Name the id of an element.")
    return reading.drafts[key]


def _draft(reading: _Reading, element: JsonObject, type_field: str) -> Draft:
    key, kind = reading.string(element, "id"), reading.string(element, type_field)
    if key is None or kind not in _KINDS:
        hint = did_you_mean(kind or "", _KINDS) or f"Types are {', '.join(_KINDS)}."
        said = f"{type_field} is '{kind}'" if key is not None else "an element without id"
        raise reading.fail(element, said, hint)
    if key in reading.drafts:
        return reading.drafts[key]
    node_id, name = _identity(reading, element, key)
    draft = Draft(node_id, _kind(element, kind, node_id), element.line)
    draft.text = reading.string(element, "description") or None
    draft.url = reading.string(element, "url")
    if name is not None:
        draft.layers["name"] = name
    reading.drafts[key], reading.objects[key] = draft, element
    _keep(reading, draft, element, kind)
    _aside(reading, draft, element)
    draft.extras |= _metadata(reading, element)
    return draft


def _identity(reading: _Reading, element: JsonObject, key: str) -> tuple[str, str | None]:
    """The id: the name where it is free, else the uuid, with the name beside it."""
    name = reading.string(element, "name")
    node_id = name if name and name not in reading.ids else key
    reading.ids.add(node_id)
    return node_id, name if name and node_id != name else None


def _kind(element: JsonObject, said: str, node_id: str) -> NodeKind:
    kind = _KINDS[said]
    counter = _DEFEATERS.get(kind)
    if element.get("isDefeater") is True:
        return counter or kind
    # support of a counter element is no defeater itself, and its id may say what it is
    return counter if counter is not None and kind_of_prefix(node_id) is counter else kind


def _keep(reading: _Reading, draft: Draft, element: JsonObject, kind: str) -> None:
    layers = draft.layers
    if kind in ("MODULE", "CONTRACT"):
        layers["symbol"] = kind.lower()
    if kind == "AWAY_GOAL":
        layers["away"] = reading.string(element, "moduleReferenceId") or "unknown"
    derived = {"id": element_uuid(reading.case_id, draft.id), "moduleEmbedType": "REFERENCE"}
    for name in PASSED:
        value = element.get(name)
        if value not in (None, False, []) and value != derived.get(name):
            layers[KEPT + name] = compact(value)


def _aside(reading: _Reading, draft: Draft, element: JsonObject) -> None:
    """Assumption, justification and context that are fields of an element become elements."""
    for name, prefix in _ASIDE.items():
        value = element.get(name)
        texts = value if isinstance(value, list) else [value]
        for number, text in enumerate((text for text in texts if text), 1):
            if not isinstance(text, str):
                raise reading.fail(element, f"{name} is {compact(text)[:40]}; expected a text")
            key = f"{prefix}.{draft.id}" + (f".{number}" if isinstance(value, list) else "")
            while key in reading.ids:
                key += "'"
            reading.ids.add(key)
            reading.drafts[f"{name} {number} of {draft.id}"] = Draft(key, SIDES[name], element.line, text)
            draft.in_context_of.append(key)


SIDES = {
    "assumption": NodeKind.ASSUMPTION,
    "justification": NodeKind.JUSTIFICATION,
    "context": NodeKind.CONTEXT,
}
"""Kinds of the fields that become elements."""


def _metadata(reading: _Reading, element: JsonObject) -> dict[str, str | None]:
    metadata = element.get("metadata")
    own = metadata.get("pellucid") if isinstance(metadata, JsonObject) else None
    return {name: reading.string(own, name) for name in own} if isinstance(own, JsonObject) else {}


# Relations -------------------------------------------------------------------------------------


def _hang(reading: _Reading, above: Draft, draft: Draft, element: JsonObject) -> None:
    if element.get("isDefeater") is True:
        draft.challenges = draft.challenges or (above.id,)
    elif draft.kind in SIDE:
        above.in_context_of.append(draft.id)
    else:
        above.supported_by.append(draft.id)


def _settle_challenges(reading: _Reading) -> None:
    for key, draft in _defeaters(reading):
        element = reading.objects[key]
        target = reading.string(element, "defeatsElementId")
        if target is not None:
            draft.challenges = (_known(reading, element, target).id,)


def _defeaters(reading: _Reading) -> Iterator[tuple[str, Draft]]:
    for key, draft in reading.drafts.items():
        if key in reading.objects and (
            draft.kind in COUNTERS or reading.objects[key].get("isDefeater") is True
        ):
            yield key, draft
