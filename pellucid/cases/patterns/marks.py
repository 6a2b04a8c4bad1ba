"""The pattern marks of an element: repeated over a list, optional, a choice among its legs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pellucid.cases.nodes import Choice, Module, Node
from pellucid.cases.patterns.placeholders import NAME

_REPEATED = re.compile(rf"(?:(?P<item>{NAME}) in )?(?P<source>{NAME})")
EMPTY = "empty"
"""String attribute of what stands where a list was empty."""
CHOSEN = "chosen"
"""String attribute that keeps which legs were chosen."""


@dataclass(frozen=True)
class Loop:
    """One repetition: ``capability in capabilities``."""

    item: str
    """What one item is called in the texts below."""
    source: str
    """The list, by its path: a parameter, or a field of the item of an outer repetition."""

    @staticmethod
    def parse(text: str) -> Loop | None:
        """Read ``ITEM in LIST``, or ``LIST`` with items called by its singular; None when it is neither."""
        found = _REPEATED.fullmatch(text.strip())
        if found is None or "." in (found["item"] or ""):
            return None
        source = found["source"]
        return Loop(found["item"] or singular(source.rsplit(".", 1)[-1]), source)

    @property
    def path(self) -> tuple[str, ...]:
        """The list's path in parts."""
        return tuple(self.source.split("."))


def singular(name: str) -> str:
    """What one of several is called: ``capabilities`` gives ``capability``; other words stay."""
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    if name.endswith(("sses", "xes", "ches", "shes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") and len(name) > 1 else name


def loop_of(node: Node) -> Loop | None:
    """The repetition that an element is marked with, when it can be read."""
    return Loop.parse(node.multiplicity or "")


def chosen_legs(text: str) -> list[tuple[str, ...]]:
    """The legs that ``chosen`` records: ``G1, G2_a + G2_b`` are two, one of them with two copies."""
    groups = (group.split("+") for group in text.split(","))
    return [tuple(name.strip() for name in group if name.strip()) for group in groups]


def allows(choice: Choice, count: int) -> bool:
    """Whether so many legs may be chosen."""
    return choice.least <= count <= choice.most


def possible(choice: Choice, legs: int) -> bool:
    """Whether a choice as the mark says it can be made among so many legs."""
    return 0 < choice.most <= legs and choice.of in (None, legs)


def spoken(choice: Choice) -> str:
    """The bounds as a sentence says them: ``1``, or ``1 to 2``."""
    return str(choice.least) if choice.least == choice.most else f"{choice.least} to {choice.most}"


def is_pattern(module: Module) -> bool:
    """Whether a module says that it is a pattern: ``pattern: "true"`` in its block."""
    return dict(module.layers).get("pattern", "").strip().lower() == "true"
