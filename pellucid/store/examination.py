"""Looking over a whole store: what is missing, changed, or belongs to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row

from pellucid.findings import Diagnostic, InputError, from_bytes
from pellucid.store.payloads import SUFFIX, Payloads
from pellucid.store.rows import header_of, lasting

ROW_DIFFERS = "Its row in the database differs from the finding in its payload file."
RESTORE_ROW = "Restore the database from a copy, or import the payload file into a new store."
RUN_AGAIN = "Restore the file from a copy, or run what made the finding again."


def examine(damage: Sequence[str], rows: Sequence[Row[Any]], payloads: Payloads) -> list[Diagnostic]:
    """Everything wrong with a store, the database first, then finding by finding, then stray files.

    Arguments:
        damage: what the database's own check says.
        rows: every finding with the hash of its payload.
        payloads: the folder of payload files.
    """
    found = [
        Diagnostic(
            "ST02", "error", "database", f"The database is damaged: {line}.", "Restore it from a copy."
        )
        for line in damage
    ]
    for row in rows:
        found.extend(examine_finding(row, payloads))
    found.extend(stray_files({row.sha256 for row in rows}, payloads))
    return found


def examine_finding(row: Row[Any], payloads: Payloads) -> Iterator[Diagnostic]:
    """What is wrong with one finding: ST11 no payload, ST12 changed bytes, ST20 its row says otherwise."""
    where = f"finding {row.id[:12]}"
    try:
        inside = from_bytes(payloads.read(row.sha256, row.id)).header
    except InputError as error:
        yield Diagnostic(error.code, "error", where, error.problem, RUN_AGAIN)
        return
    if lasting(inside) != lasting(header_of(row.header)):
        yield Diagnostic(
            "ST20",
            "error",
            where,
            ROW_DIFFERS,
            RESTORE_ROW,
        )


def stray_files(named: set[str], payloads: Payloads) -> Iterator[Diagnostic]:
    """Files that no row names: ST21, what a killed process leaves behind."""
    for path in payloads.files():
        if path.suffix != SUFFIX or path.stem not in named:
            yield Diagnostic(
                "ST21",
                "warning",
                f"{path.parent.name}/{path.name}",
                "This file belongs to no finding: a process was killed before it could store it.",
                "Delete it, or take it in: pellucid findings import FILE.",
            )
