"""Pages of the library: the shelf with its facets and search, and one paper with its claims."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from pellucid.library import catalogue
from pellucid.web.shelf import (
    chosen,
    claim_tally,
    entries,
    facets,
    paper_page,
    results_title,
    shelf_lede,
    tally_title,
)
from pellucid.web.site import SiteHere

router = APIRouter(include_in_schema=False)
Choice = Annotated[list[str] | None, Query()]


@router.get("/")
def show_shelf(
    request: Request,
    site: SiteHere,
    q: str = "",
    state: Choice = None,
    room: Choice = None,
    year: Choice = None,
) -> Response:
    """The shelf: every paper, or those that match the words and the facets."""
    known = catalogue()
    headers = site.store.find()
    picked = {"state": state or [], "room": room or [], "year": year or []}
    every = entries(known.papers, headers, site.href)
    matching = entries(known.search(q), headers, site.href) if q.strip() else every
    found = [entry for entry in matching if chosen(entry, picked)]
    return site.html(
        request,
        "shelf.html",
        title="Library",
        here="/",
        lede=shelf_lede(every),
        tally=claim_tally(every),
        tally_title=tally_title(every),
        tally_note="states are computed from the Findings of this store",
        facets=facets(matching, picked),
        narrowed=any(picked.values()),
        query=q,
        entries=found,
        results_title=results_title(len(found), q),
    )


@router.get("/papers/{key}")
def show_paper(request: Request, site: SiteHere, key: str) -> Response:
    """One paper: summary, claims with their states and Findings, how to run it."""
    entry = entries([catalogue().get(key)], site.store.find(), site.href)[0]
    paper = paper_page(entry, site.href)
    return site.html(request, "paper.html", title=entry.title, here="/", paper=paper)
