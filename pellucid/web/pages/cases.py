"""Pages of cases: which there are, and one drawn with the reason for its verdict."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pellucid.web.argument import Argument, argument_of, counts
from pellucid.web.confidence import sure_of
from pellucid.web.debate import dispute_of
from pellucid.web.element import anchors_of
from pellucid.web.evaluated import Evaluated, evaluated
from pellucid.web.experiments import next_of
from pellucid.web.hanging import hangs_of
from pellucid.web.site import Site, SiteHere
from pellucid.web.states import VALUES, VERDICTS
from pellucid.web.templating import plural

router = APIRouter(include_in_schema=False)


@router.get("/cases")
def list_cases(request: Request, site: SiteHere) -> Response:
    """The cases of the store with both readings of their verdict."""
    rows = [row(record.name, site) for record in site.store.cases()]
    return site.html(request, "cases.html", title=plural(len(rows), "case"), here="/cases", cases=rows)


def row(name: str, site: Site) -> dict[str, object]:
    """One case in the list, evaluated against what is stored now."""
    found = evaluated(site.store, name)
    top = found.case.nodes.get(found.verdict.top.split(", ")[0])
    told = list(counts(found.case, found.verdict, found.find))
    return {
        "href": site.href(f"/cases/{name}"),
        "name": name,
        "claim": (top.text or "") if top else "",
        "verdict": VALUES[found.verdict.value],
        "now": VERDICTS[found.verdict.word],
        "counts": told,
        "subject": found.record.subject_sha[:12],
    }


@router.get("/cases/{name}")
def show_case(request: Request, site: SiteHere, name: str) -> Response:
    """One case: verdict, drawing, reason path, outline and assumptions."""
    found = evaluated(site.store, name)
    files = (
        (site.href(f"/api/cases/{name}"), "JSON"),
        (site.href(f"/api/cases/{name}.yaml"), "YAML"),
        (site.href(f"/api/cases/{name}.svg"), "SVG"),
    )
    argument = argument_of(
        name,
        found.case,
        found.verdict,
        found.find,
        site.href,
        sensitivity=found.sensitivity,
        confidence=found.confidence,
        downloads=files,
    )
    whole = with_numbers(argument, found)
    return site.html(request, "case.html", title=whole.headline, here="/cases", case=whole)


def with_numbers(argument: Argument, found: Evaluated) -> Argument:
    """A case with the sections below its drawing."""
    case, anchors = found.case, anchors_of(found.case)
    return replace(
        argument,
        hangs=hangs_of(case, found.sensitivity, *found.cut_sets, anchors),
        sure=sure_of(case, found.confidence, found.flags, anchors),
        next=next_of(argument.name, case, found.verdict, found.experiments, found.find, anchors),
        debate=dispute_of(case, found.debate, anchors),
    )
