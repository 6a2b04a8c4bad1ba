"""Findings that ship with the package: long measurements that a fresh install should not have to repeat."""

from __future__ import annotations

from pathlib import Path

from pellucid.findings import Finding, load

FOLDER = Path(__file__).parent / "findings"


def shipped_findings(kind: str | None = None, subject: str | None = None) -> list[Finding]:
    """The shipped Findings of a kind, about the model with a digest.

    Arguments:
        kind: as ``audit.power``; None: all.
        subject: sha256 of a model's weights; None: all.
    """
    found = [load(path) for path in sorted(FOLDER.glob("*.safetensors"))]
    return [
        finding
        for finding in found
        if kind in (None, finding.kind) and subject in (None, subject_of(finding))
    ]


def subject_of(finding: Finding) -> str:
    """Digest of the model that a Finding speaks of, or nothing."""
    subject = finding.provenance.subject
    return "" if subject is None else subject.sha256
