"""How the commands of ``pellucid case`` find a case, and what it is judged by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pellucid.cases import Case
    from pellucid.web.present import World

CaseArgument = Annotated[
    str, typer.Argument(help="A case file in any format, or the name of a case in the store.")
]


def read_case(case: str, store: str) -> Case:
    """The case in a file, or the newest one of that name in the store."""
    from pellucid.cases import Case
    from pellucid.store import open_store

    if Path(case).suffix or Path(case).exists():
        return Case.read(Path(case))
    with open_store(store) as kept:
        return Case.read(kept.case(case).yaml)


@contextmanager
def opened(case: str, store: str) -> Iterator[World]:
    """A case beside the evidence of a store, and what exists now."""
    from pellucid.store import open_store
    from pellucid.web.present import world_of

    argument = read_case(case, store)
    with open_store(store) as kept:
        yield world_of(argument, kept)


def words_of(text: str) -> list[str]:
    """Words separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
