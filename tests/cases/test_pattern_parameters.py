"""What patterns ask for: placeholders, marks, types, values files."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_arguments import FOUR

from pellucid.cases import Case
from pellucid.cases.nodes import Choice
from pellucid.cases.patterns.marks import Loop, allows, chosen_legs, possible, singular, spoken
from pellucid.cases.patterns.parameters import parameters
from pellucid.cases.patterns.placeholders import placeholders, substitute
from pellucid.cases.patterns.value_types import READERS, ParameterType, fitted, item_name, written
from pellucid.cases.patterns.values import parse_values, read_values
from pellucid.findings import InputError, MissingError

SHA = "ab" * 32


def asked(text: str) -> list[str]:
    return [str(parameter) for parameter in parameters(Case.read(text))]


def faults(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parameters(Case.read(text))
    assert caught.value.code == "Y50"
    return caught.value.problem


# Placeholders ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", []),
        ("{a}", [("a", None)]),
        ("{ a : list of text }", [("a", "list of text")]),
        (
            "{AI system: text} and {unacceptable outcomes}",
            [("AI system", "text"), ("unacceptable outcomes", None)],
        ),
        ("{capability.name}", [("capability.name", None)]),
        ("{a.b.c: model}", [("a.b.c", "model")]),
        ("{1, 2} {} {a, b} {a:} {.a} {a.} {'a'}", []),
        ("{{a}}", [("a", None)]),
    ],
)
def test_blanks_are_found(text, found):
    assert [(blank.name, blank.type) for blank in placeholders(text)] == found


@given(st.text(alphabet="ab{}: .", max_size=40))
def test_writing_each_blank_as_it_stands_changes_nothing(text):
    assert substitute(text, lambda blank: blank.text) == text


# Marks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("capabilities", Loop("capability", "capabilities")),
        ("c in capabilities", Loop("c", "capabilities")),
        ("path in threat.paths", Loop("path", "threat.paths")),
        ("threat.paths", Loop("path", "threat.paths")),
        ("AI systems", Loop("AI system", "AI systems")),
        ("fish", Loop("fish", "fish")),
        ("a.b in c", None),
        ("1..n", None),
        ("in", Loop("in", "in")),
        ("", None),
    ],
)
def test_multiplicity_is_read(text, loop):
    assert Loop.parse(text) == loop


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("boxes", "box"),
        ("classes", "class"),
        ("ties", "tie"),
        ("s", "s"),
        ("cases", "case"),
        ("loss", "loss"),
    ],
)
def test_singular(many, one):
    assert singular(many) == one


def test_bounds_of_a_choice():
    assert [allows(Choice(1, 2), count) for count in range(4)] == [False, True, True, False]
    assert possible(Choice(1, 1, 2), 2)
    assert not possible(Choice(1, 1, 3), 2)
    assert not possible(Choice(1, 3), 2)
    assert not possible(Choice(0, 0), 2)
    assert (spoken(Choice(1, 1)), spoken(Choice(1, 2))) == ("1", "1 to 2")
    assert chosen_legs("G1, G2_a + G2_b") == [("G1",), ("G2_a", "G2_b")]


# Parameters ------------------------------------------------------------------------------------


def test_parameters_of_the_four_categories():
    assert asked(FOUR) == [
        "AI system: text",
        "abilities: list of record (name: text, limit: probability)",
        "unacceptable outcomes: list of text",
        "trustworthy: text",
        "controls: list of text",
        "credible: text",
        "choose G2: 1 to 2 of G3, G4",
        "choose G4: 1 to 2 of G5, G6",
    ]


def test_parameters_say_where_they_are_used():
    found = {parameter.name: parameter for parameter in parameters(Case.read(FOUR))}
    assert found["AI system"].used_in == ("G1", "C2")
    assert {"C1", "G2", "G3", "Sn3"} <= set(found["abilities"].used_in)
    assert found["abilities"].repeats
    assert found["G2"].required


def test_a_type_may_stand_anywhere():
    assert asked(
        "G1: {text: '{n}', supportedBy: Sn1}\nSn1: {text: x, predicate: 'rate.high <= {n: probability}'}"
    ) == ["n: probability"]


def test_types_within_items_and_lists_in_items():
    text = (
        "G1: {supportedBy: [G2]}\nG2: {text: '{t.when: date} {t.m: model}', multiplicity: t in ts, supportedBy: [Sn1]}\n"
        "Sn1: {text: '{p.n: integer}', multiplicity: p in t.ps, sha256: '{t.m.sha256}'}"
    )
    assert asked(text) == ["ts: list of record (when: date, m: model, ps: list of record (n: integer))"]


def test_a_plain_record():
    assert asked("G1: {text: '{deployment.place} {deployment.volume: integer}'}") == [
        "deployment: record (place: text, volume: integer)"
    ]


def test_module_texts_ask_too():
    assert asked("module: {name: '{n}', brief: 'b {b: date}', note: '{x: number}'}\nG1: {}") == [
        "n: text",
        "b: date",
        "x: number",
    ]


def test_forced_choice_and_option():
    text = "G1: {choice: 2 of 2, supportedBy: [Sn1, Sn2]}\nSn1: {optional: 'true'}\nSn2: {}"
    assert [(str(p), p.required) for p in parameters(Case.read(text))] == [
        ("choose G1: 2 of Sn1, Sn2", False),
        ("include Sn1: true or false", False),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "G1: {text: '{n: integr}'}",
            "'G1' gives {n: integr} the type 'integr', which there is not (Did you mean 'integer'?)",
        ),
        ("G1: {text: '{n: integer} {n: date}'}", "'n' is declared as integer in 'G1' and date in 'G1'"),
        ("G1: {text: '{n: integer} {n.x}'}", "'n' is declared as integer but used with fields: n.x"),
        ("G1: {text: '{m: model} {m.name}'}", "'m' is declared as model but used with fields: m.name"),
        (
            "G1: {choice: many, supportedBy: [Sn1]}\nSn1: {}",
            "choice of 'G1' is 'many'; expected `m of n` or `m..k`",
        ),
        (
            "G1: {choice: 1 of 3, supportedBy: [Sn1]}\nSn1: {}",
            "choice of 'G1' is '1 of 3', which cannot be made among its 1 legs",
        ),
        (
            "G1: {supportedBy: [Sn1]}\nSn1: {multiplicity: 0..n}",
            "multiplicity of 'Sn1' is '0..n'; expected LIST or ITEM in LIST",
        ),
        (
            "G1: {text: '{x}', supportedBy: [Sn1]}\nSn1: {text: '{x}', multiplicity: x in xs}",
            "'G1' uses {x} outside what is repeated for it",
        ),
        ("G1: {text: '{choose}'}", "'choose' is no name for a parameter"),
        (
            "G1: {text: '{xs: text}', supportedBy: [Sn1]}\nSn1: {multiplicity: x in xs}",
            "'xs' is declared as text but elements are repeated over it",
        ),
        (
            "G1: {text: '{xs.a}', supportedBy: [Sn1]}\nSn1: {multiplicity: x in xs}",
            "'xs' is a list but used with fields: xs.a",
        ),
        (
            "G1: {supportedBy: [Sn1, Sn2]}\nSn1: {multiplicity: x in xs, text: '{x.ys}'}\nSn2: {multiplicity: y in x.ys}",
            "'Sn2' repeats over 'x.ys', which is no list around it",
        ),
    ],
)
def test_contradictions_are_said(text, said):
    assert said in faults(text)


def test_all_contradictions_come_at_once():
    said = faults("G1: {text: '{n: integr}', choice: many, supportedBy: [Sn1]}\nSn1: {multiplicity: 3}")
    assert said.count(";") >= 3


def test_cyclic_support_ends():
    text = "G1: {text: '{a.x}', multiplicity: a in b.ys, supportedBy: [G2]}\nG2: {text: '{b.y}', multiplicity: b in a.xs, supportedBy: [G1]}"
    assert "repeats over" in faults(text)


# Values ----------------------------------------------------------------------------------------


def read(word: str, value: object) -> object:
    found: list[str] = []
    result = fitted(ParameterType.parse(word), value, "v", found)
    return found[0] if found else result


@pytest.mark.parametrize(
    ("word", "value", "kept", "text"),
    [
        ("text", " a b ", " a b ", " a b "),
        ("number", "1e-6", 1e-6, "1e-06"),
        ("number", 3, 3, "3"),
        ("number", Fraction(1, 4), 0.25, "0.25"),
        ("number", "-2.5", -2.5, "-2.5"),
        ("integer", "50", 50, "50"),
        ("probability", "1/200", 0.005, "0.005"),
        ("probability", 1, 1, "1"),
        ("date", "2026-11-24", date(2026, 11, 24), "2026-11-24"),
        ("date", datetime(2026, 11, 24, 3), date(2026, 11, 24), "2026-11-24"),
        ("finding", "3f2a9c", "3f2a9c", "3f2a9c"),
        ("list of integer", ["1", 2], (1, 2), "1 and 2"),
        ("list of text", ["a"], ("a",), "a"),
        ("list of text", [], (), ""),
        ("model", {"id": "bard", "sha256": SHA}, {"id": "bard", "sha256": SHA}, f"bard (weights {SHA[:12]})"),
    ],
)
def test_values_fit(word, value, kept, text):
    assert read(word, value) == kept
    assert written(read(word, value)) == text


def test_objects_with_an_id_fit():
    from case_arguments import header

    from pellucid.findings import Subject

    found = header()
    assert read("finding", found) == found.id
    assert read("model", Subject(id="m", sha256=SHA)) == {"id": "m", "sha256": SHA}


@pytest.mark.parametrize(
    ("word", "value", "said"),
    [
        ("text", "  ", "'v' is the text '  '; expected a text that is not empty"),
        ("text", False, "'v' is False; expected a text that is not empty"),
        ("text", "a {b}", "'v' is the text 'a {b}'; expected a text without blanks, not {b}"),
        ("number", "many", "'v' is the text 'many'; expected a number"),
        ("number", True, "'v' is True; expected a number"),
        ("number", float("nan"), "'v' is nan; expected a number"),
        ("number", "1e999", "'v' is the text '1e999'; expected a number"),
        ("number", "1/0", "'v' is the text '1/0'; expected a number"),
        ("integer", 2.5, "'v' is 2.5; expected a whole number"),
        ("integer", None, "'v' is None; expected a whole number"),
        ("probability", 1.5, "'v' is 1.5; expected a probability from 0 to 1"),
        ("probability", "high", "'v' is the text 'high'; expected a probability from 0 to 1"),
        ("date", "24.11.2026", "'v' is the text '24.11.2026'; expected a day as YYYY-MM-DD"),
        ("date", 20261124, "'v' is 20261124; expected a day as YYYY-MM-DD"),
        ("finding", "x", "'v' is the text 'x'; expected a Finding or its id"),
        ("model", "bard", "'v' is the text 'bard'; expected a model with `id` and `sha256`"),
        ("model", {"id": "bard"}, "'v' is a mapping; expected a model with `id` and `sha256`"),
        (
            "model",
            {"id": "bard", "sha256": "xyz"},
            "'v' is a mapping; expected a model whose `sha256` is a hexadecimal digest",
        ),
        ("list of text", "a", "'v' is the text 'a'; expected a list of text"),
        ("list of text", ["a", 3], "'v[2]' is 3; expected a text that is not empty"),
    ],
)
def test_values_that_do_not_fit_are_said(word, value, said):
    assert read(word, value) == said


def test_every_type_has_a_name_and_reads_itself():
    assert set(READERS) == {"text", "number", "integer", "probability", "date", "model", "finding"}
    assert ParameterType.parse("list of list of date").item.item == ParameterType("date")
    assert ParameterType.parse("list of") is None
    assert ParameterType.parse("record") is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_text(number):
    assert read("number", written(read("number", number))) == number


def test_items_are_called_by_id_name_or_first_text():
    assert item_name({"n": 1, "name": "a", "id": "b"}) == "b"
    assert item_name({"n": 1, "text": "t"}) == "t"
    assert item_name({"n": 1}) == ""
    assert item_name(3) == "3"


# Values files ----------------------------------------------------------------------------------


def test_values_stay_texts():
    assert parse_values("a: No\nb: 1_000\nc: [1e-6, on]\nd: {e: 2026-11-24}") == {
        "a": "No",
        "b": "1_000",
        "c": ["1e-6", "on"],
        "d": {"e": "2026-11-24"},
    }


def test_json_is_a_values_file(tmp_path):
    path = tmp_path / "values.json"
    path.write_text('\ufeff{"a": ["x"], "n": 3}', encoding="utf-8")
    assert read_values(path) == {"a": ["x"], "n": "3"}


@pytest.mark.parametrize("text", ["", "# only a remark\n", "{}"])
def test_an_empty_file_has_no_values(text):
    assert parse_values(text) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "values:2 cannot be read: 'a' is stated twice"),
        ("x: {a: 1, a: 2}", "values:1 cannot be read: 'a' is stated twice"),
        ("a: [1", "values:2 cannot be read: "),
        ("- a\n- b", "values:1 holds no values by name"),
        ("just text", "values:1 holds no values by name"),
        ("a: &x [1]\nb: *x", "values:2 uses an alias"),
        ("? [a]\n: b", "values:1 cannot be read: a name is no text"),
        ("a: 1\n---\nb: 2", "values:2 cannot be read"),
        ("[" * 4000, "values:1 is nested deeper than 12"),
    ],
)
def test_bad_values_files_are_said(text, said):
    with pytest.raises(InputError) as caught:
        parse_values(text)
    assert caught.value.code == "Y54"
    assert said in caught.value.problem


def test_a_missing_values_file(tmp_path):
    (tmp_path / "values.yaml").write_text("a: 1")
    with pytest.raises(MissingError, match=r"Did you mean 'values.yaml'\?") as caught:
        read_values(tmp_path / "value.yaml")
    assert caught.value.code == "Y53"


def test_an_unreadable_values_file(tmp_path):
    (tmp_path / "v.yaml").write_bytes(b"a: \xff")
    for path in (tmp_path / "v.yaml", tmp_path):
        with pytest.raises(InputError) as caught:
            read_values(path)
        assert caught.value.code == "Y54"
