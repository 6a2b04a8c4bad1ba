"""How long work says how far it is: one small protocol that a terminal bar, a log or silence can answer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Task(Protocol):
    """One piece of work whose advance is shown."""

    def advance(self, n: int = 1) -> None:
        """Say that ``n`` more steps are done."""

    def note(self, text: str) -> None:
        """Show a short remark beside the advance."""


class Progress(Protocol):
    """Whoever shows the advance of work."""

    def task(self, name: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A task of ``total`` steps, or of unknown length, that is shown until the block is left."""


class Silent:
    """Progress that nobody looks at; it is its own task.

    Example:
        >>> with SILENT.task("harvest", total=3) as task:
        ...     task.advance(3)
    """

    def task(self, name: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A task that shows nothing."""
        return nullcontext(self)

    def advance(self, n: int = 1) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


SILENT: Progress = Silent()
