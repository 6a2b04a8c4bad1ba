"""Which of the Findings that a command made is the one that it was to make again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pellucid.findings import DataRef, Finding, Header, Subject

IDENTIFYING = ("claim", "part", "scorer")
"""Parameters that tell apart what one method measures in one run."""
BY_CONTENT = ("sha256:", "eval:")
"""Beginnings of ids that are made from content: they change with it, so they tell nothing apart."""


def again(old: Header, made: Sequence[Finding], others: Iterable[str] = ()) -> Finding | None:
    """The Finding that measures again what an old one measured; None when there is none, or when several fit.

    Of the same kind, method, seed, subject and data, and of the same claim, part and scorer; among several,
    the one with the most parameters in common.

    Args:
        old: what was measured before.
        made: what the command has made.
        others: ids that are other Findings of the same command, made again unchanged.
    """
    same = next((found for found in made if found.id == old.id), None)
    if same is not None:
        return same
    taken = set(others)
    fitting = {found.id: found for found in made if found.id not in taken and _fits(old, found.header)}
    best = max((_likeness(old, found.header) for found in fitting.values()), default=None)
    alike = [found for found in fitting.values() if _likeness(old, found.header) == best]
    return alike[0] if len(alike) == 1 else None


def _fits(old: Header, new: Header) -> bool:
    before, after = old.provenance, new.provenance
    named = all(before.parameters.get(key) == after.parameters.get(key) for key in IDENTIFYING)
    return (
        named
        and (old.kind, before.method, before.seed) == (new.kind, after.method, after.seed)
        and _same_name(before.subject, after.subject)
        and _same_name(before.data, after.data)
    )


def _same_name(old: Subject | DataRef | None, new: Subject | DataRef | None) -> bool:
    if old is None or new is None:
        return old is new
    by_content = old.id.startswith(BY_CONTENT) and new.id.startswith(BY_CONTENT)
    return old.id == new.id or by_content


def _likeness(old: Header, new: Header) -> tuple[bool, int, int]:
    before, after = old.provenance.parameters, new.provenance.parameters
    equal = sum(before[key] == after.get(key) for key in before)
    return old.provenance.subject == new.provenance.subject, equal, -len(before.keys() ^ after.keys())
