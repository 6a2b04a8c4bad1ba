"""Where findings, models and cases are kept: rows in a database, payloads in files by hash."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from pellucid.findings import Diagnostic, Finding, Header, InputError, MissingError, did_you_mean, from_bytes
from pellucid.store.addresses import DEFAULT, Address, address_of
from pellucid.store.dialects import WRITING, Dialect, dialect_of
from pellucid.store.examination import RESTORE_ROW, ROW_DIFFERS, examine
from pellucid.store.migrations import is_old, migrate, now, version_of
from pellucid.store.naming import only, prefix_of
from pellucid.store.payloads import Payloads
from pellucid.store.records import CaseRecord, ModelRecord
from pellucid.store.rows import (
    case_of,
    header_of,
    header_text,
    lasting,
    model_of,
    row_of,
    starts_with,
    with_payload,
)
from pellucid.store.tables import CASES, FINDINGS, MODELS, PAYLOADS

STATUSES = ("supports", "refutes", "inconclusive", "failed")


class Store:
    """Findings, models and cases of one place; made by ``open_store``."""

    def __init__(self, address: Address, engine: Engine, dialect: Dialect) -> None:
        self.address, self._engine, self._dialect = address, engine, dialect
        self._payloads = Payloads(address.payloads)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the database's connections back; a store in memory is gone with its files."""
        self._engine.dispose()
        if self.address.passing:
            shutil.rmtree(self.address.payloads, ignore_errors=True)

    def prepare(self) -> None:
        """Check the database, and bring its tables up to this release; ``open_store`` does this."""
        with self._explained():
            self._dialect.prepare(self._engine)
        with self._reading() as connection:
            old = is_old(version_of(connection))
        if old:  # only then wait for other writers
            with self._writing() as connection:
                migrate(connection, self._dialect)

    # findings

    def put(self, finding: Finding) -> str:
        """Keep a finding; when this returns, no crash loses it.

        The payload is flushed to disk first, then the row. A finding that is there already is left as it
        is, but its notes or its retraction are added, and a payload that was lost or damaged is replaced.

        Arguments:
            finding: what to keep.

        Errors:
            InputError ST06: the disk is full; nothing was changed.

        Example:
            >>> with open_store() as store:  # doctest: +SKIP
            ...     store.put(finding)
        """
        row = self._row(finding.id)
        if row is not None:
            self._complete(row, finding)
            return finding.id
        body = finding.to_bytes()
        sha256 = self._payloads.write(body)
        try:
            with self._writing() as connection:
                self._insert(connection, finding.header, sha256, len(body))
        except IntegrityError:  # another process stored the same measurement first
            self._forget(sha256)
        except InputError:  # refused, as on a full disk
            self._forget(sha256)
            raise
        return finding.id

    def get(self, identity: str) -> Finding:
        """The finding of an id or of its first characters (4 or more), verified against its hash.

        Errors:
            MissingError ST13: there is none. InputError ST14: the characters fit several.
            InputError ST11, ST12, ST20: its payload is gone, or it or the row was changed.
        """
        row = self._found(identity)
        stored, header = from_bytes(self._payloads.read(row.sha256, row.id)), header_of(row.header)
        if lasting(stored.header) != lasting(header):
            raise InputError("ST20", f"Finding {row.id[:12]}: {ROW_DIFFERS}", RESTORE_ROW)
        return Finding(header, stored.arrays)  # the row has the notes that came later

    def header(self, identity: str) -> Header:
        """The header of a finding, without reading its arrays; errors as ``get``."""
        return header_of(self._found(identity).header)

    def find(
        self,
        kind: str | None = None,
        subject: str | None = None,
        status: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> list[Header]:
        """Headers of the findings that meet every condition, the newest first.

        Arguments:
            kind: exactly this kind.
            subject: id of the model it is about, or the first characters of its digest.
            status: supports, refutes, inconclusive or failed.
            text: words that the statement has, in any order and case.
            limit: at most so many.

        Errors:
            InputError ST15: a status that does not exist.

        Example:
            >>> with open_store("sqlite://") as store:
            ...     store.find(kind="audit.search", status="refutes")
            []
        """
        refuse_unknown_status(status)
        with self._reading() as connection:
            conditions = list(self._conditions(connection, kind, subject, status, text))
            query = select(FINDINGS.c.header).where(*conditions)
            rows = connection.execute(query.order_by(FINDINGS.c.sequence.desc()).limit(limit))
            return [header_of(header) for header in rows.scalars()]

    def note(self, identity: str, text: str, author: str) -> Header:
        """Append a note to a finding; its id stays. Errors as ``get``."""
        return self._amend(identity, lambda header: Finding(header, {}).with_note(text, author).header)

    def retract(self, identity: str, reason: str, author: str) -> Header:
        """Mark a finding as no longer valid; it stays readable. Errors as ``get``."""
        return self._amend(
            identity, lambda header: Finding(header, {}).with_retraction(reason, author).header
        )

    # models

    def put_model(self, record: ModelRecord) -> str:
        """Keep what a model is; known weights keep their first place and take the newest facts."""
        values = record.to_dict() | {"stored": record.stored or now()}
        with self._writing() as connection:
            known = MODELS.c.sha256 == record.sha256
            if connection.scalar(select(MODELS.c.sequence).where(known)) is None:
                connection.execute(insert(MODELS).values(values))
            else:
                kept = {name: value for name, value in values.items() if name != "stored"}
                connection.execute(update(MODELS).where(known).values(kept))
        return record.sha256

    def models(self) -> list[ModelRecord]:
        """The models, the newest first."""
        with self._reading() as connection:
            rows = connection.execute(select(MODELS).order_by(MODELS.c.sequence.desc()))
            return [model_of(row) for row in rows]

    def model(self, sha256: str) -> ModelRecord:
        """The model of a digest or of its first characters.

        Errors:
            MissingError ST16: there is none. InputError ST14: the characters fit several.
        """
        with self._reading() as connection:
            fits = starts_with(MODELS.c.sha256, prefix_of(sha256))
            rows = connection.execute(select(MODELS).where(fits).limit(3)).all()
        if not rows:
            raise MissingError(
                "ST16", f"No model {sha256!r} in this store.", "List them: pellucid models list"
            )
        return model_of(only(rows, sha256, [row.sha256 for row in rows]))

    # cases

    def put_case(self, name: str, yaml_text: str, subject_sha: str, verdict: Mapping[str, Any]) -> int:
        """Keep a version of a case with its verdict; the version's number, from 1."""
        with self._writing() as connection:
            newest = select(func.max(CASES.c.version)).where(CASES.c.name == name)
            version = int(connection.scalar(newest) or 0) + 1
            values = {
                "name": name,
                "version": version,
                "yaml": yaml_text,
                "subject_sha256": subject_sha,
                "verdict": dict(verdict),
                "stored": now(),
            }
            connection.execute(insert(CASES).values(values))
        return version

    def cases(self) -> list[CaseRecord]:
        """The newest version of every case, the newest first."""
        newest = select(func.max(CASES.c.sequence)).group_by(CASES.c.name)
        return self._cases(CASES.c.sequence.in_(newest))

    def case(self, name: str, version: int | None = None) -> CaseRecord:
        """A case by name: the newest version, or the one asked for.

        Errors:
            MissingError ST17: there is none; names what is near.
        """
        for record in self.case_history(name):
            if version in {None, record.version}:
                return record
        raise self._no_case(name, version)

    def case_history(self, name: str) -> list[CaseRecord]:
        """Every version of a case, the newest first; empty when the name is unknown."""
        return self._cases(CASES.c.name == name)

    # keeping house

    def check(self) -> list[Diagnostic]:
        """Look at every row and every file: what is missing, changed, or belongs to nothing."""
        with self._reading() as connection:
            damage = self._dialect.damage(connection)
            rows = connection.execute(with_payload()).all()
        return examine(damage, rows, self._payloads)

    # parts

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the database refuses into the user's message."""
        try:
            yield
        except DBAPIError as error:
            message = self._dialect.explain(error)
            if message is None:
                raise
            raise message from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that holds the store's one write lock."""
        with self._explained(), self._engine.connect() as bare:
            connection = bare.execution_options(**WRITING)
            with connection.begin():
                yield connection

    def _conditions(
        self,
        connection: Connection,
        kind: str | None,
        subject: str | None,
        status: str | None,
        text: str | None,
    ) -> Iterator[ColumnElement[bool]]:
        if kind is not None:
            yield FINDINGS.c.kind == kind
        if status is not None:
            yield FINDINGS.c.status == status
        if subject is not None:
            digest = starts_with(FINDINGS.c.subject_sha256, subject)
            yield or_(FINDINGS.c.subject_id == subject, digest)
        if text is not None and text.split():
            yield self._dialect.matches(connection, text.split())

    def _row(self, identity: str) -> Row[Any] | None:
        with self._reading() as connection:
            return connection.execute(with_payload().where(FINDINGS.c.id == identity)).first()

    def _found(self, identity: str) -> Row[Any]:
        """The one row that an id or its beginning names."""
        fits = starts_with(FINDINGS.c.id, prefix_of(identity))
        with self._reading() as connection:
            rows = connection.execute(with_payload().where(fits).limit(3)).all()
        if not rows:
            remedy = "List them: pellucid findings list"
            raise MissingError("ST13", f"No finding {identity!r} in this store.", remedy)
        return only(rows, identity, [row.id for row in rows])

    def _insert(self, connection: Connection, header: Header, sha256: str, size: int) -> None:
        values = row_of(header) | {"stored": now()}
        sequence = connection.execute(insert(FINDINGS).values(values)).inserted_primary_key
        assert sequence is not None
        connection.execute(insert(PAYLOADS).values(finding=header.id, sha256=sha256, size=size))
        self._dialect.index_text(connection, sequence[0], header.statement)

    def _complete(self, row: Row[Any], finding: Finding) -> None:
        """Mend the payload of a finding that is there, and take over what was added to it elsewhere."""
        known = header_of(row.header)
        if not self._payloads.intact(row.sha256):
            body = Finding(known, finding.arrays).to_bytes()  # with the first run's clock, as the row has it
            values = {"sha256": self._payloads.write(body), "size": len(body)}
            with self._writing() as connection:
                connection.execute(update(PAYLOADS).where(PAYLOADS.c.finding == row.id).values(values))
        if joined(known, finding.header) != known:
            self._amend(row.id, lambda header: joined(header, finding.header))

    def _amend(self, identity: str, change: Callable[[Header], Header]) -> Header:
        """Change a header in its row under the write lock, so that of two notes none is lost."""
        found = self._found(identity)
        where = FINDINGS.c.id == found.id
        with self._writing() as connection:
            changed = change(
                header_of(connection.execute(select(FINDINGS.c.header).where(where)).scalar_one())
            )
            connection.execute(update(FINDINGS).where(where).values(header=header_text(changed)))
        return changed

    def _forget(self, sha256: str) -> None:
        """Remove a payload file unless a row names it."""
        with self._reading() as connection:
            named = connection.scalar(select(PAYLOADS.c.finding).where(PAYLOADS.c.sha256 == sha256).limit(1))
        if named is None:
            self._payloads.remove(sha256)

    def _cases(self, condition: ColumnElement[bool]) -> list[CaseRecord]:
        with self._reading() as connection:
            rows = connection.execute(select(CASES).where(condition).order_by(CASES.c.sequence.desc()))
            return [case_of(row) for row in rows]

    def _no_case(self, name: str, version: int | None) -> MissingError:
        history = self.case_history(name)
        if history:
            known = ", ".join(str(record.version) for record in reversed(history))
            return MissingError("ST17", f"Case {name!r} has no version {version}.", f"It has {known}.")
        near = did_you_mean(name, [record.name for record in self.cases()])
        return MissingError(
            "ST17", f"No case {name!r} in this store.", near or "List them: pellucid case list"
        )


def joined(known: Header, other: Header) -> Header:
    """The known header with the notes and the retraction that only the other one has."""
    new = tuple(note for note in other.notes if note not in known.notes)
    return known.model_copy(
        update={"notes": known.notes + new, "retracted": known.retracted or other.retracted}
    )


def refuse_unknown_status(status: str | None) -> None:
    """Refuse a status that no finding can have.

    Errors:
        InputError ST15.
    """
    if status is not None and status not in STATUSES:
        near = did_you_mean(status, STATUSES)
        raise InputError("ST15", f"No status {status!r}.", near or f"Use one of {', '.join(STATUSES)}.")


def refuse_lost_database(address: Address) -> None:
    """Refuse to begin an empty store over the payload files of one whose database is gone.

    Errors:
        InputError ST18.
    """
    file = address.file
    lost = file is not None and (not file.exists() or file.stat().st_size == 0)
    if lost and next(Payloads(address.payloads).files(), None) is not None:
        raise InputError(
            "ST18",
            f"The database {file} is gone or empty, but {address.payloads} still holds findings.",
            "Restore the database from a copy. Or move that folder away, and take its files into a new "
            "store: pellucid findings import FILE.",
        )


def open_store(url: str = DEFAULT) -> Store:
    """Open a store, and make it when there is none.

    Arguments:
        url: ``sqlite:///FILE`` (made when absent), ``sqlite://`` (in memory), or
            ``postgresql://USER@HOST/NAME?payloads=FOLDER``.

    Errors:
        InputError ST01 (no such folder), ST02 (damaged), ST03 (written by a newer release), ST04 (another
        program's database), ST05 (no URL of a store), ST09, ST10 (server).

    Example:
        >>> with open_store("sqlite://") as store:
        ...     store.find()
        []
    """
    address = address_of(url)
    dialect = dialect_of(address.url)
    refuse_lost_database(address)
    store = Store(address, dialect.engine(address.url), dialect)
    try:
        store.prepare()
    except BaseException:
        store.close()
        raise
    return store
