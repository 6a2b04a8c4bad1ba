"""Pages of Findings: the list with its filters, and one Finding as a museum label."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from pellucid.findings import Header
from pellucid.web.label import label_in_full, label_of
from pellucid.web.paging import page_of
from pellucid.web.site import Site, SiteHere
from pellucid.web.states import FINDINGS, tally
from pellucid.web.templating import day, plural

router = APIRouter(include_in_schema=False)
PAGE = 50


@router.get("/findings")
def list_findings(
    request: Request,
    site: SiteHere,
    kind: str = "",
    status: str = "",
    text: str = "",
    page: Annotated[int, Query(ge=1)] = 1,
) -> Response:
    """The Findings of the store, newest first."""
    every = site.store.find()
    narrowed = bool(kind or status or text)
    found = (
        site.store.find(kind=kind or None, status=status or None, text=text or None) if narrowed else every
    )
    chosen = {"kind": kind, "status": status, "text": text}
    shown = page_of(found, page, PAGE, site.href("/findings"), chosen)
    return site.html(
        request,
        "findings.html",
        title=plural(len(found), "Finding"),
        here="/findings",
        rows=[row(header, site) for header in shown.rows],
        pages=shown,
        tally=tally((FINDINGS[h.status] for h in found), FINDINGS.values()),
        kinds=sorted({h.kind for h in every} | ({kind} if kind else set())),
        statuses=list(FINDINGS),
        chosen=chosen,
        narrowed=narrowed,
    )


def row(header: Header, site: Site) -> dict[str, object]:
    """One Finding in the list."""
    label = label_of(header, site.href)
    subject = header.provenance.subject
    return {
        "href": label.href,
        "claim": label.claim,
        "kind": label.kind,
        "state": label.state,
        "subject": subject.id if subject else "",
        "day": day(header.provenance.started),
        "short": label.short,
    }


@router.get("/findings/{identity}")
def show_finding(request: Request, site: SiteHere, identity: str) -> Response:
    """One Finding: claim, number, pictures, tables, provenance."""
    finding = site.store.get(identity)
    label = label_in_full(finding, site.href, model_address(finding.header, site))
    return site.html(
        request,
        "finding.html",
        title=label.claim,
        here="/findings",
        l=label,
        pictures=any(picture.json for picture in label.pictures),
    )


def model_address(header: Header, site: Site) -> str:
    """Where the model of a Finding is shown; empty when the store does not know it."""
    subject = header.provenance.subject
    known = subject is not None and any(model.sha256 == subject.sha256 for model in site.store.models())
    return site.href(f"/models/{subject.sha256}") if known and subject is not None else ""
