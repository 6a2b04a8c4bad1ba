"""What the store keeps beside findings: models and cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelRecord:
    """A model that findings are about."""

    sha256: str
    """Digest of its weights: what it is."""
    id: str
    """The name it was opened by."""
    family: str
    """Its architecture."""
    parameters: int
    """How many numbers it has."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Layers, widths and the like."""
    stored: str = ""
    """When it was first seen, UTC; set by the store."""

    def to_dict(self) -> dict[str, Any]:
        """The record for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class CaseRecord:
    """One version of a safety case, with the verdict it had when it was kept."""

    name: str
    """Name of the case."""
    version: int
    """1 for the first one kept under this name."""
    yaml: str
    """The case itself."""
    subject_sha: str
    """Digest of the model it argues about."""
    verdict: Mapping[str, Any]
    """The verdict as ``Verdict.to_dict`` gives it."""
    stored: str = ""
    """When it was kept, UTC."""

    def to_dict(self) -> dict[str, Any]:
        """The record for JSON."""
        return asdict(self)
