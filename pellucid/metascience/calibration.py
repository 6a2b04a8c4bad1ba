"""Calibration of items: marginal maximum likelihood by expectation and maximisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from pellucid.metascience.response_curves import ItemParameters, logistic, posterior, probability, quadrature

Values = np.ndarray[Any, Any]
Model = Literal["1PL", "2PL", "3PL"]

LOG_A_PRIOR: Final = (0.0, 0.5)
B_PRIOR: Final = (0.0, 2.0)
LOGIT_C_PRIOR: Final = (-1.4, 0.5)
"""Mean and standard deviation; of guessing about 0.2."""
STEEPEST: Final = 3.0
"""Largest size of log a; without a prior, an item that splits respondents without error runs to infinity."""
FARTHEST: Final = 30.0
CHUNK: Final = 500
MOST_TOGETHER: Final = 600
"""Parameters beyond which errors are computed item by item."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Estimated item parameters."""

    model: Model
    """1PL, 2PL or 3PL."""
    items: ItemParameters
    """The parameters."""
    errors: Values
    """Standard errors, items x (a, b, c); NaN for what was not estimated."""
    log_likelihood: float
    """Marginal log-likelihood of the answers."""
    iterations: int
    """Rounds of expectation and maximisation."""
    converged: bool
    """Whether the last round moved nothing."""

    @property
    def parameters(self) -> int:
        """How many numbers were estimated."""
        count = int(self.items.usable.sum())
        return count + 1 if self.model == "1PL" else count * (2 if self.model == "2PL" else 3)

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return 2 * self.parameters - 2 * self.log_likelihood


def calibrate(
    scores: Values,
    model: Model = "1PL",
    *,
    priors: bool = False,
    points: int = 41,
    iterations: int = 2000,
    tolerance: float = 1e-6,
) -> Calibration:
    """Estimate the item parameters of right and wrong answers; ability is N(0, 1), in the 1PL N(0, s^2).

    The expectation step finds how many respondents are to be expected at each of the Gauss-Hermite nodes,
    and how many of them are right; the maximisation step takes one step of Fisher scoring in each item's own
    parameters.

    Arguments:
        scores: respondents x items of 0, 1 and NaN (not asked).
        model: 1PL, 2PL or 3PL.
        priors: ``log a ~ N(0, 0.5^2)`` and ``b ~ N(0, 2^2)``; the 3PL always has one on c.
        points: nodes of the quadrature.
        iterations: most rounds.
        tolerance: largest move of a parameter in the last round.

    Example:
        >>> random = np.random.default_rng(0)
        >>> truth = ItemParameters.of([-1.0, 0.0, 1.0])
        >>> answers = random.random((2000, 3)) < probability(random.normal(size=2000), truth)
        >>> bool(abs(calibrate(answers.astype(float)).items.b - truth.b).max() < 0.15)
        True
    """
    shares = np.array([np.nanmean(column) if (~np.isnan(column)).any() else 0.0 for column in scores.T])
    usable = (shares > 0) & (shares < 1)
    kept = scores[:, usable]
    items = starting(shares[usable], model)
    moved, rounds = np.inf, 0
    while moved > tolerance and rounds < iterations and usable.any():
        following = step(kept, items, model, priors, points)
        moved = move(items, following)
        items, rounds = following, rounds + 1
    likelihood = float(posterior(kept, items, points)[2].sum())
    errors = standard_errors(kept, items, model, points, priors)
    return Calibration(
        model,
        spread_out(items, usable, shares),
        placed(errors, usable),
        likelihood,
        rounds,
        moved <= tolerance,
    )


def starting(shares: Values, model: Model) -> ItemParameters:
    """Difficulties from the shares of right answers."""
    guessing = 0.15 if model == "3PL" else 0.0
    level = np.clip((shares - guessing) / (1 - guessing), 0.02, 0.98)
    return ItemParameters.of(-np.log(level / (1 - level)) * 1.2, 1.0, guessing)


def move(before: ItemParameters, after: ItemParameters) -> float:
    """The largest change of a parameter."""
    changes = [after.a - before.a, after.b - before.b, after.c - before.c]
    largest = max(float(np.abs(change).max()) for change in changes)
    return max(largest, abs(after.deviation - before.deviation))


def expected_counts(scores: Values, items: ItemParameters, points: int) -> tuple[Values, Values, Values]:
    """Nodes, and at each node and item how many are expected to be asked, and to be right."""
    nodes, weights, _ = posterior(scores, items, points)
    there = ~np.isnan(scores)
    return nodes, weights.T @ there, weights.T @ np.where(there, scores, 0.0)


def step(scores: Values, items: ItemParameters, model: Model, priors: bool, points: int) -> ItemParameters:
    """One round: expect, then maximise."""
    nodes, asked, right = expected_counts(scores, items, points)
    if model == "1PL":
        return step_1pl(nodes, asked, right, items, priors)
    gradient, information = item_scores(nodes, asked, right, items, model)
    add_priors(gradient, information, items, model, priors)
    moves = np.linalg.solve(information, gradient[..., None])[..., 0]
    moves = moves / np.maximum(1.0, np.abs(moves).max(axis=1, keepdims=True))
    log_a = np.clip(np.log(items.a) + moves[:, 0], -STEEPEST, STEEPEST)
    b = np.clip(items.b + moves[:, 1], -FARTHEST, FARTHEST)
    c = items.c
    if model == "3PL":
        c = logistic(np.log(items.c / (1 - items.c)) + moves[:, 2])
    return ItemParameters(np.exp(log_a), b, c, 1.0)


def step_1pl(
    nodes: Values, asked: Values, right: Values, items: ItemParameters, priors: bool
) -> ItemParameters:
    """One round of ``P = 1 / (1 + exp(b - s x))`` in all b and the common s together (arrowhead system)."""
    p = probability(nodes, items)
    unit = nodes / items.deviation
    residual, weight = right - asked * p, asked * p * (1 - p)
    g_b, g_s = -residual.sum(axis=0), float((residual.sum(axis=1) * unit).sum())
    i_bb, i_bs, i_ss = weight.sum(axis=0), -(weight.T @ unit), float((weight.sum(axis=1) * unit**2).sum())
    if priors:
        g_b, i_bb = g_b - (items.b - B_PRIOR[0]) / B_PRIOR[1] ** 2, i_bb + 1 / B_PRIOR[1] ** 2
    d_s = (g_s - float(i_bs @ (g_b / i_bb))) / max(i_ss - float(i_bs @ (i_bs / i_bb)), 1e-8)
    d_s = float(np.clip(d_s, -0.5 * items.deviation, 0.5))
    b = items.b + np.clip((g_b - i_bs * d_s) / i_bb, -1.0, 1.0)
    return ItemParameters(items.a, np.clip(b, -FARTHEST, FARTHEST), items.c, max(items.deviation + d_s, 1e-3))


def slopes(nodes: Values, items: ItemParameters, model: Model) -> tuple[Values, Values]:
    """P, and its slopes along (log a, b, logit c), nodes x items x parameters."""
    distance = nodes[:, None] - items.b
    steep = logistic(items.a * distance)
    p = items.c + (1 - items.c) * steep
    rise = (1 - items.c) * steep * (1 - steep)
    parts = [rise * items.a * distance, -rise * items.a]
    if model == "3PL":
        parts.append((1 - steep) * items.c * (1 - items.c))
    return p, np.stack(parts, axis=-1)


def item_scores(
    nodes: Values, asked: Values, right: Values, items: ItemParameters, model: Model
) -> tuple[Values, Values]:
    """Slope and expected information of each item's complete-data likelihood."""
    p, along = slopes(nodes, items, model)
    variance = np.maximum(p * (1 - p), 1e-12)
    gradient = np.einsum("qj,qjp->jp", (right - asked * p) / variance, along)
    information = np.einsum("qj,qjp,qjr->jpr", asked / variance, along, along)
    information += 1e-9 * np.eye(information.shape[-1])
    return gradient, information


def add_priors(
    gradient: Values, information: Values, items: ItemParameters, model: Model, priors: bool
) -> None:
    """Add the slopes and curvatures of the log priors, in place."""
    places = [(0, np.log(items.a), LOG_A_PRIOR), (1, items.b, B_PRIOR)] if priors else []
    if model == "3PL":
        places.append((2, np.log(items.c / (1 - items.c)), LOGIT_C_PRIOR))
    for at, value, (mean, deviation) in places:
        gradient[:, at] -= (value - mean) / deviation**2
        information[:, at, at] += 1 / deviation**2


def standard_errors(scores: Values, items: ItemParameters, model: Model, points: int, priors: bool) -> Values:
    """Standard errors of (a, b, c) from the observed information.

    By Louis (1982): what the complete data would tell, less the variance of their score a posteriori. The
    scale of log a and logit c is taken back by the delta method. NaN where the information cannot be
    inverted.
    """
    count = len(items.b)
    if not count:
        return np.empty((0, 3))
    curvature = prior_curvature(count, model, priors)
    if len(curvature) > MOST_TOGETHER:
        errors = item_errors(scores, items, model, points, curvature)
    else:
        errors = joint_errors(observed_information(scores, items, model, points) + np.diag(curvature))
    found = np.full((count, 3), np.nan)
    if model == "1PL":
        found[:, 1] = errors[:count]
        return found
    by_item = errors.reshape(count, -1)
    found[:, 0], found[:, 1] = by_item[:, 0] * items.a, by_item[:, 1]
    if model == "3PL":
        found[:, 2] = by_item[:, 2] * items.c * (1 - items.c)
    return found


def joint_errors(information: Values) -> Values:
    """Roots of the diagonal of the inverse; NaN where there is none."""
    values, vectors = np.linalg.eigh(information)
    if values.min() <= 1e-9 * values.max():
        return np.full(len(information), np.nan)
    return np.asarray(np.sqrt((vectors**2 / values).sum(axis=1)))


def item_errors(
    scores: Values, items: ItemParameters, model: Model, points: int, curvature: Values
) -> Values:
    """Standard errors of each item by itself, the others held, for tests with very many items."""
    nodes, weights, _ = posterior(scores, items, points)
    p, along = slopes(nodes, items, model)
    along = along[..., 1:2] if model == "1PL" else along
    size = along.shape[-1]
    found = []
    for item in range(len(items.b)):
        asked = ~np.isnan(scores[:, item])
        w, variance = weights[asked], np.maximum(p[:, item] * (1 - p[:, item]), 1e-12)
        each = ((scores[asked, item, None] - p[:, item]) / variance)[..., None] * along[:, item]
        mean = np.einsum("iq,iqp->ip", w, each)
        told = np.einsum("q,qp,qr->pr", w.sum(axis=0) / variance, along[:, item], along[:, item])
        lost = np.einsum("iq,iqp,iqr->pr", w, each, each) - mean.T @ mean
        prior = np.diag(curvature[item * size : (item + 1) * size])
        found.append(joint_errors(told - lost + prior))
    return np.concatenate(found)


def prior_curvature(count: int, model: Model, priors: bool) -> Values:
    """Curvature of the log priors, in the order of the parameters."""
    of_b = priors / B_PRIOR[1] ** 2
    if model == "1PL":
        return np.append(np.full(count, of_b), 0.0)
    each = [priors / LOG_A_PRIOR[1] ** 2, of_b]
    return np.tile([*each, 1 / LOGIT_C_PRIOR[1] ** 2] if model == "3PL" else each, count)


def observed_information(scores: Values, items: ItemParameters, model: Model, points: int) -> Values:
    """Louis' observed information of all parameters: (b.., s) in the 1PL, else (log a, b[, logit c])..."""
    nodes, _ = quadrature(points, items.deviation)
    p, along = slopes(nodes, items, model)
    variance = np.maximum(p * (1 - p), 1e-12)
    size = len(items.b) + 1 if model == "1PL" else along.shape[1] * along.shape[2]
    total = np.zeros((size, size))
    for first in range(0, len(scores), CHUNK):
        part = scores[first : first + CHUNK]
        _, weights, _ = posterior(part, items, points)
        there = ~np.isnan(part)
        asked = weights.T @ there
        residual = np.where(there[:, None], np.where(there, part, 0.0)[:, None] - p, 0.0)
        if model == "1PL":
            unit = nodes / items.deviation
            each = np.concatenate([-residual, residual.sum(axis=2, keepdims=True) * unit[:, None]], axis=2)
            total += complete_1pl(asked * variance, unit)
        else:
            each = ((residual / variance)[..., None] * along).reshape(*residual.shape[:2], -1)
            total += complete(asked / variance, along)
        mean = np.einsum("iq,iqp->ip", weights, each)
        flat = (each * np.sqrt(weights)[..., None]).reshape(-1, size)
        total -= flat.T @ flat - mean.T @ mean
    return total


def complete_1pl(weight: Values, unit: Values) -> Values:
    """Complete-data information of (b.., s)."""
    corner = -(weight.T @ unit)
    last = (weight.sum(axis=1) * unit**2).sum()
    return np.block([[np.diag(weight.sum(axis=0)), corner[:, None]], [corner[None], np.array([[last]])]])


def complete(weight: Values, along: Values) -> Values:
    """Complete-data information, a block an item."""
    blocks = np.einsum("qj,qjp,qjr->jpr", weight, along, along)
    count, each = blocks.shape[:2]
    total = np.zeros((count, each, count, each))
    total[np.arange(count), :, np.arange(count)] = blocks
    return total.reshape(count * each, count * each)


def spread_out(items: ItemParameters, usable: Values, shares: Values) -> ItemParameters:
    """The parameters with items nobody, or everybody, got right in their places: no finite difficulty."""
    b = np.where(shares >= 1, -np.inf, np.inf)
    a, c = np.ones(len(usable)), np.zeros(len(usable))
    a[usable], b[usable], c[usable] = items.a, items.b, items.c
    return ItemParameters(a, b, c, items.deviation)


def placed(errors: Values, usable: Values) -> Values:
    """Standard errors with NaN for the items that were not calibrated."""
    found = np.full((len(usable), 3), np.nan)
    found[usable] = errors
    return found
