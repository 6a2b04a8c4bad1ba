"""Pages of models: which were opened, and what was found in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from pellucid.findings.numbers import format_number
from pellucid.store import ModelRecord
from pellucid.web.label import label_of
from pellucid.web.paging import page_of
from pellucid.web.site import Site, SiteHere
from pellucid.web.states import FINDINGS, tally
from pellucid.web.templating import plural

router = APIRouter(include_in_schema=False)
PAGE = 24


@router.get("/models")
def list_models(request: Request, site: SiteHere) -> Response:
    """The models that were opened into this store."""
    models = site.store.models()
    return site.html(
        request,
        "models.html",
        title=f"{plural(len(models), 'model')} opened",
        here="/models",
        models=[row(model, site) for model in models],
    )


def row(model: ModelRecord, site: Site) -> dict[str, object]:
    """One model in the list."""
    facts: Mapping[str, Any] = model.facts
    return {
        "href": site.href(f"/models/{model.sha256}"),
        "id": model.id,
        "family": model.family,
        "parameters": format_number(model.parameters),
        "layers": facts.get("n_layers", ""),
        "width": facts.get("d_model", ""),
        "findings": len(site.store.find(subject=model.sha256)),
        "short": model.sha256[:12],
    }


@router.get("/models/{sha256}")
def show_model(
    request: Request, site: SiteHere, sha256: str, page: Annotated[int, Query(ge=1)] = 1
) -> Response:
    """One model: its facts, and the Findings about its weights."""
    model = site.store.model(sha256)
    found = site.store.find(subject=model.sha256)
    shown = page_of(found, page, PAGE, site.href(f"/models/{model.sha256}"), {})
    return site.html(
        request,
        "model.html",
        title=model.id,
        here="/models",
        model=describe(model, [header.status for header in found]),
        labels=[label_of(header, site.href) for header in shown.rows],
        pages=shown,
    )


def describe(model: ModelRecord, statuses: list[str]) -> dict[str, object]:
    """What the page says of a model."""
    return {
        "id": model.id,
        "ref": model.id,
        "sha256": model.sha256,
        "sentence": f"{model.family}, {format_number(model.parameters)} parameters, "
        f"{plural(len(statuses), 'Finding')} about these weights.",
        "tally": tally((FINDINGS[status] for status in statuses), FINDINGS.values()),
        "facts": list(facts(model)),
    }


def facts(model: ModelRecord) -> Iterator[tuple[str, str]]:
    """Layers, widths and the rest, as they are read."""
    for name, value in model.facts.items():
        if value is None or name == "parameters":
            continue
        yield name.replace("_", " "), readable(value)


def readable(value: object) -> str:
    """A fact as it is read: yes and no, numbers, else its text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)
