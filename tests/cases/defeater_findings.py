"""Findings about benchmarks, probes and interventions, made for tests of defeaters."""

from __future__ import annotations

from typing import Any

from pellucid.findings import Header


def finding(
    kind: str,
    measures: dict[str, tuple[float | None, float | None, float | None]],
    *,
    parameters: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    evidence: str = "behavioural",
    stance: str = "observational",
    status: str = "supports",
    seed: int | None = None,
    n: int | None = None,
    method: str = "room.method",
    retracted: bool = False,
    salt: str = "",
) -> Header:
    """The header of a Finding with measures given as value, low, high."""
    rows = [
        {"name": name, "value": v, "low": low, "high": high, "n": n}
        for name, (v, low, high) in measures.items()
    ]
    values: dict[str, Any] = {
        "kind": kind,
        "title": "A sample",
        "room": kind.split(".")[0],
        "template": "sample",
        "statement": f"sample {salt}",
        "stance": stance,
        "evidence": evidence,
        "measures": rows,
        "payload": "0" * 64,
        "status": status,
        "provenance": {
            "method": method,
            "code": {"method": method, "digest": "c0"},
            "parameters": parameters or {},
            "given": given or {},
            "seed": seed,
        },
    }
    if retracted:
        values["retracted"] = {"reason": "wrong", "author": "R", "time": "2026-11-21T00:00:00Z"}
    made = Header.model_validate(values)
    return made.model_copy(update={"id": made.identity()})


def correlation(low: float | None, high: float | None, benchmark: str = "gpqa", **more: Any) -> Header:
    """How a benchmark correlates with capability."""
    value = None if low is None or high is None else (low + high) / 2
    parameters = {"benchmark": benchmark}
    return finding(
        "metascience.capability_correlation",
        {"correlation": (value, low, high)},
        parameters=parameters,
        **more,
    )


def reliability(low: float, high: float, benchmark: str = "gpqa", **more: Any) -> Header:
    """How reliable a benchmark is."""
    return finding(
        "metascience.reliability",
        {"alpha": ((low + high) / 2, low, high)},
        parameters={"benchmark": benchmark},
        **more,
    )


def score(**more: Any) -> Header:
    """A good score with an interval; ``score.low >= 0.5`` holds."""
    return finding("room.score", {"score": (0.8, 0.7, 0.9)}, **more)


HOLDS = "score.low >= 0.5"
PROBE = score(evidence="correlational", salt="probe")
PATCH = score(evidence="causal", stance="interventional", salt="patch")
PROOF = score(evidence="formal", salt="proof")
WATCHED = score(evidence="behavioural", salt="watched")
