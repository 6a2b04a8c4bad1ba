"""Cases as JSON, as gsn2x YAML and as a drawing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from pellucid.web.api.numbers import (
    ConfidenceEntry,
    CutSetsEntry,
    DebateEntry,
    ExperimentEntry,
    SensitivityEntry,
    numbers_of,
)
from pellucid.web.argument import linked
from pellucid.web.evaluated import Evaluated, evaluated
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


class CaseInFull(CaseEntry):
    """A case with its verdict and everything that is said of it in numbers."""

    sensitivity: list[SensitivityEntry]
    """What the verdict hangs on: deciding leaves first, then the heaviest."""
    cut_sets: CutSetsEntry
    """What fails together."""
    confidence: ConfidenceEntry
    """How sure one may be, in four calculi."""
    experiments: list[ExperimentEntry]
    """What to measure next, best first."""
    debate: DebateEntry
    """Each doubt beside its replies."""


class CaseList(BaseModel):
    """The cases of the store."""

    items: list[CaseEntry]
    """The cases."""


def entry(found: Evaluated) -> dict[str, Any]:
    """One case as JSON."""
    return {
        "name": found.record.name,
        "subject": found.record.subject_sha,
        "verdict": found.verdict.to_dict(),
        "yaml": found.record.yaml,
    }


@router.get("/cases", response_model=CaseList)
def list_cases(request: Request, site: SiteHere) -> Response:
    """The cases of the store, evaluated against what it holds now."""
    items = [entry(evaluated(site.store, record.name)) for record in site.store.cases()]
    return site.json(request, {"items": items})


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


@router.get("/cases/{name}", response_model=CaseInFull)
def show_case(request: Request, site: SiteHere, name: str) -> Response:
    """One case with its verdict, sensitivity, cut sets, confidence, experiments and debate."""
    found = evaluated(site.store, name)
    return site.json(request, entry(found) | numbers_of(found))
