"""Aim, knowledge register and crosswalk: read, checked, written, and overdue by a clock that is an argument."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.cases import Case
from pellucid.cases.checks.reviews import check_register
from pellucid.cases.review import Aim, Crosswalk, Entry, KnowledgeRegister, Mapped, read_crosswalk
from pellucid.cases.review.register import QUADRANTS
from pellucid.findings import InputError, MissingError

TODAY = date(2026, 11, 24)
TEXT = """
- aim: Nurses get answers that they can rely on
  owner: A. Head
- id: K1
  quadrant: known-unknown
  text: How it answers about children
  owner: B. Nurse
  review: 2026-12-01
- {id: K2, quadrant: unknown-unknown probe, text: Ask people outside, owner: C, review: 2026-11-23}
"""


def test_a_register_is_an_aim_and_entries() -> None:
    register = KnowledgeRegister.read(TEXT)
    assert register.aim == Aim("Nurses get answers that they can rely on", "A. Head")
    assert register.entries[0] == Entry(
        "K1", "known-unknown", "How it answers about children", "B. Nurse", date(2026, 12, 1)
    )
    assert register.entries[1].quadrant == "unknown-unknown"
    assert KnowledgeRegister.read(register.text) == register


@pytest.mark.parametrize(("day", "overdue"), [(22, []), (23, []), (24, ["K2"]), (25, ["K2"])])
def test_an_entry_is_overdue_the_day_after_its_review(day: int, overdue: list[str]) -> None:
    register = KnowledgeRegister.read(TEXT)
    today = date(2026, 11, day)
    assert [entry.id for entry in register.overdue(today)] == overdue
    found = register.check(today)
    assert [one.code for one in found] == ["K01"] * len(overdue)
    if overdue:
        assert "'K2' (unknown-unknown) was to be reviewed by 2026-11-23" in found[0].message
        assert found[0].remedy.startswith("Let C look at it again")


def test_it_stands_in_the_context_of_the_top_goal() -> None:
    case = Case.read("G1: {text: Safe, supportedBy: [Sn1], inContextOf: [C1]}\nSn1: {}\nC1: {text: M}\n")
    register = KnowledgeRegister.read(TEXT)
    assert [one.code for one in check_register(case.graph, TODAY, required=True)] == ["R14", "R15"]
    assert check_register(case.graph, TODAY) == []
    carried = register.attach(case)
    assert carried.nodes["G1"].in_context_of == ("C1", "C_aim", "C_K1", "C_K2")
    assert [one.code for one in check_register(carried.graph, TODAY, required=True)] == ["K01"]
    again = KnowledgeRegister.of(Case.read(carried.text))
    assert again.aim == register.aim
    assert [(entry.quadrant, entry.text, entry.owner, entry.review) for entry in again.entries] == [
        (entry.quadrant, entry.text, entry.owner, entry.review) for entry in register.entries
    ]
    assert register.attach(carried) == carried
    assert KnowledgeRegister.of(carried).attach(carried) == carried
    assert [found for found in carried.check() if found.level == "error"] == []
    assert carried.evaluate([]).word == case.evaluate([]).word


def test_only_contexts_of_the_top_count() -> None:
    case = Case.read(
        "G1: {supportedBy: [G2]}\nG2: {undeveloped: true, inContextOf: [C1]}\n"
        "C1: {register: known-known, text: x, owner: y, review: 2020-01-01}\n"
    )
    assert KnowledgeRegister.of(case).entries == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "register: known-unknow, text: x, owner: y, review: 2026-01-01",
            "The quadrant of 'C1' is 'known-unknow'.",
        ),
        (
            "register: known-known, text: x, owner: y, review: soon",
            "is to be reviewed on 'soon', which is no day",
        ),
        ("register: known-known, text: x, review: 2026-01-01", "states no owner"),
        ("register: known-known, owner: x, review: 2026-01-01", "states no text"),
        ("register: '', text: x, owner: x, review: 2026-01-01", "states no quadrant"),
    ],
)
def test_entries_that_cannot_be_read_are_reported(entry: str, message: str) -> None:
    case = Case.read(f"G1: {{undeveloped: true, inContextOf: [C1]}}\nC1: {{{entry}}}\n")
    (found,) = check_register(case.graph, TODAY)
    assert found.code == "R16"
    assert message in found.message
    assert found.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: K1, quadrant: known}\n", "line 1: .* states no text"),
        (
            "- {id: K1, quadrant: known, text: x, owner: y, review: 2026-01-01}\n",
            "The quadrant of 'K1' is 'known'",
        ),
        ("- {quadrant: known-known, text: x, owner: y, review: 2026-01-01}\n", "states no id"),
        ("- aim: x\n- aim: y\n", "line 2: a second aim"),
        ("- &a {id: K1}\n- *a\n", "an alias"),
        ("- {id: K1, id: K2}\n", "'id' is stated twice"),
        ("- {id: [K1]}\n", "'id' is not a text"),
        ("- {ide: K1}\n", "an entry has no 'ide'"),
        ("- K1\n", "an entry is no mapping"),
        ("- {id: K1\n", "not YAML"),
        ("just a text\n", "an entry is no mapping"),
    ],
)
def test_faults_of_a_file_are_named_with_their_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        KnowledgeRegister.read(text)
    assert error.value.code == "Y103"
    assert error.value.remedy


def test_two_entries_of_one_id_are_refused() -> None:
    entry = "- {id: K1, quadrant: known-known, text: x, owner: y, review: 2026-01-01}\n"
    with pytest.raises(InputError, match="line 2: a second entry 'K1'"):
        KnowledgeRegister.read(entry * 2)


def test_empty_documents_are_empty() -> None:
    for text in ("", "\n", "# nothing\n", "-\n"):
        assert KnowledgeRegister.read(text) == KnowledgeRegister(None)
        assert read_crosswalk(text) == Crosswalk(())
    assert KnowledgeRegister(None).text == ""


def test_files(tmp_path: Path) -> None:
    register = KnowledgeRegister.read(TEXT)
    path = register.write(tmp_path / "register.yaml")
    assert KnowledgeRegister.read(path) == register
    assert KnowledgeRegister.read(str(path)) == register
    with pytest.raises(MissingError, match="No file") as error:
        KnowledgeRegister.read(tmp_path / "none.yaml")
    assert error.value.code == "Y103"
    with pytest.raises(InputError, match="cannot be written"):
        register.write(tmp_path / "no" / "register.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        KnowledgeRegister.read(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"- id: \xe9\n")
    with pytest.raises(InputError, match="is not text: byte 6"):
        KnowledgeRegister.read(tmp_path / "latin.yaml")
    assert [file.name for file in tmp_path.glob(".*")] == []


def test_a_case_without_a_top_goal_has_no_place_for_it() -> None:
    with pytest.raises(InputError, match="has no top goal"):
        KnowledgeRegister.read(TEXT).attach(Case.read("C1: {}"))


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Cf", "Co", "Cn"]),
    min_size=1,
    max_size=20,
)


@given(
    st.lists(
        st.builds(Entry, WORDS, st.sampled_from(QUADRANTS), WORDS, WORDS, st.dates()),
        max_size=4,
        unique_by=lambda one: one.id,
    )
)
def test_writing_and_reading_a_register_is_the_identity(entries: list[Entry]) -> None:
    register = KnowledgeRegister(Aim("good"), tuple(entries))
    assert KnowledgeRegister.read(register.text) == register


# Crosswalks ---------------------------------------------------------------------------------------

WALK = """
- standard: ISO/IEC 42001
  clause: '8.2'
  nodes: [G1, Sn1]
  evidence: f00dcafe
- {standard: ISO/IEC 42001, clause: '9.1', gap: No monitoring after release}
"""
CASE = Case.read("G1: {supportedBy: [Sn1]}\nSn1: {finding: f00dcafe1234}\n")


def test_a_crosswalk_is_read_checked_and_written(tmp_path: Path) -> None:
    walk = read_crosswalk(WALK)
    assert walk.rows[0] == Mapped("ISO/IEC 42001", "8.2", ("G1", "Sn1"), ("f00dcafe",))
    assert [row.clause for row in walk.gaps] == ["9.1"]
    assert walk.check(CASE) == []
    assert read_crosswalk(walk.write(tmp_path / "walk.yaml")) == walk


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("- {standard: S, clause: '1', nodes: [G2]}\n", "R10", "names 'G2', which the case has not"),
        (
            "- {standard: S, clause: '1', nodes: [G1], evidence: [beef]}\n",
            "R11",
            "Finding beef, which no leaf",
        ),
        ("- {standard: S, clause: '1'}\n", "R12", "neither elements nor a gap"),
        (
            "- {standard: S, clause: '1', gap: x}\n- {standard: S, clause: '1', gap: y}\n",
            "R13",
            "stated twice",
        ),
        ("- {standard: S, gap: x}\n", "R04", "names no clause"),
        ("- {clause: '1', gap: x}\n", "R04", "names no standard"),
    ],
)
def test_faults_of_a_crosswalk_have_numbers(text: str, code: str, message: str) -> None:
    (found,) = read_crosswalk(text).check(CASE)
    assert found.code == code
    assert message in found.message
    assert found.remedy


def test_an_unknown_node_gets_a_hint() -> None:
    (found,) = read_crosswalk("- {standard: S, clause: '1', nodes: Sn11}\n").check(CASE)
    assert found.remedy == "Did you mean 'Sn1'?"


ROWS = st.builds(
    Mapped,
    WORDS,
    WORDS,
    st.lists(WORDS, max_size=3).map(tuple),
    st.lists(WORDS, max_size=3).map(tuple),
    st.one_of(st.just(""), WORDS),
)


@given(st.lists(ROWS, max_size=5))
def test_writing_and_reading_a_crosswalk_is_the_identity(rows: list[Mapped]) -> None:
    walk = Crosswalk(tuple(rows))
    assert read_crosswalk(walk.text) == walk
    walk.check(CASE)
