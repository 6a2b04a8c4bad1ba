"""The application: pages for people, JSON for programs, over one store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from pellucid import __version__
from pellucid.store import open_store
from pellucid.web import api, pages
from pellucid.web.refusals import answer_refusals
from pellucid.web.security import LOCAL_HOSTS, Guard
from pellucid.web.site import Site
from pellucid.web.templating import STATIC, plotly_file


def create_app(store_url: str, *, base: str = "", hosts: Iterable[str] = LOCAL_HOSTS) -> FastAPI:
    """The web application over a store: pages at ``/``, the same as JSON under ``/api``.

    Arguments:
        store_url: URL of the store, as for ``pellucid.store.open_store``.
        base: path under which a proxy mounts the site, for example ``/pellucid``.
        hosts: names in the ``Host`` header that are answered; ``*`` answers all.

    Errors:
        InputError of the store when it cannot be opened.

    Example:
        >>> app = create_app("sqlite:///:memory:")  # doctest: +SKIP
    """
    store = open_store(store_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Keep the store open as long as the application runs."""
        with store:
            yield

    app = FastAPI(
        title="Pellucid",
        version=__version__,
        description="Findings, models, cases and the library of one store. Read only.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # the usual documentation page loads its script from another server
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.site = Site(store, base.rstrip("/"))
    answer_refusals(app)
    add_files(app)
    for router in (pages.library, pages.models, pages.dictionaries, pages.findings, pages.cases):
        app.include_router(router)
    for router in (api.library, api.models, api.findings, api.cases, api.overview):
        app.include_router(router)
    app.add_middleware(Guard, hosts=frozenset(hosts), base=base.rstrip("/"))
    return app


def add_files(app: FastAPI) -> None:
    """Serve the stylesheets and scripts: our own folder, and Plotly's script from its own package."""

    @app.get("/static/plotly.min.js", include_in_schema=False)
    def plotly_script() -> Response:
        """The script that draws the pictures."""
        return FileResponse(plotly_file(), media_type="text/javascript")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
