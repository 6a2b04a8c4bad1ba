"""What the seed alone changes: each measure's spread over trainings, and what could be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start

FEWEST = 3  # trainings below which a spread says nothing
DETECTABLE = 2.8  # 1.96 + 0.84: a two-sided test at 5 % finds such a difference with a chance of 80 %
LEVEL = 0.95

KIND = register(
    Kind(
        name="dictionaries.reseed",
        title="What the seed alone changes",
        statement="{trainings.value} that differ in their seed give the mean and spread of {measured.value}; "
        "{left_out.value} more have no value in some of them.",
        views=(
            View(
                form="table",
                array="spread",
                title="Mean, standard deviation and smallest detectable difference of each measure",
            ),
        ),
        room="dictionaries",
    )
)


def reseed(findings: Sequence[Finding]) -> Finding:
    """Mean and standard deviation of each measure over trainings, and the difference two such sets can show.

        detectable = 2.8 s sqrt(2 / n)       s over n trainings, for two sets of n

    Arguments:
        findings: of one kind, on the same data, each of another dictionary; what else differs is the seed.

    Returns:
        A Finding ``dictionaries.reseed``: for each measure of the given ones that has a value in all of them
        its mean with Student's interval over trainings, ``<name>_sd`` and ``<name>_detectable``; trainings,
        measured, left_out; arrays ``spread`` [measure, statistic] and ``values`` [training, measure].

    Raises:
        InputError: DI52 fewer than 3, DI53 findings that are no reseeds of one another.

    Example: ``reseed([evaluate(model, d, tokens) for d in dictionaries]).measures["fvu_sd"].value``.

    Source: for the factor: Lehr 1992, Statistics in Medicine 11, 1099, the rule of thumb for 80 % power.
    """
    refuse_few(findings)
    refuse_strangers(findings)
    record = start(
        reseed,
        parameters={"kind": findings[0].kind, "trainings": len(findings)},
        subject=findings[0].provenance.subject,
        data=findings[0].provenance.data,
        parents=[finding.id for finding in findings],
    )
    names, left_out = shared_measures(findings)
    table = np.array([[value_of(finding, name) for name in names] for finding in findings])
    measures = [
        Measure.of("trainings", float(len(findings)), unit="trainings"),
        Measure.of("measured", float(len(names)), unit="measures"),
        Measure.of("left_out", float(len(left_out))),
    ]
    for name, values in zip(names, table.T, strict=True):
        measures += spread_measures(findings[0].measures[name], values)
    return record.finding(KIND, measures=measures, arrays=arrays_of(names, table))


def refuse_few(findings: Sequence[Finding]) -> None:
    """DI52 below three trainings."""
    if len(findings) < FEWEST:
        raise InputError(
            "DI52",
            f"{len(findings)} trainings do not show how much the seed changes.",
            f"Train with at least {FEWEST} seeds and judge each.",
        )


def refuse_strangers(findings: Sequence[Finding]) -> None:
    """DI53 unless the findings are of one kind, model, data and setting, each of another dictionary."""
    for what, seen in described(findings).items():
        if len(set(seen)) > 1:
            raise InputError(
                "DI53",
                f"More than the seed differs: {what} is {' and '.join(sorted(set(seen))[:2])}.",
                "Give findings of one kind on the same data, of dictionaries with the same settings.",
            )
    dictionaries = [finding.provenance.parameters.get("dictionary", finding.id) for finding in findings]
    if len(set(dictionaries)) < len(dictionaries):
        raise InputError(
            "DI53",
            f"{len(dictionaries)} findings are of only {len(set(dictionaries))} dictionaries.",
            "Give each training once: a copy has no spread.",
        )


def described(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """What must be equal, of each finding."""
    subjects = [finding.provenance.subject for finding in findings]
    data = [finding.provenance.data for finding in findings]
    return {
        "the kind": [finding.kind for finding in findings],
        "the model": ["none" if one is None else one.sha256[:12] for one in subjects],
        "the data": ["none" if one is None else one.sha256[:12] for one in data],
        "the setting": [str(finding.provenance.parameters.get("settings")) for finding in findings],
    }


def shared_measures(findings: Sequence[Finding]) -> tuple[list[str], list[str]]:
    """The measures that have a value in all findings, and those that lack it in some."""
    names = list(dict.fromkeys(name for finding in findings for name in finding.measures))
    shared = [name for name in names if all(has(finding, name) for finding in findings)]
    return shared, [name for name in names if name not in shared]


def has(finding: Finding, name: str) -> bool:
    """Whether a measure has a value."""
    return name in finding.measures and finding.measures[name].value is not None


def value_of(finding: Finding, name: str) -> float:
    """A measure's value; NaN without one."""
    value = finding.measures[name].value
    return float("nan") if value is None else value


def mean_interval(values: Float[np.ndarray, " training"]) -> Interval:
    """The mean of some trainings with Student's interval."""
    n, mean = len(values), float(values.mean())
    half = float(student.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / n**0.5)
    return Interval(mean, mean - half, mean + half, n, LEVEL, "Student's t over trainings")


def detectable(sd: float, n: int) -> float:
    """The difference between two means of n trainings that a test finds with a chance of 80 %.

    Arguments:
        sd: standard deviation over trainings.
        n: trainings on either side.

    Example:
        >>> round(detectable(0.01, 5), 4)
        0.0177
    """
    return float(DETECTABLE * sd * (2 / n) ** 0.5)


def spread_measures(measure: Measure, values: Float[np.ndarray, " training"]) -> list[Measure]:
    """Mean, standard deviation and detectable difference of one measure."""
    sd, n = float(values.std(ddof=1)), len(values)
    return [
        Measure.of(measure.name, mean_interval(values), unit=measure.unit, better=measure.better),
        Measure.of(f"{measure.name}_sd", sd, unit=measure.unit, n=n),
        Measure.of(f"{measure.name}_detectable", detectable(sd, n), unit=measure.unit, n=n),
    ]


def arrays_of(names: list[str], table: Float[np.ndarray, "training measure"]) -> dict[str, Array]:
    """The spread of each measure, and every training's value."""
    sds = table.std(0, ddof=1)
    spread = np.stack([table.mean(0), sds, [detectable(sd, len(table)) for sd in sds]], axis=1)
    coords = {"measure": names, "statistic": ["mean", "sd", "detectable"]}
    return {
        "spread": Array(spread, ("measure", "statistic"), coords),
        "values": Array(table, ("training", "measure"), {"measure": names}),
    }
