"""Models as JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from pellucid.store import ModelRecord
from pellucid.web.site import SiteHere

router = APIRouter(prefix="/api", tags=["models"])


class ModelEntry(BaseModel):
    """A model that was opened into the store."""

    sha256: str
    """Digest of the weights."""
    id: str
    """The name under which it was opened."""
    family: str
    """Its architecture."""
    parameters: int
    """How many numbers its weights hold."""
    facts: dict[str, Any]
    """Layers, widths and the rest."""
    findings: int
    """How many Findings speak of these weights."""


class ModelList(BaseModel):
    """The models of the store."""

    items: list[ModelEntry]
    """The models."""


def entry(model: ModelRecord, site: SiteHere) -> dict[str, Any]:
    """One model as JSON."""
    return {
        "sha256": model.sha256,
        "id": model.id,
        "family": model.family,
        "parameters": model.parameters,
        "facts": dict(model.facts),
        "findings": len(site.store.find(subject=model.sha256)),
    }


@router.get("/models", response_model=ModelList)
def list_models(request: Request, site: SiteHere) -> Response:
    """The models that were opened into this store."""
    return site.json(request, {"items": [entry(model, site) for model in site.store.models()]})


@router.get("/models/{sha256}", response_model=ModelEntry)
def show_model(request: Request, site: SiteHere, sha256: str) -> Response:
    """One model by the digest of its weights."""
    return site.json(request, entry(site.store.model(sha256), site))
