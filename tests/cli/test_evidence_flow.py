"""From a log and a table on disk to a case whose leaf carries, by itself, the doubt about its benchmark."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

STORE = ("--store", "sqlite:///flow.db")
CAPABILITIES = ("mmlu", "bbh", "piqa", "gsm8k")
G = np.linspace(-2, 2, 24)
NOISE = np.random.default_rng(1).normal(size=(8, 24))


def write_log(path: Path, right: list[bool], task: str, model: str = "lab/model") -> Path:
    """A log of one model, as ``.json``, or as ``.eval`` with deflated members."""
    samples = [
        {"id": f"q{at}", "epoch": 1, "input": "?", "target": "!", "scores": {"match": {"value": "IC"[one]}}}
        for at, one in enumerate(right)
    ]
    spec = {
        "eval_id": f"{task} of {model}",
        "created": "2026-01-02T03:04:05+00:00",
        "task": task,
        "model": model,
        "dataset": {"samples": len(right)},
        "scorers": [{"name": "match"}],
    }
    results = {"total_samples": len(right), "completed_samples": len(right), "scores": []}
    header = {"version": 2, "status": "success", "eval": spec, "results": results}
    if path.suffix == ".json":
        path.write_text(json.dumps({**header, "samples": samples}), encoding="utf-8")
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps(header))
    return path


def write_table(**columns: np.ndarray) -> str:
    """A table of 24 models whose capability columns follow one ability."""
    made = {name: G + 0.1 * NOISE[at] for at, name in enumerate(CAPABILITIES)} | columns
    lines = [",".join(["model", *made])]
    lines += [f"f{row}-7b,{','.join(repr(float(c[row])) for c in made.values())}" for row in range(len(G))]
    Path("scores.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "scores.csv"


def write_respondents(folder: str, table: np.ndarray, task: str) -> str:
    """A folder with a log of each respondent."""
    Path(folder).mkdir()
    for at, row in enumerate(table):
        write_log(Path(folder, f"m{at:02}.json"), [bool(one) for one in row], task, f"lab/m{at:02}")
    return folder


def write_case(log: Path, layers: str = "") -> str:
    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    Path("case.yaml").write_text(
        f"G1: {{text: The model refuses, supportedBy: [Sn1]}}\n"
        f"Sn1:\n  text: It scores well on B\n  log: {digest}\n  predicate: score.low > 0.5\n{layers}",
        encoding="utf-8",
    )
    return "case.yaml"


@pytest.fixture
def flow(pellucid, tmp_path, monkeypatch):
    """A folder with a log of the benchmark ``B`` that is imported, and a case that cites it and stands."""
    monkeypatch.chdir(tmp_path)
    log = write_log(Path("b.eval"), [at % 4 > 0 for at in range(80)], "labs/B")
    assert pellucid("findings", "import", log, *STORE)[0] == 0
    write_case(log)

    def call(*arguments, status: int = 0):
        code, out, err = pellucid(*arguments, *STORE)
        assert code == status, out + err
        return out

    def verdict() -> tuple[int, dict]:
        code, out, _ = pellucid("case", "evaluate", "case.yaml", "--json", *STORE)
        return code, json.loads(out)

    call.verdict = verdict
    call.log = log
    assert verdict()[0] == 0
    return call


def states(verdict: dict) -> dict[str, str]:
    return {name: state["value"] for name, state in verdict["states"].items()}


def check(flow, column: np.ndarray) -> None:
    """Check the benchmark B of a table with this column."""
    flow("metascience", "check", write_table(B=column), "--benchmark", "B", "--draws", "200")


@pytest.mark.parametrize(
    ("column", "expected", "word"),
    [
        (G + 0.2 * NOISE[5], "F", "defeated"),
        (-G + 0.2 * NOISE[5], "F", "defeated"),
        (G + 5 * NOISE[5], "U", "undecided"),
    ],
    ids=["capability", "the reverse of capability", "unknown"],
)
def test_a_log_of_a_benchmark_carries_what_a_table_shows_of_it(flow, column, expected, word):
    check(flow, column)
    code, verdict = flow.verdict()
    assert code == 1
    assert verdict["word"] == word
    assert states(verdict)["G1"] == states(verdict)["Sn1"] == expected
    counter = verdict["states"]["CSn_capability_Sn1"]
    assert counter["value"] == {"F": "T", "U": "U"}[expected]
    assert "CSn_capability_Sn1" in verdict["reason_path"]
    printed = flow("case", "evaluate", "case.yaml", status=1)
    assert "challenged by CSn_capability_Sn1" in " ".join(printed.split())
    assert f"The case is {word}." in printed


def test_a_benchmark_that_is_decided_apart_from_capability_carries_no_doubt(flow):
    # of 300 models the interval of no correlation is about 0.11 to either side, well within the band of 0.4
    ability, noise = np.random.default_rng(2).normal(size=(2, 300))
    rows = [
        f"m{at},{x},{x + 0.3 * y},{x**3},{y}" for at, (x, y) in enumerate(zip(ability, noise, strict=True))
    ]
    Path("many.csv").write_text("\n".join(["model,mmlu,bbh,piqa,B", *rows]), encoding="utf-8")
    flow("metascience", "check", "many.csv", "--benchmark", "B", "--draws", "100")
    code, verdict = flow.verdict()
    assert code == 0
    assert states(verdict) == {"G1": "T", "Sn1": "T", "CSn_capability_Sn1": "F"}


def test_another_benchmark_of_the_table_leaves_the_case_alone(flow):
    flow("metascience", "check", write_table(B=G, C=G), "--benchmark", "C", "--draws", "50")
    code, verdict = flow.verdict()
    assert code == 0
    assert set(verdict["states"]) == {"G1", "Sn1"}


def test_a_waiver_with_a_reason_and_a_name_answers_it(flow):
    check(flow, G)
    write_case(
        flow.log, "  waive: 'D-capability-correlate: it is a claim on capability (A. Reviewer, 2026-02-01)'\n"
    )
    assert flow.verdict()[0] == 0
    write_case(flow.log, "  waive: 'D-capability-correlate: '\n")
    assert flow.verdict()[0] == 1


def respondents(kind: str) -> np.ndarray:
    """Answers of 40 models to 12 prompts: by one ability, by chance alone, or by little of both."""
    random = np.random.default_rng(3)
    weight = {"reliable": 3.0, "unreliable": 0.0, "unknown": 1.15}[kind]
    ability = random.normal(size=(40, 1))
    return random.random((40, 12)) < 1 / (1 + np.exp(-weight * ability))


@pytest.mark.parametrize(("kind", "expected"), [("unreliable", "F"), ("reliable", "T"), ("unknown", "U")])
def test_a_log_of_a_benchmark_carries_how_reliable_it_is(flow, kind, expected):
    """A folder of logs of the same task, with no option: the task is the benchmark."""
    flow("metascience", "instruments", write_respondents("logs", respondents(kind), "labs/B"))
    code, verdict = flow.verdict()
    assert code == (0 if expected == "T" else 1)
    assert states(verdict)["G1"] == expected
    assert states(verdict)["CSn_unreliable_Sn1"] == {"F": "T", "T": "F", "U": "U"}[expected]


def test_only_the_task_at_fault_is_doubted(flow):
    """One folder holds an unreliable task and a reliable one: each leaf carries its own."""
    write_respondents("logs", respondents("reliable"), "labs/B")
    for file in sorted(Path(write_respondents("more", respondents("unreliable"), "labs/A")).iterdir()):
        file.rename(Path("logs", f"a_{file.name}"))
    flow("metascience", "instruments", "logs")
    assert flow.verdict()[0] == 0
    other = write_log(Path("a.json"), [at % 4 > 0 for at in range(80)], "labs/A")
    flow("findings", "import", other)
    write_case(other)
    code, verdict = flow.verdict()
    assert (code, states(verdict)["CSn_unreliable_Sn1"]) == (1, "T")


def test_what_is_measured_again_keeps_the_defeat(flow):
    """Every command that is kept in a Finding makes the same Finding again."""
    check(flow, G + 0.2 * NOISE[5])
    before = flow.verdict()[1]
    found = json.loads(flow("findings", "list", "--json"))
    commands = {finding["kind"]: finding["provenance"]["command"] for finding in found}
    assert commands["metascience.capability_correlation"] == (
        "pellucid metascience check scores.csv --benchmark B --draws 200"
    )
    for command in commands.values():
        flow(*command.split()[1:])
    assert {one["id"] for one in json.loads(flow("findings", "list", "--json"))} == {
        one["id"] for one in found
    }
    assert flow.verdict()[1] == before


def test_a_log_that_is_refused_supports_nothing(flow):
    raw = json.loads(write_log(Path("c.json"), [True] * 40, "labs/C").read_text(encoding="utf-8"))
    Path("c.json").write_text(json.dumps({**raw, "invalidated": True}), encoding="utf-8")
    flow("findings", "import", "c.json", status=1)
    write_case(Path("c.json"))
    code, verdict = flow.verdict()
    assert code == 1
    assert states(verdict)["G1"] == "U"
