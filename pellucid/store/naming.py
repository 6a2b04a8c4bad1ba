"""Naming a thing by the first characters of its id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from pellucid.findings import InputError

SHORTEST = 4


def prefix_of(identity: str) -> str:
    """What was given for an id, in the form of ids.

    Errors:
        InputError ST14: too short to mean one thing.
    """
    digits = identity.strip().lower()
    if len(digits) < SHORTEST:
        raise InputError(
            "ST14",
            f"{identity!r} is too short to name one thing.",
            f"Give {SHORTEST} characters or more of its id.",
        )
    return digits


def only(rows: Sequence[Row[Any]], given: str, ids: Sequence[str]) -> Row[Any]:
    """The one row.

    Errors:
        InputError ST14: there are several.
    """
    if len(rows) > 1:
        fits = ", ".join(identity[: len(given) + 4] for identity in ids)
        raise InputError("ST14", f"{given!r} fits several: {fits}.", "Give more characters.")
    return rows[0]
