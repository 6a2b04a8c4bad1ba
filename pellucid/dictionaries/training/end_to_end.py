"""End-to-end objectives: what the model's output loses when the dictionary stands in for the activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import StepResult
from pellucid.dictionaries.training.demand import Demand
from pellucid.dictionaries.training.objectives import Needs
from pellucid.dictionaries.training.passage import Passage, whole_precision
from pellucid.dictionaries.training.resuming import beginning, full_name

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner
    from pellucid.dictionaries.training.sources import Rows


@dataclass(frozen=True)
class EndToEnd:
    """KL of the outputs, and with `downstream` also the error of later activations.

        L = w KL + sum_k (beta / K) E ||a_hat_k - a_k||^2 / d_k + lambda penalty

    The frozen model is run once clean for all dictionaries of a suite, and once spliced for each of them:
    from the residual stream before the dictionary, where the model can begin there.

    Arguments are described at the fields.

    Example:
        >>> EndToEnd(downstream=("blocks.3.resid_post",), kl_weight=0.5).name
        'e2e+downstream'

    Source: Braun et al. 2024, arXiv 2405.12241, section 2.
    """

    direction: Literal["clean_spliced", "spliced_clean"] = "clean_spliced"
    """KL(clean || spliced), or the other way round."""
    kl_weight: float = 1.0
    """w; the paper has 0.5 where `downstream` is used."""
    downstream: tuple[str, ...] = ()
    """Later sites whose activations are to be kept."""
    downstream_weight: float = 2.5
    """beta, shared evenly among them."""
    together: bool = False
    """Splice all dictionaries of the suite that say so at once, into one pass."""

    @property
    def name(self) -> str:
        """How people call it."""
        return "e2e+downstream" if self.downstream else "e2e"

    @property
    def needs(self) -> Needs:
        """The model, and later activations."""
        return Needs(model=True, sites=self.downstream)

    def step(self, learner: Learner, rows: Rows, demand: Demand) -> StepResult:
        """Gradients through the frozen model.

        Arguments:
            learner: whose dictionary and gradients.
            rows: tokens, kept positions, clean log-probabilities and clean later activations.
            demand: the step's prices.
        """
        return joint_step([learner], rows, [demand])[0]


def joint_step(learners: Sequence[Learner], rows: Rows, demands: Sequence[Demand]) -> list[StepResult]:
    """One spliced pass through all given dictionaries, and the gradients of each.

    A dictionary alone works with sparse codes where its variant has them: the pass needs y_hat only, and its
    gradient there is all that the weights need to know. Several at once are differentiated as a whole, since
    the later ones read what the earlier ones made.

    Arguments:
        learners: dictionaries at different sites; the first one's objective says what is minimised.
        rows: as for `EndToEnd.step`.
        demands: prices of each.
    """
    alone = len(learners) == 1
    passages = [
        Passage(learner, demand, sparse=alone) for learner, demand in zip(learners, demands, strict=True)
    ]
    with torch.enable_grad():
        shared, parts = spliced_loss(learners[0], passages, rows)
        if passages[0].codes is not None:
            own = [passages[0].pull(*torch.autograd.grad(shared, passages[0].y_hat))]
        else:
            own = differentiated(shared, passages)
    total = float(shared.detach())
    return [passage.result(total + price, parts) for passage, price in zip(passages, own, strict=True)]


def differentiated(shared: Float[Tensor, ""], passages: Sequence[Passage]) -> list[float]:
    """Fill the gradients of all weights at once; what each dictionary pays beside the shared loss."""
    prices = [passage.price() for passage in passages]
    weights = [parameter for passage in passages for parameter in passage.learner.parameters()]
    found = torch.autograd.grad(shared + sum(prices), weights, allow_unused=True)
    for parameter, gradient in zip(weights, found, strict=True):
        receive(parameter, gradient)
    return [float(price.detach()) for price in prices]


def receive(parameter: Tensor, gradient: Tensor | None) -> None:
    """Put a gradient where the optimiser looks for it, in the buffer that is already there."""
    given = torch.zeros_like(parameter) if gradient is None else gradient
    if parameter.grad is None:
        parameter.grad = given.clone()
    else:
        parameter.grad.copy_(given)


def spliced_loss(
    first: Learner, passages: Sequence[Passage], rows: Rows
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """w KL and the downstream errors of one spliced pass, and each by name."""
    objective, model, keep = first.config.objective, first.model, rows["keep"].bool()
    assert isinstance(objective, EndToEnd)
    writes: dict[str, list[Callable[[Tensor], Tensor]]] = {}
    for site, change in changes(passages, keep):
        writes.setdefault(site, []).append(change)
    resume = None
    begin = beginning(model, [site for passage in passages for site in passage.learner.sites])
    if begin is not None:
        stream = rows[full_name(begin.site)]
        for change in writes.pop(begin.site, []):
            stream = change(stream)
        resume = begin.block, stream
    run = model.run(rows["tokens"], read=list(objective.downstream), write=writes, resume=resume)
    spliced = whole_precision(run.output[keep]).log_softmax(-1)
    kl = divergence(rows["log_probabilities"], spliced, objective.direction)
    loss, parts = objective.kl_weight * kl, {"kl": float(kl.detach())}
    for site in objective.downstream:
        error = whole_precision((run[site] - rows[full_name(site)]).flatten(keep.ndim)[keep]).square().mean()
        loss = loss + objective.downstream_weight / len(objective.downstream) * error
        parts[f"error at {site}"] = float(error.detach())
    return loss, parts


def changes(passages: Sequence[Passage], keep: Tensor) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    """What the pass writes, in order: at each site the reconstruction in the activation's place."""
    for passage in passages:
        yield from passage.writes(keep)


def divergence(
    clean: Float[Tensor, "row vocab"], spliced: Float[Tensor, "row vocab"], direction: str
) -> Float[Tensor, ""]:
    """Mean KL of two tables of log-probabilities.

    Arguments:
        clean: of the model as it is.
        spliced: with dictionaries in place of activations.
        direction: "clean_spliced" for KL(clean || spliced), or "spliced_clean".
    """
    first, second = (clean, spliced) if direction == "clean_spliced" else (spliced, clean)
    return (first.exp() * (first - second)).sum(-1).mean()
