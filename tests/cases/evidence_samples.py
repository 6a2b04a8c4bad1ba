"""Evidence of chosen ages, logs, and cases of one leaf, judged at a fixed time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from case_arguments import header

from pellucid.cases import Case, Module, Node
from pellucid.cases.evaluation.verdict import Verdict, judge
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import Header

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def started(found: Header, time: str) -> Header:
    """The same Finding, measured at another time: its id stays."""
    return found.model_copy(update={"provenance": found.provenance.model_copy(update={"started": time})})


def ago(found: Header, **span: float) -> Header:
    return started(found, (NOON - timedelta(**span)).isoformat())


def verdict(
    case: Case, findings: object, present: dict[str, str] | None = None, **options: object
) -> Verdict:
    options.setdefault("at", NOON)
    return judge(case.graph, Evidence.of(case.graph, findings, present, modules=case.modules, **options))  # type: ignore[arg-type]


def one(found: Header, **layers: str) -> Case:
    bound = {"finding": found.id, "predicate": "score.low >= 1"} | layers
    return Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1").having(**bound)])


def layered(leaf_for: str = "", goal_for: str = "", top_for: str = "", module_for: str = "") -> Case:
    def window(text: str) -> dict[str, str]:
        return {"validFor": text} if text else {}

    found = header()
    nodes = (
        Node("G0", supported_by=("G1",)).having(**window(top_for)),
        Node("G1", supported_by=("Sn1",)).having(**window(goal_for)),
        Node("Sn1").having(finding=found.id, predicate="score.low >= 1", **window(leaf_for)),
    )
    return Case((Module("m", nodes, layers=tuple(window(module_for).items())),))


def log(
    digest: str = "ab" * 32,
    scorer: str = "match",
    *,
    refused: bool = False,
    score: float = 1.0,
    time: str = "",
    salt: str = "",
) -> Header:
    made = header(score=score, data=("eval:e1", digest), model=None, salt=salt)
    provenance = made.provenance.model_copy(update={"parameters": {"scorer": scorer}, "started": time})
    kind = "evaluation.log_refused" if refused else "evaluation.log"
    statement = "The log ended in error: out of memory" if refused else "The log has 500 samples"
    status = "failed" if refused else "supports"
    changed = {"kind": kind, "provenance": provenance, "statement": statement, "status": status, "id": ""}
    made = made.model_copy(update=changed)
    return made.model_copy(update={"id": made.identity()})


def logged(digest: str, **layers: str) -> Case:
    bound = {"log": digest, "predicate": "score.low >= 1"} | layers
    return Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1").having(**bound)])
