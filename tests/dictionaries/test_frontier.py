"""Frontiers: exact where they are known, monotone between points, and silent at different sparsities."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.dictionaries.judging.frontier import Frontier, compare, frontier_of
from pellucid.findings import Finding, InputError, Kind, Measure, register, start

KIND = register(Kind(name="test.frontier", title="A test", statement="{l0.value}"))


def point(l0: float, fvu: float, seed: int = 0) -> Finding:
    record = start(point, parameters={"l0": l0, "fvu": fvu, "seed": seed})
    measures = [
        Measure.of("l0", l0, better="lower"),
        Measure.of("fvu", fvu, better="lower"),
        Measure.of("explained", 1 - fvu, better="higher"),
        Measure.of("ratio", fvu),
        Measure.of("blank", None, better="lower"),
    ]
    return record.finding(KIND, measures=measures)


def line(level: float, slope: float = -0.1, noise: float = 0.0, ks: tuple[int, ...] = (4, 8, 16)) -> list:
    """Three seeds whose measure falls linearly in log L0."""
    return [[point(k, level + slope * np.log(k) + noise * seed, seed) for k in ks] for seed in (-1, 0, 1)]


@pytest.mark.truth("dictionaries.frontier")
def test_a_known_gap_at_equal_sparsity():
    """Straight in log L0, so the interpolation is exact, whatever sparsities were trained."""
    finding = compare({"new": line(0.5, noise=0.01), "old": line(0.6, noise=0.01, ks=(2, 6, 12))})
    found = finding.measures
    place = np.sqrt(4 * 12)  # the geometric middle of 4..12
    assert found["l0"].value == pytest.approx(place)
    assert found["advantage"].value == pytest.approx(0.1, abs=1e-9)
    assert found["fvu@new"].value == pytest.approx(0.5 - 0.1 * np.log(place), abs=1e-9)
    assert found["detectable"].value == pytest.approx(2.8 * 0.01 * (2 / 3) ** 0.5)
    # Welch with equal variances: 4 degrees of freedom, t = 2.776445
    half = found["advantage"].high - found["advantage"].value
    assert half == pytest.approx(2.776445 * 0.01 * (2 / 3) ** 0.5, rel=1e-6)
    assert finding.status == "supports"
    assert compare({"old": line(0.6, noise=0.01), "new": line(0.5, noise=0.01)}).status == "refutes"


@pytest.mark.law("dictionaries.frontier")
def test_an_architecture_is_level_with_itself():
    finding = compare({"a": line(0.5, noise=0.02), "b": line(0.5, noise=0.02)})
    assert finding.measures["advantage"].value == pytest.approx(0, abs=1e-12)
    assert finding.status == "inconclusive"
    volumes = finding.measures["hypervolume@a"], finding.measures["hypervolume@b"]
    assert volumes[0].value == pytest.approx(volumes[1].value)


@pytest.mark.law("dictionaries.frontier")
def test_direction_is_the_measures_own():
    """Explained variance is 1 - fvu: the same advantage with the other sign convention."""
    lines = {"new": line(0.5, noise=0.01), "old": line(0.6, noise=0.01)}
    lower, higher = compare(lines, "fvu").measures, compare(lines, "explained").measures
    assert higher["advantage"].value == pytest.approx(lower["advantage"].value)
    assert higher["explained@new"].value == pytest.approx(1 - lower["fvu@new"].value)


@pytest.mark.law("dictionaries.frontier")
def test_interpolation_is_monotone_and_goes_through_the_points():
    frontier = Frontier(np.log([2.0, 4, 9, 30]), np.array([0.9, 0.4, 0.39, 0.1]))
    assert frontier.at(frontier.log_l0) == pytest.approx(frontier.best)
    assert (np.diff(frontier.at(np.linspace(np.log(2), np.log(30), 200))) <= 1e-12).all()


@pytest.mark.truth("dictionaries.frontier")
def test_hypervolume_by_hand():
    """Two steps: from L0 1 to e at .5 below the corner, from e to e^2 at .75."""
    frontier = Frontier(np.array([0.0, 1.0]), np.array([0.5, 0.25]))
    assert frontier.hypervolume(2.0, 1.0) == pytest.approx(0.5 + 0.75)
    assert Frontier(np.array([2.0]), np.array([0.1])).hypervolume(2.0, 1.0) == 0


def test_a_worse_point_with_more_latents_does_not_bend_the_frontier():
    frontier = frontier_of([point(4, 0.5), point(8, 0.6), point(16, 0.3), point(4, 0.7)], "fvu", 1)
    assert frontier.best == pytest.approx([0.5, 0.5, 0.3])
    assert frontier.log_l0 == pytest.approx(np.log([4, 8, 16]))


def test_equal_sparsities_need_no_frontier():
    first = [[point(8.0, 0.3 + 0.001 * seed, seed)] for seed in range(3)]
    second = [[point(7.95, 0.4 + 0.001 * seed, seed)] for seed in range(3)]
    finding = compare({"a": first, "b": second})
    assert finding.measures["advantage"].value == pytest.approx(0.1)
    assert "hypervolume@a" not in finding.measures
    assert not finding.arrays


def test_the_rival_is_the_best_of_the_others():
    finding = compare({"a": line(0.5), "b": line(0.9), "c": line(0.55)})
    assert finding.measures["advantage"].value == pytest.approx(0.05)
    assert finding.arrays["frontier"].coords["architecture"] == ["a", "b", "c"]


def test_a_difference_within_the_noise_of_trainings_is_inconclusive():
    finding = compare({"a": line(0.5, noise=0.1), "b": line(0.52, noise=0.1)})
    assert finding.status == "inconclusive"


@pytest.mark.parametrize(
    ("lines", "options", "code", "message"),
    [
        ({"a": line(0.5)}, {}, "DI53", "1 architectures make no comparison"),
        ({"a": line(0.5), "b": line(0.5)[:2]}, {}, "DI52", "2 trainings do not show"),
        (
            {"a": line(0.5, ks=(4,)), "b": line(0.5, ks=(8,))},
            {},
            "DI54",
            "between 4 and 8 active latents, and no number of them is spanned by all",
        ),
        ({"a": line(0.5), "b": line(0.6)}, {"l0": 40.0}, "DI54", "Not all frontiers reach 40 active latents"),
        ({"a": line(0.5), "b": line(0.6)}, {"measure": "ratio"}, "DI59", "Of 'ratio' neither more nor less"),
        ({"a": line(0.5), "b": line(0.6)}, {"measure": "blank"}, "DI59", "has no value of 'blank'"),
        ({"a": line(0.5), "b": line(0.6)}, {"measure": "fuv"}, "DI59", "Did you mean 'fvu'"),
    ],
)
def test_what_cannot_be_compared_by_a_frontier(lines, options, code, message):
    with pytest.raises(InputError, match=message) as caught:
        compare(lines, **options)
    assert caught.value.code == code
