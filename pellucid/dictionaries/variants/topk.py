"""TopK: each activation is a sum of at most k latents."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Auxiliary, Dictionary
from pellucid.dictionaries.engines.compiled import Engine, engine_for
from pellucid.dictionaries.engines.gradients import Gradients, StepResult
from pellucid.dictionaries.engines.selection import Codes, top_indices
from pellucid.findings import InputError


class TopK(Dictionary):
    """z = ReLU(h) at the k largest h of each row, else 0; ties go to the smaller index.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        k: how many latents may be active at once.
        d_out: width of the reconstruction; None: d_in.
        site_in: where x is read.
        site_out: where the reconstruction belongs; None: site_in.
        convention: the record that encode and decode follow.
        seed: of the initial weights.

    Raises:
        InputError: DI06 unless 1 <= k <= n_features.

    Example:
        >>> sae = TopK(8, 32, 4)
        >>> int((sae.encode(torch.randn(5, 8)) != 0).sum(-1).max()) <= 4
        True

    Source: Gao et al. 2024, arXiv 2406.04093, section 2.3.
    """

    def __init__(
        self,
        d_in: int,
        n_features: int,
        k: int,
        *,
        d_out: int | None = None,
        site_in: str = "",
        site_out: str | None = None,
        convention: Convention | None = None,
        seed: int = 0,
    ) -> None:
        if not 1 <= k <= n_features:
            raise InputError(
                "DI06",
                f"k is {k} for {n_features} latents.",
                "Give 1 <= k <= n_features: so many latents may be active at once.",
            )
        super().__init__(
            d_in,
            n_features,
            d_out=d_out,
            site_in=site_in,
            site_out=site_out,
            convention=convention,
            seed=seed,
        )
        self.k = k

    def settings(self) -> dict[str, Any]:
        """The variant and its k."""
        return {"variant": "topk", "k": self.k}

    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """ReLU(h) where h, or h times the decoder row's length, is among the k largest of its row."""
        scores = h.detach()
        if self.convention.rank_score == "h_norm":
            scores = scores * self.lengths().detach()
        mask = torch.zeros_like(h).scatter_(1, top_indices(scores, self.k), 1.0)
        return h.relu() * mask

    @torch.no_grad()
    def codes(self, x: Float[Tensor, "batch d_in"], engine: Engine | None = None) -> Codes:
        """Sparse codes in units of h, without gradient.

        Arguments:
            x: activations read at `site_in`.
            engine: what runs the loops; None: the fastest.
        """
        self.check_input(x)
        return self._codes(self.shifted(x).contiguous(), self.k, engine or engine_for(x))

    def _codes(self, shifted: Tensor, k: int, engine: Engine) -> Codes:
        weights = self.lengths() if self.convention.rank_score == "h_norm" else None
        return engine.select(shifted, self.W_enc, self.b_enc, k, weights)

    @torch.no_grad()
    def step(
        self,
        x: Float[Tensor, "batch d_in"],
        y: Float[Tensor, "batch d_out"],
        engine: Engine,
        gradients: Gradients,
        auxiliary: Auxiliary | None = None,
    ) -> StepResult:
        """L = (1/B) sum_b ||y_hat - y||^2 (+ AuxK) and its exact gradients, touching active latents only.

        With g = 2 (y_hat - y) / B: dW_dec[i] += v g, dv = W_dec[i] . g, dW_enc[i] += dv x', db_enc[i] += dv,
        db_dec = sum g, less sum dv W_enc[i] when b_dec is subtracted from the input.

        Arguments:
            x: inputs.
            y: targets, x itself for an autoencoder.
            engine: what runs the loops.
            gradients: buffers that are filled.
            auxiliary: dead latents to revive.
        """
        self.check_input(x)
        shifted = self.shifted(x).contiguous()
        codes = self._codes(shifted, self.k, engine)
        error, slopes = engine.errors(codes, self.W_dec, self.b_dec, y)
        engine.accumulate(codes, slopes, shifted, error, 2 / len(y), gradients)
        squared = float(error.square().sum(dtype=torch.float64)) / len(y)
        added = 0.0
        if auxiliary is not None and len(auxiliary.latents):
            added = self._revive(shifted, error, auxiliary, engine, gradients)
        self.b_dec.grad = error.sum(0) * (2 / len(y))
        if self.convention.subtract == "b_dec":
            self.b_dec.grad -= gradients.bias @ self.W_enc
        return StepResult(squared + added, squared, codes.fires())

    def _revive(
        self, shifted: Tensor, error: Tensor, auxiliary: Auxiliary, engine: Engine, gradients: Gradients
    ) -> float:
        """AuxK: alpha ||e - e_hat||^2 / ||e - mean e||^2, e_hat from the k_aux best dead latents, no bias.

        e = y - y_hat is a constant here; 0 when it has no variance.
        """
        missed = -error
        spread = float((missed - missed.mean(0)).square().sum(dtype=torch.float64))
        if spread == 0:
            return 0.0
        dead = auxiliary.latents
        k = min(max(1, self.d_out // 2), len(dead))
        found = engine.select(shifted, self.W_enc[dead], self.b_enc[dead], k)
        codes = Codes(dead[found.indices.long()].int(), found.values, self.n_features)
        no_bias = torch.zeros_like(self.b_dec)
        left, slopes = engine.errors(codes, self.W_dec, no_bias, missed)
        engine.accumulate(codes, slopes, shifted, left, 2 * auxiliary.weight / spread, gradients, add=True)
        return auxiliary.weight * float(left.square().sum(dtype=torch.float64)) / spread
