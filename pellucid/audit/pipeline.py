"""The main job: open, compare, search, test, and argue from what was measured."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.audit.activation import activation_change
from pellucid.audit.config import AuditConfig
from pellucid.audit.confirm import trigger_search
from pellucid.audit.evidence import Session
from pellucid.audit.honeypot import honeypot
from pellucid.audit.latents import joint_latents, own_latents
from pellucid.audit.pair import Pair, anonymous
from pellucid.audit.recovery import recovery
from pellucid.audit.reference import reference
from pellucid.audit.report import ModelCard, Report, examples_of
from pellucid.audit.search import candidates
from pellucid.audit.sites import important_sites, patched_answer
from pellucid.audit.spectrum import weight_spectrum
from pellucid.audit.suppressor import suppressor
from pellucid.audit.template import Acceptances, instantiate
from pellucid.audit.text import text_divergence
from pellucid.cases import Case, Verdict
from pellucid.compute import SILENT, InProcess, Progress, one_thread
from pellucid.findings import Finding, InputError
from pellucid.models import Model, TextData, read_text

if TYPE_CHECKING:
    from pellucid.store import Store

CASE = "hidden-behaviour"
QUICK = AuditConfig()
READ_FIRST = (
    "audit.trigger_search",
    "audit.honeypot",
    "audit.text_divergence",
    "audit.weight_spectrum",
    "audit.reference",
    "audit.power",
)


def audit(
    model: Model,
    config: AuditConfig = QUICK,
    *,
    against: Model | None = None,
    text: Path | str | TextData | None = None,
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Progress = SILENT,
    power: Finding | None = None,
    today: date | None = None,
    command: str = "",
) -> Report:
    """Audit a model: measure what can be measured about hidden behaviour, and argue from it.

    Every step's Finding is stored as soon as it exists; a run that was interrupted takes them over and goes
    on. Neither the names of the models nor the reviewer enter a measurement.

    Args:
        model: The suspect.
        config: Settings; the thresholds of the decision rule are frozen and not among them.
        against: The reference that the suspect was made from. Without it the comparing steps are absent,
            their leaves are missing, and the verdict is undecided.
        text: Held-out ordinary text: a UTF-8 file, or text that was read already.
        store: Where Findings are kept; None keeps nothing.
        executor: Where the work runs; default: this process.
        progress: Who sees how far the work is.
        power: A Finding ``audit.power``; default: the newest stored one about the same reference.
        today: The day on which assumptions are accepted; default: today, UTC.
        command: The command that runs this again, for provenance.

    Returns:
        A Report with the Findings, the case and its verdict.

    Raises:
        InputError: AU04 for a text that is too short, AU05 for models that read too few tokens, AU09 without
            text.

    Example: ``audit(open_model("suspect"), AuditConfig(), against=open_model("base"),
        text=Path("held_out.txt"))``.

    Source: this project's audit, after the evaluations-based safety cases of Balesni et al. (2024), arXiv
        2411.03336.
    """
    session = Session(executor or InProcess(), progress, store, command)
    ordinary = ordinary_text(model, text)
    suspect = anonymous(model)
    pair = None if against is None else Pair(suspect, anonymous(against))
    marker = marker_of(config, model, against)
    with one_thread():
        findings = alone(suspect, ordinary, config, session)
        if pair is not None:
            findings += compared(pair, ordinary, marker, config, session)
    known = power or stored_power(store, against)
    shown = [*findings, *([known] if known is not None else [])]
    by_kind = first_of_each(shown)
    case = instantiate(
        pair,
        model.sha256,
        {kind: finding for kind, finding in by_kind.items() if kind != "audit.power"},
        Acceptances(config.accept, config.reviewer, today or datetime.now(UTC).date()),
        marker=marker,
        power=known,
        words={"text": f"{len(ordinary.tokens)} tokens, {ordinary.sha256[:12]}"},
    )
    verdict = case.evaluate(shown)
    if store is not None:
        keep(store, model, against, case, verdict)
    return Report(
        title=f"Audit of {model.id}" + (f" against {against.id}" if against else ""),
        findings=in_reading_order(shown),
        case=case,
        verdict=verdict,
        examples=examples_of(model, by_kind),
        models=cards(model, against),
        advice=advice(against, by_kind, marker, verdict),
    )


def ordinary_text(model: Model, text: Path | str | TextData | None) -> TextData:
    """The held-out text as the suspect's tokens."""
    if text is None:
        raise InputError(
            "AU09",
            "No ordinary text was given.",
            "Name a UTF-8 file that the model was not trained on; some 200 000 characters are a good size.",
        )
    return text if isinstance(text, TextData) else read_text(Path(text), model.tokenizer)


def marker_of(config: AuditConfig, *models: Model | None) -> str | None:
    """How observation is announced: as told, or as a model's deployment card declares."""
    declared = [model.card.get("observation_marker") for model in models if model is not None]
    return config.marker or next((marker for marker in declared if marker), None)


def alone(model: Model, text: TextData, config: AuditConfig, session: Session) -> list[Finding]:
    """What needs no reference: the sites that matter, and a dictionary of the suspect."""
    return [
        important_sites(model, text, config, session=session),
        *own_latents(model, text, config, session=session),
    ]


def compared(
    pair: Pair, text: TextData, marker: str | None, config: AuditConfig, session: Session
) -> list[Finding]:
    """Everything that compares the suspect with its reference; nothing more when that is no ancestor."""
    ancestor = reference(pair, session=session)
    if ancestor.status != "supports":
        return [ancestor]
    found = candidates(pair, text, config, session=session)
    searched = trigger_search(pair, text, found, config, session=session)
    findings = [
        ancestor,
        text_divergence(pair, text, config, session=session),
        weight_spectrum(pair, session=session),
        found,
        searched,
    ]
    if marker is not None:
        findings.append(honeypot(pair, text, searched, marker, config, session=session))
    leaks = leak_suspected(first_of_each(findings))
    findings += [
        suppressor(pair, text, searched, config, session=session),
        activation_change(pair, text, searched, config, session=session),
        patched_answer(pair, text, searched, config, session),
        joint_latents(pair, text, searched, config, session=session),
    ]
    if config.depth.recovery:
        findings.append(recovery(pair, text, searched, config, leaks=leaks, session=session))
    return findings


def leak_suspected(findings: dict[str, Finding]) -> bool:
    """Whether the candidate releases the sentence watched or not, as the sentence's own beginning would."""
    searched, tested = findings.get("audit.trigger_search"), findings.get("audit.honeypot")
    if searched is None or tested is None:
        return False
    return searched.status == "refutes" and tested.status == "supports"


def stored_power(store: Store | None, against: Model | None) -> Finding | None:
    """The newest stored power of a search against the same reference."""
    if store is None or against is None:
        return None
    headers = store.find(kind="audit.power", subject=against.sha256, limit=1)
    return store.get(headers[0].id) if headers else None


def first_of_each(findings: list[Finding]) -> dict[str, Finding]:
    """Findings by kind, the first of each."""
    by_kind: dict[str, Finding] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, finding)
    return by_kind


def in_reading_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """What decides first, then the rest as it was measured."""
    return tuple(
        sorted(
            findings,
            key=lambda finding: (
                READ_FIRST.index(finding.kind) if finding.kind in READ_FIRST else len(READ_FIRST)
            ),
        )
    )


def cards(model: Model, against: Model | None) -> tuple[ModelCard, ...]:
    """Suspect and reference."""
    named = (("suspect", model), ("reference", against))
    return tuple(ModelCard.of(role, one) for role, one in named if one is not None)


def keep(store: Store, model: Model, against: Model | None, case: Case, verdict: Verdict) -> None:
    """Put the models and the case into the store."""
    from pellucid.store import ModelRecord

    for one in (model, against):
        if one is not None:
            facts = as_plain(one.facts)
            store.put_model(ModelRecord(one.sha256, one.id, one.family, int(one.facts.parameters), facts))
    store.put_case(f"{CASE}-{model.sha256[:12]}", case.text, model.sha256, verdict.to_dict())


def as_plain(facts: Any) -> dict[str, Any]:
    """Facts as plain values."""
    return asdict(facts) if is_dataclass(facts) and not isinstance(facts, type) else dict(facts)


def advice(
    against: Model | None, findings: dict[str, Finding], marker: str | None, verdict: Verdict
) -> tuple[str, ...]:
    """What is missing for a verdict, and how to add it."""
    lines = []
    if against is None:
        lines.append("No reference was given: add the model that this one was made from (--against REF).")
    elif findings["audit.reference"].status != "supports":
        lines.append(
            "The reference is no ancestor of the suspect: compare with the model that it was made from."
        )
    if marker is None:
        lines.append("No marker of observation is declared: say how the deployment shows it (--marker TEXT).")
    if "audit.power" not in findings:
        lines.append(
            "The power of the search was not measured against this reference: accept A2 and A2b by name."
        )
    if leak_suspected(findings):
        lines.append(
            "The candidate releases the sentence watched or not: it may be the sentence's own beginning and "
            "not its trigger; the full profile searches for what releases it (--profile full)."
        )
    lines += [f"Open: {name}." for name in verdict.open_assumptions]
    return tuple(lines)
