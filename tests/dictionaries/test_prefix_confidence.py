"""Intervals of bounded means: they cover, they narrow, and few examples make them wide."""

import numpy as np
import pytest

from pellucid.dictionaries.attention.confidence import betting_interval, resampled_means, safe_interval
from pellucid.findings import InputError

LAWS = {
    "beta": (lambda random, n: random.beta(6, 4, n), 0.6),
    "coin": (lambda random, n: (random.random(n) < 0.3) * 1.0, 0.3),
    "rare": (lambda random, n: (random.random(n) < 0.1) * 0.9, 0.09),
    "skewed": (lambda random, n: random.beta(0.3, 0.1, n), 0.75),
}


@pytest.mark.parametrize("n", [3, 12, 60])
def test_bets_cover_at_any_number_of_examples(n):
    """300 draws of each law at 90 %: 48 misses or more have a chance below 0.1 % if the level holds."""
    random = np.random.default_rng(n)
    means = np.array([mean for _, mean in LAWS.values()])
    missed = np.zeros(len(LAWS))
    for _ in range(300):
        values = np.stack([draw(random, n) for draw, _ in LAWS.values()], axis=1)
        low, high = betting_interval(values, 0.9)
        missed += (means < low) | (means > high)
    assert missed.max() < 48


def test_the_bootstrap_covers_with_enough_examples():
    """200 draws at 90 %; percentile intervals fall a little short, so up to 36 misses (82 %) are granted."""
    random, mean = np.random.default_rng(1), 0.6
    missed = 0
    for seed in range(200):
        low, high = resampled_means(random.beta(6, 4, (60, 1)), 0.9, seed)
        missed += bool(mean < low[0] or mean > high[0])
    assert missed <= 36


def test_the_safe_interval_holds_both():
    values = np.random.default_rng(2).beta(6, 4, (50, 3))
    low, high = safe_interval(values, 0.95, 0)
    for part in (resampled_means(values, 0.95, 0), betting_interval(values, 0.95)):
        assert (low <= part[0]).all()
        assert (high >= part[1]).all()
    assert (low <= values.mean(0)).all()
    assert (high >= values.mean(0)).all()


def test_one_example_says_next_to_nothing():
    low, high = safe_interval(np.array([[0.99]]), 0.95, 0)
    assert high[0] - low[0] > 0.9


def test_more_examples_and_less_confidence_narrow_it():
    values = np.random.default_rng(3).beta(6, 4, (400, 1))
    widths = [np.ptp(betting_interval(values[:n], 0.95)) for n in (25, 100, 400)]
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2]
    assert np.ptp(betting_interval(values, 0.8)) < widths[2]
    # within a half of the normal interval once there are many, beside the two rounded thousandths
    assert widths[2] < 1.5 * 2 * 1.96 * values.std() / 20 + 0.002


def test_turning_the_scores_over_turns_the_interval_over():
    values = np.random.default_rng(4).beta(2, 5, (30, 2))
    low, high = betting_interval(values, 0.95)
    other_low, other_high = betting_interval(1 - values, 0.95)
    assert other_low == pytest.approx(1 - high, abs=1e-9)
    assert other_high == pytest.approx(1 - low, abs=1e-9)


def test_columns_do_not_touch_each_other():
    values = np.random.default_rng(5).beta(2, 5, (30, 3))
    together, alone = betting_interval(values, 0.95), betting_interval(values[:, 1:2], 0.95)
    assert together[0][1] == alone[0][0]
    assert together[1][1] == alone[1][0]


def test_scores_outside_the_unit_interval_are_refused():
    with pytest.raises(InputError) as caught:
        betting_interval(np.array([[0.5], [1.5]]), 0.95)
    assert caught.value.code == "DI40"
    assert str(caught.value) == (
        "A score of 0.5 to 1.5. Betting intervals are for scores from 0 to 1, as attention is."
    )
