"""What every page needs: the store, where the site is mounted, and how an answer is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from pellucid.store import Store
from pellucid.web.templating import fill


@dataclass(frozen=True)
class Site:
    """One store, shown at one place."""

    store: Store
    """What is shown; nothing else is served."""
    base: str = ""
    """Path under which the site is mounted, without a slash at its end."""

    def href(self, path: str) -> str:
        """The address of a path of this site."""
        return self.base + path

    def html(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page made from a template."""
        body = fill(template, self.base, status=status, **values).encode()
        return tagged(request, body, "text/html; charset=utf-8", status=status)

    def json(self, request: Request, data: Any, *, status: int = 200, links: str = "") -> Response:
        """An answer for programs; ``links`` names the neighbouring pages."""
        body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        return tagged(
            request, body, "application/json", status=status, headers={"link": links} if links else {}
        )


def tagged(
    request: Request,
    body: bytes,
    kind: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer with its ``ETag``; 304 without a body when the reader has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    kept = {**(headers or {}), "etag": tag, "cache-control": "no-cache"}
    asked = [name.strip().removeprefix("W/") for name in request.headers.get("if-none-match", "").split(",")]
    if status == 200 and (tag in asked or "*" in asked):
        return Response(status_code=304, headers=kept)
    return Response(body, status_code=status, headers=kept, media_type=kind)


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


SiteHere = Annotated[Site, Depends(site_of)]
