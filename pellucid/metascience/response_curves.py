"""Item response curves: the chance of a right answer at each ability, and what the answer tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Values = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ItemParameters:
    """Parameters of the curves ``P = c + (1 - c) / (1 + exp(-a (theta - b)))``, one an item."""

    a: Values
    """Discriminations; 1 in the 1PL model."""
    b: Values
    """Difficulties; plus or minus infinity for an item that nobody, or everybody, got right."""
    c: Values
    """Chances of a right guess; 0 in the 1PL and 2PL models."""
    deviation: float = 1.0
    """Standard deviation of ability: 1 in the 2PL and 3PL models, estimated in the 1PL model."""

    @classmethod
    def of(cls, b: Any, a: Any = 1.0, c: Any = 0.0, deviation: float = 1.0) -> ItemParameters:
        """Parameters from numbers or sequences of the length of ``b``."""
        difficulties = np.atleast_1d(np.asarray(b, dtype=float))
        shape = difficulties.shape
        discriminations = np.broadcast_to(np.asarray(a, dtype=float), shape).copy()
        return cls(
            discriminations,
            difficulties,
            np.broadcast_to(np.asarray(c, dtype=float), shape).copy(),
            deviation,
        )

    def only(self, items: Values) -> ItemParameters:
        """The parameters of some items, by number or mask."""
        return ItemParameters(self.a[items], self.b[items], self.c[items], self.deviation)

    @property
    def usable(self) -> Values:
        """Mask of the items whose difficulty is finite."""
        return np.isfinite(self.b)


def logistic(z: Values) -> Values:
    """``1 / (1 + exp(-z))`` without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def probability(theta: Any, items: ItemParameters) -> Values:
    """Chance of a right answer, abilities x items.

    Example:
        >>> probability([0.0], ItemParameters.of([0.0])).tolist()
        [[0.5]]
    """
    abilities = np.atleast_1d(np.asarray(theta, dtype=float))
    steepness = logistic(items.a * (abilities[:, None] - items.b))
    return np.asarray(items.c + (1 - items.c) * steepness)


def item_information(theta: Any, items: ItemParameters) -> Values:
    """Fisher information of each item, ``a^2 P Q``, abilities x items; with guessing ``a^2 (Q/P)
    ((P-c)/(1-c))^2``.

    Example:
        >>> item_information([0.0], ItemParameters.of([0.0], a=2.0)).tolist()
        [[1.0]]
    """
    p = probability(theta, items)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = items.a**2 * (1 - p) / p * ((p - items.c) / (1 - items.c)) ** 2
    return np.where(np.isfinite(found), found, 0.0)


def total_information(theta: Any, items: ItemParameters) -> Values:
    """Sum of the information of the items, at each ability."""
    return np.asarray(item_information(theta, items).sum(axis=1))


def standard_error(theta: Any, items: ItemParameters) -> Values:
    """``1 / sqrt(I(theta))`` at each ability; infinite where nothing is told."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.sqrt(total_information(theta, items)))


def log_likelihood(scores: Values, theta: Values, items: ItemParameters) -> Values:
    """Log-likelihood of answers at each ability, respondents x abilities; gaps say nothing."""
    p = np.clip(probability(theta, items), 1e-12, 1 - 1e-12)
    there = ~np.isnan(scores)
    right = np.where(there, scores, 0.0)
    return np.asarray(right @ np.log(p).T + (there - right) @ np.log1p(-p).T)


def quadrature(points: int, deviation: float = 1.0) -> tuple[Values, Values]:
    """Nodes and log-weights of Gauss and Hermite for an ability of N(0, deviation^2)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    with np.errstate(divide="ignore"):
        return nodes * deviation, np.log(weights / weights.sum())


def posterior(scores: Values, items: ItemParameters, points: int = 41) -> tuple[Values, Values, Values]:
    """Nodes, posterior of each respondent over them, and each respondent's log marginal likelihood."""
    nodes, log_weights = quadrature(points, items.deviation)
    joint = log_likelihood(scores, nodes, items) + log_weights
    top = joint.max(axis=1, keepdims=True)
    mass = np.exp(joint - top)
    total = mass.sum(axis=1, keepdims=True)
    return nodes, mass / total, (top + np.log(total))[:, 0]


def expected_ability(scores: Values, items: ItemParameters, points: int = 41) -> tuple[Values, Values]:
    """Expected ability of each respondent a posteriori, and its posterior standard deviation.

    Items whose difficulty is infinite tell nothing and are left out.

    Example:
        >>> expected_ability(np.array([[1.0, 0.0]]), ItemParameters.of([0.0, 0.0]))[0].round(6).tolist()
        [0.0]
    """
    nodes, weights, _ = posterior(scores[:, items.usable], items.only(items.usable), points)
    mean = weights @ nodes
    spread = np.sqrt(np.maximum(weights @ nodes**2 - mean**2, 0))
    return np.asarray(mean), np.asarray(spread)
