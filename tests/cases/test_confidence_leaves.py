"""How sure one may be of a leaf: posterior probabilities of predicates, judgements, trust, and what is unknown."""

from __future__ import annotations

import math

import pytest
from case_arguments import header
from scipy import stats

from pellucid.cases import Case, Node
from pellucid.cases.confidence.leaves import LeafConfidence, read_confidences, stated_opinion
from pellucid.cases.confidence.opinions import Opinion
from pellucid.cases.confidence.posteriors import Point, Rate, Spread, counts_of, posterior_of
from pellucid.cases.confidence.regions import region
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import Header, Measure, Predicate, wilson


def _finding(*measures: Measure, **more: object) -> Header:
    made = header(**more)  # type: ignore[arg-type]
    made = Header.model_validate(made.model_dump(by_alias=True) | {"measures": measures})
    return made.model_copy(update={"id": made.identity()})


def _read(
    found: Header, predicate: str | None, present: dict[str, str] | None = None, **layers: str
) -> LeafConfidence:
    given = {"finding": found.id, **({"predicate": predicate} if predicate else {}), **layers}
    case = Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1", layers=tuple(given.items()))])
    return read_confidences(case.graph, Evidence.of(case.graph, [found], present))["Sn1"]


def _rate(k: int, n: int, name: str = "rate") -> Measure:
    return Measure.of(name, wilson(k, n))


# Rates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "n", "limit"), [(0, 1000, 0.005), (1, 1000, 0.005), (7, 40, 0.2), (40, 40, 0.9)]
)
@pytest.mark.parametrize("end", ["value", "low", "high"])
def test_a_rate_is_read_by_its_beta_posterior_whatever_the_end(
    k: int, n: int, limit: float, end: str
) -> None:
    found = _read(_finding(_rate(k, n)), f"rate.{end} <= {limit}")
    assert found.probability == pytest.approx(stats.beta(1 + k, 1 + n - k).cdf(limit), abs=1e-12)
    assert found.beta == (1.0 + k, 1.0 + n - k)
    assert found.counts == (k, n)
    assert not found.judged
    assert not found.taken
    assert found.opinion.uncertainty <= 2 / (n + 2)


def test_a_stretch_and_its_opposite_add_up() -> None:
    found = _finding(_rate(13, 60))
    posterior = stats.beta(14, 48)
    inside = _read(found, "rate.low >= 0.1 and rate.high <= 0.3").probability
    outside = _read(found, "not (rate.low >= 0.1 and rate.high <= 0.3)").probability
    assert inside == pytest.approx(posterior.cdf(0.3) - posterior.cdf(0.1), abs=1e-12)
    assert inside + outside == pytest.approx(1, abs=1e-12)
    either = _read(found, "rate.high < 0.1 or rate.low > 0.3").probability
    assert either == pytest.approx(outside, abs=1e-12)


def test_a_count_in_a_predicate_is_known() -> None:
    found = _finding(_rate(0, 50))
    alone = _read(found, "rate.high <= 0.1").probability
    assert _read(found, "rate.high <= 0.1 and rate.n >= 50").probability == pytest.approx(alone, abs=1e-12)
    assert _read(found, "rate.high <= 0.1 and rate.n >= 51").probability == 0
    assert _read(found, "rate.high <= 0.1").beta == (1.0, 51.0)


def test_more_clean_runs_are_surer_and_less_uncertain() -> None:
    found = [_read(_finding(_rate(0, n)), "rate.high <= 0.01") for n in (10, 100, 1000)]
    assert found[0].probability < found[1].probability < found[2].probability
    assert found[0].opinion.uncertainty > found[1].opinion.uncertainty > found[2].opinion.uncertainty
    # the base rate is what the prior alone says
    assert [each.opinion.base_rate for each in found] == pytest.approx([0.01] * 3, abs=1e-12)


@pytest.mark.parametrize(
    ("measure", "counts"),
    [
        (Measure(name="m", value=0.25, n=8), (2, 8)),
        (Measure(name="m", value=1 / 3, low=0.1, high=0.6, n=9), (3, 9)),
        (Measure(name="m", value=0.3, low=0.1, high=0.6, n=9), None),
        (Measure(name="m", value=0.25, low=-0.1, high=0.6, n=8), None),
        (Measure(name="m", value=0.25, low=0.1, high=1.6, n=8), None),
        (Measure(name="m", value=2.0, n=8), None),
        (Measure(name="m", value=0.25), None),
        (Measure(name="m", value=None, n=8), None),
        (Measure(name="m", value=0.0001, n=1_000_000), (100, 1_000_000)),
    ],
)
def test_which_measures_are_rates(measure: Measure, counts: tuple[int, int] | None) -> None:
    assert counts_of(measure) == counts


# Intervals and points ----------------------------------------------------------------------------


def test_an_interval_keeps_its_tails_on_both_sides() -> None:
    measure = Measure(name="gap", value=1.0, low=0.5, high=3.0, level=0.9)
    curve = posterior_of(measure)
    assert isinstance(curve, Spread)
    assert curve.below(0.5) == pytest.approx(0.05, abs=1e-9)
    assert curve.below(1.0) == pytest.approx(0.5, abs=1e-12)
    assert 1 - curve.below(3.0) == pytest.approx(0.05, abs=1e-9)
    found = _read(_finding(measure), "gap.high <= 3.0")
    assert found.probability == pytest.approx(0.95, abs=1e-9)
    assert found.beta is None


def test_a_value_at_one_end_of_its_interval_lies_on_the_other_side() -> None:
    curve = posterior_of(Measure(name="gap", value=0.0, low=0.0, high=0.02))
    assert isinstance(curve, Spread)
    assert (curve.below(-1e-9), curve.below(0.0)) == (0.0, 0.0)
    assert curve.below(0.02) == pytest.approx(0.95, abs=1e-9)
    top = posterior_of(Measure(name="gap", value=5.0, low=4.0, high=5.0))
    assert isinstance(top, Spread)
    assert (top.below(5.0), top.below(4.0)) == (1.0, pytest.approx(0.05, abs=1e-9))
    assert (
        _read(_finding(Measure(name="gap", value=0.0, low=0.0, high=0.02)), "gap.low >= 0").probability == 1
    )


def test_a_normal_interval_is_a_normal_curve() -> None:
    found = _read(
        _finding(Measure(name="gap", value=2.0, low=2 - 1.959964, high=2 + 1.959964)), "gap.low > 0.5"
    )
    assert found.probability == pytest.approx(stats.norm.cdf(1.5), abs=1e-6)


def test_an_interval_with_one_end_spreads_alike_to_both_sides() -> None:
    curve = posterior_of(Measure(name="gap", value=0.0, high=1.959964))
    assert isinstance(curve, Spread)
    assert curve.below(-1.0) == pytest.approx(stats.norm.cdf(-1.0), abs=1e-6)


def test_a_point_is_certain_by_its_predicate_and_marked() -> None:
    found = _read(_finding(Measure(name="gap", value=2.5)), "gap.value <= 3")
    assert (found.probability, found.taken, found.opinion.uncertainty) == (1.0, True, 0.0)
    assert "point without interval" in found.source
    assert _read(_finding(Measure(name="gap", value=3.5)), "gap.value <= 3").probability == 0
    # exactly on the limit, the sign of the comparison decides
    assert _read(_finding(Measure(name="gap", value=3.0)), "gap.value <= 3").probability == 1
    assert _read(_finding(Measure(name="gap", value=3.0)), "gap.value < 3").probability == 0
    assert isinstance(posterior_of(Measure(name="m", value=0.5, low=0.5, high=0.5, n=2)), Point)


def test_an_interval_without_end_says_nothing() -> None:
    found = _read(_finding(Measure(name="gap", value=2.5, low=0.0, high=math.inf)), "gap.low >= 0")
    assert found.opinion.uncertainty == 1
    assert "no number or no spread" in found.source


# Several measures --------------------------------------------------------------------------------


def test_several_measures_are_multiplied_and_bounded() -> None:
    found = _read(_finding(_rate(2, 50, "a"), _rate(5, 60, "b")), "a.high <= 0.06 and b.high <= 0.1")
    first, second = stats.beta(3, 49).cdf(0.06), stats.beta(6, 56).cdf(0.1)
    assert found.probability == pytest.approx(first * second, abs=1e-9)
    assert found.bounds is not None
    # HiGHS solves to 1e-7
    assert found.bounds.low == pytest.approx(max(0, first + second - 1), abs=1e-6)
    assert found.bounds.high == pytest.approx(min(first, second), abs=1e-6)
    assert "taken as independent" in found.source


def test_measures_compared_with_each_other() -> None:
    found = _read(
        _finding(
            Measure(name="a", value=1.0, low=0.02, high=1.98),
            Measure(name="b", value=0.0, low=-0.98, high=0.98),
        ),
        "a.low > b.high",
    )
    sd = 0.98 / 1.959964
    # a grid of 24 quantiles each, whose diagonal counts half
    assert found.probability == pytest.approx(stats.norm.cdf(1 / (sd * math.sqrt(2))), abs=0.01)
    assert found.bounds is not None
    assert found.bounds.low < found.probability <= found.bounds.high


def test_a_point_beside_a_rate_is_put_in() -> None:
    found = _finding(_rate(2, 50, "a"), Measure(name="limit", value=0.06))
    assert _read(found, "a.high <= limit.value").probability == pytest.approx(
        stats.beta(3, 49).cdf(0.06), abs=1e-12
    )


# What refutes ------------------------------------------------------------------------------------


def test_what_neither_predicate_claims_is_uncertainty() -> None:
    found = _read(_finding(_rate(10, 100)), "rate.high <= 0.08", refutedBy="rate.low >= 0.12")
    posterior = stats.beta(11, 91)
    assert found.opinion.belief == pytest.approx(posterior.cdf(0.08), abs=1e-9)
    assert found.opinion.disbelief == pytest.approx(posterior.sf(0.12), abs=1e-9)
    assert found.opinion.uncertainty == pytest.approx(posterior.cdf(0.12) - posterior.cdf(0.08), abs=1e-9)
    # predicate and opposite that leave nothing open are read as the predicate alone
    plain = _read(_finding(_rate(10, 100)), "rate.high <= 0.08")
    split = _read(_finding(_rate(10, 100)), "rate.high <= 0.08", refutedBy="rate.low > 0.08")
    assert split.opinion == plain.opinion


def test_points_and_several_measures_heed_what_refutes() -> None:
    point = _finding(Measure(name="gap", value=2.5))
    neither = _read(point, "gap.value <= 2", refutedBy="gap.value >= 3")
    assert (neither.opinion.uncertainty, neither.value, neither.taken) == (1.0, "U", False)
    assert neither.source.endswith("both fail")
    assert _read(point, "gap.value <= 3", refutedBy="gap.value >= 2").source.endswith("both hold")
    assert _read(point, "gap.value <= 2", refutedBy="gap.value > 2").probability == 0
    pair = _finding(_rate(2, 50, "a"), _rate(5, 60, "b"))
    found = _read(pair, "a.high <= 0.06 and b.high <= 0.1", refutedBy="a.low > 0.2")
    first, second = stats.beta(3, 49), stats.beta(6, 56)
    assert found.opinion.belief == pytest.approx(first.cdf(0.06) * second.cdf(0.1), abs=1e-9)
    assert found.opinion.disbelief == pytest.approx(first.sf(0.2), abs=1e-9)


def test_regions_are_joined_over_their_ends() -> None:
    measures = {"m": Measure(name="m", value=0.5)}
    held = region(Predicate.parse("m.value <= 0.3 or m.value >= 0.3 and m.value < 0.6"), "m", {}, measures)
    assert held.holds(0.0, 0.6)
    assert not held.holds(0.0, 0.7)
    apart = region(Predicate.parse("m.value < 0.3 or m.value > 0.3"), "m", {}, measures)
    assert not apart.holds(0.2, 0.4)
    assert apart.probability(Rate(*[stats_beta()] * 2, (1, 4))) == pytest.approx(1, abs=1e-12)


def stats_beta():  # type: ignore[no-untyped-def]
    from pellucid.cases.confidence.counts import Beta

    return Beta(2.0, 4.0)


# Judgement, trust, acceptance, nothing -----------------------------------------------------------


def _leaf(kind: str = "Sn1", **layers: str) -> LeafConfidence:
    node = Node(kind, layers=tuple(layers.items()))
    nodes = (
        [Node("G1", supported_by=(kind,)), node]
        if kind.startswith("Sn")
        else [Node("G1", in_context_of=(kind,), supported_by=("Sn9",)), Node("Sn9"), node]
    )
    case = Case.of(nodes)
    return read_confidences(case.graph, Evidence.of(case.graph, [], None))[kind]


def test_a_judgement_is_marked_with_who_gave_it() -> None:
    found = _leaf(confidence="0.9", rated="R. Reviewer, 2026-11-21")
    assert (found.probability, found.judged) == (0.9, True)
    assert found.source == "judged by R. Reviewer, 2026-11-21"
    assert _leaf(confidence="0.9").source == "judged, by nobody named"
    opinion = _leaf(opinion="0.7, 0.1, 0.2, 0.4")
    assert opinion.opinion == Opinion(0.7, 0.1, 0.2, 0.4)
    assert opinion.beta == pytest.approx((7 + 0.8, 1 + 1.2), abs=1e-9)
    assert _leaf("A1", confidence="0.8").probability == 0.8


def test_an_accepted_assumption_is_taken_as_true_and_marked() -> None:
    found = _leaf("A1", accepted="R. Reviewer, 2026-11-21")
    assert (found.probability, found.taken, found.value) == (1.0, True, "T")
    judged = _leaf("A1", accepted="R. Reviewer, 2026-11-21", confidence="0.7")
    assert (judged.probability, judged.taken, judged.value) == (0.7, False, "T")


def test_of_what_cites_nothing_nothing_is_known() -> None:
    for found in (_leaf(), _leaf("A1")):
        assert found.opinion == Opinion(0.0, 0.0, 1.0, 0.5)
        assert found.source.startswith("nothing is known")
        assert found.value == "U"


def test_a_judgement_does_not_stand_in_for_evidence() -> None:
    measured = _read(_finding(_rate(0, 1000)), "rate.high <= 0.005", confidence="0.2")
    assert measured.probability > 0.99
    assert not measured.judged


@pytest.mark.parametrize(
    "text", ["high", "1.5", "-0.1", "0.5, 0.5", "0.9 0.9 0.1", "nan", "inf", "", "1,2,3,4,5"]
)
def test_opinions_that_cannot_be_read_are_none(text: str) -> None:
    assert stated_opinion(text) is None


def test_trust_discounts_a_measurement_towards_the_prior() -> None:
    full = _read(_finding(_rate(0, 1000)), "rate.high <= 0.005")
    half = _read(_finding(_rate(0, 1000)), "rate.high <= 0.005", trust="0.5")
    assert half.probability == pytest.approx(0.5 * full.probability + 0.5 * 0.005, abs=1e-12)
    assert half.trust == 0.5
    assert "trusted to 0.5" in half.source


def test_a_revoked_indicator_is_false_and_an_unreadable_one_unknown() -> None:
    found = _finding(_rate(0, 1000))
    revoked = _read(found, "rate.high <= 0.005", revokeWhen="rate.n >= 1000")
    assert (revoked.probability, revoked.value, revoked.taken) == (0.0, "F", True)
    assert revoked.source.startswith("revoked: ")
    blind = _read(found, "rate.high <= 0.005", revokeWhen="other.value > 1")
    assert (blind.opinion.uncertainty, blind.value) == (1.0, "U")
    warned = _read(found, "rate.high <= 0.005", warnWhen="rate.n >= 1000")
    assert warned.probability > 0.99


def test_a_leaf_may_cite_a_log_by_its_digest() -> None:
    digest = "ab" * 32
    made = header(name="mean", data=("log", digest), salt="log")
    changed = {"kind": "evaluation.log", "measures": (_rate(0, 1000),)}
    made = Header.model_validate(made.model_dump(by_alias=True) | changed)
    logged = made.model_copy(update={"id": made.identity()})
    leaf = Node("Sn1", layers=(("log", digest), ("predicate", "rate.high <= 0.005")))
    case = Case.of([Node("G1", supported_by=("Sn1",)), leaf])
    found = read_confidences(case.graph, Evidence.of(case.graph, [logged], None))["Sn1"]
    assert found.probability == pytest.approx(stats.beta(1, 1001).cdf(0.005), abs=1e-12)
    gone = read_confidences(case.graph, Evidence.of(case.graph, [], None))["Sn1"]
    assert gone.opinion.uncertainty == 1


def test_what_is_stale_failed_retracted_or_unread_counts_for_nothing() -> None:
    found = _finding(_rate(0, 1000))
    stale = _read(found, "rate.high <= 0.005", {"model:organism:m": "bb"})
    failed = _read(_finding(_rate(0, 1000), status="failed"), "rate.high <= 0.005")
    unread = _read(found, "other.high <= 0.005")
    silent = _read(found, None)
    broken = _read(found, "rate.high <=")
    for each in (stale, failed, unread, silent, broken):
        assert each.opinion.uncertainty == 1
        assert each.value == "U"
        assert each.source.startswith("nothing is known: ")
    undecided = _read(found, "rate.high <= 0.0001", {"model:organism:m": "bb"}, refutedBy="rate.low > 0.5")
    assert undecided.opinion.uncertainty == 1
