"""The short table of findings that several commands print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid.cli.output import print_json, print_table

if TYPE_CHECKING:
    from pellucid.findings import Header

MARKS = {"supports": "✓", "refutes": "✗", "inconclusive": "?", "failed": "!"}


def print_findings(title: str, headers: Sequence[Header], as_json: bool, empty: str = "No findings.") -> None:
    """Print findings with their status in mark and word, or as JSON."""
    if as_json:
        print_json([header.to_dict() for header in headers])
        return
    rows = [(h.id[:12], h.kind, f"{MARKS[h.status]} {h.status}", h.statement) for h in headers]
    print_table(title, ("id", "kind", "status", "statement"), rows, empty)
