"""Logs written by the real Inspect read as its own reader reads them, field by field."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import (
    FILES,
    GOLDEN,
    Packed,
    archive,
    describe,
    golden,
    header,
    same,
    sample,
    scored_log,
    write_log,
)

from pellucid.findings import InputError, MissingError, PellucidError
from pellucid.findings.logs import (
    Allowance,
    Limits,
    log_findings,
    read_header,
    read_log,
    read_logs,
    read_summaries,
    samples,
    score_number,
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_golden_log_reads_as_their_reader_reads_it(file):
    expected = json.loads((GOLDEN / f"{file.stem}.expected.json").read_text(encoding="utf-8"))
    found = describe(file)
    if not expected["samples"]:
        # their full read knows nothing of an evaluation that wrote no sample; neither do we
        assert found["samples"] == []
    # summaries stand in the order of writing there, by epoch and id here
    for side in (expected, found):
        side["summaries"] = sorted(side["summaries"], key=str)
    for name, theirs in expected.items():
        ours = found[name]
        # an evaluation that states no number of epochs has one
        theirs = 1 if name == "epochs" and theirs is None else theirs
        if name == "scorers" and not theirs:
            # early logs name scorers only in their results
            theirs = list(dict.fromkeys(metric.split("/")[0] for metric in expected["metrics"]))
        assert same(ours, theirs), name
    assert found.keys() == expected.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_parts_agree_with_the_whole(file):
    log = read_log(file)
    assert same(dict(read_header(file).raw).get("eval"), dict(log.header.raw).get("eval"))
    streamed = sorted((one.epoch, str(one.id)) for one in samples(file))
    assert streamed == sorted((one.epoch, str(one.id)) for one in log.samples)
    for short in read_summaries(file):
        full = next(one for one in log.samples if one.key == short.key)
        assert same(
            {name: s.value for name, s in short.scores.items()},
            {name: s.value for name, s in full.scores.items()},
        )
        assert short.uuid == full.uuid
        assert bool(short.error) == bool(full.error)


def test_the_golden_logs_cover_what_they_are_for():
    logs = {file.stem: read_log(file) for file in FILES}
    assert {log.header.status for log in logs.values()} == {"success", "error", "cancelled", "started"}
    assert logs["invalidated"].header.invalidated
    assert logs["epochs"].header.epochs == 3
    assert any(one.limit for one in logs["limited"].samples)
    assert logs["clean"].header.revision["dirty"] is False
    assert logs["dirty"].header.revision["dirty"] is True
    assert logs["edited"].header.tags == ("checked", "golden")
    assert logs["edited"].header.metadata["checked_by"] == "a reviewer"
    assert "purpose" not in logs["edited"].header.metadata
    assert logs["empty_start"].samples == ()
    assert {type(one.id) for one in logs["success"].samples} == {int, str}
    values = [score.value for one in logs["success"].samples for score in one.scores.values()]
    assert any(isinstance(value, dict) for value in values)
    assert any(isinstance(value, float) and math.isnan(value) for value in values)
    assert {"C", "I"} <= {value for value in values if isinstance(value, str)}
    assert any(one.raw.get("attachments") for one in logs["success"].samples)
    # 28 B5 2F FD begins a Zstandard frame: more frames than members
    members = len(list(logs["multi_frame"].samples)) + 8
    assert golden("multi_frame").read_bytes().count(b"\x28\xb5\x2f\xfd") > members
    assert sum(file.stat().st_size for file in GOLDEN.iterdir()) < 2**20


def test_attachments_are_put_back_in_their_place():
    log = read_log(golden("success"))
    for one in log.samples:
        for digest, text in one.raw["attachments"].items():
            reference = f"attachment://{digest}"
            assert one.resolved({"deep": [reference, "plain"], "n": 1}) == {"deep": [text, "plain"], "n": 1}
    assert one.resolved("attachment://unknown") == "attachment://unknown"


def test_a_json_log_is_the_same_log(tmp_path):
    runs = [sample("a", "C"), sample(2, 0.5), sample("c", float("nan"))]
    one, other = (read_log(write_log(tmp_path / name, runs)) for name in ("x.eval", "x.json"))
    assert same([dict(s.raw) for s in one.samples], [dict(s.raw) for s in other.samples])
    assert same(
        dict(one.header.raw), {key: value for key, value in other.header.raw.items() if key != "samples"}
    )
    assert one.digest != other.digest


def test_the_digest_is_that_of_the_file():
    import hashlib

    for file in FILES:
        assert read_log(file).digest == hashlib.sha256(file.read_bytes()).hexdigest()
        assert read_log(file).path == file.name


def test_samples_stand_by_epoch_then_id_with_numbers_by_size(tmp_path):
    runs = [sample(name, 1, epoch) for epoch in (2, 1) for name in (10, 9, "b", "a", 100)]
    log = read_log(write_log(tmp_path / "x.eval", runs))
    assert [one.id for one in log.samples if one.epoch == 1] == [9, 10, 100, "a", "b"]
    assert [one.epoch for one in log.samples] == [1] * 5 + [2] * 5


def test_an_unfinished_log_is_read_from_its_journal(tmp_path):
    start = {key: value for key, value in header().items() if key in {"version", "eval", "plan"}}
    rows = [[sample("a", "C")], [sample("b", "I")], [sample("a", "I")]]
    members = [Packed("_journal/start.json", json.dumps(start).encode(), 93)]
    # 10 comes after 9 and not after 1
    for number, row in zip((1, 9, 10), rows, strict=True):
        members.append(Packed(f"_journal/summaries/{number}.json", json.dumps(row).encode(), 93))
    file = tmp_path / "x.eval"
    file.write_bytes(archive(members))
    log = read_log(file)
    assert (log.header.status, log.header.results, log.header.total_samples) == ("started", None, None)
    assert {one.id: one.scores["match"].value for one in log.samples} == {"a": "I", "b": "I"}, (
        "the later summary counts"
    )
    assert [one.id for one in read_summaries(file)] == ["a", "b"]


def test_summaries_come_from_the_samples_where_none_are_kept(tmp_path):
    file = write_log(tmp_path / "x.eval", [sample("a", 1), sample("b", 0)])
    assert [one.id for one in read_summaries(file)] == ["a", "b"]


def test_a_sample_that_was_run_again_counts_once_with_its_last_run(tmp_path):
    twice = [
        Packed("samples/a_epoch_1.json", json.dumps(sample("a", value)).encode(), 93) for value in (0, 1)
    ]
    file = tmp_path / "x.eval"
    file.write_bytes(archive([*twice, Packed("header.json", json.dumps(header(total=1)).encode(), 93)]))
    log = read_log(file)
    assert [one.scores["match"].value for one in log.samples] == [1]


def test_the_score_of_an_early_log_gets_the_name_of_its_scorer(tmp_path):
    old = {key: value for key, value in sample("a").items() if key != "scores"} | {"score": {"value": "C"}}
    results = {
        "total_samples": 1,
        "completed_samples": 1,
        "scores": [{"name": "includes", "scorer": "includes", "metrics": {}}],
    }
    log = read_log(write_log(tmp_path / "x.json", [old], results=results))
    assert log.samples[0].scores["includes"].value == "C"


def test_a_log_without_an_id_gets_the_one_that_inspect_gives_it(tmp_path):
    # as inspect_ai 0.3.285 reads eval_id of run "R1", task "T1", created at that time
    log = read_log(write_log(tmp_path / "x.json", [], eval_id=""))
    assert log.header.eval_id == "bRLoUsDWzqHNcJBwQChsCB"
    assert len(log.header.eval_id) == 22


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05+00:00"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
    ],
)
def test_times_are_given_in_utc(tmp_path, text, utc):
    assert read_header(write_log(tmp_path / "x.eval", [], created=text)).created == utc


# ---- what is no log ----


def refused(path: Path, error=InputError, **options) -> tuple[str, str]:
    with pytest.raises(error) as caught:
        read_log(path, **options)
    assert path.name in str(caught.value)
    assert caught.value.remedy
    return caught.value.code, caught.value.problem


def test_no_file(tmp_path):
    code, problem = refused(tmp_path / "no.eval", MissingError)
    assert (code, "There is no evaluation log" in problem) == ("FN60", True)
    assert refused(tmp_path, MissingError)[0] == "FN60"


@pytest.mark.parametrize("content", [b"", b"hello", b"[1, 2]", b"\x00" * 40, b"\x89PNG", b"   "])
def test_neither_archive_nor_object(tmp_path, content):
    file = tmp_path / "x.eval"
    file.write_bytes(content)
    assert refused(file)[0] == "FN61"
    with pytest.raises(InputError):
        read_header(file)
    with pytest.raises(InputError):
        list(samples(file))


@pytest.mark.parametrize(
    ("version", "remedy"), [(1, "Inspect itself"), (3, "Update pellucid"), (99, "Update"), (0, "older")]
)
@pytest.mark.parametrize("ending", ["eval", "json"])
def test_another_version_is_one_clear_message(tmp_path, version, remedy, ending):
    file = write_log(tmp_path / f"x.{ending}", [], version=version)
    with pytest.raises(InputError, match=f"evaluation log of version {version}; version 2 is read") as caught:
        read_log(file)
    assert caught.value.code == "FN71"
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": None}, "'task' should be text and is nothing"),
        ({"task": 3}, "'task' should be text and is 3"),
        ({"model": ["m"]}, "'model' should be text"),
        ({"config": [1]}, "'config' should be an object"),
        ({"dataset": "d"}, "'dataset' should be an object"),
        ({"config": {"epochs": "two"}}, "'epochs' should be a whole number"),
        ({"config": {"epochs": True}}, "'epochs' should be a whole number"),
        ({"created": "yesterday"}, "'yesterday' is not an ISO 8601 time"),
        ({"scorers": [1]}, "should be an object and is 1"),
        ({"status": "fine"}, "'fine', which is none of started"),
        ({"status": 1}, "'status' should be text"),
        ({"invalidated": "yes"}, "'invalidated' should be true or false"),
        ({"results": [1]}, "'results' should be an object"),
        ({"results": {"total_samples": "4"}}, "'total_samples' should be a whole number"),
        ({"results": {"scores": {}}}, "'scores' should be a list"),
        ({"version": "2"}, "'version' should be a whole number"),
        ({"log_updates": [3]}, "should be an object"),
        ({"log_updates": [{"edits": [{"type": "tags", "tags_add": "x"}]}]}, "should be a list"),
        ({"log_updates": [{"edits": [{"type": "metadata", "metadata_set": 1}]}]}, "should be an object"),
    ],
)
def test_a_header_field_of_another_type(tmp_path, changes, words):
    code, problem = refused(write_log(tmp_path / "x.json", [], **changes))
    assert code == "FN72"
    assert words in problem


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": None}, "'id' should be text or a whole number and is nothing"),
        ({"id": 1.5}, "'id' should be text or a whole number"),
        ({"id": True}, "'id' should be text or a whole number and is true"),
        ({"epoch": "1"}, "'epoch' should be a whole number"),
        ({"scores": [1]}, "'scores' should be an object"),
        ({"scores": {"m": 1}}, "should be an object and is 1"),
        ({"scores": {"m": {}}}, "'value' should be a score"),
        ({"scores": {"m": {"value": 1, "answer": 2}}}, "'answer' should be text"),
        ({"messages": "hi"}, "'messages' should be a list"),
        ({"metadata": "m"}, "'metadata' should be an object"),
        ({"input": 3}, "'input' should be text or a list"),
        ({"error": 3}, "'error' should be an object or text"),
    ],
)
def test_a_sample_field_of_another_type(tmp_path, changes, words):
    code, problem = refused(write_log(tmp_path / "x.json", [{**sample("a", 1), **changes}]))
    assert code == "FN72"
    assert words in problem
    assert "sample 1" in problem


@pytest.mark.parametrize("samples_field", [{}, "text", 3, [3], [None]])
def test_samples_that_are_no_list_of_objects(tmp_path, samples_field):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({**header(), "samples": samples_field or "no"}))
    assert refused(file)[0] == "FN72"


def test_json_that_breaks_off_is_named_with_its_line_and_column(tmp_path):
    file = tmp_path / "x.json"
    file.write_text('{"version": 2,\n "eval": {"task": }')
    code, problem = refused(file)
    assert code == "FN70"
    assert "line 2, column 19" in problem


@pytest.mark.parametrize(
    "content", [b'{"a": "\xff"}', b'{"a": ' + b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_json_that_cannot_be_held(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_bytes(content)
    assert refused(file)[0] == "FN70"


def test_a_member_that_is_no_json_is_named(tmp_path):
    file = tmp_path / "x.eval"
    members = [
        Packed("samples/a_epoch_1.json", b"{oops", 93),
        Packed("header.json", json.dumps(header()).encode(), 93),
    ]
    file.write_bytes(archive(members))
    code, problem = refused(file)
    assert code == "FN70"
    assert "member 'samples/a_epoch_1.json'" in problem
    # the header can be read all the same, and the samples up to the broken one
    assert read_header(file).task == "sums"


@pytest.mark.parametrize("content", [b"[]", b"3", b'"text"', b"null"])
def test_a_header_that_is_no_object(tmp_path, content):
    file = tmp_path / "x.eval"
    file.write_bytes(archive([Packed("header.json", content, 93)]))
    assert refused(file)[0] == "FN72"


def test_an_archive_of_something_else(tmp_path):
    file = tmp_path / "x.eval"
    for members in ([], [Packed("word/document.xml", b"<x/>", 8)]):
        file.write_bytes(archive(members))
        code, problem = refused(file)
        assert code == "FN69"
        assert "no evaluation log" in problem


def test_lone_surrogates_and_infinities_are_read(tmp_path):
    file = write_log(tmp_path / "x.json", [sample("a", float("inf"))])
    file.write_text(file.read_text().replace("ask a", "\\ud800"))
    one = read_log(file).samples[0]
    assert one.input == "\ud800"
    assert one.scores["match"].value == math.inf


def test_a_large_document_is_refused_unless_allowed(tmp_path):
    file = write_log(tmp_path / "x.json", [sample("a", 1, input="x" * 20_000)])
    assert refused(file, limits=Limits(member=1000))[0] == "FN66"
    assert read_log(file, limits=Limits(member=3000)).samples


def test_samples_in_pieces_are_refused_and_the_rest_is_read(tmp_path):
    members = [
        Packed(f"samples/a_epoch_1/{part}.json", b"{}", 93) for part in ("sample", "metadata", "events/0")
    ]
    file = tmp_path / "x.eval"
    file.write_bytes(archive([*members, Packed("header.json", json.dumps(header()).encode(), 93)]))
    code, problem = refused(file)
    assert code == "FN82"
    assert "keeps its samples in pieces (as 'samples/a_epoch_1/sample.json')" in problem
    assert read_header(file).task == "sums"


def places(node, at=()):
    """Every place in a document, of lists the first two."""
    yield at
    inner = node.items() if isinstance(node, dict) else enumerate(node[:2]) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*at, key))


def full_document() -> dict:
    """A log with every part that can be spoilt."""
    spoilt = json.loads(golden("document").read_text())
    for one in spoilt["samples"]:
        one["events"] = []
    edits = [{"type": "tags", "tags_add": ["a"], "tags_remove": ["b"]}]
    edits.append({"type": "metadata", "metadata_set": {"a": 1}, "metadata_remove": ["b"]})
    spoilt["log_updates"] = [{"edits": edits, "provenance": {"author": "x"}}]
    spoilt["eval"] |= {"tags": ["t"], "revision": {"commit": "c", "dirty": False}}
    spoilt["samples"][0]["invalidation"] = {"author": "a", "reason": "r"}
    spoilt["samples"][0]["error"] = {"message": "m"}
    early = spoilt["samples"][1]
    early["score"] = early.pop("scores")["match"]
    return spoilt


JUNK = [None, -1, 1.5, True, "x", [], {}, [1], [{}], [[]], {"a": 1}, [None], 10**30, {"value": [{}]}]


def test_no_altered_field_ends_in_a_traceback(tmp_path):
    import copy
    import random

    sound = full_document()
    draw = random.Random(7)
    everywhere = [(place, junk) for place in places(sound) if place for junk in JUNK]
    allow = Allowance(missing=99, errors=99, dirty=True)
    seen = set()
    for place, junk in draw.sample(everywhere, 200):
        spoilt = inner = copy.deepcopy(sound)
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = junk
        file = tmp_path / "x.json"
        file.write_text(json.dumps(spoilt))
        try:
            log = read_log(file)
            log_findings(log, allow=allow)
            marked = replace(log.header, invalidated=False, status="success")
            kept = tuple(replace(one, invalidation=None) for one in log.samples)
            log_findings(replace(log, header=marked, samples=kept), allow=allow)
        except PellucidError as error:
            seen.add((error.code, bool(error.remedy)))
    assert ("FN72", True) in seen
    assert all(remedy for _, remedy in seen)


@pytest.mark.parametrize("field", ["tags_add", "tags_remove"])
def test_tags_are_texts(tmp_path, field):
    for junk in ([1], [None], [{}], [[]]):
        updates = [{"edits": [{"type": "tags", field: junk}]}]
        code, problem = refused(write_log(tmp_path / "x.json", [], log_updates=updates))
        assert code == "FN72"
        assert f"an item of the field '{field}' should be text" in problem


# ---- folders of logs ----


def test_one_bad_file_does_not_hide_the_others(tmp_path):
    (tmp_path / "deep").mkdir()
    write_log(tmp_path / "b.eval", [sample("a", 1)])
    write_log(tmp_path / "deep" / "a.json", [sample("a", 1)])
    (tmp_path / "bad.eval").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "manifest.json").write_text('{"logs": []}')
    (tmp_path / "notes.txt").write_text("not a log")
    logs, problems = read_logs(tmp_path)
    assert [log.path for log in logs] == ["b.eval", "a.json"]
    assert [(Path(p.where).name, p.code, p.level) for p in problems] == [
        ("bad.eval", "FN62", "error"),
        ("manifest.json", "FN72", "error"),
    ]
    assert all(problem.remedy for problem in problems)


def test_files_may_be_given_one_by_one(tmp_path):
    one, two = (write_log(tmp_path / name, [sample("a", 1)]) for name in ("1.eval", "2.eval"))
    assert [log.path for log in read_logs([two, one]).logs] == ["2.eval", "1.eval"]
    assert [log.path for log in read_logs(str(one)).logs] == ["1.eval"]
    logs, problems = read_logs([one, tmp_path / "none.eval"])
    assert len(logs) == 1
    assert problems[0].code == "FN60"


@pytest.mark.parametrize("make", [lambda folder: folder, lambda folder: []])
def test_nothing_to_read(tmp_path, make):
    with pytest.raises(MissingError, match=r"No .eval or .json file") as caught:
        read_logs(make(tmp_path))
    assert caught.value.code == "FN81"


# ---- scores as numbers ----


@pytest.mark.parametrize(
    ("value", "number"),
    [("C", 1.0), ("P", 0.5), ("I", 0.0), ("N", 0.0), (True, 1.0), (False, 0.0), (3, 3.0), (-0.25, -0.25)],
)
def test_letters_and_numbers(value, number):
    assert score_number(value) == number


@pytest.mark.parametrize("value", ["yes", "c", "", "1", None, [1], {"a": 1}])
def test_what_has_no_number(value):
    assert score_number(value) is None


def test_words_are_given_their_numbers_by_hand():
    assert score_number("yes", {"yes": 1}) == 1.0
    assert score_number("C", {"C": 7}) == 7.0
    assert score_number("I", {"yes": 1}) == 0.0
    assert math.isnan(score_number(float("nan")))


# ---- round trips ----

names = st.one_of(
    st.integers(0, 10**6),
    st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=8),
)
values = st.one_of(
    st.sampled_from(["C", "I", "P", "N"]),
    st.floats(allow_nan=False),
    st.booleans(),
    st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(
    runs=st.dictionaries(names, values, max_size=6),
    method=st.sampled_from([0, 8, 93]),
    frames=st.integers(1, 4),
    ending=st.sampled_from(["eval", "json"]),
)
def test_any_log_reads_back(tmp_path_factory, runs, method, frames, ending):
    file = tmp_path_factory.mktemp("log") / f"x.{ending}"
    written = [sample(name, value) for name, value in runs.items() if name != ".."]
    log = read_log(write_log(file, written, method=method, frames=frames))
    key = {one["id"]: one for one in written}
    # text and number may spell one name; the archive then holds the last
    assert {str(one.id) for one in log.samples} == {str(name) for name in key}
    for one in log.samples:
        assert same(dict(one.raw), key[one.id])


def test_reading_loads_neither_torch_nor_scipy_nor_inspect():
    code = (
        "import sys; from pellucid.findings.logs import read_log\n"
        f"read_log({str(golden('success'))!r})\n"
        "assert not {'torch', 'scipy', 'inspect_ai', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_collector_is_left_as_it_was(tmp_path):
    import gc

    assert gc.isenabled()
    with pytest.raises(InputError):
        read_log(write_log(tmp_path / "x.json", [{"id": "a"}]))
    assert gc.isenabled()
    gc.disable()
    try:
        scored_log(tmp_path / "y.json", [1])
        assert not gc.isenabled()
    finally:
        gc.enable()
