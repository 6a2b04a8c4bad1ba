"""Waivers: a named person's reason why a ready-made doubt is not raised against an element.

An element states them in its layer ``waive``: ``D-small-n: exhaustive, not a sample (A. Reviewer,
2026-11-21)``, several separated by ``;``. The doubts of the backfire class are named
``backfire/race-effect``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.cases.nodes import Acceptance, Node

_DOUBT = r"(?:D-[\w-]+|backfire/[\w-]+)"
_START = re.compile(rf"\s*({_DOUBT})\s*:", re.IGNORECASE)
_BETWEEN = re.compile(rf";(?=\s*{_DOUBT}\s*:)", re.IGNORECASE)
_SIGNED = re.compile(r"(?P<reason>.*\S)\s*\((?P<by>[^()]*)\)\s*", re.DOTALL)


@dataclass(frozen=True)
class Waiver:
    """One doubt that somebody decided not to raise against one element, and why."""

    element: str
    """The element that carries it."""
    defeater: str
    """The doubt: ``D-small-n``, or ``backfire/race-effect``."""
    reason: str
    """Why it is not raised."""
    by: Acceptance
    """Who decided so, and when."""

    def __str__(self) -> str:
        return f"{self.defeater} of {self.element} waived by {self.by}: {self.reason}"


@dataclass(frozen=True)
class BadWaiver:
    """A part of a ``waive`` layer that waives nothing, because it lacks a doubt, a reason or a name."""

    text: str
    """What stands there."""
    lacks: str
    """What is missing: ``a doubt``, ``a reason``, ``a name and a day``."""


def waivers(node: Node) -> dict[str, Waiver]:
    """The waivers of an element by doubt; what lacks a reason or a name is none.

    Example:
        >>> node = Node("Sn1").having(waive="D-small-n: all 12 inputs there are (R. Viewer, 2026-11-21)")
        >>> waivers(node)["D-small-n"].reason
        'all 12 inputs there are'
    """
    found = (part for part in _parts(node) if isinstance(part, Waiver))
    return {waiver.defeater: waiver for waiver in found}


def bad_waivers(node: Node) -> list[BadWaiver]:
    """Parts of an element's ``waive`` layer that waive nothing."""
    return [part for part in _parts(node) if isinstance(part, BadWaiver)]


def _parts(node: Node) -> Iterator[Waiver | BadWaiver]:
    for text in _BETWEEN.split(node.layer("waive") or ""):
        if text.strip(" ;\n"):
            yield _part(node.id, text.strip(" ;\n"))


def _part(element: str, text: str) -> Waiver | BadWaiver:
    start = _START.match(text)
    if start is None:
        return BadWaiver(text, "a doubt")
    said = text[start.end() :]
    signed = _SIGNED.fullmatch(said)
    by = Acceptance.parse(signed["by"]) if signed else None
    if signed is not None and by is not None:
        return Waiver(element, _named(start[1]), signed["reason"].strip(), by)
    nothing = re.fullmatch(r"\s*(\([^()]*\))?\s*", said)
    return BadWaiver(text, "a reason" if nothing else "a name and a day")


def _named(word: str) -> str:
    """The doubt's name in its usual letters: ``D-`` large, the rest small."""
    lower = word.lower()
    return "D" + lower[1:] if lower.startswith("d-") else lower
