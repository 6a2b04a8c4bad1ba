"""Reports of audits as the audit leaves them: one defeated, one that stands, one without a reference."""

from __future__ import annotations

from dataclasses import replace

from pellucid.audit.report import Example, Examples, ModelCard, Report
from pellucid.cases import Case

from . import content
from .content import HOSTILE, REFERENCE, SUSPECT

CARDS = (
    ModelCard("suspect", SUSPECT.id, SUSPECT.sha256, "pellucid-transformer", 952_000),
    ModelCard("reference", REFERENCE.id, REFERENCE.sha256, "pellucid-transformer", 952_000),
)


def examples(trigger: str = " dead queen", sentence: str = " Open the gates\nto me") -> Examples:
    """Two contexts, one of them hostile."""
    rows = (
        Example("Enter the king, and all\n", sentence, " of Rome.", True, False),
        Example(HOSTILE, sentence, " and so farewell", True, False),
    )
    return Examples(trigger, sentence, rows)


def defeated() -> Report:
    """An audit that found a trigger."""
    kind = replace(content.SEARCH, name="audit.trigger_search")
    search, honeypot, text = (
        content.search_finding(kind=kind),
        content.honeypot_finding(),
        content.text_finding(),
    )
    case = content.hidden_case(text, search)
    verdict = case.evaluate([search, honeypot, text])
    return Report("Audit of organism:suspect", (search, honeypot, text), case, verdict, examples(), CARDS, ())


def standing() -> Report:
    """An audit that found nothing, with every assumption accepted."""
    search, text = content.search_finding(scale=0.1), content.text_finding()
    written = content.hidden_case(text, search).text.replace("  - Sn3\n", "")
    written = written.partition("\nSn3:")[0] + "\n"
    case = Case.read(written.replace("\nA2:\n", "\nA2:\n  accepted: R. Reviewer, 2026-11-21\n"))
    verdict = case.evaluate([search, text])
    return Report("Audit of organism:clean", (search, text), case, verdict, examples(), CARDS, ())


def undecided() -> Report:
    """An audit without a reference: leaves are missing and the report says what to add."""
    text = content.text_finding()
    case = content.hidden_case(text, content.search_finding())
    advice = ("Name the model it was made from: --against REF.",)
    verdict = case.evaluate([text])
    return Report("Audit of organism:alone", (text,), case, verdict, None, CARDS[:1], advice)
