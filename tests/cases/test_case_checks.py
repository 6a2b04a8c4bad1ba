"""Every numbered check: a file that makes it fire, one that does not, and the examples of gsn2x."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_arguments import header, retracted

from pellucid.cases import Case, Module, Node
from pellucid.cases.checks.notation import check_notation
from pellucid.findings import Header

GSN = Path(__file__).parent / "data" / "gsn"
SOUND = "G1: {supportedBy: [Sn1], inContextOf: [C1]}\nSn1: {}\nC1: {}\n"


def codes(text: str, **options: object) -> list[str]:
    return [diagnostic.code for diagnostic in Case.read(text).check(**options)]  # type: ignore[arg-type]


# The examples --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["bullet_lists.gsn.yaml"], []),
        (["confidence.gsn.yaml"], []),
        (["dialectic/first.gsn.yaml"], []),
        (["dialectic/second.gsn.yaml"], []),
        (["entangled.gsn.yaml"], ["C01"]),
        (["example.gsn.yaml"], []),
        (["minimalcss/min.gsn.yaml"], []),
        (["modular/index.gsn.yaml"], []),
        (["modular/sub1.gsn.yaml"], ["C03", "C03", "C03", "C01"]),
        (["modular/sub2.gsn.yaml"], []),
        (["modular/sub3.gsn.yaml"], ["C01"]),
        (["modular/index.gsn.yaml", "modular/sub2.gsn.yaml"], ["C07", "C07"]),
        (["template/template.gsn.yaml"], []),
        (["template/instance.gsn.yaml"], ["C09"]),
        (["template/template.gsn.yaml", "template/instance.gsn.yaml"], []),
    ],
)
def test_the_examples_give_the_stated_checks(names: list[str], expected: list[str]) -> None:
    assert [found.code for found in Case.read(*(GSN / name for name in names)).check()] == expected


def test_an_extension_supports_the_element_that_it_develops() -> None:
    case = Case.read(GSN / "template" / "template.gsn.yaml", GSN / "template" / "instance.gsn.yaml")
    assert case.graph.support["G1"] == ("G2",)
    assert case.graph.roots == ("G0",)


# Each code -----------------------------------------------------------------------------------------

TOP = "G1: {supportedBy: [%s]}\n"
FIRES = [
    ("V01", "G1: {supportedBy: [x1]}\nx1: {}\n", "'x1' has no known prefix and no nodeType."),
    ("V02", "G1: {supportedBy: [S1]}\nS1: {}\n", "'S1' has no support and is not marked undeveloped."),
    (
        "V03",
        "G1: {supportedBy: [Sn1], undeveloped: true}\nSn1: {}\n",
        "is marked undeveloped but is supported by Sn1",
    ),
    ("V04", "G1: {supportedBy: [C1]}\nC1: {}\n", "supportedBy of the goal 'G1' names the context 'C1'."),
    (
        "V04",
        "G1: {supportedBy: [Sn1]}\nSn1: {supportedBy: [Sn9]}\n",
        "supportedBy of the solution 'Sn1' names 'Sn9'.",
    ),
    ("V04", "G1: {supportedBy: [Sn1]}\nSn1: {inContextOf: [C1]}\nC1: {}\n", "It may hold nothing."),
    ("V05", "G1: {supportedBy: [Sn1, Sn1]}\nSn1: {}\n", "names 'Sn1' 2 times"),
    ("V06", "G1: {supportedBy: [G1, Sn1]}\nSn1: {}\n", "supportedBy of 'G1' names itself."),
    (
        "V07",
        "module: {name: a, extends: [{module: b, develops: {G0: [C1]}}]}\nC1: {}\n",
        "is to be developed by 'C1'",
    ),
    (
        "V09",
        "G1: {supportedBy: [Sn1], acp: {P: Sn2}}\nSn1: {}\nSn2: {}\n",
        "Claim point 'P' of 'G1' sits on 'Sn2'",
    ),
    (
        "V10",
        "G1: {supportedBy: [Sn1], defeated: true}\nSn1: {}\nCSn1: {challenges: G1 -> Sn1}\n",
        "nothing challenges it",
    ),
    (
        "V12",
        "G1: {supportedBy: [Sn1]}\nSn1: {}\nSn2: {challenges: G1}\n",
        "challenges G1 but is no counter element",
    ),
    (
        "V13",
        "G1: {supportedBy: [Sn1], defeatedRelation: Sn2}\nSn1: {}\nSn2: {}\n",
        "names 'Sn2', which is not related",
    ),
    ("C01", "G1: {supportedBy: [Sn1]}\nG2: {supportedBy: [Sn1]}\nSn1: {}\n", "There are 2 roots: G1, G2."),
    ("C01", "G1: {supportedBy: [G2]}\nG2: {supportedBy: [G1]}\n", "No element is a root"),
    ("C02", "S1: {supportedBy: [Sn1]}\nSn1: {}\n", "The root 'S1' is a strategy, not a goal."),
    ("C03", "G1: {supportedBy: [Sn2]}\nSn1: {}\n", "names 'Sn2', which exists nowhere. Did you mean 'Sn1'?"),
    ("C04", "G1: {supportedBy: [G2]}\nG2: {supportedBy: [G3]}\nG3: {supportedBy: [G2]}\n", "G2 -> G3 -> G2"),
    (
        "C08",
        "G1: {supportedBy: [Sn1]}\nSn1: {}\nG2: {supportedBy: [G3]}\nG3: {supportedBy: [G2]}\n",
        "'G2' is not reached",
    ),
    ("C11", "G1: {supportedBy: 'Sn1, Sn2'}\nSn1: {}\nSn2: {}\n", "Write a list: [Sn1, Sn2]."),
    ("C12", SOUND + "CSn1: {challenges: G1 -> Sn7}\n", "but 'Sn7' exists nowhere. Did you mean 'Sn1'?"),
    ("C13", SOUND + "CSn1: {challenges: CSn1}\n", "'CSn1' challenges itself."),
    (
        "C14",
        SOUND + "CSn1: {challenges: Sn7}\n",
        "challenges 'Sn7', which exists nowhere. Did you mean 'Sn1'?",
    ),
    ("C15", SOUND + "CSn1: {challenges: G1 -> G1}\n", "whose ends are the same"),
    ("C16", SOUND + "CSn1: {challenges: C1 -> Sn1}\n", "there is none between them"),
    (
        "E01",
        "G1: {supportedBy: [Sn1, Sn2]}\nSn1: {finding: a, predicate: x < 1}\nSn2: {}\n",
        "'Sn2' cites no Finding",
    ),
    ("E01", "G1: {supportedBy: [Sn1]}\nSn1: {finding: a}\n", "cites a Finding but states no predicate"),
    ("E10", "G1: {supportedBy: [Sn1], need: 2}\nSn1: {}\n", "'G1' needs 2 legs but has 1."),
    ("E10", "G1: {supportedBy: [Sn1], need: most}\nSn1: {}\n", "need of 'G1' is 'most'."),
    ("E11", "G1: {supportedBy: [Sn1]}\nSn1: {finding: a, predicate: x <}\n", "predicate of 'Sn1'"),
    (
        "E13",
        "G1: {supportedBy: [Sn1], inContextOf: [A1]}\nSn1: {}\nA1: {accepted: Ada}\n",
        "'Ada', which is no name with a day",
    ),
    ("E14", "G1: {supportedBy: [Sn1], finding: a}\nSn1: {}\n", "'finding' has no effect on the goal 'G1'."),
    (
        "E14",
        "G1: {supportedBy: [Sn1]}\nSn1: {accepted: 'Ada, 2026-11-21'}\n",
        "Only assumptions are accepted.",
    ),
    (
        "D01",
        SOUND + "CSn1: {challenges: G1, finding: a, predicate: x < 1, defeater: undercuting}\n",
        "Did you mean 'undercutting'?",
    ),
    (
        "D03",
        SOUND
        + "CSn1: {challenges: G1}\nCSn2: {challenges: CSn1, finding: a, predicate: x < 1}\nCSn3: {challenges: G1}\n",
        "'CSn3'",
    ),
]


@pytest.mark.parametrize(
    ("code", "text", "message"), FIRES, ids=[f"{n}-{row[0]}" for n, row in enumerate(FIRES)]
)
def test_a_fault_gives_its_number_and_says_what_to_do(code: str, text: str, message: str) -> None:
    found = [diagnostic for diagnostic in Case.read(text).check() if diagnostic.code == code]
    assert any(message in str(diagnostic) for diagnostic in found), Case.read(text).check()
    assert all(diagnostic.remedy for diagnostic in found)


def test_a_sound_argument_gives_nothing() -> None:
    assert codes(SOUND) == []


WARNINGS = {"V02", "V05", "V08", "V11", "C11", "E01", "E03", "E04", "E05", "E13", "E14", "D01", "D02", "D03"}


@pytest.mark.parametrize(
    ("code", "text", "message"), FIRES, ids=[f"{n}-{row[0]}" for n, row in enumerate(FIRES)]
)
def test_levels_are_those_of_the_table(code: str, text: str, message: str) -> None:
    for diagnostic in Case.read(text).check():
        if diagnostic.code != "C01":
            assert (diagnostic.level == "warning") == (diagnostic.code in WARNINGS)


def test_no_root_is_an_error_and_many_roots_a_warning() -> None:
    levels = [
        [d.level for d in Case.read(text).check() if d.code == "C01"] for c, text, _ in FIRES if c == "C01"
    ]
    assert levels == [["warning"], ["error"]]


def test_messages_name_file_line_and_element(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text("# a comment\nG1:\n  supportedBy: [Sn1]\n\nSn1:\n  supportedBy: [G1]\n")
    found = {d.code: d for d in Case.read(path).check()}
    assert found["V04"].where == f"{path}:5 Sn1"
    assert str(found["V04"]).startswith(
        f"error ({path}:5 Sn1) (V04): supportedBy of the solution 'Sn1' names the goal"
    )
    assert found["C04"].message == "The support runs in a circle: G1 -> Sn1 -> G1."


def test_optional_checks_run_on_request() -> None:
    text = "G1: {nodeType: Strategy, supportedBy: [Sn1]}\nSn1: {}\nG0: {supportedBy: [G1]}\nCSn1: {challenges: G1}\n"
    assert "V08" not in codes(text) and "V11" not in codes(text)  # noqa: PT018
    assert codes(text, also=["V08"]).count("V08") == 1
    assert codes(text, also=["V11"]).count("V11") == 1


def test_self_reference_of_the_wrong_kind_is_both() -> None:
    assert codes("G1: {supportedBy: [Sn1]}\nSn1: {supportedBy: [Sn1]}\n") == ["V06", "V04"]


def test_an_absent_target_is_no_wrong_kind_unless_nothing_may_stand_there() -> None:
    assert codes("G1: {supportedBy: [Sn9]}\n") == ["C03"]
    assert codes("G1: {supportedBy: [Sn1]}\nSn1: {inContextOf: [C9]}\n") == ["V04", "C03"]


@pytest.mark.parametrize("ends", ["G1 -> Sn1", "Sn1 -> G1", "G1 -> C1", "CSn2 -> G1", "G1 -> CSn2"])
def test_support_context_and_challenges_may_be_challenged_in_either_direction(ends: str) -> None:
    assert codes(SOUND + f"CSn2: {{challenges: G1}}\nCSn1: {{challenges: {ends}}}\n") == []


def test_modules_with_one_name_and_ids_in_two_modules(tmp_path: Path) -> None:
    for name, text in (("a", "G1: {supportedBy: [Sn1]}\nSn1: {}\n"), ("b", "Sn1: {}\nSn2: {}\n")):
        (tmp_path / f"{name}.yaml").write_text(f"module: {{name: M}}\n{text}")
    found = Case.read(tmp_path / "a.yaml", tmp_path / "b.yaml").check()
    assert [d.code for d in found][:2] == ["C06", "C07"]
    assert found[1].message == "'Sn1' stands in module 'M' and in module 'M'."


def test_unnamed_modules_of_two_folders_may_have_one_file_name(tmp_path: Path) -> None:
    for name, text in (("a", "G1: {supportedBy: [Sn1]}\n"), ("b", "Sn1: {}\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "case.yaml").write_text(text)
    assert Case.read(tmp_path / "a" / "case.yaml", tmp_path / "b" / "case.yaml").check() == []


@pytest.mark.parametrize(
    ("foreign", "message"), [("G4", "'G4' is not marked undeveloped"), ("G7", "'G7' does not exist")]
)
def test_only_undeveloped_elements_are_extended(tmp_path: Path, foreign: str, message: str) -> None:
    path = tmp_path / "more.yaml"
    path.write_text(
        f"module: {{name: more, extends: [{{module: template, develops: {{{foreign}: [G9]}}}}]}}\nG9: {{undeveloped: true}}\n"
    )
    found = [d for d in Case.read(GSN / "template" / "template.gsn.yaml", path).check() if d.code == "C10"]
    assert message in found[0].message


def test_the_peer_stops_at_the_first_stage_with_an_error() -> None:
    text = "G1: {supportedBy: [Sn7, Sn8, C1]}\nC1: {}\nG2: {supportedBy: [G2]}\n"
    assert codes(text, strict_peer=True) == ["V04", "V06"]
    assert {"V04", "V06", "C03", "C08"} <= set(codes(text))
    absent = "G1: {supportedBy: [Sn7, Sn8]}\n"
    assert codes(absent, strict_peer=True) == ["C03"]
    assert codes(absent) == ["C03", "C03"]


@pytest.mark.parametrize(
    ("ends", "told"),
    [("G1 -> Sn7", "C12"), ("CSn1", "C13"), ("Sn7", "C14"), ("G1 -> G1", "C15"), ("C1 -> Sn1", "C16")],
)
def test_a_challenge_of_a_broken_target_is_told_once(ends: str, told: str) -> None:
    assert codes(SOUND + f"CSn1: {{challenges: {ends}}}\n") == [told]
    below = SOUND + f"CG1: {{challenges: {ends.replace('CSn1', 'CG1')}, supportedBy: [CSn2]}}\nCSn2: {{}}\n"
    assert codes(below) == [told]


def test_what_else_no_root_leads_to_is_told_beside_a_broken_challenge() -> None:
    circle = "G7: {supportedBy: [G8]}\nG8: {supportedBy: [G7]}\n"
    found = codes(SOUND + circle + "CSn1: {challenges: Sn7}\n")
    assert (found.count("C14"), found.count("C08")) == (1, 2)


def test_references_of_a_module_may_be_masked() -> None:
    case = Case.read(GSN / "modular" / "sub1.gsn.yaml")
    assert [d.code for d in case.check(masked=["Sub1"])] == ["C01"]


def test_ten_thousand_elements_are_checked() -> None:
    chain = "".join(f"G{index}: {{supportedBy: [G{index + 1}]}}\n" for index in range(9_999))
    assert codes(chain + "G9999: {supportedBy: [G0]}\n") == ["C01", "C04"]
    assert codes(chain + "G9999: {undeveloped: true}\n") == []


# What gsn2x does, case by case ---------------------------------------------------------------------


def test_claim_points_sit_on_what_the_element_itself_names() -> None:
    acp = (
        "G1: {supportedBy: [Sn1], inContextOf: [C1]}\nSn1: {acp: {P: %s}}\nC1: {}\nCSn1: {challenges: Sn1}\n"
    )
    assert codes(acp % "Sn1") == []
    for other in ("G1", "CSn1", "C1", "Sn7"):
        assert codes(acp % other) == ["V09"]
    own = "G1: {supportedBy: [Sn1], inContextOf: [C1], acp: {P: [%s]}}\nSn1: {}\nC1: {}\n"
    assert codes(own % "G1, Sn1, C1") == []
    assert codes("G1: {supportedBy: [Sn7], acp: {P: Sn7}}\n") == ["V09", "C03"]


def test_defeated_relations_are_those_that_the_element_itself_states() -> None:
    text = "G1: {supportedBy: [Sn1]}\nSn1: {}\nCSn1: {challenges: Sn1}\n"
    assert codes(text.replace("[Sn1]}", "[Sn1], defeatedRelation: [Sn1]}")) == []
    assert codes(text.replace("challenges: Sn1", "challenges: Sn1, defeatedRelation: Sn1")) == []
    assert codes(text.replace("Sn1: {}", "Sn1: {defeatedRelation: G1}")) == ["V13"]
    assert codes(text.replace("Sn1: {}", "Sn1: {defeatedRelation: CSn1}")) == ["V13"]
    assert codes(text.replace("challenges: Sn1", "challenges: G1 -> Sn1, defeatedRelation: G1")) == ["V13"]


def test_an_element_of_no_kind_may_neither_hold_nor_be_held() -> None:
    assert codes("G1: {supportedBy: [x1]}\nx1: {}\n") == ["V04", "V01"]
    assert codes("G1: {supportedBy: [Sn1]}\nSn1: {}\nx1: {supportedBy: [Sn1]}\n") == ["V01", "V04", "C01"]
    assert codes("G1: {supportedBy: [x1]}\nx1: {nodeType: Solution}\n") == []


@pytest.mark.parametrize("kind", ["Sn1", "C1", "A1", "J1", "CSn1"])
def test_only_goals_strategies_and_counter_goals_hold_support(kind: str) -> None:
    found = codes(f"G1: {{supportedBy: [G2]}}\nG2: {{undeveloped: true}}\n{kind}: {{supportedBy: [G2]}}\n")
    assert found.count("V04") == 1


def test_counter_goals_hold_counters_only() -> None:
    text = SOUND + "CG1: {challenges: G1, supportedBy: [%s]}\nCG2: {}\nCSn1: {}\n"
    assert codes(text % "CG2, CSn1") == []
    assert "V04" in codes(text % "Sn1")
    assert "V04" in codes(text.replace("challenges: G1", "inContextOf: [C1]") % "CG2, CSn1")


def test_dialectic_elements_are_told_once_a_module() -> None:
    text = SOUND + "CG1: {challenges: G1, supportedBy: [CSn1, CSn2]}\nCSn1: {}\nCSn2: {}\n"
    (found,) = [d for d in Case.read(text).check(also=["V11"]) if d.code == "V11"]
    assert found.message == "Dialectic elements are used: CG1, CSn1, CSn2."
    assert codes(SOUND, also=["V11"]) == []


def test_undeveloped_strategies_and_goals_without_support_are_alike() -> None:
    assert codes("G1: {supportedBy: [S1]}\nS1: {undeveloped: true}\n") == []
    assert codes("G1: {supportedBy: [S1]}\nS1: {undeveloped: false}\n") == ["V02"]
    assert codes("G1: {undeveloped: true}\n") == []
    assert codes("G1: {inContextOf: [G1], undeveloped: true}\n") == ["V06", "V04", "C01"]


def test_an_independent_circle_is_not_reached() -> None:
    text = "G1: {supportedBy: [S1]}\nS1: {supportedBy: [G2]}\nG2: {supportedBy: [G1]}\nG3: {supportedBy: [Sn1]}\nSn1: {}\n"
    assert codes(text) == ["C04", "C08", "C08", "C08"]
    assert codes(text, strict_peer=True) == ["C04"]


def test_an_argument_without_a_top_stops_the_peer() -> None:
    text = "G1: {supportedBy: [S1]}\nS1: {supportedBy: [G1]}\n"
    assert codes(text) == ["C01", "C04"]
    assert codes(text, strict_peer=True) == ["C01"]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("V03", "C03"),
        ("C03", "C02"),
        ("C14", "C02"),
        ("C02", "C08"),
        ("C04", "C08"),
    ],
)
def test_the_peer_reports_no_later_stage(first: str, later: str) -> None:
    circle = "G7: {supportedBy: [G8]}\nG8: {supportedBy: [G7]}\n"
    texts = {
        ("V03", "C03"): "G1: {supportedBy: [Sn7], undeveloped: true}\n",
        ("C03", "C02"): "S1: {supportedBy: [Sn7]}\n",
        ("C14", "C02"): "S1: {supportedBy: [Sn1]}\nSn1: {}\nCSn1: {challenges: Sn9}\n",
        ("C02", "C08"): "S1: {supportedBy: [Sn1]}\nSn1: {}\n" + circle,
        ("C04", "C08"): SOUND + circle,
    }
    text = texts[first, later]
    assert {first, later} <= set(codes(text))
    assert first in codes(text, strict_peer=True)
    assert later not in codes(text, strict_peer=True)


def test_warnings_never_stop_the_peer() -> None:
    text = "G1: {supportedBy: [G2, G2]}\nG2: {}\nG3: {undeveloped: true}\n"
    assert codes(text, strict_peer=True) == ["V05", "V02", "C01"]


def test_the_peer_does_not_know_our_checks() -> None:
    text = SOUND.replace("Sn1: {}", "Sn1: {accepted: 'Ada, 2026-11-21', away: Nowhere, symbol: box}")
    assert codes(text, strict_peer=True) == []
    assert "E14" in codes(text)


# Extensions of the notation ------------------------------------------------------------------------


def notation(text: str) -> list[str]:
    case = Case.read(text)
    return [f"{d.code} {d.message} {d.remedy}" for d in check_notation(case.modules, case.graph)]


def test_sound_marks_give_nothing() -> None:
    text = (
        "module: {name: M}\nG1: {supportedBy: [S1, G2], choice: 1 of 2}\nG2: {away: M/G1, optional: 'true'}\n"
        "S1: {supportedBy: [G3, G4], choice: 1..2, block: substitution, inContextOf: [J1]}\nJ1: {away: M}\n"
        "G3: {symbol: module, uninstantiated: 'true'}\nG4: {symbol: contract, multiplicity: hazards}\n"
    )
    assert notation(text) == []
    assert [node.symbol for node in Case.read(text).nodes.values()].count("contract") == 1


def two_modules(tmp_path: Path, away: str) -> Case:
    (tmp_path / "a.yaml").write_text(
        f"module: {{name: A, uses: [b.yaml]}}\nG1: {{supportedBy: [G2]}}\nG2: {{away: {away}}}\n"
    )
    (tmp_path / "b.yaml").write_text(
        "module: {name: B}\nG3: {supportedBy: [Sn3]}\n"
        f"Sn3: {{finding: {header().id}, predicate: score.low >= 1}}\n"
    )
    return Case.read(tmp_path / "a.yaml")


def test_an_away_goal_is_worth_what_it_is_worth_at_home(tmp_path: Path) -> None:
    case = two_modules(tmp_path, "B/G3")
    assert case.check([header()]) == []
    assert case.graph.roots == ("G1",)
    assert case.evaluate([header()]).states["G1"].value == "T"
    assert case.evaluate([]).states["G1"].value == "U"


def test_an_away_goal_of_a_module_that_is_not_there_stays_open(tmp_path: Path) -> None:
    for away in ("B/G4", "C/G3", "B", "A/G2"):
        case = two_modules(tmp_path, away)
        assert case.graph.support["G2"] == ()
        assert case.evaluate([header()]).states["G1"].value == "U"


def test_modules_that_rest_on_each_other_are_a_circle() -> None:
    one = Module("A", (Node("G1", supported_by=("G2",)), Node("G2", layers=(("away", "B/G3"),))))
    two = Module("B", (Node("G3", supported_by=("G4",)), Node("G4", layers=(("away", "A/G1"),))))
    assert [d.message for d in Case((one, two)).check() if d.code == "C04"] == [
        "The support runs in a circle: G1 -> G2 -> G3 -> G4 -> G1."
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S1: {away: M}", "V14 There is no away strategy, as 'S1' says. Mark a goal, solution"),
        ("CG1: {away: M}", "V14 There is no away counter goal"),
        ("x1: {away: M}", "V14 There is no away element"),
        ("G1: {away: /G2}", "V14 away of 'G1' is '/G2'. Write `away: MODULE` or `away: MODULE/ID`."),
        ("G1: {away: M/}", "V14 away of 'G1' is 'M/'."),
        (
            "G1: {away: Other/G2}",
            "V14 'G1' stands for module 'Other', which is not in the set. Read the case",
        ),
        ("module: {name: Pumps}\nG1: {away: Pump/G2}", "Did you mean 'Pumps'?"),
        (
            "module: {name: M}\nG1: {away: M/G22}\nG2: {}",
            "'G22', which module 'M' has not. Did you mean 'G2'?",
        ),
        (
            "G1: {symbol: modul}",
            "V15 symbol of 'G1' is 'modul'. Write module or contract. Did you mean 'module'?",
        ),
        ("G1: {optional: yes}", "V16 optional of 'G1' is 'yes'. Write `optional: \"true\"`, or remove it."),
        ("G1: {uninstantiated: 1}", "V16 uninstantiated of 'G1' is '1'."),
        ("G1: {multiplicity: ' '}", "V16 multiplicity of 'G1' names no parameter."),
        ("G1: {choice: two of three}", "V16 choice of 'G1' is 'two of three'. Write `m of n` or `m..k`"),
        ("G1: {choice: 3 of 2}", "V16 choice of 'G1' is '3 of 2'."),
        ("G1: {choice: 1 of 2}", "V16 'G1' offers a choice but has no support."),
        ("G1: {choice: 1 of 2, supportedBy: [a, b, c]}", "V16 'G1' offers a choice of 2 but has 3 legs."),
        ("G1: {block: decomposition}", "V17 'block' has no effect on the goal 'G1'. Say it of a strategy."),
        ("S1: {block: decompositon}", "V17 block of 'S1' is 'decompositon'. Did you mean 'decomposition'?"),
        ("S1: {block: calculation}", "V17 The calculation 'S1' has no side-claim"),
    ],
)
def test_marks_that_say_nothing_are_told(text: str, message: str) -> None:
    (found,) = notation(text + "\n")
    assert message in found


# Evidence ------------------------------------------------------------------------------------------


def evidence_codes(
    found: Header,
    predicate: str = "score.low >= 1",
    extra: str = "",
    argument: str = "demonstrative",
    **options: object,
) -> list[str]:
    text = (
        f"G1: {{supportedBy: [Sn1], inContextOf: [C1], argument: {argument}}}\nC1: {{text: M, sha256: aa}}\n"
        f"Sn1: {{finding: {found.id}, predicate: '{predicate}'}}\n{extra}"
    )
    return [diagnostic.code for diagnostic in Case.read(text).check([found], **options)]  # type: ignore[arg-type]


def test_good_evidence_gives_nothing() -> None:
    assert evidence_codes(header()) == []


def test_absent_stale_failed_and_foreign_evidence() -> None:
    assert evidence_codes(header(), present={"data:text": "d1"}) == []
    assert evidence_codes(header(data=("text", "d0")), present={"data:text": "d1"}) == ["E03"]
    assert evidence_codes(header(), present={"code:room.method": "c1"}) == ["E03"]
    assert evidence_codes(header(status="failed")) == ["E07"]
    assert evidence_codes(retracted(header())) == ["E07"]
    assert evidence_codes(header(model=("organism:m", "bb"))) == ["E08"]
    case = Case.read("G1: {supportedBy: [Sn1]}\nSn1: {finding: abc, predicate: x < 1}\n")
    (found,) = case.check([])
    assert (found.code, found.message) == ("E02", "'Sn1' cites Finding abc, which is not at hand.")


def test_predicates_that_read_a_point_or_something_that_was_not_measured() -> None:
    assert evidence_codes(header(low=0.5, high=1.5), "score >= 1") == ["E04"]
    assert evidence_codes(header(low=0.5, high=1.5), "score.value >= 1 and score.low > 0") == ["E04"]
    assert evidence_codes(header(), "scores.low >= 1") == ["E12"]
    (found,) = [d for d in _case("scores.low >= 1").check([header()]) if d.code == "E12"]
    assert found.remedy == "Did you mean 'score'?"


def _case(predicate: str) -> Case:
    return Case.read(
        f"G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {header().id}, predicate: '{predicate}'}}\n"
    )


def test_a_correlation_does_not_carry_a_causal_claim() -> None:
    for evidence, told in {
        "correlational": ["E05"],
        "behavioural": ["E05"],
        "causal": [],
        "formal": [],
    }.items():
        assert evidence_codes(header(evidence=evidence), argument="causal") == told
        assert evidence_codes(header(evidence=evidence)) == []


def test_a_node_marked_defeated_that_the_evidence_supports() -> None:
    extra = "CSn1: {challenges: Sn1, defeater: undermining, finding: %s, predicate: score.low >= 9}\n"
    found = header()
    text = (
        f"G1: {{supportedBy: [Sn1]}}\nSn1: {{defeated: true, finding: {found.id}, predicate: score.low >= 1}}\n"
        + extra % found.id
    )
    assert [d.code for d in Case.read(text).check([found])] == ["D02"]


def test_a_plain_argument_is_asked_for_bindings_only_with_evidence() -> None:
    assert codes(SOUND) == []
    assert codes(SOUND, findings=[]) == ["E01"]


def test_the_sample_case_is_sound() -> None:
    assert Case.read(Path(__file__).parent / "data" / "hidden_behaviour.gsn.yaml").check() == []
