"""The study of end-to-end dictionaries: what each claim's Finding says of planted numbers."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.findings import DataRef, Finding, Kind, Measure, Subject, register, start
from pellucid.library import catalogue
from pellucid.library.studies import e2e
from pellucid.library.studies.e2e import ACTIVE, ALIVE, KS, MIDDLE, OBJECTIVES, OTHER, PATH, SEEDS, Trained

KIND = register(Kind(name="test.e2e", title="A test", statement="{l0.value}"))
SETTINGS = {"steps": 5, "seed": 0}


def one(**values: float) -> Trained:
    """A dictionary of which only the evaluation is known."""
    record = start(
        one,
        parameters=values,
        subject=Subject(id="bard", sha256="a"),
        data=DataRef(id="text", sha256="b"),
    )
    given = {"l0": 8.0, **values}
    measures = [Measure.of(name, value, n=100) for name, value in given.items()]
    return Trained(None, record.finding(KIND, measures=measures))  # type: ignore[arg-type]


def line(factor: float) -> list[Trained]:
    """Losses that fall linearly in log L0, at `factor` times the latents."""
    return [one(ce_increase=0.1 - 0.02 * np.log(k / 8), l0=factor * k) for k in KS]


def of(kind: Kind, measures: list[Measure]) -> Finding:
    return e2e.claimed("C1", kind, measures, [one()], SETTINGS)


@pytest.mark.truth("library.e2e_active")
def test_planted_lines_give_the_planted_ratio():
    lines = {"local": line(1.0), "e2e": line(0.4), "downstream": line(0.6)}
    found = of(ACTIVE, e2e.active_measures(lines))
    assert found.measures["ratio"].value == pytest.approx(0.4)
    assert found.measures["ratio_downstream"].value == pytest.approx(0.6)
    assert found.measures["l0_local"].value == pytest.approx(16)
    assert found.status == "supports"
    more = {"local": line(1.0), "e2e": line(1.2), "downstream": line(0.6)}
    assert of(ACTIVE, e2e.active_measures(more)).status == "refutes"


@pytest.mark.law("library.e2e_active")
def test_a_line_is_level_with_itself_and_lines_apart_say_nothing():
    same = {name: line(1.0) for name in OBJECTIVES}
    assert e2e.active_measures(same)[1].value == pytest.approx(1)
    apart = {**same, "e2e": [one(ce_increase=5.0, l0=4.0), one(ce_increase=4.0, l0=8.0)]}
    found = of(ACTIVE, e2e.active_measures(apart))
    assert found.measures["ratio"].value is None
    assert found.status not in ("supports", "refutes")


@pytest.mark.truth("library.e2e_alive")
def test_planted_shares_of_living_latents():
    middle = {"local": one(alive=0.9), "e2e": one(alive=0.7), "downstream": one(alive=0.6)}
    found = of(ALIVE, e2e.alive_measures(middle))
    assert found.measures["downstream_less"].value == pytest.approx(0.3)
    assert found.status == "supports"


@pytest.mark.law("library.e2e_alive")
def test_turned_round_the_shares_refute():
    middle = {"local": one(alive=0.5), "e2e": one(alive=0.7), "downstream": one(alive=0.6)}
    assert of(ALIVE, e2e.alive_measures(middle)).status == "refutes"


@pytest.mark.truth("library.e2e_path")
def test_planted_errors_of_later_activations():
    middle = {
        "local": one(downstream_mse=0.5),
        "e2e": one(downstream_mse=2.0),
        "downstream": one(downstream_mse=0.6),
    }
    found = of(PATH, e2e.path_measures(middle))
    assert (found.measures["e2e"].value, found.measures["downstream"].value) == pytest.approx((4, 1.2))
    assert found.status == "supports"


@pytest.mark.law("library.e2e_path")
def test_the_unit_of_the_errors_does_not_matter():
    for unit in (1.0, 1e6):
        middle = {
            name: one(downstream_mse=unit * size) for name, size in zip(OBJECTIVES, (1, 2, 3), strict=True)
        }
        found = of(PATH, e2e.path_measures(middle))
        assert (found.measures["e2e"].value, found.measures["downstream"].value) == pytest.approx((2, 3))
        assert found.status == "refutes"


@pytest.mark.truth("library.e2e_seeds")
def test_planted_agreement():
    found = of(SEEDS, e2e.seed_measures({"local": 0.8, "e2e": 0.5, "downstream": 0.7}))
    assert found.measures["local_above"].value == pytest.approx(0.3)
    assert found.status == "supports"


@pytest.mark.law("library.e2e_seeds")
def test_equal_agreement_decides_nothing():
    assert of(SEEDS, e2e.seed_measures(dict.fromkeys(OBJECTIVES, 0.6))).status == "inconclusive"


def test_every_claim_of_the_paper_gets_its_finding():
    values = {"ce_increase": 0.1, "alive": 0.9, "downstream_mse": 0.5}
    grid = {(name, k, 0): one(**values, l0=float(k)) for name in OBJECTIVES for k in KS}
    grid |= {(name, MIDDLE, OTHER): one(**values) for name in OBJECTIVES}
    e2e_agreement = e2e.agreement
    try:
        e2e.agreement = lambda *_: 0.5
        found = list(e2e.claims(grid, 0, 5))
    finally:
        e2e.agreement = e2e_agreement
    claims = [finding.provenance.parameters["claim"] for finding in found]
    assert claims == [f"e2e-sae.{claim.id}" for claim in catalogue().get("e2e-sae").claims]
    assert all(finding.provenance.parents for finding in found)
