"""Progress bars for people: the protocol of `pellucid.compute`, drawn by Rich on the error stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bar:
    """One task's bar."""

    def __init__(self, bars: Progress, identity: TaskID) -> None:
        self._bars, self._identity = bars, identity

    def advance(self, n: int = 1) -> None:
        """Move the bar by ``n`` steps."""
        self._bars.advance(self._identity, n)

    def note(self, text: str) -> None:
        """Show a short remark beside the bar."""
        self._bars.update(self._identity, note=text)


class Bars:
    """Progress bars on the error stream; quiet where nobody looks at a terminal."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
        )
        self._bars = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars.tasks:
            self._bars.stop()

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Bar]:
        """A bar that lives as long as the task."""
        if not self._bars.tasks:
            self._bars.start()
        identity = self._bars.add_task(name, total=total, note="")
        yield Bar(self._bars, identity)
        done = next(task for task in self._bars.tasks if task.id == identity)
        self._bars.update(identity, total=done.completed, completed=done.completed)
