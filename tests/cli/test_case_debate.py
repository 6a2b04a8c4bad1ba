"""``pellucid case debate`` and ``pellucid case review``: the surfaces of the dispute about a case."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pellucid.cli.commands import case_debate, case_review
from pellucid.findings import DataRef, Finding, Kind, Measure, start
from pellucid.store import open_store

SCORE = Kind(name="test.score", title="A score", statement="the score is {score.value}", room="test")
ABOUT = Kind(
    name="metascience.capability_correlation",
    title="x",
    statement="r is {correlation.value}",
    room="metascience",
)


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command("debate")(case_debate.debate_command)
    made.add_typer(case_review.app, name="review")
    return made


def score() -> Finding:
    measure = Measure(name="score", value=0.8, low=0.7, high=0.9)
    return start(score, parameters={"benchmark": "gpqa"}).finding(SCORE, measures=[measure])


def about() -> Finding:
    measure = Measure(name="correlation", value=0.7, low=0.6, high=0.8)
    return start(about, parameters={"benchmark": "gpqa"}).finding(ABOUT, measures=[measure])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = score()
    with open_store("sqlite:///pellucid.db") as kept:
        kept.put(found)
    Path("case.yaml").write_text(
        f"G1: {{text: Safe, supportedBy: [Sn1]}}\nSn1: {{finding: {found.id}, predicate: score.low >= 0.5}}\n"
    )
    Path("risk.yaml").write_text(
        "G1: {text: Not safe, supportedBy: [G2]}\nG2: {text: It leaks, undeveloped: true}\n"
    )
    return tmp_path


def call(app: typer.Typer, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_debate_without_doubts_is_fine(app: typer.Typer, place: Path) -> None:
    code, text = call(app, "debate", "case.yaml")
    assert code == 0
    assert "Nobody has raised a doubt." in text
    assert "0 of 1 leaves" in text


def test_findings_about_benchmarks_bring_up_their_doubts(app: typer.Typer, place: Path) -> None:
    with open_store("sqlite:///pellucid.db") as kept:
        kept.put(about())
    code, text = call(app, "debate", "case.yaml", "--json")
    data = json.loads(text)
    assert code == 1
    assert data["unanswered"] == ["CSn_capability_Sn1"]
    assert data["rows"][0]["outcome"] == "holds"
    assert data["decision"] is None
    assert call(app, "debate", "case.yaml", "--no-automatic")[0] == 0


def test_a_debate_takes_evidence_as_it_is_now(app: typer.Typer, place: Path) -> None:
    """A doubt whose evidence went stale is undecided in the debate, as ``case evaluate`` has it."""
    table = place / "table.csv"
    table.write_text("a")
    data = DataRef(id="table.csv", sha256=hashlib.sha256(b"a").hexdigest())
    found = start(score, data=data, command="pellucid findings import table.csv").finding(
        SCORE, measures=[Measure(name="score", value=0.8, low=0.7, high=0.9)]
    )
    with open_store("sqlite:///pellucid.db") as kept:
        kept.put(found)
    case = Path("case.yaml")
    doubt = f"CSn1: {{challenges: Sn1, finding: {found.id}, predicate: score.low >= 0.5}}\n"
    case.write_text(case.read_text() + doubt)

    def now() -> str:
        return str(json.loads(call(app, "debate", "case.yaml", "--json")[1])["rows"][0]["now"])

    assert now() == "T"
    table.write_text("b")
    assert now() == "U"


def test_a_risk_case_stands_beside_it(app: typer.Typer, place: Path) -> None:
    code, text = call(app, "debate", "case.yaml", "--risk", "risk.yaml")
    assert code == 1
    assert "taken up nowhere: G2: It leaks" in text
    assert "Together: open questions." in text
    Path("case.yaml").write_text(
        Path("case.yaml").read_text()
        + "CG1: {text: It leaks, challenges: Sn1}\nCG2: {challenges: CG1, text: 'mended', supportedBy: [CSn1]}\n"
        + f"CSn1: {{finding: {score().id}, predicate: score.low >= 0.5}}\n"
    )
    code, text = call(app, "debate", "case.yaml", "--risk", "risk.yaml")
    assert code == 0
    assert "Together: accepted." in text


NOW = ("--now", "2026-11-24T09:00:00Z")


def test_a_review_from_track_to_decision(app: typer.Typer, place: Path) -> None:
    kept = ("--log", "review.jsonl", *NOW)
    on = ("--track", "core", "--by", "a", *kept)
    assert call(app, "review", "track", "core", "--members", "a, b", "--by", "s", *kept)[0] == 0
    assert "G1 is open" in call(app, "review", "open", "case.yaml", "G1", *on)[1]
    assert "Comment c1" in call(app, "review", "comment", "G1", "Which data?", *on)[1]
    assert "answered" in call(app, "review", "answer", "G1", "c1", "Held out.", *on)[1]
    for member in "ab":
        assert call(app, "review", "vote", "G1", "accept", "--track", "core", "--by", member, *kept)[0] == 0
    assert call(app, "review", "decide", "G1", *on) == (0, "G1 is accepted in the track core.\n")
    code, text = call(app, "review", "status", *kept, "--case", "case.yaml", "--json")
    data = json.loads(text)
    assert code == 0
    assert data["reviews"][0]["outcome"] == "accepted"
    assert "accepted" in call(app, "review", "status", *kept)[1]
    assert (
        json.loads(call(app, "review", "status", *kept, "--json", "--head", data["head"])[1])["digest"]
        == data["digest"]
    )


def test_contradicting_tracks_give_status_1_until_they_are_reconciled(app: typer.Typer, place: Path) -> None:
    kept = ("--log", "review.jsonl", *NOW)
    for track, vote in (("one", "accept"), ("two", "defeat")):
        on = ("--track", track, "--by", "a", *kept)
        call(app, "review", "track", track, "--members", "a", "--by", "s", *kept)
        call(app, "review", "open", "case.yaml", "G1", *on)
        call(app, "review", "vote", "G1", vote, *on)
        assert call(app, "review", "decide", "G1", *on)[0] == (0 if vote == "accept" else 1)
    assert call(app, "review", "status", *kept)[0] == 1
    call(app, "review", "reconcile", "G1", "Other uses", "--tracks", "one,two", "--by", "c", *kept)
    assert call(app, "review", "status", *kept)[0] == 0
    assert call(app, "review", "rate", "Sn1", "good", "--by", "c", *kept)[0] == 0
    Path("case.yaml").write_text(Path("case.yaml").read_text().replace("Safe", "Safer"))
    assert "outdated" in call(app, "review", "status", *kept, "--case", "case.yaml")[1]
    text = call(app, "review", "open", "case.yaml", "G1", "--track", "one", "--by", "a", *kept)[1]
    assert "2 reviews of an earlier state are superseded" in text


def test_bad_input_is_one_message(app: typer.Typer, place: Path) -> None:
    from pellucid.findings import PellucidError

    for words in (
        ("status", "--log", "none.jsonl"),
        ("vote", "G1", "accept", "--track", "x", "--by", "a", "--log", "r.jsonl"),
        ("track", "x", "--members", "a", "--by", "s", "--log", "r.jsonl", "--preset", "cor"),
        ("track", "x", "--members", "a", "--by", "s", "--log", "r.jsonl", "--quorum", "2"),
        ("track", "x", "--members", "a", "--by", "s", "--log", "r.jsonl", "--now", "today"),
    ):
        with pytest.raises(PellucidError):
            call(app, "review", *words)
