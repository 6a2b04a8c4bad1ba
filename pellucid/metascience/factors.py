"""Maximum-likelihood factor analysis: loadings, McDonald's omega, how many factors there are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start
from pellucid.metascience.resampling import generator
from pellucid.metascience.response_checks import Constant, Missing, complete, enough, varied
from pellucid.metascience.responses import Responses, Source, Values, responses

Leading: TypeAlias = Callable[[Values], tuple[Values, Values]]
"""The leading eigenvalues and vectors, given the uniquenesses."""
LEAST_UNIQUENESS: Final = 0.005
"""Of a unit variance; an item that reaches it is a Heywood case."""

KIND = register(
    Kind(
        name="metascience.factors",
        title="How many traits a set of items measures",
        statement="Parallel analysis finds {factors.value} factors in {items.value} items of {factors.n} "
        "respondents; the largest eigenvalue is {eigenvalue_ratio.value} times the second",
        supports="factors.value <= 1 and heywood.value < 1",
        refutes="factors.value >= 2 and eigenvalue_ratio.value < 3",
        views=(
            View(
                form="line",
                array="eigenvalues",
                title="Eigenvalues beside chance",
                x="factor",
                y="eigenvalue",
            ),
            View(form="heatmap", array="loadings", title="Rotated loadings", x="factor", y="item"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class FactorConfig:
    """How the factors are sought."""

    factors: int | None = None
    """How many to fit; default as many as parallel analysis finds, one at least."""
    permutations: int = 100
    """Tables with shuffled columns that eigenvalues are compared with."""
    quantile: float = 0.95
    """Of the shuffled eigenvalues that a factor must exceed."""
    missing: Missing = "refuse"
    """What to leave out where there are gaps."""
    constant: Constant = "refuse"
    """Whether constant items are left out or refused."""
    seed: int = 0
    """Seed of the shuffles."""


@dataclass(frozen=True, eq=False)
class Factors:
    """A fitted factor model ``covariance = L L' + diag(psi)``."""

    loadings: Values
    """Items x factors, in the scale of the items."""
    uniquenesses: Values
    """Of each item, in the scale of the items."""
    discrepancy: float
    """``log|Sigma| + tr(S Sigma^-1)`` of the correlations, which the fit makes small."""
    heywood: tuple[int, ...]
    """Items whose uniqueness fell to the bound: the fit is not to be trusted there."""

    @property
    def omega(self) -> float:
        """McDonald's omega of the sum of items: ``(sum l)^2 / ((sum l)^2 + sum psi)``, over all factors."""
        common = float((self.loadings.sum(axis=0) ** 2).sum())
        return common / (common + float(self.uniquenesses.sum()))


def factor_analysis(table: Source, config: FactorConfig = FactorConfig()) -> Finding:
    """Find how many factors a set of items has, and fit them by maximum likelihood with varimax rotation.

    Arguments:
        table: respondents x items, as an array, table or logs.
        config: number of factors, parallel analysis.

    Returns:
        A Finding ``metascience.factors``; ``p`` is the likelihood-ratio test of one factor, where there are
        more respondents than items. Right and wrong answers of many respondents show small factors that are
        only difficulty, so several factors refute a single trait only where the first eigenvalue is less than
        three times the second.

    Errors:
        InputErrors MS40 to MS48 for a table that cannot be used, MS58 (more factors than items can carry).

    Example:
        >>> random = np.random.default_rng(0)
        >>> finding = factor_analysis(random.normal(size=(90, 1)) + random.normal(size=(90, 6)))
        >>> finding.measures["factors"].value
        1.0

    Source: Jöreskog (1967); Horn (1965); Bartlett (1951).
    """
    whole = enough(complete(responses(table), config.missing), 3, 3)
    kept = enough(varied(whole, config.constant), 3, 3)
    record = start(factor_analysis, parameters=config, data=kept.data, seed=config.seed)
    eigenvalues = correlation_eigenvalues(kept.scores)
    chance = chance_eigenvalues(kept.scores, config)
    found = leading_count(eigenvalues, chance)
    count = config.factors or max(1, min(found, most_factors(len(kept.items))))
    scores = standard_scores(kept.scores)
    single = fit_table(scores)
    fitted = single if count == 1 else fit_table(scores, count)
    chi2, p = one_factor_test(single, eigenvalues, len(kept.respondents))
    measures = [
        Measure.of("factors", float(found), n=len(kept.respondents)),
        Measure.of("fitted", float(count)),
        Measure.of("eigenvalue_ratio", eigenvalue_ratio(eigenvalues), better="higher"),
        Measure.of("omega", single.omega, better="higher"),
        Measure.of("chi2", chi2),
        Measure.of("p", p),
        Measure.of("heywood", float(len(fitted.heywood)), better="lower"),
        Measure.of("items", float(len(kept.items))),
    ]
    return record.finding(KIND, measures=measures, arrays=arrays_of(kept, fitted, eigenvalues, chance))


def arrays_of(kept: Responses, fitted: Factors, eigenvalues: Values, chance: Values) -> dict[str, Array]:
    """Eigenvalues beside those of shuffled tables, rotated loadings, uniquenesses."""
    loadings = varimax(fitted.loadings)
    factors = [str(at + 1) for at in range(loadings.shape[1])]
    items = list(kept.items)
    every = [str(at + 1) for at in range(len(items))]
    series = {"series": ["items", "chance"], "factor": every}
    return {
        "eigenvalues": Array(np.stack([eigenvalues, chance]), ("series", "factor"), series),
        "loadings": Array(loadings, ("item", "factor"), {"item": items, "factor": factors}),
        "uniquenesses": Array(fitted.uniquenesses, ("item",), {"item": items}),
    }


def fit_factors(covariance: Sequence[Any] | Values, factors: int = 1) -> Factors:
    """Fit ``S = L L' + diag(psi)`` by maximum likelihood.

    For given psi the best loadings are closed: with the eigenvalues t and vectors v of
    ``psi^-1/2 S psi^-1/2``, ``L = psi^1/2 v sqrt(t - 1)``; what is left,
    ``sum log psi + sum_{j<=m} (1 + log t_j) + sum_{j>m} t_j``, is made small over log psi. S may be singular,
    as when items outnumber respondents.

    Errors:
        InputError MS58: more factors than the items can carry. MS59: an item without variance.

    Example:
        >>> l = np.array([0.9, 0.8, 0.7, 0.6])
        >>> np.round(fit_factors(np.outer(l, l) + np.diag(1 - l**2)).loadings[:, 0], 6).tolist()
        [0.9, 0.8, 0.7, 0.6]
    """
    s = np.asarray(covariance, dtype=float)
    deviations = np.sqrt(np.diag(s))
    refuse_unfit(deviations, factors)
    correlations = s / np.outer(deviations, deviations)
    # R's starting point: half of what regression on the other items leaves, kept inside the bounds
    first = (1 - 0.5 * factors / len(s)) / np.diag(np.linalg.pinv(correlations))
    return minimised(leading_of(correlations, factors), first, deviations)


def fit_table(matrix: Values, factors: int = 1) -> Factors:
    """Fit the covariance of respondents x items; with fewer respondents than items it is never formed.

    The eigenvalues that matter are then those of a matrix of respondents x respondents.
    """
    n, k = matrix.shape
    if n > k:
        return fit_factors(np.cov(matrix, rowvar=False), factors)
    deviations = matrix.std(axis=0, ddof=1)
    refuse_unfit(deviations, factors)
    return minimised(leading_of_table(standard_scores(matrix), factors), np.full(k, 0.5), deviations)


def minimised(leading: Leading, first: Values, deviations: Values) -> Factors:
    """The factors with the smallest discrepancy, from a first guess of the uniquenesses."""
    from scipy.optimize import minimize

    bounds = [(np.log(LEAST_UNIQUENESS), 0.0)] * len(first)
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9, "maxfun": 100_000}
    begin = np.log(np.clip(first, 0.05, 1.0))
    done = minimize(
        profile, begin, args=(leading,), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    psi = np.exp(done.x)
    values, vectors = leading(psi)
    loadings = upright(np.sqrt(psi)[:, None] * vectors * np.sqrt(np.maximum(values - 1, 0)))
    heywood = tuple(int(at) for at in np.flatnonzero(psi < LEAST_UNIQUENESS * 1.01))
    return Factors(loadings * deviations[:, None], psi * deviations**2, float(done.fun), heywood)


def refuse_unfit(deviations: Values, factors: int) -> None:
    """InputErrors MS58 and MS59 for what cannot be fitted."""
    if not 1 <= factors <= max(1, most_factors(len(deviations))):
        raise InputError(
            "MS58",
            f"{len(deviations)} items cannot carry {factors} factors.",
            f"Fit 1 to {max(1, most_factors(len(deviations)))} factors, or give more items.",
        )
    if not (deviations > 0).all():
        at = int(np.argmin(deviations > 0))
        raise InputError("MS59", f"Item {at + 1} has no variance.", "Leave constant items out.")


def most_factors(items: int) -> int:
    """The largest m with ``((k - m)^2 - (k + m)) / 2 >= 0`` degrees of freedom."""
    return max((m for m in range(items) if (items - m) ** 2 >= items + m), default=0)


def leading_of(correlations: Values, m: int) -> Leading:
    """The m largest eigenvalues, with vectors, of ``psi^-1/2 S psi^-1/2``, as a function of psi."""

    def leading(psi: Values) -> tuple[Values, Values]:
        """Eigenvalues, the largest first, and vectors."""
        scale = 1 / np.sqrt(psi)
        values, vectors = np.linalg.eigh(correlations * np.outer(scale, scale))
        return values[: -m - 1 : -1], vectors[:, : -m - 1 : -1]

    return leading


def leading_of_table(scores: Values, m: int) -> Leading:
    """The same from standard scores of few respondents on many items."""

    def leading(psi: Values) -> tuple[Values, Values]:
        """Eigenvalues, the largest first, and vectors."""
        scaled = scores / np.sqrt(psi * (len(scores) - 1))
        values, vectors = np.linalg.eigh(scaled @ scaled.T)
        top = np.maximum(values[: -m - 1 : -1], 1e-12)
        return top, scaled.T @ vectors[:, : -m - 1 : -1] / np.sqrt(top)

    return leading


def standard_scores(scores: Values) -> Values:
    """Every item minus its mean, over its deviation."""
    return np.asarray((scores - scores.mean(axis=0)) / scores.std(axis=0, ddof=1))


def profile(log_psi: Values, leading: Leading) -> tuple[float, Values]:
    """The discrepancy with the best loadings, and its slope along log psi.

    The eigenvalues beyond the factors enter by their sum alone, which the trace gives:
    ``sum 1 / psi`` less those of the factors.
    """
    psi = np.exp(log_psi)
    values, vectors = leading(psi)
    # what a factor below 1 would take away from the variance, it leaves to the rest
    real = values > 1
    kept = np.where(real, 1.0 + np.log(np.maximum(values, 1.0)), values)
    value = float(log_psi.sum() + (1 / psi).sum() + (kept - values).sum())
    slope = 1 - 1 / psi + (vectors**2 * np.where(real, values - 1, 0.0)).sum(axis=1)
    return value, slope


def inverse_of(loadings: Values, psi: Values) -> Values:
    """``(L L' + diag(psi))^-1`` by Woodbury's identity."""
    scaled = loadings / psi[:, None]
    inner = np.eye(loadings.shape[1]) + loadings.T @ scaled
    return np.asarray(np.diag(1 / psi) - scaled @ np.linalg.solve(inner, scaled.T))


def upright(loadings: Values) -> Values:
    """Every factor with a positive sum of loadings."""
    return np.asarray(loadings * np.where(loadings.sum(axis=0) < 0, -1.0, 1.0))


def mcdonald_omega(matrix: Sequence[Any] | Values) -> float:
    """McDonald's omega of respondents x items, from a one-factor maximum-likelihood fit.

    ``omega = (sum l)^2 / ((sum l)^2 + sum psi)`` in the scale of the items.

    Example:
        >>> random = np.random.default_rng(1)
        >>> table = random.normal(size=(400, 1)) + random.normal(size=(400, 4))
        >>> 0.75 < mcdonald_omega(table) < 0.85
        True
    """
    return fit_table(np.asarray(matrix, dtype=float)).omega


def one_factor_test(fitted: Factors, eigenvalues: Values, n: int) -> tuple[float | None, float | None]:
    """Bartlett-corrected likelihood ratio of one factor against any covariance; None when n <= items."""
    from scipy.stats import chi2

    k = len(eigenvalues)
    freedom = ((k - 1) ** 2 - (k + 1)) // 2
    if n <= k or freedom < 1 or eigenvalues[-1] <= 1e-12:
        return None, None
    excess = fitted.discrepancy - float(np.log(eigenvalues).sum()) - k
    statistic = max(0.0, (n - 1 - (2 * k + 5) / 6 - 2 / 3) * excess)
    return statistic, float(chi2.sf(statistic, freedom))


def correlation_eigenvalues(scores: Values) -> Values:
    """Eigenvalues of the correlations of items, largest first; of few respondents from the smaller matrix."""
    n, k = scores.shape
    if n > k:
        return np.linalg.eigvalsh(np.corrcoef(scores, rowvar=False))[::-1]
    unit = standard_scores(scores) / np.sqrt(n - 1)
    values = np.zeros(k)
    values[:n] = np.maximum(np.linalg.eigvalsh(unit @ unit.T)[::-1], 0.0)
    return values


def chance_eigenvalues(scores: Values, config: FactorConfig) -> Values:
    """The quantile of each eigenvalue over tables whose columns are shuffled, each by itself."""
    random = generator(config.seed)
    shuffled = (random.permuted(scores, axis=0) for _ in range(config.permutations))
    values = [correlation_eigenvalues(one) for one in shuffled]
    return np.asarray(np.quantile(values, config.quantile, axis=0))


def parallel_analysis(matrix: Sequence[Any] | Values, config: FactorConfig = FactorConfig()) -> int:
    """How many eigenvalues in a row exceed those of shuffled columns (Horn 1965)."""
    scores = np.asarray(matrix, dtype=float)
    return leading_count(correlation_eigenvalues(scores), chance_eigenvalues(scores, config))


def leading_count(eigenvalues: Values, chance: Values) -> int:
    """How many of the first eigenvalues exceed chance."""
    above = eigenvalues > chance
    return len(above) if above.all() else int(np.argmin(above))


def eigenvalue_ratio(eigenvalues: Values) -> float | None:
    """First eigenvalue over second; None when the second is nothing."""
    return float(eigenvalues[0] / eigenvalues[1]) if eigenvalues[1] > 1e-12 else None


def varimax(loadings: Values, sweeps: int = 100, tolerance: float = 1e-10) -> Values:
    """Loadings rotated so that each item loads on few factors (Kaiser 1958), rows normalised.

    Example:
        >>> turn = np.array([[0.6, -0.8], [0.8, 0.6]])
        >>> simple = np.array([[0.9, 0.0], [0.8, 0.0], [0.0, 0.7], [0.0, 0.6]])
        >>> np.round(np.sort(np.abs(varimax(simple @ turn)), axis=1), 4)[:, 1].tolist()
        [0.9, 0.8, 0.7, 0.6]
    """
    lengths = np.sqrt((loadings**2).sum(axis=1, keepdims=True))
    turned = loadings / np.where(lengths > 0, lengths, 1.0)
    for _ in range(sweeps):
        largest = 0.0
        for one, other in itertools.combinations(range(loadings.shape[1]), 2):
            angle = best_angle(turned[:, one], turned[:, other])
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            turned[:, [one, other]] = turned[:, [one, other]] @ turn
            largest = max(largest, abs(angle))
        if largest < tolerance:
            break
    return upright(turned * lengths)


def best_angle(x: Values, y: Values) -> float:
    """The angle between two factors at which their squared loadings vary most (Kaiser's closed form)."""
    u, v = x**2 - y**2, 2 * x * y
    above = 2 * float(u @ v) - 2 * float(u.sum() * v.sum()) / len(x)
    below = float((u**2 - v**2).sum()) - float(u.sum() ** 2 - v.sum() ** 2) / len(x)
    return math.atan2(above, below) / 4
