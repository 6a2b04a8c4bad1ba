"""What ``case evaluate`` says to people: the verdict, the path of its reason, and what the end of it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.cases import Case
from pellucid.cli.commands.case import print_verdict
from pellucid.cli.main import run
from pellucid.findings import Kind, Measure, start

CASES = {
    "G1: {supportedBy: [Sn1]}\nSn1: {predicate: a.high <= 1}\n": (
        "The case is undecided.",
        "Reason: G1 → Sn1",
        "Sn1: it cites no Finding.",
    ),
    "G1: {supportedBy: [G2]}\nG2: {undeveloped: true}\n": (
        "The case is undecided.",
        "Reason: G1 → G2",
        "G2: it has no support yet.",
    ),
}


@pytest.mark.parametrize("text", CASES)
def test_the_reason_is_a_path_and_a_sentence(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(text, encoding="utf-8")
    assert run(["case", "evaluate", "c.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert tuple(lines[-3:]) == CASES[text]


def test_a_case_that_stands_gives_no_reason(capsys):
    kind = Kind(name="test.rate", title="A rate", statement="The rate is {rate.value}")
    finding = start(test_a_case_that_stands_gives_no_reason).finding(kind, measures=[Measure.of("rate", 0.5)])
    case = Case.read(
        f'G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {finding.id}, predicate: "rate.value < 1"}}\n'
    )
    print_verdict(case.evaluate([finding]))
    assert capsys.readouterr().out.splitlines()[-1] == "The case stands."
