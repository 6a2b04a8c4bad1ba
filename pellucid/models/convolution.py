"""A small convolutional network whose sites have names: blocks.L.pre, blocks.L.post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.findings import InputError
from pellucid.models.perceptron import ACTIVATIONS, Activation, Layer, draw


@dataclass(frozen=True)
class ConvolutionConfig:
    """Shape of a Convolution network.

    Example:
        >>> ConvolutionConfig(channels=(1, 8), outputs=10).kernel
        3
    """

    channels: tuple[int, ...]
    """Channels of the image and of each convolution."""
    outputs: int
    """Entries of the output."""
    kernel: int = 3
    """Width and height of the kernels; odd, so that images keep their size."""
    stride: int = 1
    """Step of the kernels."""
    activation: Activation = "relu"
    """After every convolution."""

    def __post_init__(self) -> None:
        sizes = (*self.channels, self.outputs, self.stride)
        if len(self.channels) < 2 or min(sizes) < 1 or self.kernel < 1 or self.kernel % 2 == 0:
            problem = f"Convolution of channels {self.channels}, kernel {self.kernel}, stride {self.stride}."
            raise InputError("MD60", problem, "Give two channel counts or more, and an odd kernel.")
        if self.activation not in ACTIVATIONS:
            problem = f"No activation {self.activation!r}."
            raise InputError("MD60", problem, f"Choose one of {', '.join(ACTIVATIONS)}.")


class Convolution(nn.Module):
    """Convolutions with an activation after each, then the mean over the image, then a linear map.

    Arguments:
        config: the shape.
        seed: of the initial weights, as for `Perceptron`.

    Example:
        >>> Convolution(ConvolutionConfig((1, 4), 3))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """

    def __init__(self, config: ConvolutionConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        pairs = zip(config.channels, config.channels[1:], strict=False)
        with torch.random.fork_rng(devices=[]):  # torch's own initial values would move the global state
            maps = [self._map(before, after) for before, after in pairs]
            self.unembed = nn.Linear(config.channels[-1], config.outputs)
        self.blocks = nn.ModuleList(Layer(one, ACTIVATIONS[config.activation]()) for one in maps)
        self.pool = nn.AdaptiveAvgPool2d(1)
        draw(self, seed)

    def _map(self, before: int, after: int) -> nn.Conv2d:
        config = self.config
        return nn.Conv2d(before, after, config.kernel, config.stride, padding=config.kernel // 2)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch output"]:
        """The output of the linear map."""
        for block in self.blocks:
            image = block(image)
        return cast(Tensor, self.unembed(self.pool(image).flatten(1)))
