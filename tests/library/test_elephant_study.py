"""The study of the diverse-teams paper: its statuses follow its numbers, and its data have the planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.compute import SILENT
from pellucid.compute import executor as make_executor
from pellucid.findings import Measure, start
from pellucid.library import catalogue
from pellucid.library.states import claim_state
from pellucid.library.studies import elephant
from pellucid.library.studies.protocol import Conditions


@pytest.fixture(scope="module")
def findings():
    with make_executor() as pool:
        return list(elephant.run(Conditions("quick", (0, 1, 2), None, pool, SILENT)))


@pytest.mark.truth("library.hidden_trait")
def test_the_second_trait_is_hidden_from_alpha_and_found_by_validity(findings):
    for finding in findings[::2]:
        assert finding.kind == "library.hidden_trait"
        assert finding.measures["alpha"].low >= 0.8
        assert finding.measures["factors"].value == 2
        assert finding.measures["violations"].value == 0
        assert finding.measures["leaks_found"].value >= 3
        assert finding.status == "supports", finding.statement
        finding.verify()


@pytest.mark.truth("library.panel_coverage")
def test_a_panel_without_a_discipline_misses_its_flaws(findings):
    for finding in findings[1::2]:
        assert finding.kind == "library.panel_coverage"
        # five reviewers at 0.05 outside their discipline: 1 - 0.95^5 = 0.226 of the missed class
        missed = finding.measures["missed_class"]
        assert missed.value == pytest.approx(1 - 0.95**5, abs=4 * (0.226 * 0.774 / (80 * 12)) ** 0.5)
        # with its one psychologist among five: 1 - 0.4 * 0.95^4
        assert finding.measures["full"].value == pytest.approx(
            1 - 0.4 * 0.95**4, abs=4 * (0.674 * 0.326 / (80 * 60)) ** 0.5
        )
        shares = finding.arrays["by_coverage"].values[:, 0]
        assert (np.diff(shares) > 0).all()
        assert finding.status == "supports", finding.statement


def test_claims_are_illustrated_and_never_reproduced(findings):
    for identity in ("C1", "C2"):
        claim = catalogue().claim(f"elephant.{identity}")
        assert claim_state(claim, [finding.header for finding in findings]) == "illustrated"


@pytest.mark.law("library.hidden_trait")
def test_status_of_the_test_follows_its_numbers(findings):
    good = findings[0].measures

    def status(**changed: Measure) -> str:
        measures = [changed.get(name, measure) for name, measure in good.items()]
        return start(elephant.run).finding(elephant.INSTRUMENTS, measures=measures).status

    assert status() == "supports"
    assert status(factors=Measure.of("factors", 1.0)) == "refutes"
    assert status(leaks_found=Measure.of("leaks_found", 1.0, n=4)) == "inconclusive"
    assert status(violations=Measure.of("violations", 2.0, n=4)) == "inconclusive"


@pytest.mark.law("library.panel_coverage")
def test_status_of_the_panel_follows_its_numbers(findings):
    good = findings[1].measures

    def status(**changed: Measure) -> str:
        measures = [changed.get(name, measure) for name, measure in good.items()]
        return start(elephant.run).finding(elephant.PANEL, measures=measures).status

    assert status() == "supports"
    worse = Measure(name="gain", value=-0.1, low=-0.2, high=-0.05, n=200)
    unsure = Measure(name="gain", value=0.01, low=-0.02, high=0.05, n=200)
    assert status(gain=worse) == "refutes"
    assert status(gain=unsure) == "inconclusive"


def test_same_seed_same_ids(findings):
    again = [elephant.hidden_trait(0), elephant.panel_coverage(0)]
    assert [finding.id for finding in again] == [finding.id for finding in findings[:2]]


def test_made_up_test_has_what_is_planted():
    table, traits, wordings, cued = elephant.made_up_test(0, 4000)
    assert table.binary
    assert (traits.sum(), wordings.sum(), cued.sum()) == (30, 30, 2000)
    rates = table.scores[cued].mean(axis=0) - table.scores[~cued].mean(axis=0)
    leaking = np.isin(np.arange(60), elephant.LEAKING)
    assert rates[leaking].min() > 0.2
    assert np.abs(rates[~leaking]).max() < 0.06
    r = np.corrcoef(table.scores[:, ~leaking], rowvar=False)
    same = traits[~leaking][:, None] == traits[~leaking]
    apart = ~np.eye(len(r), dtype=bool)
    assert r[same & apart].mean() > 2 * r[~same].mean() > 0
