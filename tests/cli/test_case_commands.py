"""Commands about cases as a user runs them: from a template to a kept case, and the findings made for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pellucid.cases import Case, read_evidence_items, templates
from pellucid.cli.main import run
from pellucid.store import open_store

SYSTEM = """
decision: deploy the agent
window: one year
subsystems: [{id: agent, instances: 3}, {id: guard, text: reads it}]
outcomes: [{id: leak, text: the weights leave, tolerated_probability: 0.01}]
infractions:
  - {id: steals, subsystem: agent, text: copies weights, probability: 0.002}
  - {id: misses, subsystem: guard, text: overlooks it, probability: 1/10}
threat_models: [{text: unseen theft, outcome: leak, infractions: [steals, misses], need: all}]
interactions: [{subsystems: [agent, guard], mode: correlated, beta: 0.2}]
"""
PLAIN = """
module: {name: lab}
G1: {text: It is safe, category: control, supportedBy: [Sn1]}
Sn1: {text: Measured}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PELLUCID_STORE", f"sqlite:///{tmp_path}/lab.db")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", [template.name for template in templates()])
def test_every_template_becomes_a_case_that_waits_for_evidence(name, here, capsys):
    assert run(["case", "templates", name]) == 0
    (here / "values.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert run(["case", "new", name, "--values", "values.yaml", "--out", "made.yaml", "--json"]) == 0
    made = told(capsys)
    assert made["elements"] == len(Case.read(here / "made.yaml").nodes)
    assert made["slots"]
    assert run(["case", "check", "made.yaml"]) == 0
    capsys.readouterr()
    assert run(["case", "evaluate", "made.yaml", "--json"]) == 1
    assert told(capsys)["word"] == "undecided"
    assert run(["case", "risk", "made.yaml", "--out", "risk.yaml"]) == 0
    assert run(["case", "debate", "made.yaml", "--risk", "risk.yaml"]) == 1


def test_a_macrosystem_becomes_a_finding_and_a_case_that_cites_it(here, capsys):
    (here / "system.yaml").write_text(SYSTEM, encoding="utf-8")
    assert run(["case", "macrosystem", "system.yaml", "--out", "six.yaml", "--json"]) == 0
    found = told(capsys)
    assert found["kind"] == "cases.macrosystem_risk"
    assert run(["case", "evaluate", "six.yaml", "--json"]) == 1
    assert told(capsys)["states"]["Sn6"]["value"] == "T"
    assert run(["case", "evidence", "six.yaml", "--out", "items.json"]) == 0
    (item,) = read_evidence_items((here / "items.json").read_text(encoding="utf-8"), "items.json")
    assert (item.verdict, item.provenance["runId"]) == ("PASS", found["id"])
    capsys.readouterr()
    assert run(["findings", "import", "items.json", "--json"]) == 0
    assert [one["kind"] for one in told(capsys)] == ["cases.evidence_item"]


def test_faults_of_a_macrosystem_are_all_named(here, capsys):
    text = SYSTEM.replace("instances: 3", "instances: many").replace("text: reads it", "txt: reads it")
    (here / "system.yaml").write_text(text, encoding="utf-8")
    assert run(["case", "macrosystem", "system.yaml"]) == 2
    assert "subsystems.1.txt: no such field. Did you mean 'text'?" in capsys.readouterr().err
    (here / "system.yaml").write_text(SYSTEM.replace("0.01", "little"), encoding="utf-8")
    assert run(["case", "macrosystem", "system.yaml"]) == 2
    error = capsys.readouterr().err
    assert "error (Y76)" in error
    assert "outcomes.0.tolerated_probability" in error


def test_operational_rules_from_a_file(here, capsys):
    rows = [f"a{n}: {{group: awareness, successes: {50 * (n < 2)}}}" for n in range(11)]
    rows += [f"s{n}: {{group: stealth, successes: 50, humans: [0.1, 0.2]}}" for n in range(5)]
    (here / "results.yaml").write_text("\n".join(rows), encoding="utf-8")
    assert run(["case", "operational", "results.yaml", "--json"]) == 0
    assert told(capsys)["kind"] == "cases.operational_inability"


def test_a_kept_case_is_listed_and_versioned(here, capsys):
    (here / "lab.yaml").write_text(PLAIN, encoding="utf-8")
    assert run(["case", "keep", "lab.yaml"]) == 1
    assert "Kept lab, version 1: the case is undecided." in capsys.readouterr().out
    assert run(["case", "keep", "lab.yaml", "--json"]) == 1
    assert told(capsys)["version"] == 2
    with open_store(f"sqlite:///{here}/lab.db") as store:
        assert [record.name for record in store.cases()] == ["lab"]
    assert run(["case", "evaluate", "lab"]) == 1


def test_backfire_doubts_are_raised_against_a_mitigation(here, capsys):
    (here / "lab.yaml").write_text(PLAIN, encoding="utf-8")
    assert run(["case", "backfire", "lab.yaml", "--goal", "G1", "--out", "doubted.yaml", "--json"]) == 0
    raised = told(capsys)["raised"]
    assert len(raised) == 6
    case = Case.read(here / "doubted.yaml")
    assert {case.nodes[name].challenges for name in raised} == {("G1",)}
    assert "B01" not in {one.code for one in case.check()}
    assert "B01" in {one.code for one in Case.read(here / "lab.yaml").check()}


def test_numbers_about_a_case(here, capsys):
    text = PLAIN.replace("{text: Measured}", "{text: Judged, confidence: '0.9', rated: 'Ada, 2026-11-24'}")
    (here / "lab.yaml").write_text(text, encoding="utf-8")
    assert run(["case", "confidence", "lab.yaml", "--json"]) == 0
    found = told(capsys)
    assert found["top"]["exact"] == pytest.approx(0.9, abs=1e-12)
    assert found["leaves"]["Sn1"]["judged"] is True
    assert run(["case", "sensitivity", "lab.yaml", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["leaf"], row["birnbaum"]) == ("Sn1", 1.0)
    assert run(["case", "experiments", "lab.yaml", "--trials", "10"]) == 0


def test_conversion_says_what_it_loses(here, capsys):
    (here / "lab.yaml").write_text(PLAIN, encoding="utf-8")
    assert run(["case", "convert", "lab.yaml", "lab.xmi", "--json"]) == 0
    assert told(capsys)["losses"] == []
    assert Case.read(here / "lab.xmi").normal() == Case.read(here / "lab.yaml").normal()
    assert run(["case", "convert", "lab.yaml", "lab.mmd", "--to", "mermaid"]) == 1
    assert "(N01)" in capsys.readouterr().err
    assert run(["case", "convert", "lab.yaml", "lab.what"]) == 2
    assert "Y11" in capsys.readouterr().err


def test_leaves_are_bound_from_the_command_line(here, capsys):
    (here / "system.yaml").write_text(SYSTEM, encoding="utf-8")
    (here / "lab.yaml").write_text(PLAIN, encoding="utf-8")
    assert run(["case", "macrosystem", "system.yaml", "--json"]) == 0
    risk = told(capsys)["id"]
    bind = ["case", "bind", "lab.yaml", f"Sn1={risk[:16]}", "--predicate", "Sn1=at_most.value <= 0.01"]
    assert run([*bind, "--json"]) == 0
    assert told(capsys)["verdict"]["word"] == "stands"
    node = Case.read(here / "lab.yaml").nodes["Sn1"]
    assert (node.finding, node.predicate) == (risk[:16], "at_most.value <= 0.01")
    assert run(["case", "bind", "lab.yaml", "Sn9=1234"]) == 2
    assert "Y52" in capsys.readouterr().err
    assert run(["case", "bind", "lab.yaml", "Sn1"]) == 2
    assert "CL11" in capsys.readouterr().err
    # a command that composes it again is kept, and gives the same finding
    assert run(["case", "rerun", "lab.yaml", "--all", "--json"]) == 0
    assert [one["result"] for one in told(capsys)["outcomes"]] == ["reproduced"]


def test_the_checks_of_gsn2x_and_its_switches(pellucid, tmp_path):
    case = tmp_path / "case.yaml"
    case.write_text("G1: {nodeType: Strategy, supportedBy: [G2, Sn9], undeveloped: true}\nG2: {need: no}\n")

    def codes(*options):
        return {one["code"] for one in json.loads(pellucid("case", "check", case, "--json", *options)[1])}

    assert codes() == {"V03", "V02", "C02", "C03", "E10"}
    assert codes("--strict-peer") == {"V03", "V02"}
    assert codes("--also", "V08, V11") == codes() | {"V08"}
    assert codes("--mask", "case") == codes() - {"C03"}
