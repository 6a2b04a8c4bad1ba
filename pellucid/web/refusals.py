"""How a mistake is answered: a page that says what exists, or the same as JSON under ``/api``."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pellucid.findings import InputError, MissingError
from pellucid.web.site import site_of
from pellucid.web.templating import ROOMS


@dataclass(frozen=True)
class Refusal:
    """What was wrong with a request."""

    status: int
    """Status of HTTP."""
    code: str
    """Stable id of the check."""
    problem: str
    """What was given and what was expected."""
    remedy: str
    """What to do."""


TITLES = {400: "This request cannot be read", 404: "There is nothing at this address"}
NO_PAGE = "WB02"
BAD_QUERY = "WB03"


def answer_refusals(app: FastAPI) -> None:
    """Register how each kind of error is answered."""

    @app.exception_handler(MissingError)
    def missing(request: Request, error: MissingError) -> Response:
        """What is not there: 404, with what is near."""
        return refuse(request, Refusal(404, error.code, error.problem, error.remedy))

    @app.exception_handler(InputError)
    def wrong(request: Request, error: InputError) -> Response:
        """What cannot be read: 400."""
        return refuse(request, Refusal(400, error.code, error.problem, error.remedy))

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, error: RequestValidationError) -> Response:
        """A parameter that is no number, or out of its range: 400."""
        return refuse(request, Refusal(400, BAD_QUERY, describe(error), "Correct the address and try again."))

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        """No page at this address, or another refusal of HTTP."""
        problem = f"No page is at {request.url.path}." if error.status_code == 404 else str(error.detail)
        remedy = "Start from one of the rooms, or search the library."
        return refuse(request, Refusal(error.status_code, NO_PAGE, problem, remedy))


def describe(error: RequestValidationError) -> str:
    """Which parameter was wrong, what it was, and what was expected."""
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return f"{name} = {first.get('input')!r} is not valid: {first['msg']}."


def refuse(request: Request, refusal: Refusal) -> Response:
    """Answer with a page for people, or with JSON under ``/api``."""
    site = site_of(request)
    if in_api(request):
        error = {"code": refusal.code, "problem": refusal.problem, "remedy": refusal.remedy}
        return site.json(request, {"error": error}, status=refusal.status)
    return site.html(
        request,
        "error.html",
        status=refusal.status,
        title=TITLES.get(refusal.status, "This did not work"),
        code=refusal.code,
        problem=refusal.problem,
        remedy=refusal.remedy,
        choices=[(site.href(path), name) for path, name in ROOMS],
    )


def in_api(request: Request) -> bool:
    """Whether a request is for programs."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return path.startswith("/api/")
