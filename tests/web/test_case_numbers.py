"""What pages and the API say of a case beside its drawing: weight, confidence, experiments, debate."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pellucid.cases import Case
from pellucid.cases.confidence import CutSet, CutSets
from pellucid.cases.evaluation.verdict import NodeState
from pellucid.store import open_store
from pellucid.web import create_app
from pellucid.web.api.cases import CaseInFull
from pellucid.web.confidence import exact_of, sure_of
from pellucid.web.debate import dispute_of
from pellucid.web.element import anchors_of
from pellucid.web.experiments import needs, share
from pellucid.web.freshness import freshness_of
from pellucid.web.hanging import MOST_HIDDEN, MOST_SETS, hangs_of, note, weight
from pellucid.web.interval import range_rule

from .content import SUSPECT, search_finding

PAGE = "/cases/weighed"
SECTIONS = ["What the verdict hangs on", "How sure", "What to measure next", "The debate"]


@pytest.fixture(scope="module")
def page(client: TestClient) -> str:
    return client.get(PAGE).text


@pytest.fixture(scope="module")
def data(client: TestClient) -> Any:
    return client.get(f"/api{PAGE}").json()


def section(page: str, title: str) -> str:
    """One section of a page as plain text with its tags."""
    return page.partition(f">{title}</h2>")[2].partition("</section>")[0]


def panel(page: str, name: str) -> str:
    found = re.search(rf'<article class="about" id="about-{name}".*?</article>', page, re.S)
    assert found
    return html.unescape(found.group(0))


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


# The page --------------------------------------------------------------------------------------


def test_the_sections_stand_below_the_drawing_in_order(page: str) -> None:
    places = [page.index("<svg"), *(page.index(f">{title}</h2>") for title in SECTIONS)]
    assert places == sorted(places)


def test_every_leaf_of_a_section_leads_to_its_panel(page: str) -> None:
    panels = set(re.findall(r'<article class="about" id="([^"]+)"', page))
    below = page.partition(f">{SECTIONS[0]}</h2>")[2]
    targets = set(re.findall(r'href="#(about-[^"]+)"', below))
    assert targets
    assert targets <= panels


def test_what_the_verdict_hangs_on_shows_both_flips_a_bar_and_cut_sets(page: str, data: Any) -> None:
    said = section(page, SECTIONS[0])
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", said, re.S)
    telling = [r for r in data["sensitivity"] if r["decides"] or abs(r["birnbaum"] or 0) >= 0.005]
    assert len(rows) == len(telling)
    assert re.search(r'<i class="neg" style="--w:[\d.]+"></i>', said)
    assert "These are all." in said
    assert words(said).count("fails") >= 3
    assert "CSn4 fails and CSn3 proves right" in words(said)


def test_four_calculi_stand_side_by_side_with_no_more_digits_than_the_bounds_support(
    page: str, data: Any
) -> None:
    said = section(page, "How sure")
    for name in ("Grounded argument", "Subjective logic", "Bounds without independence", "Bayes net"):
        assert name in said
    assert "1 − sum of doubts" in said
    top = data["confidence"]["top"]
    assert top["low"] <= top["exact"] <= top["high"]
    number = re.search(r'<p class="num">([\d.]+)', said)
    assert number
    assert float(number.group(1)) <= top["exact"]
    assert len(number.group(1).partition(".")[2]) == 1, "an interval a quarter wide supports one digit"
    assert "Q02" in said
    assert "Taken as certain" in said
    assert "judged, by nobody named" in said
    assert said.count('<svg class="span') == 4


def test_what_to_measure_next_names_stale_missing_and_trials(page: str) -> None:
    said = words(section(page, "What to measure next"))
    assert "pellucid case rerun weighed" in said
    assert "Sn3 Runs in use" in said
    assert "Sn4 A second team's word second team" in said
    assert "More trials, best first" in said
    assert "A1" not in said, "an assumption waits for a person, not for a measurement"


def test_the_debate_puts_what_nobody_answered_first_and_signs_what_is_residual(page: str) -> None:
    said = section(page, "The debate")
    doubts = re.findall(r'<tr><th scope="row">.*?<b>(\w+)</b>', said, re.S)
    assert doubts.index("CG1") < doubts.index("CSn2")
    assert "CSn4" not in doubts, "a reply that nobody doubts stands beside its doubt"
    assert "two offices are planned (R. Reviewer, 2026-11-22)" in words(said)
    assert "undermining, B. Doubter, 20 November 2026" in words(said)
    assert "raised by the evidence itself" in said
    assert "S0 → G1" in words(said)
    assert re.search(r"For \d of \d leaves at least one doubt was raised or waived", said)


# Panels ----------------------------------------------------------------------------------------


def test_a_leaf_that_cites_a_log_shows_its_digest_and_scorer(page: str, client: TestClient, ids: Any) -> None:
    log = client.get(f"/api/findings/{ids['log']}").json()["provenance"]["data"]
    said = panel(page, "Sn2")
    assert log["sha256"] in said
    assert "<dt>scorer</dt><dd>match</dd>" in said
    assert f"/findings/{ids['log']}" in said


def test_a_leaf_shows_its_indicator_probability_and_weight(page: str) -> None:
    said = panel(page, "Sn1")
    assert '<span class="v inconclusive">warns</span>' in said
    assert "<code>rate.value < 0.96</code>" in said
    assert "<dt>Birnbaum</dt>" in said
    assert "<dt>Fussell-Vesely</dt>" in said
    assert "<dt>source</dt>" in said


def test_the_rule_of_a_leaf_has_the_limit_that_its_case_asks_for(page: str) -> None:
    rule = re.search(r'<svg class="span [^>]*aria-label="([^"]*)"', panel(page, "Sn3"))
    assert rule
    assert rule.group(1).endswith("limit 0.5")


def test_a_doubt_that_nobody_wrote_says_what_raised_it(page: str, ids: Any) -> None:
    said = panel(page, "CSn_unreliable_Sn2")
    assert "Raised by the evidence itself, as D-unreliable" in said
    assert f'href="/findings/{ids["reliability"]}"' in said
    assert "alpha of 6 items" in said
    assert "Raised by the evidence" not in panel(page, "CG1")


def test_freshness_is_said_the_worst_first_with_its_mark(page: str) -> None:
    said = panel(page, "Sn5")
    retracted = said.index('<span class="v badge stale">retracted</span>')
    assert retracted < said.index('<span class="v badge stale">stale by input</span>')
    assert '<span class="v badge stale">stale by parent</span>' in panel(page, "G3")
    drawn = re.search(r'id="node-Sn5" class="([^"]*)"><title>([^<]*)', page)
    assert drawn
    assert "aged" in drawn.group(1)
    assert "retracted, stale by input" in drawn.group(2)


def test_both_readings_stay_visible(page: str) -> None:
    assert "verdict: open" in page
    assert "verdict now: undecided" in page
    said = panel(page, "Sn3")
    assert '<span class="v badge supports">supports</span>' in said
    assert '<span class="v badge inconclusive">now: open</span>' in said


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({"fresh"}, []),
        ({"stale-by-age", "stale-by-parent"}, ["stale by parent", "stale by age"]),
        ({"irreproducible", "missing", "retracted"}, ["retracted", "missing", "irreproducible"]),
    ],
)
def test_every_state_of_freshness_has_a_word(states: set[Any], said: list[str]) -> None:
    state = NodeState("T", "U", frozenset(states), None, "")
    assert [shown.word for shown in freshness_of(state)] == said


# The list --------------------------------------------------------------------------------------


def test_the_list_says_what_is_stale_or_missing_and_how_to_begin(
    client: TestClient, empty: TestClient
) -> None:
    row = re.search(r'<tr><th scope="row"><a href="/cases/weighed">.*?</tr>', client.get("/cases").text, re.S)
    assert row
    assert "The agent asks before it deletes" in row.group(0)
    assert re.search(r"\d of 9 leaves stale", row.group(0))
    assert "3 of 9 leaves missing" in row.group(0)
    hint = empty.get("/cases").text
    assert "pellucid case templates" in hint
    assert "pellucid case new scheming --values values.yaml" in hint


# JSON ------------------------------------------------------------------------------------------


def test_the_api_gives_everything_in_the_shape_that_it_documents(client: TestClient, data: Any) -> None:
    found = CaseInFull.model_validate(data)
    assert {row.leaf for row in found.sensitivity} >= {"Sn1", "Sn2", "CG1", "A1"}
    assert found.cut_sets.complete
    assert ["A0"] in [cut.false for cut in found.cut_sets.sets]
    assert set(found.confidence.nodes) >= {"G0", "Sn1"}
    assert found.confidence.leaves["Sn4"].judged
    assert {flag.code for flag in found.confidence.flags} <= {"Q01", "Q02", "Q03"}
    assert found.debate.unanswered == [*found.debate.unanswered]
    assert "CSn2" in found.debate.residual
    assert [row.defeater for row in found.debate.rows if row.automatic] == ["CSn_unreliable_Sn2"]
    described = client.get("/api/openapi.json").json()["components"]["schemas"]
    for name in ("SensitivityEntry", "CutSetsEntry", "ConfidenceEntry", "ExperimentEntry", "DebateEntry"):
        assert described[name]["properties"], name


# Parts -----------------------------------------------------------------------------------------


def test_a_case_of_which_nothing_is_known_has_no_number() -> None:
    case = Case.read("G1: {supportedBy: [Sn1, Sn2]}\nSn1: {}\nSn2: {}\n")
    sure = sure_of(case, case.confidence(), (), anchors_of(case))
    assert sure
    assert sure.number == ""
    assert "Nothing is known of any leaf yet" in sure.undefined
    assert sure_of(Case.of([]), Case.of([]).confidence(), (), {}) is None


def test_a_circle_has_no_number_and_says_why() -> None:
    text = "G1: {supportedBy: [Sn1]}\nSn1: {confidence: '0.9'}\nCG1: {challenges: Sn1}\n"
    case = Case.read(text + "CG2: {challenges: CG1}\nCSn3: {challenges: CG2}\nCG1x: {challenges: CSn3}\n")
    assert exact_of(case.confidence().top)
    circle = Case.read(
        "G1: {supportedBy: [Sn1]}\nSn1: {confidence: '0.9', challenges: CG1}\nCG1: {challenges: Sn1}\n"
    )
    sure = sure_of(circle, circle.confidence(), (), anchors_of(circle))
    assert sure
    assert sure.number == ""
    assert sure.undefined


def test_without_leaves_or_doubts_nothing_is_said() -> None:
    empty = Case.of([])
    assert hangs_of(empty, (), None, "", {}) is None
    plain = Case.read("G1: {supportedBy: [Sn1]}\nSn1: {}\n")
    assert dispute_of(plain, plain.debate(), anchors_of(plain)) is None


def test_cut_sets_say_how_complete_they_are() -> None:
    sets = tuple(CutSet(frozenset({f"Sn{at}"}), frozenset()) for at in range(MOST_SETS + MOST_HIDDEN + 3))
    assert note(CutSets(sets, True, 1)) == "These are all. 3 more are in the JSON."
    assert "larger ones" in note(CutSets(sets[:2], False, 1))
    assert note(CutSets((), True, 1)) == "No set of leaves makes the top false."
    assert "too many" in note(CutSets((), False, 0))


@pytest.mark.parametrize(
    ("number", "said"), [(None, ""), (0.0, "0"), (0.004, "< 0.01"), (-0.004, "> −0.01"), (-0.5, "−0.50")]
)
def test_weights_are_written_in_hundredths(number: float | None, said: str) -> None:
    assert weight(number) == said


def test_probabilities_of_a_decision_are_never_certain_by_rounding() -> None:
    assert (share(0.9999), share(1.0), share(0.0)) == ("99 %", "100 %", "0 %")


def test_a_leaf_says_what_it_waits_for() -> None:
    node = Case.read('Sn1: {slot: red_team, predicate: "rate.low > 0.9"}').nodes["Sn1"]
    assert needs(node) == "red team, must show `rate.low > 0.9`"


def test_a_range_has_a_bar_and_no_ring() -> None:
    drawn = range_rule(0.25, 0.5, ends=(0.0, 1.0))
    assert 'class="bar" d="M78.0 12H150.0"' in drawn
    assert "circle" not in drawn
    assert 'aria-label="between 0.250 and 0.500"' in drawn


# Large cases -----------------------------------------------------------------------------------


def large(finding: str, areas: int = 10, parts: int = 33) -> Case:
    """A case of about a thousand elements."""
    lines = [f"G0: {{text: All areas hold, supportedBy: [{', '.join(f'S{a}' for a in range(areas))}]}}"]
    for a in range(areas):
        legs = ", ".join(f"G{a}.{p}" for p in range(parts))
        lines.append(f"S{a}: {{text: Every part of area {a} is shown by itself, supportedBy: [{legs}]}}")
        for p in range(parts):
            both = f"Sn{a}.{p}a, Sn{a}.{p}b"
            lines.append(
                f"G{a}.{p}: {{text: Part {p} of area {a} behaves, need: any, supportedBy: [{both}]}}"
            )
            lines += [
                f'Sn{a}.{p}{leg}: {{text: Measured, finding: "{finding}", predicate: "score.high <= {4 + p % 4}"}}'
                for leg in "ab"
            ]
    return Case.read("\n".join(lines))


def test_a_case_of_a_thousand_elements_is_one_page(tmp_path: Any) -> None:
    url, finding = f"sqlite:///{tmp_path / 'large.db'}", search_finding()
    case = large(finding.id)
    assert len(case.nodes) > 1000
    with open_store(url) as store:
        store.put(finding)
        store.put_case("large", case.text, SUSPECT.sha256, {})
    with TestClient(create_app(url), base_url="http://localhost") as client:
        page = client.get("/cases/large")
    assert page.status_code == 200
    assert len(page.text) < 4_500_000
    assert page.text.count('<article class="about"') == len(case.nodes)
    chain = panel(page.text, r"Sn9\.32b").partition("From the top to here")[2]
    assert "Every part of area" not in chain, "chains of a large case name elements without their text"
