"""The library as JSON: papers and the computed states of their claims."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from pellucid.library import catalogue
from pellucid.web.shelf import Entry, entries
from pellucid.web.site import SiteHere

router = APIRouter(prefix="/api", tags=["library"])


class ClaimEntry(BaseModel):
    """A claim of a paper."""

    id: str
    """C1, C2, ..."""
    text: str
    """The claim in our words."""
    state: str
    """Its state, computed from stored Findings."""
    findings: list[str]
    """Ids of the Findings that measured it."""


class PaperEntry(BaseModel):
    """A paper on the shelf."""

    key: str
    """Its name in the library."""
    title: str
    """Its title."""
    authors: list[str]
    """Its authors."""
    year: int | None
    """When it appeared."""
    link: str
    """Where to read it."""
    rooms: list[str]
    """The rooms that implement it."""
    tldr: str
    """One sentence, in our words."""
    built: bool
    """Whether its method exists here."""
    claims: list[ClaimEntry]
    """What it claims."""


class PaperList(BaseModel):
    """Papers, best match first."""

    items: list[PaperEntry]
    """The papers."""


def as_json(entry: Entry) -> dict[str, Any]:
    """One paper as JSON."""
    paper = entry.paper
    return {
        "key": paper.key,
        "title": paper.title,
        "authors": [str(author) for author in paper.authors],
        "year": paper.year,
        "link": paper.link,
        "rooms": list(paper.rooms),
        "tldr": paper.tldr,
        "built": not entry.unbuilt,
        "claims": [
            {
                "id": shown.id,
                "text": shown.claim.text,
                "state": shown.state.word,
                "findings": [header.id for header in shown.headers],
            }
            for shown in entry.claims
        ],
    }


@router.get("/papers", response_model=PaperList)
def list_papers(request: Request, site: SiteHere, q: str = "") -> Response:
    """The papers, or those that match the words, best first."""
    known = catalogue()
    papers = known.search(q) if q.strip() else known.papers
    items = [as_json(entry) for entry in entries(papers, site.store.find(), site.href)]
    return site.json(request, {"items": items})


@router.get("/papers/{key}", response_model=PaperEntry)
def show_paper(request: Request, site: SiteHere, key: str) -> Response:
    """One paper by key, alias or arXiv number."""
    entry = entries([catalogue().get(key)], site.store.find(), site.href)[0]
    return site.json(request, as_json(entry))
