"""Measurement invariance: whether items measure one trait the same way in several groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.metascience.factors import inverse_of
from pellucid.metascience.response_checks import Missing, complete, enough, grouping, varied
from pellucid.metascience.responses import Responses, Source, Values, responses

Form = Literal["configural", "metric", "scalar"]
FORMS: Final[tuple[Form, ...]] = ("configural", "metric", "scalar")
LEAST: Final = np.log(0.005)

KIND = register(
    Kind(
        name="metascience.invariance",
        title="Whether items measure the same in several groups",
        statement="Equal loadings in {groups.value} groups miss by an error of {metric_rmsea.interval} "
        "(p = {metric_p.value}), equal intercepts besides by {scalar_rmsea.interval} (p = {scalar_p.value})",
        supports="metric_rmsea.high < 0.1 and scalar_rmsea.high < 0.1",
        refutes="metric_p.value < 0.05 or scalar_p.value < 0.05",
        views=(View(form="heatmap", array="loadings", title="Loadings by group", x="item", y="group"),),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class InvarianceConfig:
    """How the groups are compared."""

    missing: Missing = "refuse"
    """What to leave out where there are gaps."""
    confidence: float = 0.9
    """Level of the intervals of the error of approximation."""


@dataclass(frozen=True, eq=False)
class GroupFit:
    """A one-factor model fitted to several groups at once."""

    loadings: Values
    """Groups x items."""
    deviance: float
    """Minus twice the log-likelihood, but for a constant."""
    parameters: int
    """How many numbers were estimated."""


def measurement_invariance(
    table: Source,
    groups: Mapping[str, str] | Sequence[Any],
    config: InvarianceConfig = InvarianceConfig(),
) -> Finding:
    """Compare the one-factor models of several groups by likelihood ratios.

    Configural: each group has loadings, intercepts and uniquenesses of its own. Metric: loadings are equal,
    the variance of the trait is free. Scalar: intercepts are equal too, the mean of the trait is free. Each
    step is tested against the one before it.

    Arguments:
        table: respondents x items.
        groups: one group a respondent, in their order, or a mapping by name.
        config: gaps.

    Errors:
        InputErrors MS40 to MS51 for a table or groups that cannot be used, MS71 (a single group, or a group
        with no more respondents than items, or in which an item is constant).

    Example:
        >>> random = np.random.default_rng(0)
        >>> table = random.normal(size=(2000, 1)) + random.normal(size=(2000, 4))
        >>> measurement_invariance(table, ["a", "b"] * 1000).status
        'supports'

    Source: Jöreskog (1971); Meredith (1993); Steiger (1998).
    """
    from scipy.stats import chi2

    whole = responses(table)
    labels = dict(zip(whole.respondents, grouping(whole, groups), strict=True))
    kept = enough(varied(complete(whole, config.missing)), 8, 3)
    parts = {
        name: kept.scores[[labels[one] == name for one in kept.respondents]]
        for name in sorted(set(labels.values()))
    }
    refuse_groups(parts)
    record = start(
        measurement_invariance,
        parameters={"config": config, "groups": sorted(labels.items())},
        data=kept.data,
    )
    fits = [fit_groups(list(parts.values()), form) for form in FORMS]
    measures = [Measure.of("groups", float(len(parts))), Measure.of("items", float(len(kept.items)))]
    for before, after, name in zip(fits, fits[1:], FORMS[1:], strict=False):
        statistic, freedom = max(0.0, after.deviance - before.deviance), before.parameters - after.parameters
        measures += [
            Measure.of(f"{name}_chi2", statistic),
            Measure.of(f"{name}_freedom", float(freedom)),
            Measure.of(f"{name}_rmsea", rmsea(statistic, freedom, kept, len(parts), config), better="lower"),
            Measure.of(f"{name}_p", float(chi2.sf(statistic, freedom)), n=len(kept.respondents)),
        ]
    coords = {"group": list(parts), "item": list(kept.items)}
    return record.finding(
        KIND, measures=measures, arrays={"loadings": Array(fits[0].loadings, ("group", "item"), coords)}
    )


def rmsea(
    statistic: float, freedom: int, table: Responses, groups: int, config: InvarianceConfig
) -> Interval:
    """Error of approximation of a step, ``sqrt(G (chi2 - df) / (df N))``, with its noncentral interval."""
    n = len(table.respondents)
    tail = (1 - config.confidence) / 2
    ends = [noncentrality(statistic, freedom, 1 - tail), noncentrality(statistic, freedom, tail)]
    low, value, high = (
        math.sqrt(groups * x / (freedom * n)) for x in (ends[0], max(0.0, statistic - freedom), ends[1])
    )
    return Interval(value, low, high, n, config.confidence, "noncentral chi-square")


def noncentrality(statistic: float, freedom: int, share: float) -> float:
    """The noncentrality under which a smaller statistic has this chance; 0 when none is small enough."""
    from scipy.optimize import brentq
    from scipy.stats import chi2, ncx2

    if chi2.cdf(statistic, freedom) <= share:
        return 0.0
    # far beyond the statistic the chance is nothing
    most = statistic + 20 * math.sqrt(statistic + freedom) + 200
    return float(brentq(lambda x: float(ncx2.cdf(statistic, freedom, x)) - share, 1e-9, most))


def refuse_groups(parts: Mapping[str, Values]) -> None:
    """InputError MS71 for groups that no factor can be fitted to."""
    if len(parts) < 2:
        raise InputError(
            "MS71", f"All respondents belong to {next(iter(parts))!r}.", "Give two groups or more."
        )
    for name, scores in parts.items():
        if len(scores) <= scores.shape[1] or (np.ptp(scores, axis=0) == 0).any():
            raise InputError(
                "MS71",
                f"The group {name!r} has {len(scores)} respondents for {scores.shape[1]} items"
                f"{', one of them constant' if len(scores) > scores.shape[1] else ''}.",
                "Give more respondents a group than there are items, and items that vary in each group.",
            )


def fit_groups(tables: Sequence[Values], form: Form) -> GroupFit:
    """Fit one factor to every group with what the form holds equal.

    Minimises ``sum_g n_g (log|Sigma_g| + tr(Sigma_g^-1 (S_g + d_g d_g')))`` with
    ``Sigma_g = phi_g l_g l_g' + diag(psi_g)`` and ``d_g = mean_g - tau - alpha_g l``; the first group's
    trait has mean 0 and variance 1. Items are scaled by their pooled deviations, which no likelihood ratio
    notices.
    """
    from scipy.optimize import minimize

    pooled = np.sqrt(np.mean([table.var(axis=0) for table in tables], axis=0))
    scaled = [table / pooled for table in tables]
    n = np.array([len(table) for table in scaled], dtype=float)
    s = np.stack([np.cov(table, rowvar=False, ddof=0) for table in scaled])
    means = np.stack([table.mean(axis=0) for table in scaled])
    groups, k = means.shape
    first = starting(s, means, form)
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(first)
    at = groups * k if form == "configural" else k + groups - 1
    bounds[at : at + groups * k] = [(float(LEAST), None)] * (groups * k)
    done = minimize(
        deviance,
        first,
        args=(n, s, means, form),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 5000, "maxfun": 50_000, "ftol": 1e-14, "gtol": 1e-8},
    )
    loadings = unpacked(done.x, groups, k, form)[0] * pooled
    free_means = 0 if form == "scalar" else groups * k
    total = float(done.fun * n.sum())
    return GroupFit(loadings, total, len(first) + free_means)


def starting(s: Values, means: Values, form: Form) -> Values:
    """A starting point: the leading eigenvector of the pooled covariances, half of each variance unique."""
    groups = len(means)
    values, vectors = np.linalg.eigh(s.mean(axis=0))
    loadings = vectors[:, -1] * np.sqrt(values[-1]) * (-1.0 if vectors[:, -1].sum() < 0 else 1.0)
    psi = np.log(0.5 * np.stack([np.diag(one) for one in s])).ravel()
    if form == "configural":
        return np.concatenate([np.tile(loadings, groups), psi])
    metric = np.concatenate([loadings, np.zeros(groups - 1), psi])
    return metric if form == "metric" else np.concatenate([metric, means.mean(axis=0), np.zeros(groups - 1)])


def unpacked(
    x: Values, groups: int, k: int, form: Form
) -> tuple[Values, Values, Values, Values | None, Values]:
    """Loadings, trait variances and uniquenesses of each group, common intercepts, trait means."""
    if form == "configural":
        return (
            x[: groups * k].reshape(groups, k),
            np.ones(groups),
            psi_of(x[groups * k :], groups, k),
            None,
            np.zeros(groups),
        )
    loadings = np.tile(x[:k], (groups, 1))
    variances = np.concatenate([[1.0], np.exp(x[k : k + groups - 1])])
    at = k + groups - 1
    psi = psi_of(x[at : at + groups * k], groups, k)
    if form == "metric":
        return loadings, variances, psi, None, np.zeros(groups)
    rest = x[at + groups * k :]
    return loadings, variances, psi, rest[:k], np.concatenate([[0.0], rest[k:]])


def psi_of(x: Values, groups: int, k: int) -> Values:
    """Uniquenesses of each group from their logarithms."""
    return np.exp(x.reshape(groups, k))


def deviance(x: Values, n: Values, s: Values, means: Values, form: Form) -> tuple[float, Values]:
    """The criterion per respondent, and its slope along all parameters."""
    groups, k = means.shape
    loadings, variances, psi, tau, alpha = unpacked(x, groups, k, form)
    value = 0.0
    d_l, d_v, d_psi = np.zeros((groups, k)), np.zeros(groups), np.zeros((groups, k))
    d_tau, d_alpha = np.zeros(k), np.zeros(groups)
    for g, share in enumerate(n / n.sum()):
        inverse = inverse_of(loadings[g][:, None] * np.sqrt(variances[g]), psi[g])
        apart = np.zeros(k) if tau is None else means[g] - tau - alpha[g] * loadings[g]
        inside = s[g] + np.outer(apart, apart)
        value += share * (float(np.trace(inverse @ inside)) - float(np.linalg.slogdet(inverse)[1]))
        slope = share * (inverse - inverse @ inside @ inverse)
        pull = -2 * share * (inverse @ apart)
        d_l[g] = 2 * variances[g] * slope @ loadings[g] + alpha[g] * pull
        d_v[g] = float(loadings[g] @ slope @ loadings[g]) * variances[g]
        d_psi[g] = np.diag(slope) * psi[g]
        d_tau += pull
        d_alpha[g] = float(pull @ loadings[g])
    if form == "configural":
        return value, np.concatenate([d_l.ravel(), d_psi.ravel()])
    parts = [d_l.sum(axis=0), d_v[1:], d_psi.ravel()]
    return value, np.concatenate([*parts, d_tau, d_alpha[1:]] if form == "scalar" else parts)
