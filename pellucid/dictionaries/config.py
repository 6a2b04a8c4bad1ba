"""How to train a dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.dictionaries.convention import Convention
from pellucid.findings import InputError

LONG_DEAD = 10_000_000  # tokens without a fire, at most


@dataclass(frozen=True)
class TrainConfig:
    """One dictionary's training.

    Raises:
        InputError: DI07 for numbers that make no training.

    Example:
        >>> TrainConfig(n_features=64, k=4, steps=100, lr=1e-3).rate(0)
        0.0003333333333333333
    """

    n_features: int
    """Number of latents."""
    k: int
    """How many latents may be active for one row."""
    site: str = ""
    """Where activations are read; may stay empty where the source has one site only."""
    site_out: str | None = None
    """What is reconstructed; None: the same site. Another site makes a transcoder."""
    variant: Literal["topk"] = "topk"
    """Kind of dictionary."""
    steps: int = 2000
    """Optimiser steps."""
    batch: int = 1024
    """Rows of one step."""
    lr: float | None = None
    """Largest learning rate; None: 2e-4 / sqrt(n_features / 2^14)."""
    warmup: float = 0.02
    """Share of the steps in which the learning rate grows linearly from 0."""
    decay: float = 0.2
    """Share of the steps, at the end, in which it falls linearly to 0."""
    clip: float = 1.0
    """Largest norm of the whole gradient; 0: never clip."""
    auxiliary: float = 1 / 32
    """Weight of the loss that revives dead latents; 0: none."""
    dead_after: int | None = None
    """Rows without a fire after which a latent counts as dead; None: 10 % of the run, at most 10 million."""
    normalise: bool = True
    """Train on activations of mean norm sqrt(width); the scale is folded into the weights at the end."""
    subtract: Literal["auto", "none", "b_dec"] = "auto"
    """What is subtracted from the input; auto: b_dec for an autoencoder, none for a transcoder."""
    rank_score: Literal["h", "h_norm"] = "h"
    """What top-k ranks by: h, or h times the length of the latent's decoder row."""
    unit_norm: bool = True
    """Keep decoder rows at length 1, without the gradient's part along them."""
    excluded_positions: tuple[int, ...] = ()
    """Positions of each sequence that are left out; needs a source that knows positions."""
    excluded_tokens: tuple[int, ...] = ()
    """Tokens whose positions are left out; needs a source that knows tokens."""
    seed: int = 0
    """Of the initial weights."""
    order_seed: int = 0
    """Of the order of rows; dictionaries with the same batch and order share one reading of the source."""
    log_every: int = 100
    """Steps between lines of the training log."""
    checkpoint_every: int = 500
    """Steps between checkpoints, where a checkpoint folder is given."""

    def __post_init__(self) -> None:
        for name in ("n_features", "k", "steps", "batch", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                self._refuse(f"{name} is {getattr(self, name)}", f"Give {name} of at least 1.")
        if self.k > self.n_features:
            self._refuse(f"k is {self.k} for {self.n_features} latents", "Give k of at most n_features.")
        if self.lr is not None and self.lr <= 0:
            self._refuse(f"the learning rate is {self.lr}", "Give lr above 0, or None.")
        if min(self.warmup, self.decay) < 0 or self.warmup + self.decay > 1:
            shares = f"warm-up {self.warmup} and decay {self.decay}"
            self._refuse(f"{shares} are no shares of the run", "Give shares from 0 whose sum is at most 1.")
        if self.subtract == "b_dec" and self.transcoder:
            self._refuse("a transcoder cannot subtract b_dec", "Give subtract='none' or 'auto'.")

    def _refuse(self, problem: str, remedy: str) -> None:
        raise InputError("DI07", f"Training configuration: {problem}.", remedy)

    @property
    def sites(self) -> tuple[str, str]:
        """Where it reads and what it reconstructs."""
        return self.site, self.site if self.site_out is None else self.site_out

    @property
    def transcoder(self) -> bool:
        """Whether it maps one site to another."""
        return self.sites[0] != self.sites[1]

    @property
    def dead_rows(self) -> int:
        """Rows without a fire after which a latent counts as dead."""
        return min(LONG_DEAD, self.steps * self.batch // 10) if self.dead_after is None else self.dead_after

    @property
    def convention(self) -> Convention:
        """The record that the trained dictionary follows."""
        automatic: Literal["none", "b_dec"] = "none" if self.transcoder else "b_dec"
        return Convention(
            subtract=automatic if self.subtract == "auto" else self.subtract,
            rank_score=self.rank_score,
            decoder_unit_norm=self.unit_norm,
            excluded_positions=self.excluded_positions,
            excluded_tokens=self.excluded_tokens,
        )

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, constant, linear decay to 0."""
        largest = 2e-4 / (self.n_features / 2**14) ** 0.5 if self.lr is None else self.lr
        warm, cool = self.warmup * self.steps, self.decay * self.steps
        up = (step + 1) / (warm + 1) if warm > step else 1.0
        down = (self.steps - step) / (cool + 1) if self.steps - step <= cool else 1.0
        return largest * min(up, down, 1.0)
