"""What to measure next: closed forms against sums and simulation, and the ranking by cost."""

from __future__ import annotations

import numpy as np
import pytest
from case_arguments import header
from scipy import integrate, stats

from pellucid.cases import Case, Node
from pellucid.cases.confidence.counts import Beta
from pellucid.cases.confidence.experiments import (
    Experiment,
    birnbaum,
    expected_fall,
    next_experiments,
    outcome_probabilities,
)
from pellucid.cases.confidence.leaves import LeafConfidence, read_confidences
from pellucid.cases.confidence.opinions import Opinion
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import Header, InputError, Measure, Predicate, clopper_pearson, wilson


def _rate(k: int, n: int) -> Header:
    made = header(salt=f"{k} of {n}")
    measures = (Measure.of("rate", wilson(k, n)),)
    made = Header.model_validate(made.model_dump(by_alias=True) | {"measures": measures})
    return made.model_copy(update={"id": made.identity()})


def _measured(
    limit: float, *counts: tuple[int, int], need: str = "all"
) -> tuple[Case, dict[str, LeafConfidence]]:
    found = [_rate(k, n) for k, n in counts]
    names = [f"Sn{index}" for index in range(1, len(found) + 1)]
    leaves = [
        Node(name, layers=(("finding", each.id), ("predicate", f"rate.high <= {limit}")))
        for name, each in zip(names, found, strict=True)
    ]
    case = Case.of([Node("G1", supported_by=tuple(names), layers=(("need", need),)), *leaves])
    return case, read_confidences(case.graph, Evidence.of(case.graph, found, None))


def _counted(*counts: tuple[float, float], need: str = "all") -> tuple[Case, dict[str, LeafConfidence]]:
    names = [f"Sn{index}" for index in range(1, len(counts) + 1)]
    case = Case.of(
        [Node("G1", supported_by=tuple(names), layers=(("need", need),)), *(Node(n) for n in names)]
    )
    leaves = {}
    for name, (right, wrong) in zip(names, counts, strict=True):
        opinion = Opinion.of_counts(right, wrong)
        assert opinion.beta is not None
        leaves[name] = LeafConfidence(opinion, (opinion.beta.a, opinion.beta.b))
    return case, leaves


def _by_leaf(rows: list[Experiment]) -> dict[str, Experiment]:
    return {row.leaf: row for row in rows}


# The closed form ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "m"), [(1, 1, 1), (3, 2, 7), (0.5, 4.5, 40), (200, 3, 1000)])
def test_expected_fall_is_the_variance_of_the_posterior_mean(a: float, b: float, m: int) -> None:
    weights = outcome_probabilities(Beta(a, b), m)
    assert weights == pytest.approx(stats.betabinom.pmf(np.arange(m + 1), m, a, b), abs=1e-12)
    means = (a + np.arange(m + 1)) / (a + b + m)
    variance = float(weights @ (means - weights @ means) ** 2)
    assert expected_fall(Beta(a, b), m) == pytest.approx(variance, rel=1e-9)
    # and the fall is what is lost of the prior variance
    after = [Beta(a + k, b + m - k).variance for k in range(m + 1)]
    assert Beta(a, b).variance - float(weights @ np.array(after)) == pytest.approx(variance, rel=1e-7)


def test_fall_of_the_top_equals_the_sum_over_outcomes() -> None:
    case, leaves = _counted((5, 1), (2, 2), (9, 0), need="2")
    m = 12
    rows = _by_leaf(next_experiments(case.graph, leaves, m))
    p = {name: leaf.probability for name, leaf in leaves.items()}
    for name, row in rows.items():
        others = [p[other] for other in p if other != name]
        both, one = others[0] * others[1], others[0] + others[1] - others[0] * others[1]
        beta = Beta(*leaves[name].beta)  # type: ignore[misc]
        weights = outcome_probabilities(beta, m)
        tops = np.array([both + (beta.a + k) / (beta.a + beta.b + m) * (one - both) for k in range(m + 1)])
        assert row.fall == pytest.approx(float(weights @ (tops - weights @ tops) ** 2), rel=1e-9)
        assert row.birnbaum == pytest.approx(one - both, abs=1e-12)
        assert row.decided is None


def test_fall_of_the_top_by_simulation() -> None:
    case, leaves = _counted((5, 1), (2, 2))
    row = _by_leaf(next_experiments(case.graph, leaves, 10))["Sn2"]
    random = np.random.default_rng(0)
    rates = random.beta(3, 3, 200_000)
    seen = random.binomial(10, rates)
    tops = leaves["Sn1"].probability * (3 + seen) / 16
    # the variance of a sample variance over 200,000 draws, four standard errors
    error = 4 * tops.var() * np.sqrt(2 / len(tops)) * 1.5
    assert row.fall == pytest.approx(tops.var(), abs=error)


# Predicates on rates -----------------------------------------------------------------------------


def test_a_measured_rate_is_weighed_by_what_its_predicate_will_be() -> None:
    case, leaves = _measured(0.05, (1, 40), (0, 300))
    m, limit = 60, 0.05
    row = _by_leaf(next_experiments(case.graph, leaves, m))["Sn1"]
    a, b = 2.0, 40.0
    assert leaves["Sn1"].beta == (a, b)
    weights = stats.betabinom.pmf(np.arange(m + 1), m, a, b)
    after = stats.beta.cdf(limit, a + np.arange(m + 1), b + m - np.arange(m + 1))
    assert weights @ after == pytest.approx(leaves["Sn1"].probability, abs=1e-9)
    variance = float(weights @ (after - weights @ after) ** 2)
    assert row.birnbaum == pytest.approx(leaves["Sn2"].probability, abs=1e-12)
    assert row.fall == pytest.approx(row.birnbaum**2 * variance, rel=1e-9)


def test_decided_is_the_sum_over_outcomes_of_intervals_on_one_side() -> None:
    case, leaves = _measured(0.05, (1, 40))
    m = 200
    (row,) = next_experiments(case.graph, leaves, m)
    holds, fails = Predicate.parse("rate.high <= 0.05"), Predicate.parse("rate.low >= 0.05")
    weights = stats.betabinom.pmf(np.arange(m + 1), m, 2.0, 40.0)
    decided = 0.0
    for k, weight in enumerate(weights):
        measures = {"rate": Measure.of("rate", clopper_pearson(1 + k, 40 + m))}
        decided += weight * bool(holds.evaluate(measures) or fails.evaluate(measures))
    assert row.decided == pytest.approx(decided, abs=1e-9)
    assert 0 < decided < 1


def test_more_trials_decide_more_and_teach_more() -> None:
    case, leaves = _measured(0.05, (1, 40))
    rows = [next_experiments(case.graph, leaves, m)[0] for m in (10, 100, 1000, 20_000)]
    falls = [row.fall for row in rows]
    assert falls == sorted(falls)
    decided = [row.decided or 0.0 for row in rows]
    assert decided == sorted(decided)
    assert decided[-1] > 0.9
    # what can be learnt is at most the variance of a yes-or-no answer
    p = leaves["Sn1"].probability
    assert falls[-1] < p * (1 - p)
    assert falls[-1] == pytest.approx(p * (1 - p), rel=0.2)


def test_trust_limits_what_more_trials_can_teach() -> None:
    case, leaves = _measured(0.05, (1, 40))
    from dataclasses import replace

    heard = {name: replace(leaf, trust=0.5) for name, leaf in leaves.items()}
    full, half = (next_experiments(case.graph, each, 50)[0].fall for each in (leaves, heard))
    assert half == pytest.approx(0.25 * full, rel=1e-9)


# Values with an interval -------------------------------------------------------------------------


def _valued(n: int | None, value: float = 1.0, half: float = 0.5) -> tuple[Case, dict[str, LeafConfidence]]:
    made = header(salt="value")
    measures = (Measure(name="gap", value=value, low=value - half, high=value + half, n=n),)
    made = Header.model_validate(made.model_dump(by_alias=True) | {"measures": measures})
    found = made.model_copy(update={"id": made.identity()})
    leaf = Node("Sn1", layers=(("finding", found.id), ("predicate", "gap.high <= 1.4")))
    case = Case.of([Node("G1", supported_by=("Sn1",)), leaf])
    return case, read_confidences(case.graph, Evidence.of(case.graph, [found], None))


def test_a_measured_value_is_weighed_by_where_its_curve_will_lie() -> None:
    case, leaves = _valued(25)
    m, n, sd = 75, 25, 0.5 / stats.norm.ppf(0.975)
    (row,) = next_experiments(case.graph, leaves, m)
    moves, narrow = sd * np.sqrt(m / (n + m)), sd * np.sqrt(n / (n + m))

    def mean(power: int) -> float:
        def weighed(x: float) -> float:
            return stats.norm.cdf((1.4 - 1 - moves * x) / narrow) ** power * stats.norm.pdf(x)

        return integrate.quad(weighed, -9, 9, limit=400)[0]

    assert mean(1) == pytest.approx(leaves["Sn1"].probability, abs=1e-9)
    # a thousand places instead of the integral
    assert row.fall == pytest.approx(mean(2) - mean(1) ** 2, rel=5e-3)
    z = stats.norm.ppf(0.975)
    undecided = stats.norm.cdf((0.4 + z * narrow) / moves) - stats.norm.cdf((0.4 - z * narrow) / moves)
    assert row.decided == pytest.approx(1 - undecided, abs=2e-3)


def test_a_value_without_a_count_cannot_be_followed() -> None:
    case, leaves = _valued(None)
    assert next_experiments(case.graph, leaves, 10) == []


# Ranking -----------------------------------------------------------------------------------------


def test_rank_is_by_fall_per_cost() -> None:
    case, leaves = _counted((8, 1), (1, 1), (400, 2))
    rows = next_experiments(case.graph, leaves, 20)
    assert [row.leaf for row in rows] == ["Sn2", "Sn1", "Sn3"]
    assert rows == sorted(rows, key=lambda row: -row.per_cost)
    dear = next_experiments(case.graph, leaves, 20, {"Sn2": 1000.0})
    assert [row.leaf for row in dear][-1] == "Sn2" or dear[0].leaf == "Sn1"
    assert _by_leaf(dear)["Sn2"].cost == 20_000
    assert _by_leaf(dear)["Sn2"].per_cost == pytest.approx(_by_leaf(rows)["Sn2"].per_cost / 1000, rel=1e-12)


def test_a_leaf_on_which_nothing_hangs_teaches_nothing() -> None:
    case = Case.of(
        [
            Node("G1", supported_by=("Sn1", "G2"), layers=(("need", "any"),)),
            Node("G2", supported_by=("Sn1", "Sn2")),
            Node("Sn1"),
            Node("Sn2"),
        ]
    )
    rows = _by_leaf(next_experiments(case.graph, {}, 10))
    assert birnbaum(case.graph, {}) == {"Sn1": 1.0, "Sn2": 0.0}
    assert rows["Sn2"].fall == 0
    # of an unknown leaf the rate may be anything: Beta(1, 1)
    assert rows["Sn1"].fall == pytest.approx(1 / 12 * 10 / 12, rel=1e-12)


def test_bare_judgements_have_no_trials_to_add_to() -> None:
    case, _ = _counted((1, 1), (1, 1))
    leaves = {"Sn1": LeafConfidence(Opinion.certain(0.9), judged=True)}
    assert [row.leaf for row in next_experiments(case.graph, leaves, 10)] == ["Sn2"]


def test_trials_and_costs_must_be_positive() -> None:
    case, leaves = _counted((1, 1))
    for trials, cost in ((0, {}), (-3, {}), (10, {"Sn1": 0.0}), (10**9, {}), (10, {"Sn1": float("nan")})):
        with pytest.raises(InputError, match="costs above 0") as refused:
            next_experiments(case.graph, leaves, trials, cost)
        assert refused.value.code == "Y77"
