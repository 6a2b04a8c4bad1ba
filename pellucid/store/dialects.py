"""What differs between databases: how one is opened, locked, searched by words, and what its errors mean.

All SQL that only one database understands is in this file.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, ColumnElement, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

from pellucid.findings import InputError
from pellucid.store.tables import FINDINGS

BUSY_SECONDS = 60.0
MAGIC = b"SQLite format 3\0"
WRITERS = 0x70656C6C  # a number of our own among a server's advisory locks
WRITING = {"pellucid_writing": True}
"""Execution options of a connection that will write."""


class Dialect(Protocol):
    """What the store asks of a database."""

    def engine(self, url: URL) -> Engine:
        """Open the database."""

    def prepare(self, engine: Engine) -> None:
        """Set what must hold before the first transaction, and refuse a damaged database."""

    def create_text_index(self, connection: Connection) -> None:
        """Make the index over statements, when the database has one."""

    def index_text(self, connection: Connection, sequence: int, statement: str) -> None:
        """Put a statement into that index."""

    def matches(self, connection: Connection, words: list[str]) -> ColumnElement[bool]:
        """The condition that a finding's statement has all words."""

    def explain(self, error: DBAPIError) -> InputError | None:
        """The user's message for what the database refused; None for a bug of ours."""

    def damage(self, connection: Connection) -> list[str]:
        """What the database's own check finds wrong."""


def contains_words(words: list[str]) -> ColumnElement[bool]:
    """Every word occurs in the statement, in any case: works in every database."""
    condition: ColumnElement[bool] = FINDINGS.c.sequence.is_not(None)
    for word in words:
        condition = condition & FINDINGS.c.statement.icontains(word, autoescape=True)
    return condition


class Server:
    """PostgreSQL: standard SQL but for the lock of the writers."""

    def engine(self, url: URL) -> Engine:
        """Open the server; a missing driver is InputError ST09."""
        named = url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
        try:
            engine = create_engine(named, pool_pre_ping=True)
        except ImportError as error:
            raise InputError(
                "ST09",
                f"The driver of {url.drivername}:// is not installed ({error}).",
                "Install it with: pip install 'pellucid[postgres]'",
            ) from error
        event.listen(engine, "begin", _lock_server)
        return engine

    def prepare(self, engine: Engine) -> None:
        """Nothing: the server keeps its own house."""

    def create_text_index(self, connection: Connection) -> None:
        """Nothing: words are looked for in the statements themselves."""

    def index_text(self, connection: Connection, sequence: int, statement: str) -> None:
        """Nothing: words are looked for in the statements themselves."""

    def matches(self, connection: Connection, words: list[str]) -> ColumnElement[bool]:
        """Every word occurs in the statement."""
        return contains_words(words)

    def explain(self, error: DBAPIError) -> InputError | None:
        """A server that cannot be reached is InputError ST10."""
        if not isinstance(error, OperationalError):
            return None
        return InputError(
            "ST10",
            f"The database server refused: {str(error.orig).strip()}.",
            "Check the URL, and that the server runs.",
        )

    def damage(self, connection: Connection) -> list[str]:
        """Nothing: servers check themselves."""
        return []


class SQLite:
    """One file, one writer at a time, any number of readers, safe under several processes."""

    def engine(self, url: URL) -> Engine:
        """Open the file; InputError ST01 without its folder, ST02 when it is no SQLite database."""
        if url.database and url.database != ":memory:":
            refuse_unfit_file(Path(url.database))
            engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        else:
            engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine

    def prepare(self, engine: Engine) -> None:
        """Write-ahead log on (it is kept in the file) and a quick look at every page."""
        with engine.connect() as connection:
            problems = self.damage(connection)
        if problems:
            raise _damaged(problems[0])
        _write_ahead(engine)

    def create_text_index(self, connection: Connection) -> None:
        """A full-text index, where this SQLite was built with one."""
        if connection.scalar(text("SELECT sqlite_compileoption_used('ENABLE_FTS5')")):
            connection.execute(text("CREATE VIRTUAL TABLE findings_text USING fts5(statement)"))

    def index_text(self, connection: Connection, sequence: int, statement: str) -> None:
        """Put a statement into the full-text index."""
        if self._indexed(connection):
            insert = text("INSERT INTO findings_text(rowid, statement) VALUES (:sequence, :statement)")
            connection.execute(insert, {"sequence": sequence, "statement": statement})

    def matches(self, connection: Connection, words: list[str]) -> ColumnElement[bool]:
        """Every word begins a word of the statement; without an index, or for mere signs, occurs in it."""
        if not self._indexed(connection) or not all(any(map(str.isalnum, word)) for word in words):
            return contains_words(words)
        quoted = " AND ".join('"' + word.replace('"', '""') + '"*' for word in words)
        inside = text(
            "findings.sequence IN (SELECT rowid FROM findings_text WHERE findings_text MATCH :words)"
        )
        condition: Any = inside.bindparams(words=quoted)
        return condition  # type: ignore[no-any-return]

    def explain(self, error: DBAPIError) -> InputError | None:
        """What SQLite's error means for the user."""
        said = str(error.orig)
        if "malformed" in said or "not a database" in said or "file is encrypted" in said:
            return _damaged(said)
        if "disk is full" in said or "disk I/O" in said:
            return disk_full()
        if "locked" in said:
            return InputError(
                "ST07",
                f"The store was busy for {BUSY_SECONDS:.0f} seconds: another process is writing.",
                "Wait for it to end and try again.",
            )
        if "unable to open" in said or "readonly" in said:
            return InputError(
                "ST08",
                f"The store cannot be written ({said}).",
                "Check that you may write the file and its folder.",
            )
        return None

    def damage(self, connection: Connection) -> list[str]:
        """What SQLite's quick check finds."""
        found = connection.execute(text("PRAGMA quick_check(5)")).scalars().all()
        return [] if found == ["ok"] else [str(line) for line in found]

    def _indexed(self, connection: Connection) -> bool:
        name = text("SELECT 1 FROM sqlite_master WHERE name = 'findings_text'")
        return connection.scalar(name) is not None


def disk_full() -> InputError:
    """The message for a disk without room."""
    return InputError(
        "ST06",
        "The disk is full: the finding was not stored.",
        "Free some space and run the same command again; all that was stored before is intact.",
    )


def refuse_unfit_file(file: Path) -> None:
    """Refuse a file that SQLite cannot open or would write over.

    Errors:
        InputError ST01: its folder does not exist. InputError ST02: it holds something else; SQLite itself
        takes a file of a few bytes for an empty database.
    """
    folder = file.absolute().parent
    if not folder.is_dir():
        raise InputError(
            "ST01", f"The folder {folder} of the store does not exist.", f"Make it: mkdir -p {folder}"
        )
    if file.exists():
        with file.open("rb") as opened:
            beginning = opened.read(len(MAGIC))
        if beginning not in {b"", MAGIC}:
            raise _damaged("it does not begin as one")


def _damaged(said: str) -> InputError:
    return InputError(
        "ST02",
        f"The store is damaged or no SQLite database ({said}).",
        "Nothing was changed. Restore a copy, or name another store; the payload files beside it are whole "
        "findings: `pellucid findings import FILE` takes each one in again.",
    )


def _on_connect(connection: Any, record: object) -> None:
    """Set what SQLite forgets between connections; transactions are begun by us, see ``_on_begin``."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # a commit is on the disk before it is reported
    cursor.close()


def _on_begin(connection: Connection) -> None:
    """Take the write lock at once when the block will write, so that two writers wait, never fail."""
    writing = connection.get_execution_options().get("pellucid_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _lock_server(connection: Connection) -> None:
    """Let one block write at a time, as SQLite does; the lock goes with the transaction."""
    if connection.get_execution_options().get("pellucid_writing", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")


def _write_ahead(engine: Engine) -> None:
    """Switch to the write-ahead log; SQLite does not wait by itself when two processes do so at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            raw.close()


def dialect_of(url: URL) -> Dialect:
    """The dialect that a URL speaks."""
    return SQLite() if url.get_backend_name() == "sqlite" else Server()
