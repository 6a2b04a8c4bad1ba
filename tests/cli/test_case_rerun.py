"""``pellucid case rerun``: what is stale is measured again by its own command, and the verdict derived anew."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pellucid.cases import Case, Node
from pellucid.cases.rerun import verify_record
from pellucid.cli.commands import case_rerun
from pellucid.findings import DataRef, Finding, Kind, Measure, Subject, start
from pellucid.store import open_store
from pellucid.store.evidence import evidence_in
from pellucid.web.present import present_of, world_of

KIND = Kind(
    name="test.table",
    title="A number from a table",
    statement="the score is {score.value}",
    stance="observational",
    evidence="behavioural",
    room="test",
)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def measured(
    table: Path,
    name: str = "found",
    *,
    parents: tuple[str, ...] = (),
    command: str | None = None,
    **more: object,
) -> Finding:
    """The number in a file, as a Finding whose command imports it from where the laboratory leaves it."""
    score = float(table.read_text())
    record = start(
        measured,
        parameters={"part": name},
        data=DataRef(id=table.name, sha256=digest(table)),
        parents=parents,
        command=f"pellucid findings import {name}.safetensors" if command is None else command,
        **more,  # type: ignore[arg-type]
    )
    return record.finding(KIND, measures=[Measure(name="score", value=score, low=score, high=score)])


@dataclass(frozen=True)
class Bench:
    """A folder with a table, a store and a case of some leaves."""

    folder: Path
    table: Path
    case: Path
    url: str

    def put(self, *findings: Finding) -> None:
        with open_store(self.url) as store:
            for finding in findings:
                store.put(finding)

    def measure(self, *names: str) -> list[Finding]:
        """Measure, and leave each Finding where its command will find it."""
        found = [measured(self.table, name) for name in names]
        for name, finding in zip(names, found, strict=True):
            finding.save(self.folder / f"{name}.safetensors")
        return found

    def write(self, *findings: Finding, **layers: str) -> Case:
        nodes = [
            Node(f"Sn{place}").having(finding=finding.id, predicate="score.low >= 1", **layers)
            for place, finding in enumerate(findings, 1)
        ]
        argument = Case.of([Node("G1", supported_by=tuple(node.id for node in nodes)), *nodes])
        argument.write(self.case)
        return argument


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "table.csv"
    table.write_text("1.5")
    return Bench(tmp_path, table, tmp_path / "case.yaml", f"sqlite:///{tmp_path / 'p.db'}")


def rerun(pellucid, bench: Bench, *options: object, case: object = None):
    """Exit status and answer of ``pellucid case rerun --json``."""
    status, out, err = pellucid("case", "rerun", case or bench.case, "--store", bench.url, "--json", *options)
    assert "Traceback" not in err
    return status, json.loads(out)


def test_nothing_stale_runs_nothing_and_is_twice_the_same(bench, pellucid):
    found = bench.measure("a", "b")
    bench.put(*found)
    bench.write(*found)
    first = rerun(pellucid, bench)
    assert first == rerun(pellucid, bench)
    status, answer = first
    assert (status, answer["steps"], answer["outcomes"], answer["refused"]) == (0, [], [], [])
    assert answer["before"] == answer["after"]
    assert answer["after"]["word"] == "stands"


def test_a_changed_table_is_measured_again_and_the_verdict_derived_anew(bench, pellucid):
    old = bench.measure("a", "b")
    bench.put(*old)
    text = bench.case.read_text() if bench.write(*old) and bench.case.exists() else ""
    bench.table.write_text("2.5")
    new = bench.measure("a", "b")
    status, answer = rerun(pellucid, bench, "--out", "new.yaml")
    assert status == 0
    assert [(one["element"], one["old"], one["new"], one["result"]) for one in answer["outcomes"]] == [
        ("Sn1", old[0].id, new[0].id, "changed"),
        ("Sn2", old[1].id, new[1].id, "changed"),
    ]
    assert (answer["before"]["value"], answer["before"]["now"]) == ("T", "U")
    assert answer["before"]["states"]["Sn1"]["freshness"] == ["stale-by-input"]
    assert answer["after"]["now"] == "T"
    assert answer["written"] == {"file": "new.yaml"}
    assert bench.case.read_text() == text
    assert Case.read(bench.folder / "new.yaml").citations == {"Sn1": new[0].id, "Sn2": new[1].id}
    with open_store(bench.url) as store:
        kept = {header.id for header in store.find()}
        assert {finding.id for finding in (*old, *new)} <= kept
        assert len(store.find(kind="cases.rerun")) == 2


def test_a_second_call_takes_what_the_first_has_done(bench, pellucid):
    old = bench.measure("a")
    bench.put(*old)
    bench.write(*old)
    bench.table.write_text("0.5")
    bench.measure("a")
    status, first = rerun(pellucid, bench)
    assert status == 1
    assert first["after"]["word"] == "defeated"
    (bench.folder / "a.safetensors").unlink()
    status, second = rerun(pellucid, bench)
    assert (status, second["steps"]) == (1, [])
    assert {key: second[key] for key in ("outcomes", "before", "after")} == {
        key: first[key] for key in ("outcomes", "before", "after")
    }


def test_all_runs_what_is_fresh_too(bench, pellucid):
    found = bench.measure("a", "b")
    bench.put(*found)
    bench.write(*found)
    first, second = (rerun(pellucid, bench, "--all") for _ in range(2))
    assert [one["result"] for one in first[1]["outcomes"]] == ["reproduced", "reproduced"]
    assert [step["command"] for step in first[1]["steps"]] == [
        "pellucid findings import a.safetensors",
        "pellucid findings import b.safetensors",
    ]
    assert first == second


def test_several_workers_give_the_same(bench, pellucid):
    names = ["a", "b", "c", "d"]
    old = bench.measure(*names)
    bench.put(*old)
    bench.write(*old)
    bench.table.write_text("2.5")
    bench.measure(*names)
    _, dry = rerun(pellucid, bench, "--dry-run")
    status, answer = rerun(pellucid, bench, "--workers", 4)
    assert status == 0
    assert [one["element"] for one in answer["outcomes"]] == ["Sn1", "Sn2", "Sn3", "Sn4"]
    assert dry["steps"] == answer["steps"]


def test_a_dry_run_only_says_what_would_be_run(bench, pellucid):
    old = bench.measure("a", "b")
    bench.put(*old)
    bench.write(*old)
    bench.table.write_text("2.5")
    status, answer = rerun(pellucid, bench, "--dry-run")
    assert (status, [step["leaves"] for step in answer["steps"]]) == (1, [["Sn1"], ["Sn2"]])
    assert answer["verdict"]["now"] == "U"
    with open_store(bench.url) as store:
        assert len(store.find()) == 2
    status, text, _ = pellucid("case", "rerun", bench.case, "--store", bench.url, "--dry-run")
    assert status == 1
    assert "pellucid findings import" in text


def test_what_cannot_be_run_again_is_said_with_its_reason(bench, pellucid):
    commands = {
        "a": "",
        "b": "rm -rf table.csv",
        "c": "pellucid serve",
        "d": "pellucid",
        "e": "pellucid 'unfinished",
        "f": "pellucidity audit",
        "g": "pellucid findings export abcd precious.json",
    }
    found = [measured(bench.table, name, command=command) for name, command in commands.items()]
    bench.put(*found)
    case = bench.write(*found)
    Case.of([*case.nodes.values(), Node("Sn9").having(finding="3f2a" * 16, predicate="score > 1")]).write(
        bench.case
    )
    bench.table.write_text("2.5")
    status, answer = rerun(pellucid, bench)
    assert (status, answer["steps"]) == (1, [])
    reasons = {refusal["element"]: refusal["reason"] for refusal in answer["refused"]}
    assert reasons == {
        "Sn1": "it names no command: it was measured or imported by hand",
        "Sn2": "its command `rm -rf table.csv` is not pellucid's own: run it by hand and cite the new finding",
        "Sn3": "its command `pellucid serve` measures nothing",
        "Sn4": "its command `pellucid` measures nothing",
        "Sn5": "its command `pellucid 'unfinished` cannot be read (No closing quotation)",
        "Sn6": "its command `pellucidity audit` is not pellucid's own: run it by hand and cite the new finding",
        "Sn7": "its command `pellucid findings export abcd precious.json` measures nothing",
        "Sn9": "Finding 3f2a3f2a… is not at hand, so how it was measured is not known",
    }
    assert bench.table.exists()


def test_a_command_that_fails_is_an_outcome_and_nothing_is_lost(bench, pellucid):
    old = bench.measure("a", "b")
    bench.put(*old)
    bench.write(*old)
    bench.table.write_text("2.5")
    bench.measure("a")
    (bench.folder / "b.safetensors").unlink()
    status, answer = rerun(pellucid, bench)
    assert status == 1
    results = {one["element"]: (one["result"], one["reason"]) for one in answer["outcomes"]}
    assert results["Sn1"][0] == "changed"
    assert results["Sn2"][0] == "failed"
    assert "The command `pellucid findings import b.safetensors` failed: error (" in results["Sn2"][1]
    bench.measure("b")
    status, answer = rerun(pellucid, bench)
    assert (status, [step["leaves"] for step in answer["steps"]]) == (0, [["Sn2"]])


def test_a_stored_case_becomes_its_next_version(bench, pellucid):
    old = bench.measure("a")
    bench.put(*old)
    case = bench.write(*old)
    bench.case.unlink()
    with open_store(bench.url) as store:
        store.put_case("safe", case.text, "aa", {})
    bench.table.write_text("2.5")
    (new,) = bench.measure("a")
    status, answer = rerun(pellucid, bench, case="safe")
    assert (status, answer["written"]) == (0, {"version": 2})
    with open_store(bench.url) as store:
        assert Case.read(store.case("safe").yaml).citations == {"Sn1": new.id}
        assert store.case("safe").verdict["word"] == "stands"
        assert Case.read(store.case("safe", 1).yaml).citations == {"Sn1": old[0].id}
    assert rerun(pellucid, bench, case="safe")[1]["steps"] == []
    assert "written" not in rerun(pellucid, bench, case="safe")[1]


def test_runs_are_recorded(bench, pellucid):
    old = bench.measure("a")
    bench.put(*old)
    bench.write(*old)
    for expected in (1, 2):
        rerun(pellucid, bench, "--all", "--record", "runs.jsonl")
        assert verify_record(bench.folder / "runs.jsonl") == expected


def test_people_read_what_became_of_each_leaf(bench, pellucid):
    old = bench.measure("a")
    bench.put(*old)
    bench.write(*old)
    status, text, _ = pellucid("case", "rerun", bench.case, "--store", bench.url)
    assert (status, text.split()[:3]) == (0, ["Nothing", "is", "stale."])
    bench.table.write_text("0.5")
    (new,) = bench.measure("a")
    status, text, _ = pellucid("case", "rerun", bench.case, "--store", bench.url, "--out", "new.yaml")
    assert status == 1
    assert old[0].id[:12] in text
    assert new.id[:12] in text
    assert "Before: undecided. Now: defeated." in text
    assert "Wrote file new.yaml." in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none.yaml"], "Y04"),
        (["nowhere"], "ST17"),
        (["case.yaml", "--record", "no/such.jsonl", "--all"], "Y84"),
    ],
)
def test_used_wrongly_is_one_message(bench, pellucid, arguments, code):
    found = bench.measure("a")
    bench.put(*found)
    bench.write(*found)
    status, _, err = pellucid("case", "rerun", *arguments, "--store", bench.url)
    assert status == 2
    assert err.startswith(f"error ({code})")
    assert len(err.strip().splitlines()) == 1


def test_a_store_of_its_own_is_named_in_no_command(bench, pellucid):
    """A command that names a store is run in a store of its own all the same."""
    (old,) = bench.measure("a")
    command = "pellucid findings import a.safetensors --store sqlite:///other.db"
    named = measured(bench.table, "a", command=command)
    bench.put(named)
    bench.write(named)
    bench.table.write_text("2.5")
    bench.measure("a")
    status, _ = rerun(pellucid, bench)
    assert status == 0
    assert not (bench.folder / "other.db").exists()
    assert old.id == named.id


def test_what_evidence_was_made_from_is_at_hand_for_its_command(bench, pellucid):
    """A re-run begins with an empty store but for the parents, as they count now."""
    (parent,) = bench.measure("p")
    child = measured(bench.table, "c", parents=(parent.id,))
    child.save(bench.folder / "c.safetensors")
    bench.put(parent, child)
    bench.write(child)
    status, answer = rerun(pellucid, bench, "--all")
    assert (status, [step["leaves"] for step in answer["steps"]]) == (0, [["Sn1"]])
    with open_store(bench.url) as store:
        (step,) = case_rerun.plan_of(world_of(Case.read(bench.case), store), only_stale=False).steps
        assert [found.id for found in case_rerun.origin_of(step, store)] == [parent.id]


# What exists now ------------------------------------------------------------------------------------


def present(bench: Bench, *findings: Finding) -> dict[str, str]:
    bench.put(*findings)
    with open_store(bench.url) as store:
        found = present_of(bench.write(*findings), store)
    return {key: value for key, value in found.items() if not key.startswith("code:")}


def test_only_what_can_be_found_is_named(bench):
    here = measured(bench.table)
    away = measured(bench.table, "b").header
    data = away.provenance.data.model_copy(update={"id": "elsewhere.csv"})
    away = away.model_copy(update={"provenance": away.provenance.model_copy(update={"data": data})})
    away = Finding(away.model_copy(update={"id": away.identity()}), {})
    assert present(bench, here, away) == {"data:table.csv": digest(bench.table)}


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", ".", "plays and epic, validation"])
def test_a_name_that_can_be_no_path_is_no_fault(bench, name):
    record = start(
        digest, subject=Subject(id=name, sha256="aa"), data=DataRef(id=name, sha256="bb"), command="'"
    )
    assert present(bench, record.finding(KIND, measures=[Measure.of("score", 1.0)])) == {}


def test_data_called_by_content_are_found_by_the_command(bench):
    def of(command: str, text: bytes = b"1.5") -> Finding:
        sha256 = hashlib.sha256(text).hexdigest()
        data = DataRef(id=f"sha256:{sha256[:12]}", sha256=sha256)
        record = start(of, parameters={"by": command}, data=data, command=command)
        return record.finding(KIND, measures=[Measure.of("score", 1.0)])

    key = f"data:sha256:{digest(bench.table)[:12]}"
    assert present(bench, of("pellucid audit m --text table.csv")) == {key: digest(bench.table)}
    assert present(bench, of("pellucid audit m --text gone.csv")) == {}
    assert present(bench, of("pellucid audit m")) == {}
    bench.table.write_text("9")
    assert present(bench, of("pellucid audit m --text table.csv")) == {key: digest(bench.table)}


def test_code_of_a_method_that_is_gone(bench):
    found = measured(bench.table)
    provenance = found.provenance.model_copy(
        update={"code": found.provenance.code.model_copy(update={"method": "nowhere.at.all"})}
    )
    header = found.header.model_copy(update={"provenance": provenance})
    gone = Finding(header.model_copy(update={"id": header.identity()}), {})
    bench.put(gone)
    with open_store(bench.url) as store:
        assert present_of(bench.write(gone), store)["code:nowhere.at.all"] == "gone"


def test_one_byte_of_the_weights_makes_all_and_only_the_bound_evidence_stale(bench, models, pellucid):
    """Two folders of weights; the changed one's evidence goes stale, whatever it calls its model."""
    import shutil

    from pellucid.models import open_model

    for name, source in zip(("base", "copy"), models, strict=False):
        shutil.copytree(source, bench.folder / name)

    def of(name: str, part: str, content: bool = False) -> Finding:
        sha256 = open_model(bench.folder / name).sha256
        subject = Subject(id=f"sha256:{sha256[:12]}" if content else name, sha256=sha256)
        record = start(of, parameters={"part": part}, subject=subject, command=f"pellucid audit {name}")
        return record.finding(KIND, measures=[Measure(name="score", value=2.0, low=2.0, high=2.0)])

    found = [of("base", "a"), of("copy", "b"), of("base", "c", content=True), of("copy", "d", content=True)]
    before = present(bench, *found)
    assert len(before) == 4
    assert rerun(pellucid, bench, "--dry-run")[1]["verdict"]["now"] == "T"
    weights = bench.folder / "copy" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-2] ^= 1
    weights.write_bytes(bytes(changed))
    states = rerun(pellucid, bench, "--dry-run")[1]["verdict"]["states"]
    assert {name: state["freshness"] for name, state in states.items()} == {
        "G1": ["stale-by-parent"],
        "Sn1": ["fresh"],
        "Sn2": ["stale-by-input"],
        "Sn3": ["fresh"],
        "Sn4": ["stale-by-input"],
    }


def test_an_organism_is_found_by_name_and_an_unknown_one_is_not(bench):
    from pellucid.models import open_model

    def of(name: str, sha256: str) -> Finding:
        record = start(of, subject=Subject(id=name, sha256=sha256), command="")
        return record.finding(KIND, measures=[Measure.of("score", 1.0)])

    weights = open_model("organism:bard").sha256
    found = present(bench, of("organism:bard", "aa"), of("organism:unheard-of", "bb"), of("no-folder", "cc"))
    assert found == {"model:organism:bard": weights}


def test_evidence_without_a_model_loads_no_torch(bench, monkeypatch):
    found = measured(bench.table)
    bench.put(found)
    bench.write(found)
    loaded = set(sys.modules)
    monkeypatch.setitem(sys.modules, "pellucid.models", None)  # importing it would fail
    with open_store(bench.url) as store:
        present_of(Case.read(bench.case), store)
    assert not {name for name in set(sys.modules) - loaded if name.split(".")[0] == "torch"}


def test_logs_are_found_by_digest_and_scorer(bench):
    record = start(
        digest, parameters={"scorer": "match"}, data=DataRef(id="eval:e1", sha256="ab" * 32), command=""
    )
    made = record.finding(KIND, measures=[Measure.of("score", 1.0)]).header
    made = made.model_copy(update={"kind": "evaluation.log"})
    log = Finding(made.model_copy(update={"id": made.identity()}), {})
    bench.put(log)
    with open_store(bench.url) as store:
        find = evidence_in(store)
        assert find("log:abababab").id == find("log:abababab:match").id == log.id
        assert find("log:abababab:other") is None
        case = Case.read("G1: {supportedBy: [Sn1]}\nSn1: {log: abababab, predicate: score >= 1}\n")
        assert world_of(case, store).verdict().stands


@pytest.mark.slow
def test_an_audit_is_run_again_in_full(place, pellucid):
    """The real thing: every leaf of an audit's case, measured again by the audit's own command."""
    arguments = ["audit", place.copy, "--against", place.base, "--text", place.text, "--store", place.store]
    pellucid(*arguments, "--workers", "1")
    report = sorted((path.name, path.stat().st_mtime_ns) for path in Path("report").iterdir())
    with open_store(place.store) as store:
        name = store.cases()[0].name
        count = len(store.find())
    status, out, err = pellucid("case", "rerun", name, "--store", place.store, "--all", "--json")
    answer = json.loads(out)
    assert status in (0, 1), err
    assert {one["result"] for one in answer["outcomes"]} == {"reproduced"}
    assert answer["before"]["now"] == answer["after"]["now"]
    assert report == sorted((path.name, path.stat().st_mtime_ns) for path in Path("report").iterdir())
    with open_store(place.store) as store:
        assert len(store.find()) == count + len(store.find(kind="cases.rerun"))
        assert store.case(name).version == 1


def test_the_verdict_is_the_one_that_evaluate_gives_doubts_of_the_evidence_included(bench, pellucid):
    """Evidence of a benchmark that is mostly capability doubts itself, before and after a re-run."""
    about = Kind(
        name="metascience.capability_correlation",
        title="x",
        statement="r is {correlation.value}",
        room="metascience",
    )
    high = Measure(name="correlation", value=0.7, low=0.6, high=0.8)
    correlated = start(present, parameters={"benchmark": "gpqa"}).finding(about, measures=[high])
    (found,) = bench.measure("a")
    bench.put(found, correlated)
    bench.write(found, benchmark="gpqa")
    evaluated, text, _ = pellucid("case", "evaluate", bench.case, "--store", bench.url, "--json")
    status, answer = rerun(pellucid, bench)
    assert (evaluated, status) == (1, 1)
    assert answer["before"] == answer["after"] == json.loads(text)
    assert "CSn_capability_Sn1" in answer["after"]["states"]
