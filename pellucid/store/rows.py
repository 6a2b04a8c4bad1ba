"""Rows of the database and the values they stand for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from pellucid.findings import Header
from pellucid.store.records import CaseRecord, ModelRecord
from pellucid.store.tables import FINDINGS, PAYLOADS


def with_payload() -> Select[Any]:
    """Findings with the hash of their payload."""
    columns = (FINDINGS.c.sequence, FINDINGS.c.id, FINDINGS.c.header, PAYLOADS.c.sha256, PAYLOADS.c.size)
    return select(*columns).join(PAYLOADS, PAYLOADS.c.finding == FINDINGS.c.id)


def starts_with(column: ColumnElement[Any], digits: str) -> ColumnElement[bool]:
    """A hexadecimal column begins with ``digits``: as a range, so that its index is used."""
    return (column >= digits) & (column < digits + "g")  # 'g' follows every hexadecimal digit


def header_of(text: str) -> Header:
    """The header in a row."""
    return Header.model_validate_json(text)


def header_text(header: Header) -> str:
    """A header for a row."""
    return header.model_dump_json(by_alias=True)


def row_of(header: Header) -> dict[str, Any]:
    """What a row says of a finding, for looking it up."""
    subject = header.provenance.subject
    return {
        "id": header.id,
        "kind": header.kind,
        "status": header.status,
        "subject_id": subject.id if subject else "",
        "subject_sha256": subject.sha256 if subject else "",
        "statement": header.statement,
        "header": header_text(header),
    }


def model_of(row: Row[Any]) -> ModelRecord:
    """The model in a row."""
    return ModelRecord(row.sha256, row.id, row.family, row.parameters, row.facts, row.stored)


def case_of(row: Row[Any]) -> CaseRecord:
    """The version of a case in a row."""
    return CaseRecord(row.name, row.version, row.yaml, row.subject_sha256, row.verdict, row.stored)


def lasting(header: Header) -> Header:
    """A header without what may be added later."""
    return header.model_copy(update={"notes": (), "retracted": None})
