"""How numbered messages are read out of source: every way to one, its text, and what is left blank."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def messages():
    spec = importlib.util.spec_from_file_location("messages", ROOT / "scripts" / "messages.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["messages"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def read(messages, tmp_path):
    def of(source: str) -> list[tuple[str, str, str, str]]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "module.py").write_text(source, encoding="utf-8")
        return [(one.code, one.level, one.problem, one.remedy) for one in messages.all_messages(folder)]

    return of


def test_a_raised_error(read):
    source = 'def f(x):\n    raise InputError("Y01", f"{x} is {len(x)} long.", "Cut it.")\n'
    assert read(source) == [("Y01", "raised", "… is … long.", "Cut it.")]


def test_a_diagnostic_with_texts_in_variables(read):
    source = """
def f(node, where):
    problem = f"'{node}' is odd."
    remedy = "Mend it."
    yield Diagnostic("V01", "error", where, problem, remedy)
"""
    assert read(source) == [("V01", "error", "'…' is odd.", "Mend it.")]


def test_each_branch_before_a_message_gives_one(read):
    source = """
def f(x, where):
    if x:
        problem, remedy = "It is.", "Undo it."
    else:
        problem, remedy = "It is not.", "Do it."
    return Diagnostic("E02", "warning", where, problem, remedy)
"""
    assert read(source) == [
        ("E02", "warning", "It is not.", "Do it."),
        ("E02", "warning", "It is.", "Undo it."),
    ]


def test_a_branch_that_leaves_gives_none(read):
    source = """
def f(x, where):
    problem = "One."
    if x:
        problem = "Two."
        return None
    return Diagnostic("E03", "error", where, problem, "Go.")
"""
    assert read(source) == [("E03", "error", "One.", "Go.")]


def test_a_message_in_a_branch_sees_only_that_branch(read):
    source = """
def f(x, where):
    if x > 1:
        problem = "Many."
        yield Diagnostic("E04", "error", where, problem, "Fewer.")
    elif x:
        problem = "One."
        yield Diagnostic("E05", "error", where, problem, "None.")
"""
    assert read(source) == [("E04", "error", "Many.", "Fewer."), ("E05", "error", "One.", "None.")]


def test_a_function_that_is_given_the_code_is_read_at_its_callers(read):
    source = """
def refuse(faults, code, what, remedy="Mend them."):
    raise InputError(code, f"{faults}: {what}.", remedy)

def g(faults):
    refuse(faults, "Y25", "not LTAC")
    refuse(faults, code="Y26", what="twice", remedy="Say it once.")
"""
    assert read(source) == [
        ("Y25", "raised", "…: ….", "Mend them."),
        ("Y26", "raised", "…: ….", "Say it once."),
    ]


def test_a_method_that_warns_is_read_at_its_callers(read):
    source = """
class Seen:
    def warn(self, code, name, message, remedy):
        return Diagnostic(code, "warning", name, message, remedy)

    def shared(self):
        message = f"{self.x} is shared."
        yield self.warn("Q01", "G1", message, "Use the exact number.")
"""
    assert read(source) == [("Q01", "warning", "… is shared.", "Use the exact number.")]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('"plain"', "plain"),
        ('"one " + "two"', "one two"),
        ('"one " f"{x} two"', "one … two"),
        ('hint or "Name one."', "Name one."),
        ('"yes" if x else "no"', "yes / no"),
        ('f"Do. {hint}".strip()', "Do. …"),
        ("LIMIT", "at most"),
        ('f"Give {LIMIT} {x}."', "Give at most …."),
        ("error.remedy", "…"),
        ("names[x]", "…"),
    ],
)
def test_wording(messages, expression, said):
    names = {"LIMIT": ast.Constant("at most")}
    assert messages.wording(ast.parse(expression, mode="eval").body, names) == said


def test_a_name_that_stands_for_itself_ends(messages):
    assert messages.wording(ast.Name("x"), {"x": ast.Name("x")}) == "…"


def test_codes_are_sorted_by_number(read):
    source = "".join(
        f'def f{n}():\n    raise InputError("{code}", "a", "b")\n'
        for n, code in enumerate(["Y100", "Y13", "E02", "Y99", "ST01"])
    )
    assert [row[0] for row in read(source)] == ["E02", "ST01", "Y13", "Y99", "Y100"]


def test_a_code_that_is_known_only_at_run_time_is_no_row(read):
    source = 'def f(error):\n    raise InputError(error.code, "a", "b")\n'
    assert read(source) == []


def test_codes_made_finds_codes_wherever_they_are_given(messages, tmp_path):
    source = 'read(text, code="Y30")\nInputError("Y01", "a", "b")\nrefuse(x, "not this one", "T01")\n'
    (tmp_path / "m.py").write_text(source, encoding="utf-8")
    assert messages.codes_made(tmp_path) == {"Y30", "Y01", "T01"}
