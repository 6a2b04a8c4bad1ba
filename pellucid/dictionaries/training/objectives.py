"""What training minimises: a frozen description, and the step that it makes of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from pellucid.dictionaries.engines.gradients import StepResult
from pellucid.dictionaries.training.demand import Demand
from pellucid.dictionaries.training.dense import dense_step
from pellucid.dictionaries.training.sparse import sparse_step

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner
    from pellucid.dictionaries.training.sources import Rows


class Objective(Protocol):
    """What is minimised."""

    @property
    def name(self) -> str:
        """How people call it."""

    @property
    def needs(self) -> Needs:
        """What it reads besides activations."""

    def step(self, learner: Learner, rows: Rows, demand: Demand) -> StepResult:
        """Fill the gradients of the learner's dictionary for one batch."""


@dataclass(frozen=True)
class Needs:
    """What an objective reads besides the activations at the dictionary's own sites."""

    model: bool = False
    """The model itself, run on whole sequences in every step."""
    sites: tuple[str, ...] = ()
    """Later activations."""
    scores: int = 0
    """Gradients of sampled predictions, so many for each row."""


@dataclass(frozen=True)
class Local:
    """The squared error of the activation itself, E ||y_hat - y||^2."""

    @property
    def name(self) -> str:
        """How people call it."""
        return "local"

    @property
    def needs(self) -> Needs:
        """Activations alone."""
        return Needs()

    def step(self, learner: Learner, rows: Rows, demand: Demand) -> StepResult:
        """Exact gradients, by active latents where the variant allows it.

        Arguments:
            learner: whose dictionary and gradients.
            rows: activations by site.
            demand: the step's prices.
        """
        x, y = learner.scaled(rows)
        return best_step(learner, x, y, demand)


LOCAL = Local()


def best_step(learner: Learner, x: Tensor, y: Tensor, demand: Demand) -> StepResult:
    """The sparse step where the variant has one, else the dense one.

    Arguments:
        learner: whose dictionary and gradients.
        x: scaled inputs.
        y: scaled targets.
        demand: the step's prices.
    """
    result = sparse_step(learner.dictionary, x, y, demand, learner.engine, learner.gradients)
    return result or dense_step(learner.dictionary, x, y, demand)
