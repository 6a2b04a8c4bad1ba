"""Errors that a user can mend: numbered, with what was wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PellucidError(Exception):
    """A user's mistake, or something the machine refused: one message, no traceback, exit status 2."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        super().__init__(code, problem, remedy)
        self.code, self.problem, self.remedy = code, problem, remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class InputError(PellucidError, ValueError):
    """Something given has a wrong value, form or state."""


class MissingError(PellucidError, LookupError):
    """Something named does not exist."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``"Did you mean 'blocks.3.mlp_out'?"`` for the nearest of ``names``, or ``""`` when none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else ""
