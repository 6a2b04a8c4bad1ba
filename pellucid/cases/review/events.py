"""What is written down about a review: events, each with the digest of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pellucid.findings import InputError

GENESIS = "0" * 64
"""What the first event has in place of the digest of the one before."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "track": ("track",),
    "open": ("case",),
    "comment": ("id", "text"),
    "answer": ("id", "how", "text"),
    "vote": ("vote",),
    "decide": ("outcome",),
    "rate": ("leaf", "value"),
    "reconcile": ("tracks", "text"),
    "supersede": ("case",),
}
"""Kinds of event and what each states beside who, when, in which track and about which claim."""


@dataclass(frozen=True)
class Event:
    """One entry of a review's log."""

    kind: str
    """What happened: one of ``FIELDS``."""
    by: str
    """Who did it."""
    time: str
    """When, in UTC: ``2026-11-24T09:00:00Z``."""
    track: str = ""
    """In which track."""
    claim: str = ""
    """About which claim of the case."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the kind of event states."""

    @property
    def moment(self) -> datetime:
        """The time as a moment."""
        return parse_time(self.time)

    def line(self, number: int, previous: str) -> str:
        """The event as a line of the log, with its number and the digest of the one before."""
        body = self._body(number, previous)
        return canonical(body | {"digest": digest(body)})

    def _body(self, number: int, previous: str) -> dict[str, Any]:
        return {
            "number": number,
            "previous": previous,
            "kind": self.kind,
            "by": self.by,
            "time": self.time,
            "track": self.track,
            "claim": self.claim,
            "said": dict(self.said),
        }


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value is the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical text."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def utc(moment: datetime) -> str:
    """A moment as events state it, to the second.

    Raises:
        InputError: Y99 when the moment has no time zone.
    """
    if moment.tzinfo is None:
        problem = f"The time {moment.isoformat()} has no time zone."
        raise InputError("Y99", problem, "Give a time with one, as datetime.now(UTC).")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read ``2026-11-24T09:00:00Z``.

    Raises:
        InputError: Y99 when it is no such time.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, TypeError):
        problem = f"'{text}' is no time."
        raise InputError("Y99", problem, "Write it in UTC as 2026-11-24T09:00:00Z.") from None
