"""What a leaf cites and where it is found: a Finding by id, or an evaluation log by its digest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from pellucid.cases.nodes import Node
from pellucid.findings import Finding, Header, InputError


@runtime_checkable
class Stored(Protocol):
    """What a store offers to a case."""

    def header(self, identity: str) -> Header:
        """The header of a Finding by its id; raises LookupError when there is none."""

    def find(self, kind: str) -> list[Header]:
        """Headers of one kind, the newest first."""


Findings = (
    Mapping[str, Finding | Header]
    | Iterable[Finding | Header]
    | Callable[[str], Finding | Header | None]
    | Finding
    | Header
    | Stored
)

ACCEPTED_LOG = "evaluation.log"
REFUSED_LOG = "evaluation.log_refused"
LOGS = frozenset({ACCEPTED_LOG, REFUSED_LOG})
LISTED = (ACCEPTED_LOG, REFUSED_LOG, "metascience.capability_correlation", "metascience.reliability")
"""Kinds that a case asks for otherwise than by id: logs by digest, and what is known of benchmarks."""
SHORTEST = 8
_DIGEST = re.compile(rf"[0-9a-f]{{{SHORTEST},64}}")


def log_digest(node: Node) -> str | None:
    """The digest, or its beginning, of the log that a leaf cites."""
    text = node.layer("log")
    return None if text is None else text.strip().lower().removeprefix("sha256:")


def is_digest(text: str) -> bool:
    """Whether a text can name a log: 8 to 64 hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def citation(node: Node) -> str | None:
    """The key under which the evidence of a leaf is asked for.

    The id of a Finding as it stands, or ``log:SHA256`` and ``log:SHA256:SCORER`` for a log; None when the
    leaf cites nothing. An id goes before a log (E17 reports a leaf that has both).

    Example:
        >>> citation(Node("Sn1").having(log="0123abcd", scorer="match"))
        'log:0123abcd:match'
    """
    digest = log_digest(node)
    if node.finding is not None or digest is None:
        return node.finding
    scorer = node.layer("scorer")
    return f"log:{digest}" if scorer is None else f"log:{digest}:{scorer}"


def scorer_of(header: Header) -> str:
    """The scorer whose result a log's Finding holds."""
    return str(header.provenance.parameters.get("scorer", ""))


class Lookup:
    """One function from a citation to the header of its Finding, whatever holds the Findings."""

    def __init__(
        self,
        find: Callable[[str], Finding | Header | None],
        held: Callable[[], Iterable[Finding | Header]] | None = None,
    ) -> None:
        self._find, self._held = find, held
        self._seen: dict[str, tuple[Header, ...]] = {}

    def __call__(self, key: str) -> Header | None:
        """The header that a citation names; None when there is none, or when it fits several."""
        found = self.fitting(key)
        return found[0] if len(found) == 1 else None

    def held(self) -> tuple[Header, ...]:
        """Every header at hand; nothing where only single ones can be asked for."""
        return tuple(map(_header, self._held())) if self._held else ()

    def fitting(self, key: str) -> tuple[Header, ...]:
        """Every header that a citation fits, looked up once."""
        if key not in self._seen:
            found = self._logs_at(key) if key.startswith("log:") else self._at(key, _by_id)
            self._seen[key] = found
        return self._seen[key]

    def _at(self, key: str, fits: Callable[[Header, str], bool]) -> tuple[Header, ...]:
        try:
            found = self._find(key)
        except LookupError:
            # A store says "no such Finding" by raising; to a case that is the state `missing`, a report.
            return ()
        return () if found is None or not fits(_header(found), key) else (_header(found),)

    def _logs_at(self, key: str) -> tuple[Header, ...]:
        if self._held is None:
            return self._at(key, _by_log)
        digest = key.split(":")[1]
        near = (header for data, header in self._logs if data.startswith(digest))
        fitting = [header for header in near if _by_log(header, key)]
        newest = {(_data(header), scorer_of(header)): header for header in sorted(fitting, key=_started)}
        return tuple(newest.values())

    @cached_property
    def _logs(self) -> list[tuple[str, Header]]:
        headers = map(_header, self._held() if self._held else ())
        return [(_data(header), header) for header in headers if header.kind in LOGS]


def lookup(findings: Findings) -> Lookup:
    """Turn what holds the Findings into one function from a citation to a Header or None.

    Args:
        findings: a mapping by id, any iterable of Findings or Headers, or a callable (``store.header``).
            A callable is asked for logs too, as ``log:SHA256`` or ``log:SHA256:SCORER``. One Finding alone,
            or a store, will do as well.

    Raises:
        InputError: Y85 for anything else.

    A Finding that answers to an id or digest which is not its own counts as absent: evidence is bound by
    digest. Of several Findings on one log and scorer the newest counts.
    """
    if isinstance(findings, Lookup):
        return findings
    if callable(findings):
        return Lookup(findings)
    if isinstance(findings, Stored):
        return _stored(findings)
    if isinstance(findings, Mapping):
        return Lookup(findings.get, findings.values)
    listed = [findings] if isinstance(findings, Finding | Header) else findings
    held = {found.id: found for found in _findings(listed)}
    return Lookup(held.get, held.values)


def _stored(store: Stored) -> Lookup:
    # a store gives the newest first; of two of one second the later one counts
    return Lookup(store.header, lambda: [one for kind in LISTED for one in reversed(store.find(kind=kind))])


def _findings(listed: object) -> list[Finding | Header]:
    plural = isinstance(listed, Iterable) and not isinstance(listed, str)
    found: list[Any] = list(listed) if plural else [listed]  # type: ignore[call-overload]
    strange = next((one for one in found if not isinstance(one, Finding | Header)), None)
    if strange is not None or found == [None]:
        problem = f"The evidence of a case was given as {type(strange).__name__}."
        raise InputError(
            "Y85",
            problem,
            "Give Findings or their headers, a mapping of them by id, a store, or store.header.",
        )
    return found


def _header(found: Finding | Header) -> Header:
    return found.header if isinstance(found, Finding) else found


def _by_id(header: Header, key: str) -> bool:
    return str(header.id).startswith(key)


def _by_log(header: Header, key: str) -> bool:
    digest, _, scorer = key.removeprefix("log:").partition(":")
    same = header.kind in LOGS and is_digest(digest) and _data(header).startswith(digest)
    # a log that was refused before it had scorers is refused whatever scorer is asked for
    unscored = header.kind == REFUSED_LOG and not scorer_of(header)
    return same and (unscored or scorer in ("", scorer_of(header)))


def _data(header: Header) -> str:
    return header.provenance.data.sha256 if header.provenance.data else ""


def _started(header: Header) -> str:
    return header.provenance.started
