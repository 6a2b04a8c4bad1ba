"""Labellings of who attacks whom, by enumeration, and what a case could also be read to say.

A labelling calls each argument in (T), out (F) or undecided (U). It is complete when an argument is in
exactly if all its attackers are out, and out exactly if one attacker is in. The grounded labelling is the
complete one with the fewest decided arguments; preferred ones have as many in as possible; stable ones
leave nothing undecided. The verdict of a case is its grounded reading: the cautious one, and the only one
that always exists and is unique.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from pellucid.cases.evaluation.kleene import UNDECIDED, Reading, Value, constant
from pellucid.cases.evaluation.operator import Operator, background, settle
from pellucid.cases.graph import Graph
from pellucid.findings import InputError

MOST = 12
"""Attack nodes up to which labellings are enumerated."""

Attacks = Mapping[str, Collection[str]]
Labelling = Mapping[str, Value]
_WORDS: tuple[Value, ...] = ("T", "F", "U")


def complete_labellings(attackers: Attacks) -> tuple[Labelling, ...]:
    """Every complete labelling of an attack graph, by trying each set of arguments that could be in.

    Args:
        attackers: for each argument, those that attack it; at most 12 arguments.

    Raises:
        InputError: Y90 with more than 12 arguments, Y91 when an attacker is no argument.

    Example:
        >>> [dict(labelling) for labelling in complete_labellings({"a": ["b"], "b": ["a"]})]
        [{'a': 'U', 'b': 'U'}, {'a': 'T', 'b': 'F'}, {'a': 'F', 'b': 'T'}]

    Source: Caminada 2006, "On the issue of reinstatement in argumentation", definition 5.
    """
    names = tuple(attackers)
    _admit(attackers, names)
    places = {name: 1 << index for index, name in enumerate(names)}
    against = [sum(places[other] for other in set(attackers[name])) for name in names]
    found = []
    for inside in range(1 << len(names)):
        outside = sum(1 << index for index, mask in enumerate(against) if mask & inside)
        defended = sum(1 << index for index, mask in enumerate(against) if mask & ~outside == 0)
        if inside == defended and not inside & outside:
            found.append(_labelling(names, inside, outside))
    return tuple(found)


def _admit(attackers: Attacks, names: tuple[str, ...]) -> None:
    if len(names) > MOST:
        problem = f"{len(names)} arguments are too many: labellings are enumerated for at most {MOST}."
        raise InputError(
            "Y90", problem, "Leave out what no cycle of attacks reaches; its value is the grounded one."
        )
    for name, others in attackers.items():
        absent = sorted(set(others) - set(names))
        if absent:
            problem = f"'{absent[0]}' attacks '{name}' but is no argument of the graph."
            raise InputError("Y91", problem, f"Give it an entry of its own: '{absent[0]}': [].")


def _labelling(names: tuple[str, ...], inside: int, outside: int) -> Labelling:
    return {
        name: "T" if inside >> index & 1 else "F" if outside >> index & 1 else "U"
        for index, name in enumerate(names)
    }


def grounded_labelling(attackers: Attacks) -> Labelling:
    """The complete labelling with the fewest arguments in; there is exactly one.

    Example:
        >>> dict(grounded_labelling({"a": [], "b": ["a"], "c": ["b"]}))
        {'a': 'T', 'b': 'F', 'c': 'T'}

    Source: Dung 1995, "On the acceptability of arguments", definition 20.
    """
    return min(complete_labellings(attackers), key=lambda labelling: len(_inside(labelling)))


def preferred_labellings(attackers: Attacks) -> tuple[Labelling, ...]:
    """Complete labellings whose arguments in are not part of those of another.

    Source: Dung 1995, definition 7.
    """
    every = complete_labellings(attackers)
    return tuple(one for one in every if not any(_inside(one) < _inside(other) for other in every))


def stable_labellings(attackers: Attacks) -> tuple[Labelling, ...]:
    """Complete labellings that leave nothing undecided; there may be none.

    Source: Dung 1995, definition 13.
    """
    return tuple(one for one in complete_labellings(attackers) if "U" not in one.values())


def _inside(labelling: Labelling) -> frozenset[str]:
    return frozenset(name for name, value in labelling.items() if value == "T")


# Whole cases ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alternative:
    """An element that is undecided in the verdict but true in some preferred reading."""

    element: str
    """Its id."""
    assuming: tuple[str, ...]
    """Challengers that hold in the first such reading and are undecided in the verdict."""
    readings: int
    """In how many preferred readings it is true."""
    of: int
    """How many preferred readings there are."""


def alternative_readings(graph: Graph, leaves: Mapping[str, Value]) -> tuple[Alternative, ...]:
    """What could be read otherwise: elements undecided in the verdict but true in some preferred reading.

    A reading is a fixed point of the evaluation; it differs from the verdict only where challenges answer
    each other in a circle. Every combination of values is tried for the challengers on such circles, all in
    one pass; support that rests on itself stays undecided in every reading.

    Args:
        graph: the argument.
        leaves: the value of each element that carries its own, as ``{"Sn1": "T"}``.

    Raises:
        InputError: Y90 when more than 12 undecided challengers stand on circles.

    Example:
        >>> from pellucid.cases import Case
        >>> text = "G1: {supportedBy: [Sn1]}\\nSn1: {}\\nCSn1: {challenges: Sn1}\\n"
        >>> case = Case.read(text + "CSn2: {challenges: CSn1}\\nCSn3: {challenges: CSn2}\\n")
        >>> alternative_readings(case.graph, dict.fromkeys(["Sn1", "CSn1", "CSn2", "CSn3"], "T"))
        ()
    """
    verdict = {name: reading.at(0) for name, reading in _settled(graph, leaves, {}, 1).items()}
    circular = _circular(graph, verdict)
    if len(circular) > MOST:
        shown = ", ".join(circular[:5])
        problem = f"{len(circular)} undecided challengers answer each other in circles ({shown}, ...)."
        raise InputError(
            "Y90", problem, f"Readings are enumerated for at most {MOST}; read a part of the case."
        )
    preferred = _preferred(list(_readings(graph, leaves, circular)))
    return tuple(_alternatives(graph, verdict, circular, preferred))


def _circular(graph: Graph, verdict: Labelling) -> list[str]:
    """Undecided challengers whose value comes back to them."""
    open_names = {name for name in graph.nodes if verdict[name] == "U"}
    uses = {name: tuple(use for use in graph.depends[name] if use in open_names) for name in open_names}
    challengers = (name for name, node in graph.nodes.items() if node.challenges and name in open_names)
    return [name for name in challengers if name in graph.reach(uses[name], uses)]


def _readings(graph: Graph, leaves: Mapping[str, Value], circular: list[str]) -> Iterator[Labelling]:
    """Every fixed point: values of the circular challengers that the evaluation gives back unchanged."""
    guesses = list(product(_WORDS, repeat=len(circular)))
    every = (1 << len(guesses)) - 1
    pinned = {
        name: Reading(_mask(guesses, place, "T"), _mask(guesses, place, "F"))
        for place, name in enumerate(circular)
    }
    found = _settled(graph, leaves, pinned, every)
    operator = Operator(graph, _base(leaves, graph, every), every, found)
    kept = every
    for name, guess in pinned.items():
        value = operator.value(name)
        kept &= ~((value.true ^ guess.true) | (value.false ^ guess.false))
    for scenario in _places(kept):
        yield {name: found[name].at(scenario) for name in graph.nodes}


def _places(mask: int) -> Iterator[int]:
    """The places of the bits that are set; few are, of very many."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _mask(guesses: list[tuple[Value, ...]], place: int, value: Value) -> int:
    return int("".join("1" if guess[place] == value else "0" for guess in reversed(guesses)), 2)


def _base(leaves: Mapping[str, Value], graph: Graph, every: int) -> dict[str, Reading]:
    return {name: constant(value, every) for name, value in leaves.items()} | background(graph, every)


def _settled(
    graph: Graph, leaves: Mapping[str, Value], pinned: Mapping[str, Reading], every: int
) -> dict[str, Reading]:
    """The least fixed point with some challengers held at given values, whatever challenges them."""
    base = _base(leaves, graph, every)
    if not pinned:
        return settle(graph, base, every)
    operator = Operator(graph, base, every, dict(pinned))
    free = [name for name in graph.order if name not in pinned]
    moved = True
    while moved:
        moved = False
        for name in free:
            value = operator.value(name)
            if value != operator.values.get(name, UNDECIDED):
                operator.values[name], moved = value, True
    return dict.fromkeys(graph.nodes, UNDECIDED) | operator.values


def _preferred(readings: list[Labelling]) -> list[Labelling]:
    """Readings that decide a largest set of elements."""
    decided = [frozenset((name, value) for name, value in one.items() if value != "U") for one in readings]
    return [
        one for one, mine in zip(readings, decided, strict=True) if not any(mine < other for other in decided)
    ]


def _alternatives(
    graph: Graph, verdict: Labelling, circular: list[str], preferred: list[Labelling]
) -> Iterator[Alternative]:
    for name in graph.nodes:
        true = [reading for reading in preferred if reading[name] == "T"]
        if verdict[name] == "U" and true:
            assuming = tuple(other for other in circular if true[0][other] == "T")
            yield Alternative(name, assuming, len(true), len(preferred))
