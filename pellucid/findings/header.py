"""The small, frozen head of a Finding: what was said, the numbers, and where they come from."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pellucid.findings.measures import Measure

SCHEMA = 1
Status = Literal["supports", "refutes", "inconclusive", "failed"]
Form = Literal["line", "bar", "heatmap", "histogram", "interval", "table", "text"]

# What may differ between two runs of the same measurement, and is therefore no part of its identity.
OUTSIDE_ID = {"id", "notes", "retracted"}
PROVENANCE_OUTSIDE_ID = {"started", "seconds", "host", "commit", "packages", "command"}


class Frozen(BaseModel):
    """Immutable, refusing unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Subject(Frozen):
    """The model that was measured."""

    id: str
    sha256: str


class DataRef(Frozen):
    """The data it was measured on."""

    id: str
    sha256: str


class View(Frozen):
    """How a Finding is drawn: the form of the picture and the array it shows.

    line, bar: a vector, or a matrix with one series for each place on its first axis. heatmap: a matrix.
    histogram, table, text: any array. interval: the last axis holds value, low and high.
    """

    form: Form
    array: str
    title: str
    x: str = ""
    y: str = ""
    unit: str = ""


class Code(Frozen):
    """Digest of the source files that the method uses."""

    method: str
    digest: str


class Provenance(Frozen):
    """Everything needed to measure it again."""

    method: str
    given: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    subject: Subject | None = None
    data: DataRef | None = None
    code: Code
    seed: int | None = None
    device: str = "cpu"
    dtype: str = "float32"
    parents: tuple[str, ...] = ()
    packages: dict[str, str] = Field(default_factory=dict)
    commit: str = ""
    host: str = ""
    started: str = ""
    seconds: float = 0.0
    command: str = ""


class Note(Frozen):
    """A remark added later."""

    text: str
    author: str
    time: str


class Retraction(Frozen):
    """Why a Finding no longer counts."""

    reason: str
    author: str
    time: str


class Header(Frozen):
    """What is known of a Finding without reading its arrays."""

    id: str = ""
    schema_version: int = Field(default=SCHEMA, alias="schema", serialization_alias="schema")
    kind: str
    title: str
    room: str
    template: str
    statement: str
    stance: str
    evidence: str
    supports: str = ""
    refutes: str = ""
    rows: tuple[Measure, ...] = Field(default=(), alias="measures", serialization_alias="measures")
    views: tuple[View, ...] = ()
    arrays: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    payload: str
    status: Status
    provenance: Provenance
    notes: tuple[Note, ...] = ()
    retracted: Retraction | None = None

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures by name, in the order in which they were given."""
        return {measure.name: measure for measure in self.rows}

    def to_dict(self) -> dict[str, Any]:
        """The header as plain data; numbers that JSON does not know are the words NaN and Infinity."""
        data: dict[str, Any] = json.loads(self.model_dump_json(by_alias=True))
        return data

    def identity(self) -> str:
        """The sha256 that names this measurement (see OUTSIDE_ID for what it leaves out)."""
        # defaults are left out, so that a field added later leaves the ids of earlier Findings as they are
        data = json.loads(self.model_dump_json(by_alias=True, exclude_defaults=True))
        kept = {key: value for key, value in data.items() if key not in OUTSIDE_ID}
        kept["provenance"] = {
            key: value for key, value in data["provenance"].items() if key not in PROVENANCE_OUTSIDE_ID
        }
        return hashlib.sha256(canonical(kept)).hexdigest()


def canonical(data: Any) -> bytes:
    """JSON with sorted keys and no spaces: the same data is the same bytes."""
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
