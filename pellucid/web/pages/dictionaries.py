"""Pages of dictionaries: the dashboards of the store, the latents of one, and one latent."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from pellucid.findings import Header, MissingError
from pellucid.findings.numbers import format_number
from pellucid.store import Store
from pellucid.web.feature_index import ORDERS, line_of, listed
from pellucid.web.feature_view import view_of
from pellucid.web.features import KIND, Dashboard
from pellucid.web.label import label_of
from pellucid.web.paging import page_of
from pellucid.web.site import Site, SiteHere
from pellucid.web.templating import plural

router = APIRouter(include_in_schema=False)
PAGE = 100
OPEN = 4
"""Dashboards held in memory; each is tens of megabytes, and a reader leafs through one."""


@router.get("/dictionaries")
def list_dashboards(request: Request, site: SiteHere) -> Response:
    """The dashboards of the store, newest first."""
    found = site.store.find(kind=KIND)
    return site.html(
        request,
        "dictionaries.html",
        title=f"{plural(len(found), 'dictionary', 'dictionaries')} described",
        here="/dictionaries",
        boards=[board_row(header, site) for header in found],
    )


def board_row(header: Header, site: Site) -> dict[str, object]:
    """One dashboard in the list."""
    subject, read = header.provenance.subject, header.provenance.parameters.get("sites", ["", ""])
    return {
        "href": site.href(f"/dictionaries/{header.id[:12]}"),
        "claim": label_of(header, site.href).claim,
        "model": subject.id if subject else "",
        "site": read[0] if read[0] == read[1] else f"{read[0]} to {read[1]}",
        "latents": format_number(header.measures["latents"].value),
        "alive": format_number(header.measures["alive"].value),
        "short": header.id[:12],
    }


@router.get("/dictionaries/{identity}")
def list_latents(
    request: Request,
    site: SiteHere,
    identity: str,
    q: str = "",
    order: str = "density",
    page: Annotated[int, Query(ge=1)] = 1,
) -> Response:
    """The latents of one dictionary, sorted and searched."""
    header = site.store.header(identity)
    board = board_of(site, header)
    address = f"/dictionaries/{board.finding.id[:12]}"
    shown = page_of(listed(board, q, order), page, PAGE, site.href(address), {"q": q, "order": order})
    return site.html(
        request,
        "dictionary.html",
        title=board.finding.statement,
        here="/dictionaries",
        board=board,
        label=label_of(header, site.href),
        address=address,
        lines=[line_of(board, row) for row in shown.rows],
        pages=shown,
        orders=ORDERS,
        chosen={"q": q, "order": order},
    )


@router.get("/dictionaries/{identity}/{latent}")
def show_latent(request: Request, site: SiteHere, identity: str, latent: int) -> Response:
    """One latent: where it fires, what it writes, its company."""
    header = site.store.header(identity)
    board = board_of(site, header)
    row = board.row_of(latent)
    view = view_of(board, row)
    numbers = board.latents
    return site.html(
        request,
        "latent.html",
        title=view.title.striptags(),
        here="/dictionaries",
        board=board,
        label=label_of(header, site.href),
        address=f"/dictionaries/{board.finding.id[:12]}",
        f=view,
        before=numbers[row - 1] if row else None,
        after=numbers[row + 1] if row + 1 < len(numbers) else None,
    )


def board_of(site: Site, header: Header) -> Dashboard:
    """The dashboard of a header; MissingError WB08 for a Finding of another kind."""
    if header.kind != KIND:
        raise MissingError(
            "WB08",
            f"Finding {header.id[:12]} is of kind {header.kind}, not {KIND}.",
            "Make one: pellucid dictionaries describe DICTIONARY --model MODEL --text FILE",
        )
    return opened(site.store, header.id)


@lru_cache(maxsize=OPEN)
def opened(store: Store, identity: str) -> Dashboard:
    """A dashboard with its arrays; an id is that of its content, so what was read stays right."""
    return Dashboard(store.get(identity))
