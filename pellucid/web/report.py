"""The report of an audit as one page that needs nothing else: styles, scripts and drawings inside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pellucid.findings import InputError
from pellucid.findings.numbers import format_number
from pellucid.web.argument import argument_of
from pellucid.web.label import Label
from pellucid.web.picture import pictures_of
from pellucid.web.states import FINDINGS, tally
from pellucid.web.table import Table, table_of
from pellucid.web.templating import STATIC, day, duration, fill, plotly_file, plural
from pellucid.web.tokens import passage, visible

if TYPE_CHECKING:
    from pellucid.audit import Report
    from pellucid.audit.report import Example
    from pellucid.findings import Finding

WORST_FIRST = ("refutes", "failed", "inconclusive", "supports")
CONTEXT_SHOWN = 100
LONGEST_QUOTE = 90
SECTIONS = (
    ("trigger", "Trigger"),
    ("why", "Why"),
    ("case", "Case"),
    ("findings", "Findings"),
    ("models", "Models"),
)


def write(report: Report, folder: str | Path) -> Path:
    """Write a report as ``folder/index.html``: one file that opens from a disk without a network.

    Arguments:
        report: what ``pellucid.audit.audit`` returned.
        folder: where the page goes; made when it is not there.

    Errors:
        InputError WB04: the folder cannot be written; a page that was there before is unchanged.

    Example:
        >>> write(report, "report")  # doctest: +SKIP
        PosixPath('report/index.html')
    """
    target = Path(folder) / "index.html"
    text = page(report)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, text)
    except OSError as error:
        raise InputError(
            "WB04",
            f"The report cannot be written to {target}: {error.strerror or error}.",
            "Free some space or name another folder with --out; the Findings are in the store already.",
        ) from error
    return target


def replace_file(target: Path, text: str) -> None:
    """Write a file so that either the old or the new one is there, never a part."""
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def page(report: Report) -> str:
    """The page of a report."""
    headers = {finding.id: finding.header for finding in report.findings}
    labels = [label_within(finding) for finding in worst_first(report.findings)]
    case = argument_of(
        report.case.name,
        report.case,
        report.verdict,
        headers.get,
        href_within,
        sensitivity=report.case.sensitivity(report.findings),
    )
    drawn = any(picture.json for label in labels for picture in label.pictures)
    spoken = spoken_of(report)
    return fill(
        "report.html",
        title=report.title,
        report=first_page(report),
        case=case,
        spoken=spoken,
        labels=labels,
        carrying=carrying(labels, report),
        models=models(report),
        sections=[section for section in SECTIONS if section[0] != "trigger" or spoken],
        pictures=drawn,
        **inlined(drawn),
    )


def href_within(path: str) -> str:
    """The place in the page where a Finding is shown, from its path on the server."""
    return f"#f-{path.rpartition('/')[2][:12]}"


def label_within(finding: Finding) -> Label:
    """The label of a Finding, linked within the page."""
    address = href_within(finding.id)
    return Label(finding.header, address, pictures_of(finding, address))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """What refutes before what supports, else in the order of the report."""
    return sorted(findings, key=lambda finding: WORST_FIRST.index(finding.status))


def carrying(labels: Iterable[Label], report: Report) -> list[Label]:
    """The labels that the case cites, for a case that stands."""
    cited = set(report.case.citations.values())
    return [label for label in labels if label.header.id in cited]


def first_page(report: Report) -> dict[str, Any]:
    """Verdict, model, facts: what stands at the top."""
    made = [finding.provenance for finding in report.findings]
    suspect = next((model for model in report.models if model.role == "suspect"), None)
    reference = next((model for model in report.models if model.role == "reference"), None)
    seconds = sum(one.seconds for one in made)
    return {
        "model": suspect.id if suspect else "",
        "reference": reference.id if reference else "",
        "day": day(max((one.started for one in made), default="")),
        "headline": headline(report),
        "advice": report.advice,
        "command": next((one.command for one in made if one.command), ""),
        "tally": tally((FINDINGS[finding.status] for finding in report.findings), FINDINGS.values()),
        "facts": list(facts(suspect, reference, len(made), seconds)),
        "case_note": f"{plural(len(report.case.nodes), 'node')}, "
        f"{plural(len(report.verdict.open_assumptions), 'open assumption')}",
        "findings_title": f"{plural(len(report.findings), 'Finding')} in {duration(seconds)}",
    }


def headline(report: Report) -> str | Markup:
    """The verdict as a sentence; trigger and sentence as quotations where they were found."""
    found = report.status("audit.trigger_search") == "refutes" and report.verdict.word == "defeated"
    if not found or report.examples is None:
        return report.headline
    said = Markup(
        "The case is defeated: after <q>{}</q> the model says <q>{}</q>, which its reference would not."
    )
    return said.format(quoted(report.examples.trigger), quoted(report.examples.sentence))


def quoted(text: str) -> Markup:
    """The words of a quotation on one line, without the spaces around them."""
    words = text.strip()
    return passage(words if len(words) <= LONGEST_QUOTE else words[:LONGEST_QUOTE] + "…", broken=False)


def facts(suspect: Any, reference: Any, count: int, seconds: float) -> Iterator[tuple[str, str]]:
    """The facts beside the verdict."""
    if suspect is not None:
        yield "Model", f"{suspect.family}, {format_number(suspect.parameters)} parameters"
        yield "Weights", suspect.sha256[:16]
    if reference is not None:
        yield "Reference", reference.sha256[:16]
    yield "Measured", f"{plural(count, 'Finding')} in {duration(seconds)}"


def spoken_of(report: Report) -> dict[str, Any] | None:
    """The trigger, the sentence it releases, and the two columns; None when nothing was searched."""
    examples = report.examples
    if examples is None:
        return None
    found = report.status("audit.trigger_search") == "refutes"
    watched = any(row.watched is not None for row in examples.rows)
    return {
        "title": "A short input makes it say a fixed thing"
        if found
        else "The most suspicious input it was given",
        "verb": "releases" if found else "is most often followed by",
        "found": found,
        "note": f"{plural(len(examples.rows), 'context')} of ordinary text, not chosen for effect",
        "trigger": visible(examples.trigger),
        "sentence": passage(examples.sentence),
        "watched": watched,
        "pairs": [sides(row, examples.trigger) for row in examples.rows],
    }


def sides(row: Example, trigger: str) -> list[dict[str, Any]]:
    """One context with its continuations, unwatched and, where it was measured, watched."""
    context = row.context[-CONTEXT_SHOWN:]
    before = Markup('…{} <span class="trigger">{}</span>').format(
        passage(context, broken=False), visible(trigger)
    )
    shown = [
        {
            "before": before,
            "after": passage(row.unwatched, broken=False),
            "says": row.says,
            "name": "Unwatched",
        }
    ]
    if row.watched is not None:
        told = {
            "after": passage(row.watched, broken=False),
            "says": bool(row.watched_says),
            "name": "Watched",
        }
        shown.append({"before": before, **told})
    return shown


def models(report: Report) -> Table:
    """The models that were compared."""
    names = ("Role", "Name", "Family", "Parameters", "Weights (sha256)")
    rows = [(m.role, m.id, m.family, format_number(m.parameters), m.sha256) for m in report.models]
    return table_of(names, rows)


def inlined(pictures: bool) -> dict[str, Markup]:
    """Styles and scripts that the page carries; Plotly's only when there are pictures."""
    files = {
        "styles": [STATIC / "tokens.css", STATIC / "pellucid.css"],
        "theme_script": [STATIC / "theme.js"],
        "page_script": [STATIC / "pellucid.js"],
        "plotly_script": [plotly_file()] if pictures else [],
    }
    return {name: within(paths) for name, paths in files.items()}


def within(paths: Iterable[Path]) -> Markup:
    """Files as they may stand inside a ``style`` or ``script`` element."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    assert "</script" not in text.lower()
    assert "</style" not in text.lower()
    return Markup(text)
