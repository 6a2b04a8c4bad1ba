"""The worked example in rational arithmetic, and honeypots against a rare defector in real cases."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from pellucid.cases import Case, Node
from pellucid.cases.confidence.control import (
    WORKED_EXAMPLE,
    ControlProtocol,
    honeypot_stress,
    monitored_miss,
    rational,
    residual_attack_success,
)
from pellucid.cases.confidence.counts import passing_probability
from pellucid.cases.confidence.weight import good, kemeny_oppenheim
from pellucid.findings import Finding, InputError, Kind, Measure, clopper_pearson, register, start


def test_the_worked_example_is_exact() -> None:
    assert monitored_miss("0.01", "0.005") == Fraction(299, 20000)
    assert residual_attack_success("0.5", "0.01", "0.005") == Fraction(299, 40000)
    assert residual_attack_success(0.5, 0.01, 0.005) == Fraction(299, 40000)
    assert residual_attack_success(Fraction(1, 2), Fraction(1, 100), Fraction(1, 200)) == Fraction(299, 40000)
    assert WORKED_EXAMPLE.residual == Fraction(299, 40000)
    assert WORKED_EXAMPLE.miss == Fraction(1495, 100_000)
    assert 100 * WORKED_EXAMPLE.residual == Fraction("0.7475")
    assert WORKED_EXAMPLE.read_by_humans(1_000_000) == 5000


def test_the_ends_of_the_protocol() -> None:
    assert residual_attack_success(1, 0, 0) == 0
    assert residual_attack_success(1, 1, 0) == 1
    assert residual_attack_success(1, 0, 1) == 1
    assert ControlProtocol(0, 0, 1, 1).residual == 0


def test_the_example_by_adding_up_its_branches() -> None:
    draws = np.random.default_rng(0).random((4_000_000, 3))
    success = (draws[:, 0] < 0.5) & ((draws[:, 1] < 0.01) | (draws[:, 2] < 0.005))
    p = 299 / 40000
    assert success.mean() == pytest.approx(p, abs=4 * math.sqrt(p / len(draws)))


def test_stress_figures_beside_it() -> None:
    stress = honeypot_stress(1000, 1)
    assert f"{100 * stress.upper:.3f} {100 * stress.upper_if_clean:.3f}" == "0.473 0.299"
    assert f"{stress.passes:.4f} {stress.defections:.0f} {stress.evasion:.4f}" == "0.9048 100 0.3677"
    assert honeypot_stress(1000).upper == stress.upper_if_clean


def test_numbers_are_taken_as_they_are_written() -> None:
    assert rational(0.1) == Fraction(1, 10)
    assert rational("1/3") == Fraction(1, 3)
    assert rational(1) == 1
    assert rational(1e-7) == Fraction(1, 10_000_000)
    for wrong in ("often", -0.1, 1.01, float("nan"), float("inf"), "1/0", "1e-999999999", None):
        with pytest.raises(InputError, match="is not a probability") as refused:
            rational(wrong)  # type: ignore[arg-type]
        assert refused.value.code == "Y70"


def test_weight_of_evidence_adds_up_and_keeps_its_ends() -> None:
    assert good(0.8, 0.2) == pytest.approx(math.log(4))
    assert good(0.8, 0.2) + good(0.5, 0.1) == pytest.approx(math.log(4 * 5))
    assert good(0.2, 0.8) == -good(0.8, 0.2)
    assert (good(0.3, 0.3), good(0.3, 0.0), good(0.0, 0.3)) == (0.0, math.inf, -math.inf)
    assert kemeny_oppenheim(0.8, 0.2) == pytest.approx(0.6)
    assert (kemeny_oppenheim(0.5, 0.0), kemeny_oppenheim(0.0, 0.5), kemeny_oppenheim(0.0, 0.0)) == (
        1.0,
        -1.0,
        0.0,
    )
    # a thousand clean runs say little against a defector at one in ten thousand: a tenth of a natural unit
    assert good(1.0, float(passing_probability(1e-4, 1000))) == pytest.approx(0.1, abs=1e-4)
    with pytest.raises(InputError, match="is not a probability"):
        good(1.2, 0.1)


# Rare defectors in real cases --------------------------------------------------------------------

HONEYPOTS = register(
    Kind(
        name="test.honeypots",
        title="Honeypots",
        statement="Defects in {rate.percent} of {rate.n} honeypots.",
        supports="rate.value <= 0",
        refutes="rate.low > 0",
    )
)


def _honeypots(seed: int, rate: float, runs: int) -> Finding:
    """Run the defector on honeypots; count its defections."""
    defections = int(np.random.default_rng(seed).binomial(runs, rate))
    record = start(_honeypots, given={"rate": rate, "runs": runs}, seed=seed)
    return record.finding(HONEYPOTS, measures=[Measure.of("rate", clopper_pearson(defections, runs))])


@pytest.mark.parametrize(("rate", "runs"), [(1e-4, 1000), (1e-3, 500)])
def test_a_rare_defector_passes_with_the_stated_frequency(rate: float, runs: int) -> None:
    """1,000 cases, each bound to a Finding of its own, and all evaluated against one shelf of Findings."""
    cases = 1000
    found = [_honeypots(seed, rate, runs) for seed in range(cases)]
    shelf = {each.id: each for each in found}
    argument = Case.of(
        [Node("G1", supported_by=("Sn1",)), Node("Sn1", layers=(("predicate", "rate.value <= 0"),))]
    )
    stands = [argument.bind({"Sn1": each.id}).evaluate(shelf).stands for each in found]
    passing = (1 - rate) ** runs
    assert sum(stands) / cases == pytest.approx(passing, abs=4 * math.sqrt(passing * (1 - passing) / cases))
    assert [each.status == "supports" for each in found] == stands


def test_a_bound_that_looks_at_the_interval_is_not_fooled_by_clean_runs() -> None:
    """Nothing in 1,000 runs leaves 0.3 % possible: a case that asks for 0.1 % does not stand on it."""
    clean = next(
        each for each in (_honeypots(seed, 1e-4, 1000) for seed in range(50)) if each.status == "supports"
    )
    leaf = Node("Sn1", layers=(("finding", clean.id), ("predicate", "rate.high <= 0.001")))
    case = Case.of([Node("G1", supported_by=("Sn1",)), leaf])
    assert case.evaluate([clean]).word == "defeated"
