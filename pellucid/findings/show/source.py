"""Where a Finding comes from, in one line of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.findings.finding import Finding


def source_line(finding: Finding) -> str:
    """Method, model with the start of its hash, seed, device, type and time."""
    made = finding.provenance
    subject = f"{made.subject.id} {made.subject.sha256[:12]}" if made.subject else "no model"
    seed = "" if made.seed is None else f", seed {made.seed}"
    return f"{made.method} on {subject}{seed}, {made.device} {made.dtype}, {made.seconds:.1f} s"
