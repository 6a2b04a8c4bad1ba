"""The Finding: one measured statement, with its numbers, arrays and provenance."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pellucid.findings import payload
from pellucid.findings.arrays import Array
from pellucid.findings.errors import InputError
from pellucid.findings.header import Header, Note, Provenance, Retraction, Status
from pellucid.findings.kinds import judge
from pellucid.findings.measures import Measure
from pellucid.findings.statement import fill


class Finding:
    """A frozen header and its arrays, which are read only when asked for."""

    def __init__(self, header: Header, arrays: Mapping[str, Array]) -> None:
        self.header = header
        self.arrays: Mapping[str, Array] = MappingProxyType(dict(arrays))

    @property
    def id(self) -> str:
        """sha256 over header (without clock, host, commit, versions, command) and arrays."""
        return self.header.id

    @property
    def kind(self) -> str:
        """Name of its kind."""
        return self.header.kind

    @property
    def statement(self) -> str:
        """Its sentence."""
        return self.header.statement

    @property
    def status(self) -> Status:
        """supports, refutes, inconclusive or failed."""
        return self.header.status

    @property
    def measures(self) -> dict[str, Measure]:
        """Its numbers by name."""
        return self.header.measures

    @property
    def provenance(self) -> Provenance:
        """Where it comes from."""
        return self.header.provenance

    def save(self, path: str | Path) -> Path:
        """Write it to one ``.safetensors`` file, whole or not at all."""
        payload.write_atomically(Path(path), self.to_bytes())
        return Path(path)

    def to_bytes(self) -> bytes:
        """The bytes of its file."""
        return payload.encode(self.header, self.arrays)

    def verify(self) -> None:
        """InputError FN23 when arrays, numbers, sentence or status are not those that the id names.

        Reading a Finding checks its header against the id; this reads every array as well, and fills the
        sentence and judges the status anew.
        """
        header = self.header
        sound = (
            header.id == header.identity()
            and header.payload == payload.digest(payload.flatten(self.arrays))
            and header.statement == fill(header.template, header.measures)
            and header.status == judge(header.supports, header.refutes, header.measures)
        )
        if not sound:
            raise altered(header)

    def with_note(self, text: str, author: str) -> Finding:
        """The same Finding with one more note; notes are only ever appended."""
        note = Note(text=text, author=author, time=now())
        return Finding(self.header.model_copy(update={"notes": (*self.header.notes, note)}), self.arrays)

    def with_retraction(self, reason: str, author: str) -> Finding:
        """The same Finding, marked as no longer counting."""
        retraction = Retraction(reason=reason, author=author, time=now())
        return Finding(self.header.model_copy(update={"retracted": retraction}), self.arrays)

    def show(self) -> None:
        """Print it to the terminal: claim, number, interval, table, provenance."""
        from pellucid.findings.show import print_finding

        print_finding(self)

    def _repr_html_(self) -> str:
        from pellucid.findings.show import html

        return html(self, include_plotlyjs="cdn")

    def __eq__(self, other: object) -> bool:
        # compared as written, since NaN differs from itself
        same = isinstance(other, Finding) and self.header.to_dict() == other.header.to_dict()
        return same and self.arrays == other.arrays  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Finding {self.id[:12]} {self.kind}: {self.status}: {self.statement}>"


def load(path: str | Path) -> Finding:
    """Read a Finding's file; arrays stay on disk until they are used.

    Errors:
        MissingError FN22: there is no such file. InputError FN20: it is damaged, FN21: a newer pellucid
        wrote it, FN23: its header is not the one that its id names.
    """
    return unaltered(Finding(*payload.open_file(Path(path))))


def from_bytes(data: bytes) -> Finding:
    """A Finding from the bytes of its file; InputErrors FN20, FN21 and FN23 as for ``load``."""
    return unaltered(Finding(*payload.decode(data)))


def unaltered(finding: Finding) -> Finding:
    """The Finding, once its header is seen to be the one that its id names."""
    if finding.id != finding.header.identity():
        raise altered(finding.header)
    return finding


def altered(header: Header) -> InputError:
    """The error for a Finding whose content is not what was measured."""
    return InputError(
        "FN23",
        f"The Finding {header.id[:12]!r} was altered: its content does not match its id.",
        "Take it from a backup, or measure it again.",
    )


def now() -> str:
    """The present time, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
