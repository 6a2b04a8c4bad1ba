"""Numbered diagnostics: what is wrong, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Diagnostic:
    """One message of a check."""

    code: str
    """Stable id, as C03."""
    level: Literal["error", "warning"]
    """Errors make the object invalid, warnings do not."""
    where: str
    """File, line or element."""
    message: str
    """What is wrong."""
    remedy: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.level} ({self.where}) ({self.code}): {self.message} {self.remedy}".rstrip()
