"""What the database holds: plain tables that any SQL database can keep."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()
# SQLite counts rows by INTEGER only; elsewhere a store may outgrow 32 bits
COUNTER = BigInteger().with_variant(Integer, "sqlite")

SCHEMA_VERSION = Table(
    "schema_version",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(80), nullable=False),
    Column("applied", String(32), nullable=False),
)

FINDINGS = Table(
    "findings",
    METADATA,
    Column("sequence", COUNTER, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(120), nullable=False, index=True),
    Column("status", String(20), nullable=False, index=True),
    Column("subject_id", Text, nullable=False),
    Column("subject_sha256", String(64), nullable=False, index=True),
    Column("statement", Text, nullable=False),
    Column("header", Text, nullable=False),
    Column("stored", String(32), nullable=False),
)

PAYLOADS = Table(
    "payloads",
    METADATA,
    Column("finding", String(64), ForeignKey("findings.id"), primary_key=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
)

MODELS = Table(
    "models",
    METADATA,
    Column("sequence", COUNTER, primary_key=True, autoincrement=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("id", Text, nullable=False),
    Column("family", String(120), nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("stored", String(32), nullable=False),
)

CASES = Table(
    "cases",
    METADATA,
    Column("sequence", COUNTER, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("yaml", Text, nullable=False),
    Column("subject_sha256", String(64), nullable=False),
    Column("verdict", JSON, nullable=False),
    Column("stored", String(32), nullable=False),
    Index("one_version_once", "name", "version", unique=True),
)
