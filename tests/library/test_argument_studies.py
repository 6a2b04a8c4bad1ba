"""Studies of the papers about arguments: their laws, and what they must find."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pellucid.cases import backfire_threshold
from pellucid.cases.review import simulate_coordination
from pellucid.findings import Finding
from pellucid.library import catalogue, studies
from pellucid.library.studies import aisi, armageddon, clymer, scheming_argument
from pellucid.library.studies.clymer import World

SMALL = World(requests=4000, steps=200)


@pytest.fixture(scope="module")
def joint() -> Finding:
    return clymer.joint_misses(SMALL, 0)


def test_every_study_measures_claims_of_its_paper() -> None:
    for study in studies():
        paper = catalogue().get(study.paper)
        assert set(study.claims) <= {claim.id for claim in paper.claims}
    assert {study.key for study in studies()} >= {
        "scheming",
        "clymer",
        "safetywashing",
        "armageddon",
        "aisi",
        "elephant",
    }


# The scheming paper --------------------------------------------------------------------------------


@pytest.mark.law("library.worked_example")
@pytest.mark.truth("library.worked_example")
def test_the_worked_example_is_exact() -> None:
    found = scheming_argument.worked_example()
    assert found.status == "supports"
    assert found.measures["percent"].value == 0.7475
    assert (found.measures["numerator"].value, found.measures["denominator"].value) == (299, 40000)


@pytest.mark.law("library.core_arguments")
@pytest.mark.truth("library.core_arguments")
def test_each_core_argument_carries_alone_and_alignment_never() -> None:
    found = scheming_argument.core_arguments()
    assert found.status == "supports"
    assert found.arrays["top"].values.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert found.arrays["top"].coords["supported"] == ["G1", "G2", "G3", "alignment only"]


@pytest.mark.law("library.rare_defector")
@pytest.mark.truth("library.rare_defector")
def test_a_rare_defector_passes_as_often_as_the_formula_says() -> None:
    found = [scheming_argument.rare_defector(seed) for seed in range(8)]
    assert {one.status for one in found} == {"supports"}
    assert all(one.measures["formula"].value == pytest.approx((1 - 1e-4) ** 1000, rel=1e-12) for one in found)
    # eight times a thousand systems together: four standard errors of the mean
    rates = [one.measures["passed"].value for one in found]
    assert np.mean(rates) == pytest.approx(0.9048, abs=4 * np.sqrt(0.9048 * 0.0952 / 8000))


# Safety cases ------------------------------------------------------------------------------------


@pytest.mark.law("library.joint_misses")
def test_excess_is_the_covariance_of_the_misses() -> None:
    draw = np.random.default_rng(0)
    pairs = draw.integers(0, 2, (500, 2)).astype(float)
    assert clymer.excess(pairs) == pytest.approx(np.cov(pairs.T, ddof=0)[0, 1], abs=1e-12)
    assert clymer.excess(np.array([[1.0, 1.0], [0.0, 0.0]])) == 0.25
    assert clymer.excess(np.array([[1.0, 0.0], [0.0, 1.0]])) == -0.25


@pytest.mark.truth("library.joint_misses")
def test_networks_of_the_same_examples_fail_together_and_more_than_those_of_their_own(joint: Finding) -> None:
    measures = joint.measures
    assert joint.status == "supports"
    assert measures["excess"].value == pytest.approx(
        measures["joint"].value - measures["product"].value, abs=1e-12
    )
    assert measures["excess"].low > measures["excess_own_data"].high
    # a watchdog that is the agent itself misses exactly what the agent misses
    agent = np.random.default_rng(1).integers(0, 2, 1000).astype(float)
    rate = agent.mean()
    assert clymer.excess(np.stack([agent, agent], axis=1)) == pytest.approx(rate * (1 - rate), abs=1e-12)


@pytest.mark.law("library.six_steps")
@pytest.mark.truth("library.six_steps")
def test_the_deployment_fills_six_steps_without_an_error(joint: Finding) -> None:
    risk, found = clymer.laid_out(joint)
    assert found.status == "supports"
    assert found.measures["steps"].value == 6
    case = clymer.deployment(joint).case(risk.id)
    assert case.evaluate([risk, joint]).states["Sn5.1.1"].value == "T"
    assert not [one for one in case.check([risk, joint]) if one.level == "error"]
    # what was measured together lies between independence and the worst case
    together = joint.measures["joint"].value
    assert risk.measures["independent"].value < together < risk.measures["at_most"].value


def test_a_world_is_part_of_what_a_finding_is_about(joint: Finding) -> None:
    assert joint.provenance.parameters["world"] == dataclasses.asdict(SMALL)


# A climb to Armageddon -----------------------------------------------------------------------------


@pytest.mark.law("library.backfire_paradox")
@pytest.mark.truth("library.backfire_paradox")
def test_harm_rises_as_the_hazard_falls_and_the_simulation_agrees() -> None:
    found = armageddon.paradox(0)
    assert found.status == "supports"
    assert found.measures["factor"].value == pytest.approx(2.0, rel=1e-12)
    harm = found.arrays["harm"].values
    for row, k in enumerate(armageddon.EXPONENTS):
        # E = Γ(k+1) / λ^k: halving the hazard multiplies harm by 2^k
        assert harm[row, :-1] / harm[row, 1:] == pytest.approx([2.0**k] * 3, rel=1e-12)


@pytest.mark.law("library.backfire_boundary")
@pytest.mark.truth("library.backfire_boundary")
def test_every_premise_turns_the_conclusion_and_the_sign_flips_at_the_boundary() -> None:
    found = armageddon.boundary()
    assert found.status == "supports"
    assert f"{found.measures['threshold'].value:.4f}" == "1.7933"
    horizons, change = armageddon.HORIZONS, found.arrays["change"].values
    below = horizons < backfire_threshold(1.0)
    assert (change[below] > 0).all()
    assert (change[~below] < 0).all()


# Institutes ----------------------------------------------------------------------------------------


@pytest.fixture
def few_reviews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aisi, "REVIEWS", 12)


@pytest.mark.law("library.track_tradeoff")
@pytest.mark.truth("library.track_tradeoff")
def test_the_inclusive_track_takes_longer_and_hears_more(few_reviews: None) -> None:
    found = aisi.trade(0)
    assert found.status == "supports"
    days = found.arrays["reviews"].values[:, 0]
    # comments are open for ninety days, so no inclusive review decides before
    assert days[2] > 90 > days[0]
    assert found.measures["delay"].value == pytest.approx(days[2] - days[0], abs=1e-9)


@pytest.mark.law("library.track_coherence")
@pytest.mark.truth("library.track_coherence")
def test_a_coordinator_finds_every_planted_contradiction(few_reviews: None) -> None:
    found = aisi.coherence(0)
    assert found.status == "supports"
    assert found.measures["with_coordinator"].value == 1.0
    core, bilateral, inclusive = aisi.tracks()
    strangers = [dataclasses.replace(core, members=("a", "b", "c", "d", "e")), bilateral]
    assert simulate_coordination(strangers, claims=10, contradicted=5, seed=0).shares == (1.0, 0.0)
    assert set(core.members) & set(bilateral.members) & set(inclusive.members) == {"institute 1"}
