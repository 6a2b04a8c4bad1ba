"""What must be measured again, in which order, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pellucid.cases.evidence.citations import citation
from pellucid.cases.evidence.evidence import Evidence, Findings, Present, short
from pellucid.cases.evidence.tolerance import Tolerance
from pellucid.cases.graph import after_their_uses
from pellucid.cases.nodes import CITING, Node, NodeKind
from pellucid.findings import Header

if TYPE_CHECKING:
    from pellucid.cases.case import Case

Refuse = Callable[[str], str | None]
"""From a command to the reason why it may not be run; None when it may."""


@dataclass(frozen=True)
class Step:
    """One command to run, and what it is to make again."""

    command: str
    """The command of the Findings."""
    findings: tuple[Header, ...]
    """The Findings that it made before, parents first."""
    citing: Mapping[str, tuple[str, ...]]
    """By id of such a Finding, the elements that cite it; none for what evidence was made from."""
    needs: tuple[str, ...] = ()
    """Commands of earlier steps whose Findings these are made from."""

    @property
    def leaves(self) -> tuple[str, ...]:
        """Every element that cites one of its Findings."""
        return tuple(name for names in self.citing.values() for name in names)


@dataclass(frozen=True)
class Refusal:
    """Evidence that cannot be measured again."""

    element: str
    """The element that cites it."""
    finding: str | None
    """Id of the Finding; None when it is not at hand."""
    reason: str
    """Why not."""


@dataclass(frozen=True)
class Known:
    """Stale evidence that an earlier run has already replaced."""

    element: str
    """The element that cites it."""
    old: Header
    """The stale Finding."""
    new: Header
    """The Finding that replaced it, fresh now."""
    rerun: Header
    """The comparison of the two."""


@dataclass(frozen=True)
class Plan:
    """What running again amounts to."""

    case: Case
    """The argument."""
    steps: tuple[Step, ...]
    """Commands in the order in which they depend on each other."""
    refusals: tuple[Refusal, ...] = ()
    """What cannot be measured again."""
    known: tuple[Known, ...] = ()
    """What was measured again before."""

    @property
    def leaves(self) -> tuple[str, ...]:
        """Every element whose evidence is to be measured again."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.leaves))


@dataclass(frozen=True)
class _Work:
    """The Findings to make again, gathered leaf by leaf."""

    evidence: Evidence
    refuse: Refuse
    only_stale: bool
    wanted: dict[str, Header]
    leaves: dict[str, list[str]]

    def consider(self, node: Node, header: Header) -> Refusal | Known | None:
        """Take up a leaf's evidence; a refusal or what is known already instead."""
        if header.retracted:
            return Refusal(node.id, header.id, f"it was retracted: {header.retracted.reason}")
        if self.only_stale and not self.evidence.stale(node.id, header):
            return None
        known = self.known(node.id, header) if self.only_stale else None
        if known is not None:
            return Known(node.id, header, *known)
        Tolerance.of(node)  # what cannot be read is refused before anything is run
        made = [header, *self.above(node.id, header)]
        for found in made:
            reason = self.barred(header, found)
            if reason is not None:
                return Refusal(node.id, header.id, reason)
        self.wanted.update({found.id: found for found in made})
        self.leaves.setdefault(header.id, []).append(node.id)
        return None

    def above(self, element: str, header: Header) -> Iterator[Header]:
        """What a Finding was made from and is stale itself, unless it has been replaced."""
        for found in self.evidence.ancestors(header):
            if self.evidence.spent(element, found) and self.known(element, found) is None:
                yield found

    def known(self, element: str, header: Header) -> tuple[Header, Header] | None:
        """The Finding that replaced a stale one and counts now, with the comparison that says so."""
        for rerun in self.evidence.repetitions.successors(header.id):
            new = self.evidence.find(rerun.provenance.parents[1])
            if new is not None and not new.retracted and not self.evidence.spent(element, new):
                return new, rerun
        return None

    def barred(self, cited: Header, found: Header) -> str | None:
        """Why a Finding cannot be made again; None when its command may be run."""
        command = found.provenance.command.strip()
        reason = (
            self.refuse(command) if command else "it names no command: it was measured or imported by hand"
        )
        if reason is None or found is cited:
            return reason
        return f"it was made from Finding {short(found.id)}, which cannot be measured again: {reason}"


def plan(
    case: Case,
    findings: Findings,
    present: Present | None = None,
    at: datetime | None = None,
    *,
    only_stale: bool = True,
    reruns: Iterable[Header] = (),
    refuse: Refuse = lambda command: None,
) -> Plan:
    """What must be measured again: the stale leaves of a case and their stale parents, parents first.

    Args:
        case: the argument.
        findings: where cited Findings are found.
        present: digests of what exists now, as for ``Case.evaluate``.
        at: the time by which age is judged; None: now.
        only_stale: False takes up everything that is cited, fresh or not.
        reruns: headers of kind ``cases.rerun``: what earlier runs have already replaced.
        refuse: why a command may not be run, or None.

    Raises:
        InputError: Y81 when ``at`` names no time zone, Y82 when the tolerance of a leaf cannot be read.

    Example:
        >>> from pellucid.cases import Case
        >>> plan(Case.read("G1: {supportedBy: [Sn1]}\\nSn1: {}"), []).refusals[0].reason
        'it cites no Finding'
    """
    evidence = Evidence.of(case.graph, findings, present, at=at, reruns=reruns, modules=case.modules)
    work = _Work(evidence, refuse, only_stale, {}, {})
    refusals: list[Refusal] = []
    known: list[Known] = []
    for node in case.nodes.values():
        answer = _considered(work, node)
        if isinstance(answer, Refusal):
            refusals.append(answer)
        elif isinstance(answer, Known):
            known.append(answer)
    return Plan(case, _steps(work.wanted, work.leaves), tuple(refusals), tuple(known))


def _considered(work: _Work, node: Node) -> Refusal | Known | None:
    key = citation(node) if node.kind in CITING else None
    header = work.evidence.cited(node)
    if header is not None:
        return work.consider(node, header)
    if key is not None:
        return Refusal(node.id, None, f"{work.evidence.absent(key)}, so how it was measured is not known")
    # an assumption needs no evidence, and an unfinished claim is no evidence
    bare = node.kind in CITING and node.kind is not NodeKind.ASSUMPTION
    return Refusal(node.id, None, "it cites no Finding") if bare else None


def _steps(wanted: Mapping[str, Header], leaves: Mapping[str, list[str]]) -> tuple[Step, ...]:
    """One step a command: its Findings parents first, after the steps whose Findings it is made from."""
    uses = {name: _parents(header, wanted) for name, header in wanted.items()}
    command = {name: header.provenance.command.strip() for name, header in wanted.items()}
    groups: dict[str, list[str]] = {}
    for name in after_their_uses(wanted, uses):
        groups.setdefault(command[name], []).append(name)
    needs = {
        text: tuple(
            dict.fromkeys(command[used] for name in names for used in uses[name] if command[used] != text)
        )
        for text, names in groups.items()
    }
    order = after_their_uses(groups, needs)
    # of two commands that each need the other, the first to come cannot wait
    before = {text: set(order[:place]) for place, text in enumerate(order)}
    return tuple(
        Step(
            text,
            tuple(wanted[name] for name in groups[text]),
            {name: tuple(leaves[name]) for name in groups[text] if name in leaves},
            tuple(need for need in needs[text] if need in before[text]),
        )
        for text in order
    )


def _parents(header: Header, wanted: Mapping[str, Header]) -> tuple[str, ...]:
    return tuple(parent for parent in header.provenance.parents if parent in wanted)
