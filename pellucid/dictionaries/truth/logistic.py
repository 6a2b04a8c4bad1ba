"""Weighted logistic regression with a small ridge, and how well its scores separate two classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

RIDGE = 1e-3  # of standardised inputs, beside a mean loss: separable classes keep finite weights


@dataclass(frozen=True)
class Probe:
    """score = weights . x + bias: above 0 the label is more likely than not."""

    weights: Float[np.ndarray, " column"]
    """In units of 1 / input."""
    bias: float
    """Where the score is 0."""

    def scores(self, x: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " row"]:
        """Log odds of each row.

        Arguments:
            x: inputs.
        """
        scores: Float[np.ndarray, " row"] = x @ self.weights + self.bias
        return scores


def balanced(labels: Bool[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Weights under which each of the two classes weighs one half."""
    positives, negatives = max(int(labels.sum()), 1), max(int((~labels).sum()), 1)
    return np.where(labels, 0.5 / positives, 0.5 / negatives)


def fit(
    x: Float[np.ndarray, "row column"],
    labels: Bool[np.ndarray, " row"],
    weights: Float[np.ndarray, " row"] | None = None,
) -> Probe:
    """The probe of least weighted loss, its ridge on standardised columns.

        L = sum_r w_r log(1 + exp(-y_r s_r)) + RIDGE ||v||^2 / 2,    y = 1 or -1, sum w = 1

    Arguments:
        x: inputs.
        labels: what is predicted.
        weights: of rows, with sum 1; None: both classes weigh one half.
    """
    w = balanced(labels) if weights is None else weights
    mean = w @ x
    spread = np.sqrt(w @ (x - mean) ** 2)
    scale = np.where(spread > 0, spread, 1.0)
    columns, sign = (x - mean) / scale, np.where(labels, 1.0, -1.0)

    def loss(v: Float[np.ndarray, " more"]) -> tuple[float, Float[np.ndarray, " more"]]:
        """Loss and gradient; the last entry is the bias, without ridge."""
        margin = sign * (columns @ v[:-1] + v[-1])
        pull = -w * sign * expit(-margin)
        gradient = np.append(columns.T @ pull + RIDGE * v[:-1], pull.sum())
        return float(w @ np.logaddexp(0, -margin) + RIDGE * (v[:-1] @ v[:-1]) / 2), gradient

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return Probe(found[:-1] / scale, float(found[-1] - found[:-1] @ (mean / scale)))


def auc(scores: Float[np.ndarray, " row"], labels: Bool[np.ndarray, " row"]) -> float:
    """Chance that a row with the label scores above one without; a tie counts half.

    Arguments:
        scores: any numbers.
        labels: with at least one row of either class.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    ranks = rankdata(scores)[labels].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def balanced_accuracy(
    scores: Float[np.ndarray, "row *rest"], labels: Bool[np.ndarray, " row"]
) -> Float[np.ndarray, "*rest"]:
    """Mean of the shares that are right among rows with and without the label; the threshold is 0.

    Arguments:
        scores: of each row, for one probe or several.
        labels: with at least one row of either class.
    """
    right = labels == (scores > 0).T
    return np.asarray((right[..., labels].mean(-1) + right[..., ~labels].mean(-1)) / 2)
