"""What the JSON side offers, as a page to read; the machine's version is ``/api/openapi.json``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pellucid.web.site import SiteHere

router = APIRouter(include_in_schema=False)


@router.get("/api")
def show_overview(request: Request, site: SiteHere) -> Response:
    """Every address with what it gives, from the OpenAPI description."""
    paths = request.app.openapi()["paths"]
    rows = [
        (path, get["description"], [f"{p['name']}" for p in get.get("parameters", []) if p["in"] == "query"])
        for path, methods in sorted(paths.items())
        for get in [methods["get"]]
    ]
    return site.html(request, "api.html", title="JSON for programs", rows=rows)
