"""Subjective logic: every identity on 10,000 random opinions, and the edges of each connective."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pellucid.cases.confidence.opinions import (
    TRUE,
    VACUOUS,
    Opinion,
    at_least,
    conjunction,
    disjunction,
    tail,
)
from pellucid.findings import InputError

COUNT = 10_000


def _random(seed: int, count: int = COUNT) -> list[Opinion]:
    random = np.random.default_rng(seed)
    parts = random.dirichlet([0.7, 0.7, 0.7], count)
    bases = random.choice([0.0, 1.0, 0.5, -1.0], count, p=[0.05, 0.05, 0.1, 0.8])
    bases = np.where(bases < 0, random.random(count), bases)
    # some opinions on the edge of the triangle
    parts[::17] = [1, 0, 0]
    parts[5::17] = [0, 0, 1]
    parts[7::17] = [0.25, 0.75, 0]
    return [Opinion(b, d, 1 - b - d, a) for (b, d, _), a in zip(parts.tolist(), bases.tolist(), strict=True)]


ONE, TWO = _random(1), _random(2)


def _whole(opinion: Opinion) -> float:
    return opinion.belief + opinion.disbelief + opinion.uncertainty


def test_and_multiplies_expectations_and_adds_to_one() -> None:
    for one, two in zip(ONE, TWO, strict=True):
        found = one & two
        assert abs(found.expectation - one.expectation * two.expectation) < 1e-12
        assert abs(_whole(found) - 1) < 1e-12
        assert min(found.belief, found.disbelief, found.uncertainty) >= -1e-12
        assert found.base_rate == one.base_rate * two.base_rate


def test_or_is_one_less_the_product_of_what_is_left() -> None:
    for one, two in zip(ONE, TWO, strict=True):
        found = one | two
        expected = one.expectation + two.expectation - one.expectation * two.expectation
        assert abs(found.expectation - expected) < 1e-12
        assert abs(_whole(found) - 1) < 1e-12


def test_and_and_or_by_the_printed_formulas() -> None:
    for one, two in zip(ONE[:2000], TWO[:2000], strict=True):
        b1, d1, u1, a1 = one.belief, one.disbelief, one.uncertainty, one.base_rate
        b2, d2, u2, a2 = two.belief, two.disbelief, two.uncertainty, two.base_rate
        if a1 * a2 < 0.999:
            found = one & two
            b = b1 * b2 + ((1 - a1) * a2 * b1 * u2 + a1 * (1 - a2) * u1 * b2) / (1 - a1 * a2)
            u = u1 * u2 + ((1 - a2) * b1 * u2 + (1 - a1) * u1 * b2) / (1 - a1 * a2)
            assert (found.belief, found.uncertainty) == (
                pytest.approx(b, abs=1e-11),
                pytest.approx(u, abs=1e-11),
            )
            assert found.disbelief == pytest.approx(d1 + d2 - d1 * d2, abs=1e-12)
        base = a1 + a2 - a1 * a2
        if base > 0.001:
            either = one | two
            d = d1 * d2 + (a1 * (1 - a2) * d1 * u2 + (1 - a1) * a2 * u1 * d2) / base
            u = u1 * u2 + (a2 * d1 * u2 + a1 * u1 * d2) / base
            assert (either.disbelief, either.uncertainty) == (
                pytest.approx(d, abs=1e-11),
                pytest.approx(u, abs=1e-11),
            )
            assert either.belief == pytest.approx(b1 + b2 - b1 * b2, abs=1e-12)


def test_not_is_its_own_opposite_and_de_morgan_holds() -> None:
    for one, two in zip(ONE, TWO, strict=True):
        assert abs((~one).expectation - (1 - one.expectation)) < 1e-12
        back = ~~one
        assert (back.belief, back.disbelief, back.uncertainty) == (one.belief, one.disbelief, one.uncertainty)
        left, right = ~(one & two), ~one | ~two
        assert abs(left.belief - right.belief) < 1e-12
        assert abs(left.uncertainty - right.uncertainty) < 1e-12


def test_connectives_commute_and_associate() -> None:
    for one, two, three in zip(ONE[:3000], TWO[:3000], _random(3, 3000), strict=True):
        swapped = two & one
        assert abs((one & two).belief - swapped.belief) < 1e-12
        first, second = (one & two) & three, one & (two & three)
        if max(one.base_rate, two.base_rate, three.base_rate) < 1:
            assert abs(first.belief - second.belief) < 1e-9
            assert abs(first.uncertainty - second.uncertainty) < 1e-9


def test_base_rates_at_the_edge_drop_the_bracket() -> None:
    one, two = Opinion(0.5, 0.2, 0.3, 1.0), Opinion(0.4, 0.1, 0.5, 1.0)
    found = one & two
    assert found.belief == pytest.approx(0.2, abs=1e-15)
    assert found.disbelief == pytest.approx(0.28, abs=1e-15)
    assert found.uncertainty == pytest.approx(0.52, abs=1e-15)
    assert found.expectation == pytest.approx(one.expectation * two.expectation, abs=1e-15)
    one, two = Opinion(0.5, 0.2, 0.3, 0.0), Opinion(0.4, 0.1, 0.5, 0.0)
    either = one | two
    assert (either.belief, either.disbelief) == (
        pytest.approx(0.7, abs=1e-15),
        pytest.approx(0.02, abs=1e-15),
    )
    assert either.expectation == pytest.approx(0.7, abs=1e-15)


def test_base_rates_close_to_the_edge_keep_their_digits() -> None:
    for gap in (1e-6, 1e-10, 1e-14):
        one, two = Opinion(0.5, 0.2, 0.3, 1 - gap), Opinion(0.4, 0.1, 0.5, 1 - 2 * gap)
        assert (one & two).expectation == pytest.approx(one.expectation * two.expectation, abs=1e-12)


def test_certainty_is_neutral() -> None:
    for one in ONE[:500]:
        assert TRUE & one == Opinion(one.belief, one.disbelief, (TRUE & one).uncertainty, one.base_rate)
        assert abs((TRUE & one).expectation - one.expectation) < 1e-12
    assert conjunction([]) == TRUE
    assert disjunction([]).expectation == 0


def test_fusion_adds_counts_exactly() -> None:
    random = np.random.default_rng(5)
    for r1, s1, r2, s2 in random.integers(0, 50, (2000, 4)).tolist():
        fused = Opinion.of_counts(r1, s1).fuse(Opinion.of_counts(r2, s2))
        whole = Opinion.of_counts(r1 + r2, s1 + s2)
        assert abs(fused.belief - whole.belief) < 1e-12
        assert abs(fused.disbelief - whole.disbelief) < 1e-12
        assert abs(fused.uncertainty - whole.uncertainty) < 1e-12
        assert fused.base_rate == 0.5


def test_fusion_at_the_edges() -> None:
    sure, other = Opinion(0.8, 0.2, 0.0), Opinion(0.4, 0.6, 0.0)
    assert sure.fuse(other).belief == pytest.approx(0.6, abs=1e-15)
    assert sure.fuse(other).uncertainty == 0
    heard = Opinion(0.3, 0.3, 0.4)
    assert sure.fuse(heard).belief == pytest.approx(0.8, abs=1e-15)
    assert sure.fuse(heard).uncertainty == 0
    assert VACUOUS.fuse(heard).belief == pytest.approx(0.3, abs=1e-15)
    for one, two in zip(ONE[:2000], TWO[:2000], strict=True):
        assert abs(_whole(one.fuse(two)) - 1) < 1e-9
        assert 0 <= one.fuse(two).base_rate <= 1


def test_trust_discounts_towards_uncertainty() -> None:
    for trust, heard in zip(ONE, TWO, strict=True):
        found = heard.trusted(trust)
        assert abs(_whole(found) - 1) < 1e-12
        assert found.belief == trust.belief * heard.belief
        expected = trust.belief * heard.expectation + (1 - trust.belief) * heard.base_rate
        assert abs(found.expectation - expected) < 1e-12
    assert Opinion(0.7, 0.1, 0.2).trusted(VACUOUS).uncertainty == 1


def test_counts_and_beta_are_two_views_of_one_thing() -> None:
    for right, wrong, base in itertools.product((0, 1, 7, 100), (0, 3, 20), (0.2, 0.5, 0.9)):
        opinion = Opinion.of_counts(right, wrong, base)
        beta = opinion.beta
        assert beta is not None
        assert beta.a == pytest.approx(right + 2 * base, rel=1e-12)
        assert beta.b == pytest.approx(wrong + 2 * (1 - base), rel=1e-12)
        assert beta.mean == pytest.approx(opinion.expectation, rel=1e-12)
    assert Opinion.certain(0.3).beta is None


def test_an_opinion_about_a_probability_keeps_it() -> None:
    random = np.random.default_rng(6)
    for p, n, a in zip(random.random(2000), random.integers(0, 5000, 2000), random.random(2000), strict=True):
        found = Opinion.about(float(p), float(n), float(a))
        assert abs(found.expectation - p) < 1e-12
        assert found.uncertainty <= 2 / (n + 2)
    assert Opinion.about(0.4, 0, 0.4) == Opinion(0.0, 0.0, 1.0, 0.4)
    assert Opinion.about(0.9, math.inf).uncertainty == 0


# k of n ------------------------------------------------------------------------------------------


def test_tail_equals_enumeration() -> None:
    random = np.random.default_rng(7)
    for n in range(1, 7):
        p = random.random(n).tolist()
        for k in range(1, n + 1):
            states = itertools.product((0, 1), repeat=n)
            expected = sum(
                math.prod(x if held else 1 - x for x, held in zip(p, state, strict=True))
                for state in states
                if sum(state) >= k
            )
            assert tail(k, p) == pytest.approx(expected, abs=1e-13)
    assert round(tail(2, [0.9, 0.8, 0.7]), 12) == 0.902


def test_k_of_n_has_the_tail_of_expectations_and_meets_and_and_or() -> None:
    opinions = [one for one in ONE if 0 < one.base_rate < 1]
    for start in range(0, 2000, 5):
        few = opinions[start : start + 5]
        expectations = [one.expectation for one in few]
        for k in range(1, 6):
            found = at_least(k, few)
            assert abs(found.expectation - tail(k, expectations)) < 1e-12
            assert abs(_whole(found) - 1) < 1e-12
        assert at_least(5, few) == conjunction(few)
        assert at_least(1, few) == disjunction(few)


def test_k_of_n_of_what_nobody_knows_is_not_known() -> None:
    found = at_least(2, [VACUOUS] * 3)
    assert found.uncertainty == 1
    assert found.base_rate == pytest.approx(0.5, abs=1e-15)


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts", [(0.5, 0.5, 0.5), (-0.1, 0.6, 0.5), (0.5, 0.5, 0.0, 1.5), (float("nan"), 0.5, 0.5)]
)
def test_parts_must_add_up(parts: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="first three add up to 1") as refused:
        Opinion(*parts)
    assert refused.value.code == "Y72"


def test_counts_must_be_counts() -> None:
    with pytest.raises(InputError, match="are not counts"):
        Opinion.of_counts(-1, 3)
    with pytest.raises(InputError, match="are not counts"):
        Opinion.of_counts(math.inf, 3)
