"""Metrics of metrics: the truth follows itself, chance does not, and direction is each measure's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from pellucid.dictionaries.truth.meta import meta_metric, spearman
from pellucid.findings import Finding, InputError, Kind, Measure, register, start

KIND = register(Kind(name="test.meta", title="A test", statement="{score.value}"))


def judged(dictionary: int, score: float | None, better: str = "higher") -> Finding:
    record = start(judged, parameters={"dictionary": str(dictionary), "score": str(score)})
    return record.finding(
        KIND, measures=[Measure.of("score", score, better=better), Measure.of("mcc", score)]
    )


def panel(scores: list[float], better: str = "higher", first: int = 0) -> list[Finding]:
    return [judged(first + number, score, better) for number, score in enumerate(scores)]


SCORES = np.random.default_rng(0).random(20).tolist()


@pytest.mark.law("dictionaries.meta_metric")
def test_the_truth_follows_itself_and_its_like():
    """Any rising function of the truth has correlation 1, any falling one -1."""
    truth = panel(SCORES)
    rising = meta_metric(panel([score**3 for score in SCORES]), truth, "score", "score")
    assert rising.measures["correlation"].value == pytest.approx(1)
    assert rising.measures["correlation"].low == pytest.approx(1)
    assert rising.status == "supports"
    falling = meta_metric(panel([-score for score in SCORES]), truth, "score", "score")
    assert falling.measures["correlation"].value == pytest.approx(-1)
    assert falling.status == "refutes"


@pytest.mark.law("dictionaries.meta_metric")
def test_a_metric_of_which_less_is_better_is_turned():
    found = meta_metric(panel([-score for score in SCORES], "lower"), panel(SCORES), "score", "score")
    assert found.measures["correlation"].value == pytest.approx(1)


@pytest.mark.truth("dictionaries.meta_metric")
def test_correlation_is_scipys_with_ties():
    random = np.random.default_rng(1)
    rows = np.round(random.random((30, 2)) * 5)
    rows[:, 1] += rows[:, 0]
    both = np.stack([rows, rows[::-1] ** 2])
    expected = [spearmanr(panel[:, 0], panel[:, 1]).statistic for panel in both]
    assert spearman(both[..., 0], both[..., 1]) == pytest.approx(expected)
    assert np.isnan(spearman(np.ones((1, 4)), rows[None, :4, 0])).all()


@pytest.mark.truth("dictionaries.meta_metric")
def test_the_interval_holds_the_correlation_of_the_population():
    """Normal pairs of known rank correlation: the 95 % interval holds it in about 95 of 100 panels."""
    random, rho = np.random.default_rng(2), 0.6
    known = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of a bivariate normal
    held = 0
    for _ in range(40):
        x = random.normal(size=40)
        y = rho * x + (1 - rho**2) ** 0.5 * random.normal(size=40)
        found = meta_metric(panel(y.tolist()), panel(x.tolist()), "score", "score", resamples=200)
        held += found.measures["correlation"].low <= known <= found.measures["correlation"].high
    assert held >= 33  # of 40 at a true coverage near 93 %: below 33 about once in 200 runs


def test_the_order_of_findings_does_not_matter():
    metrics, truths = panel([score + 0.3 * (i % 3) for i, score in enumerate(SCORES)]), panel(SCORES)
    first = meta_metric(metrics, truths, "score", "score")
    assert meta_metric(metrics, truths[::-1], "score", "score").measures == first.measures
    assert first.status == "refutes" if first.measures["correlation"].high < 0.9 else "inconclusive"
    assert first.arrays["values"].coords["quantity"] == ["score", "score"]
    assert len(first.provenance.parents) == 40


@pytest.mark.parametrize(
    ("metrics", "truths", "names", "code", "message"),
    [
        (
            panel(SCORES[:4]),
            panel(SCORES[:4]),
            ("score", "score"),
            "DI57",
            "4 dictionaries are easily ranked",
        ),
        (panel(SCORES), panel(SCORES, first=3), ("score", "score"), "DI58", "not of the same dictionaries"),
        (panel(SCORES), panel(SCORES)[:9], ("score", "score"), "DI58", "20 metrics and 9 truths"),
        (panel(SCORES), panel(SCORES), ("score", "mcc"), "DI59", "no value of 'mcc' of which more or less"),
        (panel([*SCORES[:9], None]), panel(SCORES[:10]), ("score", "score"), "DI59", "no value of 'score'"),
        (panel(SCORES), panel(SCORES), ("scor", "score"), "DI59", "Did you mean 'score'"),
    ],
)
def test_what_cannot_be_correlated(metrics, truths, names, code, message):
    with pytest.raises(InputError, match=message) as caught:
        meta_metric(metrics, truths, *names)
    assert caught.value.code == code
