"""End-to-end objectives: what the model's output loses when the dictionary stands in for the activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import StepResult
from pellucid.dictionaries.training.demand import Demand
from pellucid.dictionaries.training.dense import revival
from pellucid.dictionaries.training.objectives import Needs
from pellucid.findings import InputError

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner
    from pellucid.dictionaries.training.sources import Rows


@dataclass(frozen=True)
class EndToEnd:
    """KL of the outputs, and with `downstream` also the error of later activations.

        L = w KL + sum_k (beta / K) E ||a_hat_k - a_k||^2 / d_k + lambda penalty

    The frozen model is run once clean for all dictionaries of a suite, and once spliced for each of them.

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


@dataclass
class Passage:
    """What one dictionary computed during the spliced pass."""

    learner: Learner
    demand: Demand
    seen: dict[str, Tensor] = field(default_factory=dict)
    """h, z, y and y_hat of the kept rows, scaled; and the input of a transcoder."""

    def writes(self, keep: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
        """What the pass writes: the reconstruction at the kept positions."""
        site_in, site_out = self.learner.sites
        if site_in == site_out:
            return {site_out: lambda activation: self.replace(activation, activation, keep)}
        return {
            site_in: self.remember,
            site_out: lambda activation: self.replace(self.seen["input"], activation, keep),
        }

    def remember(self, activation: Tensor) -> Tensor:
        """Keep a transcoder's input."""
        self.seen["input"] = activation.clone()
        return activation

    def replace(self, given: Tensor, activation: Tensor, keep: Tensor) -> Tensor:
        """The activation with the reconstruction in its place."""
        dictionary, (scale_in, scale_out) = self.learner.dictionary, self.learner.scales
        x = given.flatten(2)[keep].float() * scale_in
        h = dictionary.linear(dictionary.shifted(x))
        z = dictionary.activate(h)
        skip = 0.0 if dictionary.W_skip is None else x @ dictionary.W_skip.T
        y_hat = z @ dictionary.W_dec + dictionary.b_dec + skip
        y = activation.detach().flatten(2)[keep].float() * scale_out
        self.seen |= {"h": h, "z": z, "y": y, "y_hat": y_hat}
        made = activation.flatten(2).clone()
        made[keep] = (y_hat / scale_out).to(made.dtype)
        return made.reshape(activation.shape)


def joint_step(learners: Sequence[Learner], rows: Rows, demands: Sequence[Demand]) -> list[StepResult]:
    """One spliced pass through all given dictionaries, and the gradients of each.

    Arguments:
        learners: dictionaries at different sites; the first one's objective says what is minimised.
        rows: as for `EndToEnd.step`.
        demands: prices of each.
    """
    passages = [Passage(learner, demand) for learner, demand in zip(learners, demands, strict=True)]
    with torch.enable_grad():
        shared, parts = spliced_loss(learners[0], passages, rows)
        losses = [shared + own_loss(passage) for passage in passages]
        total = shared + sum(own_loss(passage) for passage in passages)
        weights = [parameter for learner in learners for parameter in learner.parameters()]
        found = torch.autograd.grad(total, weights, allow_unused=True)
    for parameter, gradient in zip(weights, found, strict=True):
        receive(parameter, gradient)
    return [
        result_of(passage, float(loss.detach()), parts)
        for passage, loss in zip(passages, losses, strict=True)
    ]


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
    for passage in passages:
        for site, change in passage.writes(keep).items():
            writes.setdefault(site, []).append(change)
    run = model.run(rows["tokens"], read=list(objective.downstream), write=writes)
    spliced = run.output[keep].float().log_softmax(-1)
    kl = divergence(rows["log_probabilities"], spliced, objective.direction)
    loss, parts = objective.kl_weight * kl, {"kl": float(kl.detach())}
    for site in objective.downstream:
        error = (run[site] - rows[f"full {site}"]).flatten(2)[keep].float().square().mean()
        loss = loss + objective.downstream_weight / len(objective.downstream) * error
        parts[f"error at {site}"] = float(error.detach())
    return loss, parts


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


def own_loss(passage: Passage) -> Float[Tensor, ""]:
    """The sparsity price of one dictionary, and the revival of its dead latents by the local error."""
    dictionary, demand, seen = passage.learner.dictionary, passage.demand, passage.seen
    loss = demand.pressure * dictionary.penalty(seen["h"], seen["z"], seen["y"])
    if demand.auxiliary is not None:
        error = (seen["y_hat"] - seen["y"]).detach()
        loss = loss + revival(dictionary, seen["h"], error, demand.auxiliary)
    return loss


def result_of(passage: Passage, loss: float, parts: dict[str, float]) -> StepResult:
    """What the step found out about one dictionary."""
    seen = {name: value.detach() for name, value in passage.seen.items()}
    squared = float((seen["y_hat"] - seen["y"]).square().sum(1).mean())
    return StepResult(loss, squared, (seen["z"] != 0).sum(0), seen["y"], parts)


def refuse_nested(variant: str) -> None:
    """DI101 unless the variant's loss can be put end to end."""
    if variant in ("matryoshka", "gated"):
        raise InputError(
            "DI101",
            f"The loss of {variant} is a local one of several reconstructions: it has no end-to-end form.",
            "Choose relu, topk, batchtopk or jumprelu, or the local objective.",
        )
