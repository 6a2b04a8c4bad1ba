"""Superposition with a known truth: a world of sparse features, and the trained toy model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pellucid.findings import InputError
from pellucid.models.train import TrainingConfig, TrainingLog, train

CHUNK = 8_192
MEAN_MAGNITUDE, MEAN_SQUARED_MAGNITUDE = 3 / 2, 7 / 3  # of 1 + u, u uniform in 0..1


@dataclass(frozen=True)
class World:
    """Unit directions that fire independently: x = scale (sum_i c_i d_i + noise), E |x|^2 = d_model."""

    directions: Float[Tensor, "feature d_model"]
    """The true directions, of length 1."""
    probabilities: Float[Tensor, " feature"]
    """How often each fires."""
    noise: float
    """Standard deviation of the noise in every dimension, before scaling."""
    scale: float
    """Brings the mean squared norm to d_model."""

    def sample(
        self, n: int, seed: int = 0
    ) -> tuple[Float[Tensor, "batch d_model"], Float[Tensor, "batch feature"]]:
        """Draw activations and their codes: activations = codes @ directions + scale * noise.

        Arguments:
            n: number of rows.
            seed: of this sample; other seeds give other rows of the same world.
        """
        generator = torch.Generator().manual_seed(seed)
        parts = [self._part(min(CHUNK, n - start), generator) for start in range(0, n, CHUNK)]
        return torch.cat([x for x, _ in parts]), torch.cat([codes for _, codes in parts])

    def _part(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        shape = (n, len(self.probabilities))
        firing = torch.rand(shape, generator=generator) < self.probabilities
        codes = self.scale * firing * (1 + torch.rand(shape, generator=generator))
        noise = torch.randn((n, self.directions.shape[1]), generator=generator)
        return codes @ self.directions + self.scale * self.noise * noise, codes


def world(
    n_features: int, d: int, *, l0: float = 16.0, noise: float = 0.02, seed: int = 0, orthogonal: bool = False
) -> World:
    """Make a world of sparse features: probabilities proportional to u^3, magnitudes 1 + u, Gaussian noise.

    Arguments:
        n_features: number of true directions.
        d: dimensions they live in.
        l0: mean number of features that fire together.
        noise: standard deviation in every dimension, before scaling.
        seed: of directions and probabilities.
        orthogonal: orthonormal directions, for n_features of at most d; else independent on the sphere.

    Raises:
        InputError: more features fire than there are, or more orthogonal directions than dimensions.

    Example:
        >>> activations, codes = world(64, 16, l0=2.0).sample(1000, seed=1)
        >>> activations.shape, codes.shape
        (torch.Size([1000, 16]), torch.Size([1000, 64]))
    """
    if not 0 < l0 <= n_features / 4:
        problem = f"A world of {n_features} features of which {l0} fire together."
        raise InputError("OR05", problem, "Give l0 above 0 and at most a quarter of n_features.")
    generator = torch.Generator().manual_seed(seed)
    directions = _directions(n_features, d, generator, orthogonal)
    probabilities = _probabilities(n_features, l0, generator)
    squared = _mean_squared_norm(directions, probabilities) + noise**2 * d
    return World(directions, probabilities, noise, (d / squared) ** 0.5)


def _directions(n_features: int, d: int, generator: torch.Generator, orthogonal: bool) -> Tensor:
    if not orthogonal:
        return functional.normalize(torch.randn((n_features, d), generator=generator), dim=-1)
    if n_features > d:
        problem = f"{n_features} orthogonal directions in {d} dimensions."
        raise InputError("OR05", problem, "Give n_features of at most d, or orthogonal=False.")
    basis, _ = torch.linalg.qr(torch.randn((d, n_features), generator=generator))
    return torch.as_tensor(basis.T.contiguous())


def _probabilities(n_features: int, l0: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(n_features, generator=generator) ** 3 + 1e-4  # none is so rare that it never fires
    probabilities = drawn * (l0 / drawn.sum())
    for _ in range(20):  # those above 1/2 are held there; the others share what is missing
        high = probabilities >= 0.5
        probabilities[high] = 0.5
        rest = l0 - float(probabilities[high].sum())
        probabilities[~high] *= rest / float(probabilities[~high].sum())
    return probabilities


def _mean_squared_norm(directions: Tensor, probabilities: Tensor) -> float:
    mean = probabilities * MEAN_MAGNITUDE
    variance = probabilities * MEAN_SQUARED_MAGNITUDE - mean**2
    return float((mean @ directions).square().sum() + variance.sum())


class ToyModel(nn.Module):
    """The toy model of superposition: x' = ReLU(W^T W x + b).

    Arguments:
        n_features: inputs.
        d_hidden: hidden dimensions, fewer than the inputs.
        seed: of the initial W, normal with variance 1/n_features; b = 0.

    Source: Elhage et al. 2022, Toy Models of Superposition, section 2.
    """

    def __init__(self, n_features: int, d_hidden: int, *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn((d_hidden, n_features), generator=generator)
        self.W = nn.Parameter(drawn / n_features**0.5)
        self.b = nn.Parameter(torch.zeros(n_features))

    def hidden(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch d_hidden"]:
        """W x, where the features share dimensions."""
        return x @ self.W.T

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """The reconstruction."""
        return torch.relu(self.hidden(x) @ self.W + self.b)


@dataclass(frozen=True)
class ToyConfig:
    """The toy model's task: sparse uniform features, less and less important.

    Example:
        >>> ToyConfig(n_features=5, d_hidden=2, sparsity=0.9).importance
        0.7
    """

    n_features: int = 20
    """Inputs."""
    d_hidden: int = 5
    """Hidden dimensions."""
    sparsity: float = 0.95
    """Probability that a feature is 0; otherwise it is uniform in 0..1."""
    importance: float = 0.7
    """Weight of feature i in the loss is importance^i."""
    steps: int = 2_000
    """Optimiser steps."""
    rows: int = 512
    """Rows of a step."""
    seed: int = 0
    """Of weights and data."""


def toy_rows(config: ToyConfig, seed: int, n: int) -> Float[Tensor, "batch feature"]:
    """Inputs of the toy task: each feature is uniform in 0..1 with probability 1 - sparsity, else 0."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand((n, config.n_features), generator=generator) >= config.sparsity
    return present * torch.rand((n, config.n_features), generator=generator)


def train_toy(config: ToyConfig) -> tuple[ToyModel, TrainingLog]:
    """Train the toy model of superposition on its own task: sum_i importance^i (x_i - x'_i)^2.

    Arguments:
        config: sizes, sparsity, steps, seed.

    Source: Elhage et al. 2022, section 2, "The ReLU output model".
    """
    model = ToyModel(config.n_features, config.d_hidden, seed=config.seed)
    weights = config.importance ** torch.arange(config.n_features)

    def loss(module: nn.Module, x: Tensor) -> Tensor:
        """Squared error, weighted by importance."""
        return torch.mean((weights * (x - module(x)).square()).sum(-1))

    def rows(step: int) -> Tensor:
        """Inputs of one step."""
        return toy_rows(config, 1_000_003 * (config.seed + 1) + step, config.rows)

    recipe = TrainingConfig(steps=config.steps, peak=1e-2, decay=0.0, seed=config.seed)
    return model, train(model, rows, loss, recipe)


def represented(model: ToyModel, threshold: float = 0.5) -> int:
    """How many features have a direction of their own: columns of W longer than the threshold."""
    return int((model.W.norm(dim=0) > threshold).sum())
