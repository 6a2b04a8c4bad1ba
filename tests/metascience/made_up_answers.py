"""Made-up tables whose truth is known: traits, item curves, groups."""

from __future__ import annotations

import numpy as np

NAN = float("nan")


def normals(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def one_trait(seed: int, respondents: int, items: int, noise: float = 1.0) -> np.ndarray:
    """Parallel items: one trait plus independent noise, intraclass correlation 1 / (1 + noise^2)."""
    random = np.random.default_rng(seed)
    return random.normal(size=(respondents, 1)) + noise * random.normal(size=(respondents, items))


def answers(seed: int, abilities: np.ndarray, b: np.ndarray, a: np.ndarray | float = 1.0) -> np.ndarray:
    """Right and wrong answers of the two-parameter logistic model."""
    chance = 1 / (1 + np.exp(-a * (np.asarray(abilities)[:, None] - b)))
    return (np.random.default_rng(seed).random(chance.shape) < chance).astype(float)


def with_covariance(covariance: np.ndarray, rows: int, seed: int = 0) -> np.ndarray:
    """A table whose sample covariance is exactly the one given."""
    raw = normals(seed, rows, len(covariance))
    centred = raw - raw.mean(axis=0)
    whitened = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred, rowvar=False))).T
    return whitened @ np.linalg.cholesky(covariance).T
