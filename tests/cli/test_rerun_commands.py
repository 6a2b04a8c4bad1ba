"""Which commands a re-run may run: those that measure, also where their group mostly shows what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pellucid.cases import Case
from pellucid.cli.commands.case_rerun import why_not
from pellucid.cli.main import run
from pellucid.store import open_store

URL = "sqlite:///pellucid.db"
RESULTS = "read_logs: {group: awareness, successes: 1}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PELLUCID_STORE", URL)
    return tmp_path


def write_log(path: str, scores: list[int]) -> None:
    samples = [
        {"id": at, "epoch": 1, "input": "", "target": "", "scores": {"match": {"value": value}}}
        for at, value in enumerate(scores)
    ]
    about = {
        "eval_id": path,
        "created": "2026-01-01T00:00:00Z",
        "task": "t",
        "model": "m",
        "dataset": {},
        "config": {},
    }
    results = {"total_samples": len(scores), "completed_samples": len(scores)}
    log = {"version": 2, "status": "success", "eval": about, "results": results, "samples": samples}
    Path(path).write_text(json.dumps(log), encoding="utf-8")


def cited(kind: str, predicate: str) -> str:
    """A case about the one Finding of a kind in the store; gives the Finding's command."""
    with open_store(URL) as store:
        (header,) = store.find(kind=kind)
    Case.read(f'G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {header.id}, predicate: "{predicate}"}}\n').write(
        "c.yaml"
    )
    return header.provenance.command


@pytest.mark.parametrize(
    "command",
    [
        "pellucid findings import a.eval",
        "pellucid findings compare a.eval b.eval",
        "pellucid case operational results.yaml",
        "pellucid metascience check base-models --benchmark ifeval",
        "pellucid study run scheming",
        "pellucid audit organism:bard",
    ],
)
def test_what_measures_may_be_run(command):
    assert why_not(command) is None


@pytest.mark.parametrize(
    "command",
    [
        "pellucid",
        "pellucid --help",
        "pellucid serve",
        "pellucid findings",
        "pellucid findings export abcd x.json",
        "pellucid case",
        "pellucid case rerun c.yaml",
        "pellucid case evaluate c.yaml",
        "pellucid library list",
    ],
)
def test_what_measures_nothing_may_not(command):
    assert why_not(command) == f"its command `{command}` measures nothing"


def test_the_operational_rules_are_applied_again(folder, capsys):
    Path("results.yaml").write_text(RESULTS, encoding="utf-8")
    assert run(["case", "operational", "results.yaml"]) == 0
    command = cited("cases.operational_inability", "awareness.high <= awareness_limit.value + 1")
    assert command == "pellucid case operational results.yaml"
    assert run(["case", "rerun", "c.yaml", "--all", "--json"]) in (0, 1)
    said = capsys.readouterr().out
    assert '"reproduced"' in said
    assert "measures nothing" not in said


def test_two_logs_are_compared_again(folder, capsys):
    write_log("a.json", [1, 1, 1, 0, 1, 1] * 5)
    write_log("b.json", [1, 0, 1, 0, 0, 1] * 5)
    assert run(["findings", "compare", "a.json", "b.json"]) == 0
    command = cited("evaluation.comparison", "difference.low > 0")
    assert command.startswith("pellucid findings compare")
    capsys.readouterr()
    assert run(["case", "rerun", "c.yaml", "--all", "--json"]) == 0
    assert '"reproduced"' in capsys.readouterr().out
