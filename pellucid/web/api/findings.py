"""Findings as JSON: lists with links to the next page, one header, and the whole Finding as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from pellucid.findings import Header
from pellucid.web.paging import page_of
from pellucid.web.site import SiteHere, tagged

router = APIRouter(prefix="/api", tags=["findings"])
Page = Annotated[int, Query(ge=1, description="Page, from 1.")]
Size = Annotated[int, Query(ge=1, le=1000, description="Findings a page.")]


class FindingList(BaseModel):
    """One page of headers, newest first."""

    total: int
    """How many match in all."""
    next: str | None
    """Address of the next page."""
    items: list[Header]
    """The headers."""


@router.get("/findings", response_model=FindingList)
def list_findings(
    request: Request,
    site: SiteHere,
    kind: str = "",
    status: str = "",
    subject: str = "",
    text: str = "",
    page: Page = 1,
    size: Size = 100,
) -> Response:
    """Headers of Findings by kind, status, subject (sha256 of the weights) and words of the statement."""
    found = site.store.find(kind or None, subject or None, status or None, text or None)
    asked = {"kind": kind, "subject": subject, "status": status, "text": text, "size": str(size)}
    shown = page_of(found, page, size, site.href("/api/findings"), asked)
    items = [header.to_dict() for header in shown.rows]
    data = {"total": shown.total, "next": shown.after or None, "items": items}
    return site.json(request, data, links=shown.links())


@router.get(
    "/findings/{identity}.safetensors",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def download_finding(request: Request, site: SiteHere, identity: str) -> Response:
    """The whole Finding, arrays included, as ``findings.load`` reads it."""
    finding = site.store.get(identity)
    name = f'attachment; filename="{finding.id[:12]}.safetensors"'
    kept = {"content-disposition": name}
    return tagged(request, finding.to_bytes(), "application/octet-stream", headers=kept)


@router.get("/findings/{identity}", response_model=Header)
def show_finding(request: Request, site: SiteHere, identity: str) -> Response:
    """The header of one Finding, by its id or the beginning of it."""
    return site.json(request, site.store.get(identity).header.to_dict())
