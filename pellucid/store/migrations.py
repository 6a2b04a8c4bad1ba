"""How a store made by an older release becomes one of this release, step by numbered step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, inspect, select

from pellucid.findings import InputError
from pellucid.store.dialects import Dialect
from pellucid.store.tables import CASES, FINDINGS, METADATA, MODELS, PAYLOADS, SCHEMA_VERSION


@dataclass(frozen=True)
class Migration:
    """One step. A step that was released is never edited: a change is the next number."""

    number: int
    """From 1 upward, without gaps."""
    name: str
    """What it brings."""
    apply: Callable[[Connection, Dialect], None]
    """Makes the change, inside the transaction that also records the number."""


def first_tables(connection: Connection, dialect: Dialect) -> None:
    """Findings with their payloads, models and cases."""
    METADATA.create_all(connection, tables=[FINDINGS, PAYLOADS, MODELS, CASES])
    dialect.create_text_index(connection)


MIGRATIONS: Sequence[Migration] = (Migration(1, "findings, models and cases", first_tables),)


def version_of(connection: Connection) -> int:
    """The number of the last migration applied; 0 for an empty database.

    Errors:
        InputError ST04: a database that holds something else.
    """
    names = inspect(connection).get_table_names()
    if SCHEMA_VERSION.name in names:
        return int(connection.scalar(select(func.coalesce(func.max(SCHEMA_VERSION.c.number), 0))) or 0)
    if names:
        raise InputError(
            "ST04",
            f"This database is not a Pellucid store: it holds the tables {', '.join(sorted(names)[:5])}.",
            "Name another file; it will be made new.",
        )
    return 0


def is_old(version: int, known: int = MIGRATIONS[-1].number) -> bool:
    """Whether a store lacks steps that this release knows.

    Errors:
        InputError ST03: a newer release wrote it.
    """
    if version > known:
        raise InputError(
            "ST03",
            f"The store has schema version {version}, but this release of Pellucid knows {known} at most.",
            "Upgrade Pellucid, or name another store; nothing was changed.",
        )
    return version < known


def migrate(
    connection: Connection, dialect: Dialect, migrations: Sequence[Migration] = MIGRATIONS
) -> list[Migration]:
    """Apply what is missing, inside the caller's transaction; what was applied.

    Errors:
        InputError ST03 (written by a newer release), ST04 (not a store).
    """
    present = version_of(connection)
    if not is_old(present, migrations[-1].number):
        return []
    METADATA.create_all(connection, tables=[SCHEMA_VERSION])
    due = [step for step in migrations if step.number > present]
    for step in due:
        step.apply(connection, dialect)
        row = {"number": step.number, "name": step.name, "applied": now()}
        connection.execute(insert(SCHEMA_VERSION).values(row))
    return due


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
