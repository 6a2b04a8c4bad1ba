"""Latents that hardly fire start anew from badly reconstructed rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pellucid.dictionaries.dictionary import unit_rows
from pellucid.dictionaries.randomness import stream

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner
    from pellucid.dictionaries.training.sources import Rows

RARE_ROWS = 1_000_000  # a latent without a fire in so many rows counts as resampled material, at most
ENCODER_SHARE = 0.2  # of the mean length of living encoder rows


@torch.no_grad()
def resample(learner: Learner, rows: Rows) -> int:
    """Re-initialise latents that did not fire lately; how many.

    A new direction is the input of a row drawn with probability proportional to its squared loss, less
    what is subtracted; its encoder row has a fifth of the mean living length, its bias is 0, and the
    optimiser forgets it.

    Arguments:
        learner: whose dictionary.
        rows: a batch to draw from.

    Source: Bricken et al. 2023, Towards Monosemanticity, appendix "Neuron resampling".
    """
    dictionary = learner.dictionary
    rare = learner.silent >= min(RARE_ROWS, learner.config.dead_rows)
    if not bool(rare.any()):
        return 0
    x, y = learner.scaled(rows)
    missed = y - dictionary(x)
    losses = missed.square().sum(1)
    drawn = stream(f"resampling at step {learner.done}", learner.config.seed)
    count = int(rare.sum())
    picked = torch.multinomial(losses.square().cpu() + 1e-30, count, replacement=True, generator=drawn)
    living = dictionary.W_enc[~rare].norm(dim=1)
    length = float(living.mean()) if len(living) else 1.0
    dictionary.W_dec[rare] = unit_rows(missed[picked])
    dictionary.W_enc[rare] = unit_rows(dictionary.shifted(x)[picked]) * ENCODER_SHARE * length
    for name in ("b_enc", "b_gate", "b_mag", "r_mag"):
        bias = getattr(dictionary, name, None)
        if bias is not None:
            bias[rare] = 0.0
    forget(learner, rare)
    return count


def forget(learner: Learner, rare: torch.Tensor) -> None:
    """Zero the optimiser's memory of some latents, and count them as just having fired."""
    for parameter in learner.parameters():
        state = learner.optimiser.state.get(parameter)
        if state and parameter.shape[:1] == rare.shape:
            state["exp_avg"][rare] = 0.0
            state["exp_avg_sq"][rare] = 0.0
    learner.silent[rare] = 0
