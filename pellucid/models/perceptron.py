"""A small multilayer perceptron whose sites have names: blocks.L.pre, blocks.L.post."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.findings import InputError

Activation = Literal["relu", "gelu", "tanh", "none"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


@dataclass(frozen=True)
class PerceptronConfig:
    """Shape of a Perceptron.

    Example:
        >>> PerceptronConfig(widths=(2, 8, 1)).activation
        'relu'
    """

    widths: tuple[int, ...]
    """Entries of the input, of each hidden layer, and of the output."""
    activation: Activation = "relu"
    """After every layer but the last."""
    biases: bool = True
    """Whether layers add a bias."""

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1 or self.activation not in ACTIVATIONS:
            problem = f"Perceptron of widths {self.widths} with activation {self.activation!r}."
            remedy = f"Give two widths or more, each at least 1, and one of {', '.join(ACTIVATIONS)}."
            raise InputError("MD60", problem, remedy)


class Layer(nn.Module):
    """act(W x + b): `pre` gives W x + b, `post` the activation."""

    def __init__(self, pre: nn.Module, post: nn.Module) -> None:
        super().__init__()
        self.pre, self.post = pre, post

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        return cast(Tensor, self.post(self.pre(x)))


class Perceptron(nn.Module):
    """x -> unembed(layer_n(... layer_1(x))), each layer act(W x + b).

    Arguments:
        config: the shape.
        seed: of the initial weights, normal with variance 2 / width of the input (He et al. 2015, eq. 10).

    Example:
        >>> Perceptron(PerceptronConfig((2, 8, 3)))(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(self, config: PerceptronConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        pairs = list(zip(config.widths, config.widths[1:], strict=False))
        with torch.random.fork_rng(devices=[]):  # torch's own initial values would move the global state
            layers = [nn.Linear(a, b, bias=config.biases) for a, b in pairs]
        hidden = (Layer(layer, ACTIVATIONS[config.activation]()) for layer in layers[:-1])
        self.blocks, self.unembed = nn.ModuleList(hidden), layers[-1]
        draw(self, seed)

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """The output of the last, linear layer."""
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.unembed(x))


def draw(module: nn.Module, seed: int) -> None:
    """Initial weights: normal with variance 2 / inputs of a unit; biases 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim < 2:
                parameter.zero_()
            else:
                parameter.normal_(0.0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
