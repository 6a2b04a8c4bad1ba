"""Who fires when: sparse codes of many rows, and how well a latent's firing tells a true feature's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary

ROWS = 4096  # encoded at once


def sparse_codes(dictionary: Dictionary, x: Float[Tensor, "row d_in"]) -> scipy.sparse.csc_array:
    """Codes of activations as one sparse float64 matrix [row, feature], in units of h.

    Arguments:
        dictionary: any dictionary.
        x: activations read at its `site_in`.
    """
    parts = []
    for start in range(0, len(x), ROWS):
        codes = dictionary.codes(x[start : start + ROWS].to(dictionary.W_enc.dtype))
        used = (codes.values != 0).cpu().numpy()
        rows = np.nonzero(used)[0]
        columns = codes.indices.cpu().numpy()[used]
        values = codes.values.cpu().numpy()[used].astype(np.float64)
        shape = (len(used), codes.n_features)
        parts.append(scipy.sparse.coo_array((values, (rows, columns)), shape=shape))
    return scipy.sparse.csc_array(scipy.sparse.vstack(parts, format="csc"))


def fires_of(codes: scipy.sparse.csc_array) -> scipy.sparse.csc_array:
    """1 where a latent is active."""
    fires = codes.copy()
    fires.data = np.ones_like(fires.data)
    return fires


@dataclass(frozen=True)
class Detection:
    """How well each latent's firing tells whether its true feature is there; 0 where undefined."""

    precision: Float[np.ndarray, " latent"]
    """Share of the latent's fires at which the feature is there."""
    recall: Float[np.ndarray, " latent"]
    """Share of the feature's rows at which the latent fires."""
    f1: Float[np.ndarray, " latent"]
    """2 precision recall / (precision + recall)."""
    silent: int
    """Latents that never fire: their precision is undefined."""
    absent: int
    """Latents whose feature is never there: their recall is undefined."""


def detection(
    fires: scipy.sparse.csc_array, there: Bool[np.ndarray, "row feature"], match: Int[np.ndarray, " latent"]
) -> Detection:
    """Precision, recall and F1 of each latent's firing against its best-matching true feature.

    Arguments:
        fires: 1 where a latent is active.
        there: where a true feature is active.
        match: the feature of each latent.
    """
    hits = (fires.T @ there.astype(np.float64))[np.arange(len(match)), match]
    fired, present = np.asarray(fires.sum(0)).ravel(), there.sum(0)[match].astype(np.float64)
    precision, recall = over(hits, fired), over(hits, present)
    f1 = over(2 * precision * recall, precision + recall)
    return Detection(precision, recall, f1, int((fired == 0).sum()), int((present == 0).sum()))


def over(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom; 0 where the denominator is 0."""
    return np.where(bottom != 0, top, 0.0) / np.where(bottom != 0, bottom, 1.0)


def squared_correlation(
    codes: scipy.sparse.csc_array,
    truth: Float[np.ndarray, "row pair"],
    latents: Int[np.ndarray, " pair"],
) -> Float[np.ndarray, " pair"]:
    """R^2 of the straight line from each latent's code to its true coefficient; 0 where either is constant.

    Arguments:
        codes: codes of all latents.
        truth: the true coefficients of each pair's feature.
        latents: the latent of each pair.
    """
    z, n = codes[:, latents], len(truth)
    sums, squares = np.asarray(z.sum(0)).ravel(), np.asarray(z.multiply(z).sum(0)).ravel()
    products = np.asarray(z.multiply(truth).sum(0)).ravel()
    mean = truth.mean(0)
    covariance = products - sums * mean
    variances = (squares - sums**2 / n) * ((truth - mean) ** 2).sum(0)
    # a constant column leaves only rounding; what is no more than that counts as constant
    safe = variances > 1e-20 * np.maximum(squares * (truth**2).sum(0), np.finfo(float).tiny)
    return over(np.where(safe, covariance**2, 0.0), np.where(safe, variances, 0.0))


def phi(
    fires: Bool[np.ndarray, " row"], others: Bool[np.ndarray, "row other"]
) -> Float[np.ndarray, " other"]:
    """The correlation of one firing pattern with others; 0 where one never changes.

    Arguments:
        fires: one pattern.
        others: the patterns it is compared with.
    """
    a, b = fires.astype(np.float64), others.astype(np.float64)
    p, q = a.mean(), b.mean(0)
    return over(a @ b / len(a) - p * q, np.sqrt(p * (1 - p) * q * (1 - q)))


def dense_firing(
    fires: scipy.sparse.csc_array, latents: Int[np.ndarray, " some"]
) -> Bool[np.ndarray, "row some"]:
    """The firing of some latents as plain columns."""
    columns: Bool[np.ndarray, "row some"] = fires[:, latents].toarray() > 0
    return columns


def unit(rows: Tensor) -> Float[np.ndarray, "row width"]:
    """Rows of length 1, in float64; a row of zeros stays."""
    plain = rows.detach().double().cpu()
    lengths = torch.linalg.vector_norm(plain, dim=1, keepdim=True)
    scaled: Float[np.ndarray, "row width"] = (plain / torch.where(lengths > 0, lengths, 1.0)).numpy()
    return scaled
