"""Leaves that cite evaluation logs by digest and scorer, and the diagnostics of all citations."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from case_arguments import EVIDENCE, HOLDS, header
from evidence_samples import NOON, ago, layered, log, logged, one, verdict

from pellucid.cases import Case, Node
from pellucid.cases.evidence.citations import citation, lookup
from pellucid.findings import Header, InputError, MissingError

# Logs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest", ["ab" * 32, "abababab", "ABABABABAB", "sha256:" + "ab" * 32, " abababababab "]
)
@pytest.mark.parametrize("form", ["mapping", "list", "generator", "callable", "raising"])
def test_a_leaf_cites_a_log_by_its_digest(digest: str, form: str) -> None:
    found, other = log(), log("cd" * 32)
    asked: list[str] = []

    def ask(key: str) -> Header | None:
        asked.append(key)
        return found

    def raising(key: str) -> Header:
        raise MissingError("ST13", f"No finding {key}.", "")

    forms = {
        "mapping": {"x": found, "y": other, "z": header()},
        "list": [other, found, header()],
        "generator": (kept for kept in [found, other]),
        "callable": ask,
        "raising": raising,
    }
    judged = verdict(logged(digest), forms[form])
    if form == "raising":
        assert judged.states["Sn1"].missing
        return
    assert judged.stands
    assert judged.states["Sn1"].finding == found.id
    if form == "callable":
        assert asked == [f"log:{digest.strip().lower().removeprefix('sha256:')}"]


def test_a_callable_is_asked_for_the_scorer_too_and_a_wrong_answer_is_not_taken() -> None:
    asked: list[str] = []

    def ask(key: str) -> Header:
        asked.append(key)
        return log(scorer="match")

    assert verdict(logged("abababab", scorer="match"), ask).stands
    assert verdict(logged("abababab", scorer="includes"), ask).states["Sn1"].missing
    assert verdict(logged("cdcdcdcd"), ask).states["Sn1"].missing
    assert asked == ["log:abababab:match", "log:abababab:includes", "log:cdcdcdcd"]


def test_of_several_scorers_one_must_be_named() -> None:
    found = [log(scorer="match"), log(scorer="includes", score=0.0)]
    judged = verdict(logged("abababab"), found).states["Sn1"]
    assert (judged.value, judged.freshness) == ("U", {"missing"})
    assert judged.reason == "log abababab fits several: includes, match"
    assert verdict(logged("abababab", scorer="match"), found).stands
    assert verdict(logged("abababab", scorer="includes"), found).word == "defeated"
    assert (
        "scorer 'model_graded'"
        in verdict(logged("abababab", scorer="model_graded"), found).states["Sn1"].reason
    )


def test_a_beginning_that_fits_two_logs_names_neither() -> None:
    found = [log("abababab" + "0" * 56), log("abababab" + "1" * 56)]
    assert (
        verdict(logged("abababab"), found).states["Sn1"].reason
        == "log abababab fits several: give more digits"
    )
    assert verdict(logged("abababab0"), found).stands


@pytest.mark.parametrize("digest", ["abab", "xyzxyzxyzxyz", "", "ab" * 33])
def test_what_is_no_digest_names_no_log(digest: str) -> None:
    case = logged(digest)
    assert verdict(case, [log()]).states["Sn1"].missing
    found = [diagnostic for diagnostic in case.check() if diagnostic.code == "E17"]
    assert found[0].level == "error"
    assert "which is no digest" in found[0].message


def test_a_log_that_is_refused_supports_nothing_and_says_why() -> None:
    for value in (0.0, 1.0):
        found = log(refused=True, score=value)
        case = logged("abababab")
        judged = verdict(case, [found])
        assert (judged.word, judged.states["Sn1"].value) == ("undecided", "U")
        assert "The log ended in error: out of memory" in judged.states["Sn1"].reason
        (message,) = [diagnostic for diagnostic in case.check([found]) if diagnostic.code == "E07"]
        assert message.level == "error"
        assert "is refused as support: The log ended in error: out of memory." in message.message


def test_a_log_without_scorers_is_refused_whatever_scorer_is_asked_for() -> None:
    found = log(scorer="", refused=True)
    assert "out of memory" in verdict(logged("abababab", scorer="match"), [found]).states["Sn1"].reason
    assert verdict(logged("abababab", scorer="match"), [log(scorer="")]).states["Sn1"].missing


def test_of_two_readings_of_one_log_the_newest_counts() -> None:
    early = log(refused=True, time="2026-01-01T00:00:00Z")
    late = log(time="2026-02-01T00:00:00Z", salt="allowance")
    for order in ([early, late], [late, early]):
        assert verdict(logged("abababab"), order).stands


def test_a_finding_of_another_kind_on_the_same_data_is_no_log() -> None:
    assert verdict(logged("abababab"), [header(data=("x", "ab" * 32))]).states["Sn1"].missing


def test_logs_age_like_other_evidence() -> None:
    found = log(time=(NOON - timedelta(days=40)).isoformat())
    assert verdict(logged("abababab", validFor="30 days"), [found]).states["Sn1"].worst == "stale-by-age"
    assert verdict(logged("abababab", validFor="50 days"), [found]).stands


def test_a_citation_is_a_key() -> None:
    assert citation(Node("Sn1")) is None
    assert citation(Node("Sn1").having(finding="3f2a")) == "3f2a"
    assert citation(Node("Sn1").having(finding="3f2a", log="abababab")) == "3f2a"
    assert citation(Node("Sn1").having(log="ABABABAB", scorer="match")) == "log:abababab:match"
    assert lookup([log()])("log:abababab") == log()
    assert lookup(lookup([log()]))("log:abababab:match") == log()


# Diagnostics ----------------------------------------------------------------------------------------


def codes(case: Case, findings: object = None, **options: object) -> list[str]:
    return [diagnostic.code for diagnostic in case.check(findings, **options)]  # type: ignore[arg-type]


def test_each_fault_of_a_citation_has_its_number() -> None:
    found = header()
    assert codes(one(found)) == []
    assert codes(one(found, validFor="soon")) == ["E16"]
    assert codes(one(found, tolerance="about")) == ["E18"]
    assert codes(one(found, log="abababab")) == ["E17"]
    assert codes(one(found, scorer="match")) == ["E14"]
    assert codes(logged("abababab", scorer="match")) == []
    assert codes(layered(module_for="soon")) == ["E16"]
    assert codes(layered(top_for="soon")) == ["E16"]
    assert codes(logged("abababab"), []) == ["E02"]


def test_a_log_that_is_not_at_hand_says_how_to_get_it() -> None:
    (message,) = logged("abababab", scorer="match").check([])
    assert str(message).endswith(
        "'Sn1' cites what cannot be found: log abababab, scorer 'match', is not at hand. Import it: "
        "pellucid findings import LOG. Of several scorers, name one by `scorer`."
    )


def test_every_kind_of_staleness_is_reported() -> None:
    far = header(salt="far", data=("text", "d0"))
    found = ago(header(parents=[far.id]), days=5000)
    case = one(found, validFor="30 days")
    messages = [d.message for d in case.check([far, found], {"data:text": "d1"}) if d.code == "E03"]
    assert [message.split(":")[0] for message in messages] == ["The evidence of 'Sn1' is stale"] * 2
    assert codes(logged("abababab"), [log()]) == []


@pytest.mark.parametrize(
    ("declared", "fires"),
    [
        ({"training_data": "text"}, True),
        ({"training_data": "d0"}, True),
        ({"train_data": {"id": "other", "sha256": "d0"}}, True),
        ({"trained_on": ["a", {"id": "text"}]}, True),
        ({"train_test_overlap": True}, True),
        ({"train_test_overlap": 0.02}, True),
        ({"train_test_overlap": 0}, False),
        ({"training_data": "held-in"}, False),
        ({}, False),
    ],
)
def test_data_declared_for_training_and_test_are_reported(declared: dict, fires: bool) -> None:
    plain = header(data=("text", "d0"))
    provenance = plain.provenance.model_copy(update={"parameters": declared})
    found = plain.model_copy(update={"provenance": provenance})
    found = found.model_copy(update={"id": found.identity()})
    assert codes(one(found), [found]) == (["E09"] if fires else [])


def test_a_context_may_say_what_the_model_was_trained_on() -> None:
    found = header(data=("text", "d0"))
    nodes = [
        Node("G1", supported_by=("Sn1",), in_context_of=("C1",)),
        Node("C1").having(trainedOn="corpus, text"),
        Node("Sn1").having(finding=found.id, predicate="score.low >= 1"),
    ]
    assert codes(Case.of(nodes), [found]) == ["E09"]
    nodes[1] = Node("C1").having(trainedOn="corpus")
    assert codes(Case.of(nodes), [found]) == []


def test_a_measure_may_declare_the_overlap() -> None:
    found = header(name="train_test_overlap", score=0.1)
    case = Case.of(
        [
            Node("G1", supported_by=("Sn1",)),
            Node("Sn1").having(finding=found.id, predicate="train_test_overlap.low > 0"),
        ]
    )
    assert codes(case, [found]) == ["E09"]


# What may be given as evidence ---------------------------------------------------------------------


class Shelf:
    """A store as far as a case needs one."""

    def __init__(self, *headers: Header) -> None:
        self.headers = headers

    def header(self, identity: str) -> Header:
        found = [one for one in self.headers if one.id.startswith(identity)]
        if not found:
            raise LookupError(identity)
        return found[0]

    def find(self, kind: str) -> list[Header]:
        return [one for one in self.headers if one.kind == kind]


def test_one_finding_a_list_a_mapping_and_a_store_are_evidence_alike() -> None:
    found = EVIDENCE["T"]
    case = Case.read(f"G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {found.id}, predicate: {HOLDS}}}\n")
    for given in (
        found,
        [found],
        (found,),
        {found.id: found},
        iter([found]),
        Shelf(found),
        Shelf(found).header,
    ):
        assert case.evaluate(given).word == "stands"
    assert case.evaluate(Shelf()).word == "undecided"


@pytest.mark.parametrize("given", [None, 7, "Finding", [None], [{"id": "x"}]])
def test_what_is_no_evidence_is_said(given: object) -> None:
    with pytest.raises(InputError, match="Give Findings or their headers") as caught:
        Case.read("G1: {supportedBy: [Sn1]}\nSn1: {}").evaluate(given)
    assert caught.value.code == "Y85"


def test_a_case_is_read_from_a_list_of_files_and_from_nothing_else(tmp_path: Path) -> None:
    path = Case.read("G1: {undeveloped: true}").write(tmp_path / "a.yaml")
    assert Case.read([path]).nodes.keys() == {"G1"}
    with pytest.raises(InputError, match="A case was to be read from NoneType"):
        Case.read(None)
