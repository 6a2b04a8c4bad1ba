"""A world in which half of what varies does not matter: junk that the network downstream cannot see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pellucid.findings import InputError
from pellucid.organisms.superposition import CHUNK, MEAN_MAGNITUDE, MEAN_SQUARED_MAGNITUDE

JUNK_VARIANCE = 3.0  # of a junk feature, as a multiple of a functional one's


@dataclass(frozen=True)
class JunkWorld:
    """Functional features in the complement of a junk subspace J, and junk features that span J.

        x = scale (sum_i c_i d_i + noise);   functional d_i in J's complement, junk d_i orthonormal

    The functional directions come first.
    """

    directions: Float[Tensor, "feature d_model"]
    """The true directions, of length 1."""
    functional: int
    """How many are functional."""
    probability: float
    """How often each fires."""
    noise: float
    """Standard deviation of the noise in every dimension, before scaling."""
    scale: float
    """Brings the mean squared norm to the number of dimensions."""

    @property
    def junk(self) -> Float[Tensor, "junk d_model"]:
        """An orthonormal basis of the junk subspace."""
        return self.directions[self.functional :]

    def without_junk(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """Rows with their part in the junk subspace taken away.

        Arguments:
            rows: activations or directions.
        """
        return rows - (rows @ self.junk.T) @ self.junk

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
        shape = (n, len(self.directions))
        firing = torch.rand(shape, generator=generator) < self.probability
        codes = self.scale * firing * (1 + torch.rand(shape, generator=generator))
        codes[:, self.functional :] *= JUNK_VARIANCE**0.5
        noise = torch.randn((n, self.directions.shape[1]), generator=generator)
        return codes @ self.directions + self.scale * self.noise * noise, codes

    def network(self, classes: int = 64, hidden: int = 128, seed: int = 0) -> JunkNetwork:
        """A frozen network downstream that cannot see the junk.

        Arguments:
            classes: width of the logits.
            hidden: hidden units.
            seed: of its weights.
        """
        return JunkNetwork(self.junk, classes, hidden, seed)


class JunkNetwork(nn.Module):
    """logits = W2 ReLU(W1 x + b1), with the junk subspace in the kernel of W1; its site is named ``site``.

    Arguments:
        junk: an orthonormal basis of the junk subspace.
        classes: width of the logits.
        hidden: hidden units.
        seed: of the weights, normal with variance 1 / inputs; b1 is normal with standard deviation 1/2.
    """

    def __init__(self, junk: Float[Tensor, "junk d_model"], classes: int, hidden: int, seed: int) -> None:
        super().__init__()
        width = junk.shape[1]
        self.site = nn.Identity()
        self.read, self.write = nn.Linear(width, hidden), nn.Linear(hidden, classes, bias=False)
        generator = torch.Generator().manual_seed(seed)
        first = torch.randn((hidden, width), generator=generator) / width**0.5
        with torch.no_grad():
            self.read.weight.copy_(first - (first @ junk.T) @ junk)
            self.read.bias.copy_(torch.randn(hidden, generator=generator) / 2)
            self.write.weight.copy_(torch.randn((classes, hidden), generator=generator) * (2 / hidden**0.5))
        self.requires_grad_(False)

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch classes"]:
        """Logits of activations."""
        logits: Tensor = self.write(torch.relu(self.read(self.site(x))))
        return logits


def junk_world(
    functional_features: int = 48,
    junk_features: int = 48,
    d: int = 128,
    *,
    l0: float = 8.0,
    noise: float = 0.02,
    seed: int = 0,
) -> JunkWorld:
    """Make a world with a junk subspace: equal frequencies, magnitudes 1 + u, junk of 3 times the variance.

    Arguments:
        functional_features: features that the network downstream can see.
        junk_features: features that it cannot see; they span the junk subspace.
        d: dimensions they live in.
        l0: mean number of features that fire together, half of either sort when there are as many.
        noise: standard deviation in every dimension, before scaling.
        seed: of the directions.

    Raises:
        InputError: OR05 for a junk subspace that leaves no room, or more firing features than there are.

    Example:
        >>> activations, codes = junk_world().sample(1000, seed=1)
        >>> activations.shape, codes.shape
        (torch.Size([1000, 128]), torch.Size([1000, 96]))

    Source: the junk subspace is ours; the question, which features matter to the network, is that of Braun
    et al. 2024, arXiv 2405.12241.
    """
    n = functional_features + junk_features
    if min(functional_features, junk_features) < 1 or junk_features >= d or not 0 < l0 <= n / 2:
        problem = f"{functional_features} functional and {junk_features} junk features in {d}, l0 {l0}."
        raise InputError("OR05", problem, "Give fewer than d junk features, and l0 of at most half of all.")
    generator = torch.Generator().manual_seed(seed)
    junk = torch.linalg.qr(torch.randn((d, junk_features), generator=generator)).Q.T
    drawn = torch.randn((functional_features, d), generator=generator)
    functional_directions = functional.normalize(drawn - (drawn @ junk.T) @ junk, dim=1)
    directions = torch.cat([functional_directions, junk]).contiguous()
    p = l0 / n
    sizes = torch.ones(n)
    sizes[functional_features:] = JUNK_VARIANCE**0.5
    mean = p * MEAN_MAGNITUDE * sizes
    variance = p * MEAN_SQUARED_MAGNITUDE * sizes**2 - mean**2
    squared = float((mean @ directions).square().sum() + variance.sum()) + noise**2 * d
    return JunkWorld(directions, functional_features, p, noise, (d / squared) ** 0.5)
