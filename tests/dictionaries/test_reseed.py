"""Reseed bars: numpy's mean and s.d., the stated detectable difference, and what is no reseed is refused."""

from __future__ import annotations

import numpy as np
import pytest
from dictionary_models import small_model

from pellucid.dictionaries import TopK, evaluate
from pellucid.dictionaries.judging.reseed import detectable, reseed
from pellucid.findings import Finding, InputError, Kind, Measure, register, start

KIND = register(Kind(name="test.reseed", title="A test", statement="{a.value}"))
SITE = "blocks.0.resid_post"


def judged(dictionary: str, a: float, b: float | None = 1.0, setting: str = "k 4") -> Finding:
    record = start(judged, parameters={"dictionary": dictionary, "settings": setting})
    return record.finding(
        KIND, measures=[Measure.of("a", a, unit="nats", better="lower"), Measure.of("b", b)]
    )


@pytest.mark.truth("dictionaries.reseed")
def test_mean_spread_and_detectable_difference_by_hand():
    values = [0.31, 0.28, 0.35, 0.3]
    finding = reseed([judged(str(i), value) for i, value in enumerate(values)])
    found = finding.measures
    sd = np.std(values, ddof=1)
    assert found["a"].value == pytest.approx(np.mean(values))
    assert (found["a"].unit, found["a"].better, found["a"].n) == ("nats", "lower", 4)
    assert found["a"].high - found["a"].value == pytest.approx(3.182446 * sd / 2, rel=1e-6)  # t table, 3 d.f.
    assert found["a_sd"].value == pytest.approx(sd)
    assert found["a_detectable"].value == pytest.approx(2.8 * sd * (2 / 4) ** 0.5)
    assert finding.arrays["spread"].values[0] == pytest.approx([np.mean(values), sd, 1.9798989873 * sd])
    assert finding.arrays["values"].coords["measure"] == ["a", "b"]
    assert found["trainings"].value == 4


@pytest.mark.law("dictionaries.reseed")
def test_equal_trainings_have_no_spread():
    found = reseed([judged(str(i), 0.5) for i in range(3)]).measures
    assert (found["a"].low, found["a"].value, found["a"].high) == (0.5, 0.5, 0.5)
    assert found["a_sd"].value == found["a_detectable"].value == 0


@pytest.mark.law("dictionaries.reseed")
def test_the_order_of_trainings_does_not_matter():
    findings = [judged(str(i), 0.1 * i) for i in range(4)]
    first, second = reseed(findings).measures, reseed(findings[::-1]).measures
    assert first["a"].value == pytest.approx(second["a"].value)
    assert first["a_sd"].value == pytest.approx(second["a_sd"].value)


def test_the_detectable_difference_is_detected_four_times_in_five():
    """80 % power at 5 %: many pairs of sets whose means differ by it, judged with the known spread."""
    random, n, sd = np.random.default_rng(0), 5, 0.01
    sets = (
        random.normal(0, sd, (20_000, n)).mean(1),
        random.normal(detectable(sd, n), sd, (20_000, n)).mean(1),
    )
    found = np.abs(sets[1] - sets[0]) > 1.96 * sd * (2 / n) ** 0.5
    assert found.mean() == pytest.approx(0.8, abs=0.01)  # standard error .003


def test_a_measure_without_value_is_left_out_and_counted():
    found = reseed([judged("1", 0.1), judged("2", 0.2), judged("3", 0.3, None)]).measures
    assert "b" not in found
    assert (found["measured"].value, found["left_out"].value) == (1, 1)


def test_evaluations_of_real_dictionaries(tokens):
    model = small_model()
    findings = [evaluate(model, TopK(8, 16, 2, site_in=SITE, seed=i), tokens, resamples=20) for i in range(3)]
    bars = reseed(findings)
    assert bars.measures["fvu"].value == pytest.approx(np.mean([f.measures["fvu"].value for f in findings]))
    assert bars.measures["l0_sd"].value < bars.measures["fvu_sd"].value
    assert bars.provenance.parents == tuple(finding.id for finding in findings)
    assert bars.provenance.subject == findings[0].provenance.subject


@pytest.mark.parametrize(
    ("findings", "code", "message"),
    [
        ([judged("1", 0.1), judged("2", 0.2)], "DI52", "2 trainings do not show how much the seed changes"),
        (
            [judged("1", 0.1), judged("2", 0.2), judged("2", 0.2)],
            "DI53",
            "3 findings are of only 2 dictionaries",
        ),
        (
            [judged("1", 0.1), judged("2", 0.2), judged("3", 0.2, setting="k 8")],
            "DI53",
            "More than the seed differs: the setting is k 4 and k 8",
        ),
    ],
)
def test_what_are_no_reseeds(findings, code, message):
    with pytest.raises(InputError, match=message) as caught:
        reseed(findings)
    assert caught.value.code == code
