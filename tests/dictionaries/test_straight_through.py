"""The straight-through gradients of JumpReLU thresholds, against the formulas written out."""

from __future__ import annotations

import pytest
import torch

from pellucid.dictionaries import JumpReLU

EPS = 0.5  # so that the ends of the windows below are exact


def jump(thresholds: list[float]) -> JumpReLU:
    made = JumpReLU(3, len(thresholds), bandwidth=EPS).double()
    with torch.no_grad():
        made.threshold.copy_(torch.tensor(thresholds, dtype=torch.float64))
    return made


def by_hand(h: torch.Tensor, theta: list[float], out: torch.Tensor) -> tuple[list[float], list[float]]:
    """d(sum out z)/dtheta and d(E sum 1[h > theta])/dtheta, entry by entry."""
    z_part, count_part = [0.0] * len(theta), [0.0] * len(theta)
    for b in range(len(h)):
        for i, limit in enumerate(theta):
            if abs((float(h[b, i]) - limit) / EPS) < 0.5:
                z_part[i] -= limit / EPS * float(out[b, i])
                count_part[i] -= 1 / EPS / len(h)
    return z_part, count_part


def test_gradients_of_thresholds_and_of_h():
    theta = [0.0, 0.1, 0.5, 2.0]
    made = jump(theta)
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(200, 4, generator=generator, dtype=torch.float64).requires_grad_()
    out = torch.randn(200, 4, generator=generator, dtype=torch.float64)
    z_part, count_part = by_hand(h.detach(), theta, out)
    (made.activate(h) * out).sum().backward()
    assert made.threshold.grad.tolist() == pytest.approx(z_part, rel=1e-12)
    assert torch.equal(h.grad, out * (h > torch.tensor(theta)) * (h > 0))
    made.threshold.grad = None
    made.penalty(h, h, h).backward()
    assert made.threshold.grad.tolist() == pytest.approx(count_part, rel=1e-12)


def test_the_window_is_of_the_preactivation_and_open_at_its_ends():
    """Values just below the threshold, where z is 0, push it too; |u| = 1/2 counts as outside."""
    made = jump([0.5])
    h = torch.tensor([[0.25], [0.3], [0.75], [0.7]], dtype=torch.float64)
    made.penalty(h, h, h).backward()
    assert float(made.threshold.grad) == pytest.approx(-2 / (4 * EPS))


def test_the_comparison_is_strict_and_a_stored_threshold_below_zero_acts_as_zero():
    h = torch.tensor([[0.5, -0.05, 0.1]], dtype=torch.float64)
    made = jump([0.5, -0.1, -0.1])
    for z in (made.gate(h), made.activate(h)):
        assert z.tolist() == [[0.0, 0.0, 0.1]]
    assert float(made.penalty(h, h, h).detach()) == 1
    made.constrain()
    assert made.threshold.tolist() == [0.5, 0.0, 0.0]
