"""The six steps about a macrosystem as an argument, with a slot for each evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pellucid.cases.nodes import Node
from pellucid.findings.numbers import format_number

if TYPE_CHECKING:
    from pellucid.cases.case import Case
    from pellucid.cases.macrosystem.system import Infraction, Macrosystem, Subsystem


def six_steps(system: Macrosystem, risk: str | None = None) -> Case:
    """Lay out a macrosystem as an argument whose leaves wait for evidence, or cite what is there.

    Steps 1 and 2 are contexts, step 3 assumptions, step 4 a strategy with its justification, step 5 a claim
    for each subsystem, step 6 the claim about all of them together.

    Args:
        system: the macrosystem.
        risk: id of the Finding of ``assess``.

    Source: Clymer et al. 2024, arXiv 2403.10462, section 3.
    """
    from pellucid.cases.case import Case

    return Case.of(_nodes(system, risk), name="macrosystem")


def _nodes(system: Macrosystem, risk: str | None) -> Iterator[Node]:
    outcomes = [f"C2.{index}" for index, _ in enumerate(system.outcomes, 1)]
    assumed = [f"A3.{index}" for index, _ in enumerate(system.assumptions, 1)]
    judged = [(f"G5.{index}", each) for index, each in enumerate(system.subsystems, 1)]
    yield Node(
        "G0",
        f"To {system.decision}, for {system.window}, leads to no outcome beyond what is tolerated",
        supported_by=("S4",),
        in_context_of=("C1", *outcomes, *assumed),
    )
    yield Node("C1", _described(system))
    for name, outcome in zip(outcomes, system.outcomes, strict=True):
        limit = format_number(float(outcome.tolerated_probability))
        yield Node(name, f"Step 2, unacceptable: {outcome.text}; tolerated probability {limit}")
    for name, text in zip(assumed, system.assumptions, strict=True):
        yield Node(name, f"Step 3, assumed: {text}")
    yield Node(
        "S4",
        "Step 4: judge each subsystem alone, then all of them together",
        supported_by=(*(name for name, _ in judged), "G6"),
        in_context_of=("J4",),
    )
    yield Node(
        "J4", "An infraction is what a subsystem's own case excludes; an outcome needs one or more of them"
    )
    for name, subsystem in judged:
        yield from _alone(system, name, subsystem)
    yield from _together(system, risk)


def _described(system: Macrosystem) -> str:
    parts = [f"Step 1, the macrosystem: {', '.join(each.text or each.id for each in system.subsystems)}"]
    parts += [f"infrastructure: {system.infrastructure}"] if system.infrastructure else []
    parts += [f"oversight: {system.oversight}"] if system.oversight else []
    return "; ".join(parts)


def _alone(system: Macrosystem, name: str, subsystem: Subsystem) -> Iterator[Node]:
    """Step 5 for one subsystem: a claim, and a leaf for each infraction that it might commit."""
    own = [each for each in system.infractions if each.subsystem == subsystem.id]
    leaves = [(name.replace("G", "Sn") + f".{index}", each) for index, each in enumerate(own, 1)]
    text = f"Step 5: {subsystem.id} alone commits its infractions no more often than stated"
    if not own:
        yield Node(name, f"{text}; none has been named for it", undeveloped=True)
        return
    yield Node(name, text, supported_by=tuple(leaf for leaf, _ in leaves))
    for leaf, infraction in leaves:
        yield Node(leaf, _stated(infraction), layers=_binding(infraction.finding, infraction.predicate))


def _stated(infraction: Infraction) -> str:
    return f"{infraction.text}: probability at most {format_number(float(infraction.probability))}"


def _binding(finding: str | None, predicate: str | None) -> tuple[tuple[str, str], ...]:
    given = (("finding", finding), ("predicate", predicate))
    return tuple((name, text) for name, text in given if text is not None)


def _together(system: Macrosystem, risk: str | None) -> Iterator[Node]:
    """Step 6: the composition, and one claim of completeness that no formula gives."""
    yield Node(
        "G6",
        "Step 6: together, by interaction or common cause, they lead to no outcome beyond its limit",
        supported_by=("Sn6",),
        in_context_of=("C6", "A6"),
    )
    ways = "; ".join(
        f"{each.text} needs {each.need} of {', '.join(each.infractions)}" for each in system.threat_models
    )
    declared = "; ".join(f"{' and '.join(each.subsystems)} {each.mode}" for each in system.interactions)
    yield Node("C6", f"Threat models: {ways}. Interactions: {declared or 'none declared'}")
    yield Node("A6", "The threat models are all ways in which infractions lead to the outcomes")
    yield Node(
        "Sn6",
        "Probability of every outcome, whatever the dependence, over what is tolerated",
        layers=_binding(risk, "worst_ratio.value <= 1"),
    )
