"""Local training in the model's own metric: errors count by how much the output would feel them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.engines.gradients import StepResult
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.training.demand import Demand
from pellucid.dictionaries.training.objectives import Needs, best_step
from pellucid.models import Model

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner
    from pellucid.dictionaries.training.sources import Rows


@dataclass(frozen=True)
class Fisher:
    """L = E [(1 - alpha) c/R sum_r (g_r . e)^2 + alpha ||e||^2]: local cost, end-to-end aim.

    To second order the KL that an error e of the activation costs is e . F e / 2, with F the Fisher
    information of the output pulled back to the activation. If tokens are drawn from the model's own
    predictions at all positions and g is the gradient of their log-probability at the activation, then
    E[g g^T] = F, later positions included. One backward pass gives such a g for every position at once; they
    are cached beside the activations, and training never runs the model again. c brings the mean of |g|^2 to
    the width, so that alpha weighs like with like.

    The average is right and a single draw is noisy: with one draw a row, dictionaries of the shipped language
    model kept less of the output than plain local training did. `train_functional` is the way that pays.

    Arguments are described at the fields.

    Example:
        >>> Fisher(samples=2).needs.scores
        2
    """

    samples: int = 1
    """R, gradients for each row."""
    isotropic: float = 0.1
    """alpha, the share of the plain squared error."""

    @property
    def name(self) -> str:
        """How people call it."""
        return "fisher"

    @property
    def needs(self) -> Needs:
        """Gradients of sampled predictions."""
        return Needs(scores=self.samples)

    def step(self, learner: Learner, rows: Rows, demand: Demand) -> StepResult:
        """The local step with errors weighed by the cached gradients.

        Arguments:
            learner: whose dictionary and gradients.
            rows: activations and their scores.
            demand: the step's prices.
        """
        x, y = learner.scaled(rows)
        g = rows[score_name(learner.sites[1])]
        share, plain = (1 - self.isotropic) / self.samples, self.isotropic

        def weigh(error: Float[Tensor, "batch d_out"]) -> Float[Tensor, "batch d_out"]:
            """M e of each row."""
            felt = torch.einsum("brd,bd->br", g, error)
            return torch.einsum("br,brd->bd", felt * share, g) + plain * error

        weighed = dataclasses.replace(demand, weigh=weigh)
        return best_step(learner, x, y, weighed)


def score_name(site: str) -> str:
    """Under which name a source holds a site's scores."""
    return f"scores {site}"


def scores_of(
    model: Model, tokens: Int[Tensor, "batch pos"], sites: list[str], samples: int, seed: int
) -> tuple[dict[str, Tensor], dict[str, Float[Tensor, "batch pos sample width"]]]:
    """Activations of some sites and, for each, the gradients of sampled predictions.

    Arguments:
        model: an opened model with logits as its output.
        tokens: token ids.
        sites: where gradients are wanted.
        samples: how many for each position.
        seed: of the sampling.
    """
    generator = stream("sampled predictions", seed)
    with torch.enable_grad():
        run = model.run(tokens, read=sites, write=dict.fromkeys(sites, attached))
        logs = run.output.float().log_softmax(-1)
        drawn = torch.multinomial(
            logs.detach().exp().flatten(0, 1).cpu(), samples, replacement=True, generator=generator
        ).reshape(*tokens.shape, samples)
        found: dict[str, list[Tensor]] = {site: [] for site in sites}
        for number in range(samples):
            chosen = logs.gather(-1, drawn[..., number : number + 1].to(logs.device)).sum()
            last = number == samples - 1
            gradients = torch.autograd.grad(chosen, [run[site] for site in sites], retain_graph=not last)
            for site, gradient in zip(sites, gradients, strict=True):
                found[site].append(gradient.flatten(2))
    values = {site: run[site].detach() for site in sites}
    return values, {site: torch.stack(parts, 2) for site, parts in found.items()}


def attached(activation: Tensor) -> Tensor:
    """The same activation as a place where gradients arrive, whatever the weights want."""
    return activation if activation.requires_grad else activation.detach().requires_grad_()
