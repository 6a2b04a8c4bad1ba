"""Lightweight Text Assurance Case format (LTAC), extended as verocase reads it.

One element a line, two blanks a level. A package is a tree below a claim; what stands elsewhere is cited:
``Link ID`` in the same package, ``^ID`` or ``^[Package] ID`` in another. Attributes that LTAC has no word for
stand among the options as ``name=text`` (see ``ltac_line``); its grammar allows that, and verocase passes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pellucid.cases.formats.attributes import Texts
from pellucid.cases.formats.exchange import Draft, Modules, Written, assembled, measured
from pellucid.cases.formats.ltac_line import Line, attribute, indentation_fault, split_line
from pellucid.cases.formats.ltac_writer import HEAD, ID, write_ltac
from pellucid.cases.formats.yaml_values import refuse
from pellucid.cases.nodes import SIDE, NodeKind, kind_of_prefix

_KINDS = {
    "Claim": (NodeKind.GOAL, NodeKind.COUNTER_GOAL),
    "Strategy": (NodeKind.STRATEGY,),
    "Evidence": (NodeKind.SOLUTION, NodeKind.COUNTER_SOLUTION),
    "Justification": (NodeKind.JUSTIFICATION,),
    "Context": (NodeKind.CONTEXT,),
    "Assumption": (NodeKind.ASSUMPTION,),
}
_TRANSPARENT = ("Relation", "Connector")
_MARKS = ("asserted", "needssupport", "defeated", "iscounter")
_LAYOUT = "Write `- Type ID: text`, indented by two blanks for each level below its parent."


@dataclass
class _Place:
    """What stands at one level above the present line."""

    draft: Draft | None
    counter: bool = False
    """Whether a Relation marks what follows as a challenge."""


@dataclass(frozen=True)
class _Leg:
    """One line below another: a definition, link or citation."""

    owner: Draft
    key: str
    line: Line
    counter: bool


@dataclass
class _Reading:
    file: str
    defined: dict[str, Draft] = field(default_factory=dict)
    ids: dict[str, Draft] = field(default_factory=dict)
    legs: list[_Leg] = field(default_factory=list)
    cited: list[Line] = field(default_factory=list)
    stack: list[_Place] = field(default_factory=list)
    heads: dict[int, dict[str, str | None]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    def fault(self, number: int, what: str) -> None:
        """Note an unreadable line."""
        self.faults.append(f"{self.file}:{number}: {what}")


def parse_ltac(text: str, file: str) -> Modules:
    """Read an LTAC document; comments (``#``), blank lines and code fences are passed over.

    Raises:
        InputError: Y25 a line that is not LTAC or is badly indented, Y26 an id declared twice, Y13 an option
            of ours that cannot be read; each message lists every fault of its kind with its line.

    Example:
        >>> (module,) = parse_ltac("- Claim G1: Safe\\n  - Evidence Sn1: Measured\\n", "a.ltac")
        >>> module.nodes[0].supported_by
        ('Sn1',)

    Source: Argevide, LTAC 1.1.2, with the extensions of david-a-wheeler/verocase.
    """
    reading = _Reading(file)
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if line.strip() and not line.lstrip().startswith(("#", "```")):
            _read_line(reading, line.rstrip(" \t"), number)
    refuse(reading.faults, "Y25", "not LTAC", _LAYOUT)
    refuse(reading.repeated, "Y26", "declared twice", "Declare an element once and cite it by `Link ID`.")
    for citation in reading.cited:
        _stand_in(reading, citation)
    for leg in reading.legs:
        _join(reading, leg)
    count = max(reading.heads, default=-1) + 1
    heads: list[Texts] = [reading.heads.get(number, {}) for number in range(min(count, 10_000))]
    return assembled(reading.ids.values(), heads, file)


def dump_ltac(modules: Modules) -> Written:
    """Write modules as LTAC; each root begins a package.

    Example:
        >>> from pellucid.cases.nodes import Module, Node
        >>> print(dump_ltac((Module(None, (Node("G1", "Safe", undeveloped=True),)),)).text)
        - Claim G1: Safe {needssupport}
        <BLANKLINE>
    """
    return measured(modules, write_ltac, lambda text: parse_ltac(text, "ltac"), "LTAC")


# Lines to elements -----------------------------------------------------------------------------


def _read_line(reading: _Reading, text: str, number: int) -> None:
    fault = indentation_fault(text)
    line = split_line(text, number)
    if fault or line is None:
        shown = text.strip()[:60]
        reading.fault(number, fault or f"'{shown}' is no element")
        return
    if line.depth > len(reading.stack):
        reading.fault(number, f"stands {line.depth} levels deep, below an element {len(reading.stack)} deep")
        return
    del reading.stack[line.depth :]
    above = reading.stack[-1] if reading.stack else _Place(None)
    counter = above.counter or "iscounter" in _said(line)
    if line.type in _TRANSPARENT:
        reading.stack.append(_Place(above.draft, counter))
        return
    draft = None
    key = line.id
    if line.cited or line.type == "Link":
        if above.draft is None:
            reading.fault(number, f"a {'citation' if line.cited else 'Link'} below no element")
        if not key:
            reading.fault(number, f"a {'citation' if line.cited else 'Link'} names nothing")
        reading.cited += [line] if line.cited else []
    else:
        key = key or _inferred(line)
        draft = _declared(reading, line, key)
    if above.draft is not None:
        reading.legs.append(_Leg(above.draft, key, line, counter))
    reading.stack.append(_Place(draft))


def _said(line: Line) -> list[str]:
    return [option.lower() for option in line.options]


def _inferred(line: Line) -> str:
    """The id of an element that states none: its text without what an id may not hold."""
    return "".join(char for char in line.text or "" if char not in ":^{}()").strip()


def _declared(reading: _Reading, line: Line, key: str) -> Draft | None:
    if not key:
        reading.fault(line.number, f"a {line.type} with neither id nor text")
        return None
    if line.text is None:
        reading.fault(line.number, f"'{line.type} {key}' has no colon after its id")
        return None
    carried = dict(found for option in line.options if (found := attribute(option)) is not None)
    node_id = carried.pop(ID, None) or key
    draft = Draft(node_id, _kind(line, node_id), line.number, line.text or None, line.reference)
    said = _said(line)
    draft.undeveloped, draft.defeated = "needssupport" in said, "defeated" in said
    others = [option for option in said if option not in _MARKS and attribute(option) is None]
    if others:
        draft.layers["options"] = ", ".join(others)
    _carry(reading, draft, carried)
    first = reading.defined.setdefault(key, draft)
    first = first if first is not draft else reading.ids.setdefault(node_id, draft)
    if first is not draft:
        reading.repeated.append(f"{reading.file}:{line.number}: '{key}' (first on line {first.line})")
    return draft


def _kind(line: Line, node_id: str) -> NodeKind:
    allowed = _KINDS[line.type]
    if "iscounter" in _said(line):
        return allowed[-1]
    announced = kind_of_prefix(node_id)
    return announced if announced in allowed and announced is not None else allowed[0]


def _carry(reading: _Reading, draft: Draft, carried: dict[str, str | None]) -> None:
    for name, text in carried.items():
        number, _, attribute_name = name.removeprefix(HEAD).partition(".")
        if name.startswith(HEAD) and attribute_name and number.isdecimal() and len(number) < 5:
            reading.heads.setdefault(int(number), {})[attribute_name] = text
        else:
            draft.extras[name] = text


# Relations -------------------------------------------------------------------------------------


def _stand_in(reading: _Reading, line: Line) -> None:
    """A cited element that the file does not declare, but describes, is an away element."""
    if line.id in reading.defined or line.type == "Link" or not (line.text or line.package):
        return
    draft = Draft(line.id, _kind(line, line.id), line.number, line.text or None, line.reference)
    package = (line.package or line.id).strip()
    draft.layers["away"] = f"{package}/{line.id}"
    reading.defined[line.id] = reading.ids[line.id] = draft


def _join(reading: _Reading, leg: _Leg) -> None:
    below = reading.defined.get(leg.key)
    name = below.id if below else leg.key
    if leg.counter and below is not None:
        below.challenges = below.challenges or (leg.owner.id,)
        return
    kind = below.kind if below else _KINDS.get(leg.line.type, (NodeKind.GOAL,))[0]
    (leg.owner.in_context_of if kind in SIDE else leg.owner.supported_by).append(name)
