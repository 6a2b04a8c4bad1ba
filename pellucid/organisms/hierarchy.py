"""A hierarchy with a known truth: parents, and children that exclude each other and imply their parent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from pellucid.findings import InputError
from pellucid.organisms.superposition import CHUNK, MEAN_MAGNITUDE, MEAN_SQUARED_MAGNITUDE


@dataclass(frozen=True)
class Hierarchy:
    """Parents that fire independently, each with at most one of its children.

        x = scale (sum_i c_i d_i + noise),   d_child = unit(own + overlap d_parent),   E |x|^2 = width

    Parents come first, then the children of the first parent, of the second, and so on.
    """

    directions: Float[Tensor, "feature d_model"]
    """The true directions, of length 1."""
    parents: Int[Tensor, " feature"]
    """The parent of each child; -1 for the parents themselves."""
    probabilities: Float[Tensor, " feature"]
    """How often a parent fires; how often a child fires when its parent does."""
    noise: float
    """Standard deviation of the noise in every dimension, before scaling."""
    scale: float
    """Brings the mean squared norm to the number of dimensions."""

    @property
    def frequencies(self) -> Float[Tensor, " feature"]:
        """How often each feature fires, children too."""
        above = self.probabilities[self.parents.clamp_min(0)]
        return torch.where(self.parents >= 0, self.probabilities * above, self.probabilities)

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
        shape = (n, len(self.parents))
        roots = int((self.parents < 0).sum())
        firing = torch.rand((n, roots), generator=generator) < self.probabilities[:roots]
        below = self.probabilities[roots:].reshape(roots, -1)
        # one draw for each parent picks at most one of its children
        ends = below.cumsum(1)
        drawn = torch.rand((n, roots, 1), generator=generator)
        chosen = (drawn < ends) & (drawn >= ends - below) & firing.unsqueeze(-1)
        on = torch.cat([firing, chosen.flatten(1)], dim=1)
        codes = self.scale * on * (1 + torch.rand(shape, generator=generator))
        noise = torch.randn((n, self.directions.shape[1]), generator=generator)
        return codes @ self.directions + self.scale * self.noise * noise, codes


def hierarchy(
    n_parents: int,
    n_children: int,
    d: int,
    *,
    l0: float = 2.0,
    share: float = 0.7,
    overlap: float = 1.0,
    noise: float = 0.02,
    seed: int = 0,
    orthogonal: bool = False,
) -> Hierarchy:
    """Make a hierarchy: Zipf frequencies among parents and among siblings, magnitudes 1 + u, Gaussian noise.

    Arguments:
        n_parents: features without a parent.
        n_children: children of each parent.
        d: dimensions they live in.
        l0: mean number of parents that fire together.
        share: how often a parent that fires has a child that fires.
        overlap: how much of the parent's direction a child's holds; 0: none.
        noise: standard deviation in every dimension, before scaling.
        seed: of the directions.
        orthogonal: orthonormal parents and own directions; else independent on the sphere.

    Raises:
        InputError: OR05 for numbers that make no hierarchy.

    Example:
        >>> made = hierarchy(8, 3, 32)
        >>> made.parents[:10].tolist()
        [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0]
    """
    n = n_parents * (1 + n_children)
    if min(n_parents, n_children) < 1 or not 0 < l0 <= n_parents / 4 or not 0 <= share <= 1:
        problem = f"A hierarchy of {n_parents} parents with {n_children} children, l0 {l0}, share {share}."
        raise InputError("OR05", problem, "Give l0 above 0 and at most n_parents / 4, and a share in 0..1.")
    if orthogonal and n > d:
        problem = f"{n} orthogonal directions in {d} dimensions."
        raise InputError("OR05", problem, "Give at most d parents and children, or orthogonal=False.")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn((n, d), generator=generator)
    own = torch.linalg.qr(drawn.T).Q.T if orthogonal else functional.normalize(drawn, dim=1)
    parents = torch.cat([torch.full((n_parents,), -1), torch.arange(n_parents).repeat_interleave(n_children)])
    raised = own[n_parents:] + overlap * own[parents[n_parents:]]
    directions = torch.cat([own[:n_parents], functional.normalize(raised, dim=1)])
    below = zipf(n_children, share)
    probabilities = torch.cat([zipf(n_parents, l0).clamp_max(0.5), below.repeat(n_parents)])
    squared = mean_squared_norm(directions, parents, probabilities) + noise**2 * d
    return Hierarchy(directions.contiguous(), parents, probabilities, noise, (d / squared) ** 0.5)


def zipf(n: int, total: float) -> Float[Tensor, " n"]:
    """Numbers that fall as 1/rank, with a given sum."""
    falling = 1 / torch.arange(1, n + 1)
    return falling * (total / falling.sum())


def mean_squared_norm(directions: Tensor, parents: Tensor, probabilities: Tensor) -> float:
    """E |x|^2 before scaling, without noise: families are independent, members of one are not."""
    roots = int((parents < 0).sum())
    d_parents, d_children = directions[:roots], directions[roots:].reshape(roots, -1, directions.shape[1])
    fires, below = probabilities[:roots], probabilities[roots:].reshape(roots, -1)
    mean = MEAN_MAGNITUDE * fires[:, None] * (d_parents + (below[..., None] * d_children).sum(1))
    along = (below * torch.einsum("pd,pcd->pc", d_parents, d_children)).sum(1)
    squared = fires * (MEAN_SQUARED_MAGNITUDE * (1 + below.sum(1)) + 2 * MEAN_MAGNITUDE**2 * along)
    return float((squared - mean.square().sum(1)).sum() + mean.sum(0).square().sum())
