"""``pellucid library``: the shelf of papers, with the state of every claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_rich, print_table

if TYPE_CHECKING:
    from pellucid.library import Entry

app = typer.Typer(no_args_is_help=True, help="Papers, their claims, and whether they hold here.")


def entries(store: str) -> list[Entry]:
    """All papers with their computed states."""
    from pellucid.library import shelf

    return shelf(store)


def print_entries(title: str, found: Sequence[Entry], as_json: bool, empty: str) -> None:
    """Print entries as a table or as JSON."""
    if as_json:
        print_json([entry.to_dict() for entry in found])
        return
    rows = [
        (e.paper.key, e.paper.title, str(e.paper.year or ""), ", ".join(e.paper.rooms), e.state)
        for e in found
    ]
    print_table(title, ("key", "title", "year", "rooms", "state"), rows, empty)


@app.command("list")
def list_papers(
    room: Annotated[str | None, typer.Option("--room", help="Only papers of this room.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List the papers with the room that implements each and the state of its claims.

    Python: pellucid.library.catalogue
    """
    found = [entry for entry in entries(store) if room is None or room in entry.paper.rooms]
    print_entries("Library", found, as_json, f"No paper of room {room!r}.")


@app.command("search")
def search(
    words: Annotated[list[str], typer.Argument(help="Words, a key, an alias or an arXiv id.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Search titles, aliases, summaries and claims.

    Python: pellucid.library.Catalogue.search
    """
    from pellucid.library import catalogue

    ranked = [paper.key for paper in catalogue().search(" ".join(words))]
    by_key = {entry.paper.key: entry for entry in entries(store)}
    print_entries("Found", [by_key[key] for key in ranked], as_json, "Nothing found: try fewer words.")


@app.command("show")
def show(
    key: Annotated[str, typer.Argument(help="Key, alias, title or arXiv id of a paper.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show a paper: summary, link, claims and the state of each.

    Python: pellucid.library.Catalogue.get
    """
    from pellucid.library import catalogue

    paper = catalogue().get(key)
    entry = next(entry for entry in entries(store) if entry.paper.key == paper.key)
    if as_json:
        print_json(entry.to_dict())
        return
    from rich.markup import escape

    print_rich(f"[bold]{escape(paper.title)}[/bold]", escape(paper.summary), escape(paper.link), "")
    rows = [(claim.id, claim.text, state) for claim, state in entry.claims]
    print_table(f"Claims ({entry.state})", ("id", "claim", "state here"), rows, "No claims recorded.")
