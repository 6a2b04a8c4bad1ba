"""Gates of two components with a closed-form table: the ground truth of activation patching.

Heimersheim and Nanda (2024), section 3; clean input (1, 1), corrupt input (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


class Gate(nn.Module):
    """Two components read the two inputs; a subclass says what they make of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Identity(), nn.Identity()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits whose first entry is the gate's value and whose second is zero."""
        value = self.value(inputs[..., :1], inputs[..., 1:])
        return torch.cat([value, torch.zeros_like(value)], dim=-1)


class And(Gate):
    def value(self, one, two):
        return torch.relu(self.a(one) + self.b(two) - 1)


class Or(Gate):
    def value(self, one, two):
        return 1 - torch.relu(1 - self.a(one) - self.b(two))


class Additive(Gate):
    def value(self, one, two):
        return (self.a(one) + self.b(two)) / 2


class Serial(Gate):
    def value(self, one, two):
        return self.b(self.a(one))


class Backup(Gate):
    def value(self, one, two):
        primary = self.a(one)
        return primary + self.b(torch.relu(one - primary))


class Irrelevant(Gate):
    def value(self, one, two):
        return self.a(one) + 0 * self.b(two)


class Xor(Gate):
    def value(self, one, two):
        left, right = self.a(one), self.b(two)
        return torch.relu(left - right) + torch.relu(right - left)


@dataclass(frozen=True)
class Row:
    """Recovery of (a, b, both) under denoising and lost share under noising."""

    gate: type[Gate]
    denoise: tuple[float, float, float]
    noise: tuple[float, float, float]


TABLE = (
    Row(And, (0, 0, 1), (1, 1, 1)),
    Row(Or, (1, 1, 1), (0, 0, 1)),
    Row(Additive, (0.5, 0.5, 1), (0.5, 0.5, 1)),
    Row(Serial, (1, 1, 1), (1, 1, 1)),
    Row(Backup, (1, 0, 1), (0, 0, 1)),
    Row(Irrelevant, (1, 0, 1), (1, 0, 1)),
)
