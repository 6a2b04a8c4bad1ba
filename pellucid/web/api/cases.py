"""Cases as JSON, as gsn2x YAML and as a drawing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from pellucid.web.argument import linked
from pellucid.web.evaluated import evaluated
from pellucid.web.site import SiteHere, tagged

router = APIRouter(prefix="/api", tags=["cases"])


class CaseEntry(BaseModel):
    """A case with its verdict."""

    name: str
    """Its name in the store."""
    subject: str
    """Digest of the weights it argues about."""
    verdict: dict[str, Any]
    """Both readings, the states of all elements and the reason path."""
    yaml: str
    """The argument in gsn2x YAML."""


class CaseList(BaseModel):
    """The cases of the store."""

    items: list[CaseEntry]
    """The cases."""


def entry(name: str, site: SiteHere) -> dict[str, Any]:
    """One case as JSON."""
    found = evaluated(site.store, name)
    return {
        "name": name,
        "subject": found.record.subject_sha,
        "verdict": found.verdict.to_dict(),
        "yaml": found.record.yaml,
    }


@router.get("/cases", response_model=CaseList)
def list_cases(request: Request, site: SiteHere) -> Response:
    """The cases of the store, evaluated against what it holds now."""
    return site.json(request, {"items": [entry(record.name, site) for record in site.store.cases()]})


@router.get(
    "/cases/{name}.yaml", response_class=Response, responses={200: {"content": {"application/yaml": {}}}}
)
def show_yaml(request: Request, site: SiteHere, name: str) -> Response:
    """The argument as gsn2x reads it."""
    return tagged(request, site.store.case(name).yaml.encode(), "application/yaml")


@router.get("/cases/{name}.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
def show_drawing(request: Request, site: SiteHere, name: str) -> Response:
    """The argument drawn in Goal Structuring Notation, with its verdict."""
    found = evaluated(site.store, name)
    drawing = found.case.render(found.verdict, linked(found.find, site.href))
    return tagged(request, drawing.encode(), "image/svg+xml")


@router.get("/cases/{name}", response_model=CaseEntry)
def show_case(request: Request, site: SiteHere, name: str) -> Response:
    """One case with its verdict."""
    return site.json(request, entry(name, site))
