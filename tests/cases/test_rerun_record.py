"""The record of runs: append-only, chained, and every kind of tampering named by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.cases.rerun import append_record, verify_record
from pellucid.findings import InputError, MissingError


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "runs.jsonl"
    for number in range(5):
        append_record(path, {"element": f"Sn{number}", "result": "reproduced — in Zürich"})
    return path


def refused(path: Path) -> int:
    """The line that the message names."""
    with pytest.raises(InputError, match="is altered, or does not follow") as error:
        verify_record(path)
    assert error.value.code == "Y83"
    return int(error.value.problem.split()[1])


def test_a_record_follows_line_by_line(record: Path) -> None:
    assert verify_record(record) == 5
    entries = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert [entry["previous"] for entry in entries] == ["", *(entry["digest"] for entry in entries[:-1])]


def test_the_digest_of_the_new_line_is_returned(record: Path) -> None:
    digest = append_record(record, {"element": "Sn9"})
    assert json.loads(record.read_text(encoding="utf-8").splitlines()[-1])["digest"] == digest


def test_lines_are_only_appended(record: Path) -> None:
    before = record.read_bytes()
    append_record(record, {"element": "Sn9"})
    assert record.read_bytes().startswith(before)
    assert verify_record(record) == 6


@pytest.mark.parametrize("line", range(1, 6))
def test_an_altered_line_is_named(record: Path, line: int) -> None:
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace("reproduced", "Reproduced")
    record.write_text("".join(lines), encoding="utf-8")
    assert refused(record) == line


@pytest.mark.parametrize("line", range(1, 5))
def test_a_line_that_was_taken_out_is_noticed_at_the_next(record: Path, line: int) -> None:
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[line - 1]
    record.write_text("".join(lines), encoding="utf-8")
    assert refused(record) == line


@pytest.mark.parametrize("line", range(1, 5))
def test_two_lines_that_changed_places_are_noticed(record: Path, line: int) -> None:
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[line - 1], lines[line] = lines[line], lines[line - 1]
    record.write_text("".join(lines), encoding="utf-8")
    assert refused(record) == line


def test_a_line_made_anew_with_its_digest_breaks_the_next(record: Path, tmp_path: Path) -> None:
    other = tmp_path / "forged.jsonl"
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    other.write_text("".join(lines[:2]), encoding="utf-8")
    append_record(other, {"element": "Sn2", "result": "outside tolerance"})
    forged = other.read_text(encoding="utf-8").splitlines(keepends=True)[2]
    record.write_text("".join([*lines[:2], forged, *lines[3:]]), encoding="utf-8")
    assert refused(record) == 4


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_other_byte_is_noticed(record: Path, data: st.DataObject) -> None:
    before = record.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    changed = bytearray(before)
    changed[place] ^= data.draw(st.integers(1, 255))
    other = record.with_name("changed.jsonl")
    other.write_bytes(bytes(changed))
    line = before[:place].count(b"\n") + 1
    assert refused(other) == line


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_cut_short_by_a_crash_is_closed_by_the_next_run(record: Path, cut: int) -> None:
    whole = record.read_bytes()
    record.write_bytes(whole[:-cut])
    assert refused(record) == 5
    append_record(record, {"element": "Sn5"})
    kept = 5 if cut == 1 else 4
    assert verify_record(record) == kept + 1
    assert record.read_bytes().startswith(whole[:-cut])
    append_record(record, {"element": "Sn6"})
    assert verify_record(record) == kept + 2


def test_a_torn_line_in_the_middle_cannot_be_slipped_in(record: Path) -> None:
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join([*lines[:2], b'{"element": "Sn', b"\n", *lines[2:]]))
    assert refused(record) == 3


def test_places_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read") as missing:
        verify_record(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot be written") as refused_:
        append_record(tmp_path / "no" / "folder.jsonl", {})
    assert (missing.value.code, refused_.value.code) == ("Y84", "Y84")


def test_an_empty_record_has_no_run(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    assert verify_record(path) == 0
