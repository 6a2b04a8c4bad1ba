"""How to train a dictionary."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.training.limits import first_fault
from pellucid.dictionaries.training.objectives import LOCAL, Objective
from pellucid.dictionaries.variants.matryoshka import checked_widths
from pellucid.findings import InputError

Variant = Literal["relu", "topk", "batchtopk", "jumprelu", "gated", "matryoshka"]
WITH_K = ("topk", "batchtopk", "matryoshka")
WITH_PRICE = ("relu", "jumprelu", "gated")
LONG_DEAD = 10_000_000  # tokens without a fire, at most


@dataclass(frozen=True)
class TrainConfig:
    """One dictionary's training.

    Raises:
        InputError: DI07 for numbers that make no training, DI27 for nested widths that cannot be.

    Example:
        >>> TrainConfig(n_features=64, k=4, steps=100, lr=1e-3).rate(0)
        0.0003333333333333333
    """

    n_features: int
    """Number of latents."""
    k: int = 32
    """How many latents may be active for one row; for the variants topk, batchtopk and matryoshka."""
    site: str = ""
    """Where activations are read; may stay empty where the source has one site only."""
    site_out: str | None = None
    """What is reconstructed; None: the same site. Another site makes a transcoder."""
    variant: Variant = "topk"
    """Kind of dictionary."""
    objective: Objective = LOCAL
    """What is minimised: the local error, or what the model's output loses."""
    skip: bool = False
    """Add a linear path from the raw input to the output (skip transcoder)."""
    sparsity: float = 0.0
    """Weight of the sparsity price: L1 for relu, of the gates for gated, L0 for jumprelu."""
    sparsity_warmup: float = 0.05
    """Share of the steps in which that weight grows linearly from 0."""
    bandwidth: float = 0.05
    """Width of the window in which jumprelu thresholds feel a gradient, in units of scaled h."""
    threshold: float = 0.05
    """Where jumprelu thresholds begin, in units of scaled h."""
    widths: tuple[int, ...] = ()
    """Nested widths of matryoshka; (): 1/16, 1/4 and all."""
    k_start: int | None = None
    """k of the first step, which falls linearly to k; None: no annealing."""
    k_anneal: float = 0.1
    """Share of the steps in which k falls."""
    multi: float = 0.0
    """Weight of a second reconstruction with 4 k latents (topk only)."""
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
    betas: tuple[float, float] = (0.9, 0.999)
    """Averaging of gradients and their squares in Adam."""
    clip: float = 1.0
    """Largest norm of the whole gradient; 0: never clip."""
    auxiliary: float = 1 / 32
    """Weight of the loss that revives dead latents; 0: none. For the variants with k."""
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
    initial: Literal["random", "orthogonal", "active_subspace"] = "random"
    """First decoder rows: random directions, orthonormal as far as they go, or random directions in the
    subspace that holds 99 % of the targets' variance (attention outputs fill only part of their space)."""
    initial_length: float = 1.0
    """Length of the first decoder rows; other than 1 only without unit_norm."""
    resample_at: tuple[int, ...] = ()
    """Steps at which latents that hardly fire start anew from badly reconstructed rows (relu, gated)."""
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
        fault = first_fault(vars(self))
        if fault is not None:
            self._refuse(*fault)
        if self.variant not in WITH_K + WITH_PRICE:
            known = ", ".join(WITH_K + WITH_PRICE)
            self._refuse(f"there is no variant {self.variant!r}", f"There are: {known}.")
        self._check_sparsity()
        self._check_schedule()

    def _check_sparsity(self) -> None:
        """DI07 for settings that would have no effect on this variant, or cannot be."""
        if self.variant in WITH_K and self.k > self.n_features:
            self._refuse(f"k is {self.k} for {self.n_features} latents", "Give k of at most n_features.")
        if self.variant in WITH_K and self.sparsity:
            remedy = f"Leave sparsity at 0, or choose one of {', '.join(WITH_PRICE)}."
            self._refuse(f"{self.variant} has no sparsity price: k says how sparse it is", remedy)
        if self.multi and self.variant != "topk":
            self._refuse(f"multi has no effect on {self.variant}", "Leave multi at 0, or choose topk.")
        if self.widths and self.variant != "matryoshka":
            self._refuse(
                f"widths have no effect on {self.variant}", "Leave widths empty, or choose matryoshka."
            )
        if self.variant == "matryoshka":
            checked_widths(self.widths, self.n_features)
        if self.resample_at and self.variant not in ("relu", "gated"):
            remedy = "Leave it empty: dead latents of this variant are revived by the auxiliary loss."
            self._refuse(f"resample_at has no effect on {self.variant}", remedy)
        if self.initial_length != 1 and self.unit_norm:
            remedy = "Leave initial_length at 1, or give unit_norm=False."
            self._refuse("decoder rows are kept at length 1", remedy)
        if self.k_start is not None and not self.k <= self.k_start <= self.n_features:
            self._refuse(f"k_start is {self.k_start}", "Give k_start between k and n_features.")

    def _check_schedule(self) -> None:
        late = [step for step in self.resample_at if step >= self.steps]
        if late:
            remedy = f"Give steps below {self.steps}, or more steps."
            self._refuse(f"resample_at names step {late[0]} of a training of {self.steps}", remedy)
        if not callable(getattr(self.objective, "step", None)):
            remedy = "Give Local(), EndToEnd(...), Fisher(...) or one of your own."
            self._refuse(f"the objective is {self.objective!r}", remedy)
        if self.warmup + self.decay > 1:
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
            skip="linear" if self.skip else "none",
            rank_score=self.rank_score,
            decoder_unit_norm=self.unit_norm,
            excluded_positions=self.excluded_positions,
            excluded_tokens=self.excluded_tokens,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the variant's class is made with, as `Dictionary.settings()` gives it."""
        own: dict[str, Any] = {"variant": self.variant}
        if self.variant in WITH_K:
            own["k"] = self.k
        if self.variant == "matryoshka":
            own["widths"] = self.widths
        if self.variant == "jumprelu":
            own |= {"bandwidth": self.bandwidth, "threshold": self.threshold}
        return own

    def record(self) -> dict[str, Any]:
        """All settings as plain data."""
        data = dataclasses.asdict(self)
        return {**data, "objective": {"name": self.objective.name, **data["objective"]}}

    def pressure(self, step: int) -> float:
        """Weight of the sparsity price at a step."""
        return self.sparsity * min(1.0, (step + 1) / (self.sparsity_warmup * self.steps + 1))

    def k_at(self, step: int) -> int:
        """k at a step: linear from k_start to k over the first `k_anneal` of the run."""
        if self.k_start is None:
            return self.k
        left = max(0.0, 1 - step / max(1.0, self.k_anneal * self.steps))
        return self.k + math.ceil((self.k_start - self.k) * left)

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, constant, linear decay to 0."""
        largest = 2e-4 / (self.n_features / 2**14) ** 0.5 if self.lr is None else self.lr
        warm, cool = self.warmup * self.steps, self.decay * self.steps
        up = (step + 1) / (warm + 1) if warm > step else 1.0
        down = (self.steps - step) / (cool + 1) if self.steps - step <= cool else 1.0
        return largest * min(up, down, 1.0)
