"""The junk is junk: it varies most, spans a subspace of its own, and the network downstream cannot see it."""

import pytest
import torch

from pellucid.findings import InputError
from pellucid.models import Model
from pellucid.organisms.junk import junk_world


def test_functional_and_junk_directions_are_orthogonal():
    made = junk_world()
    torch.testing.assert_close(made.junk @ made.junk.T, torch.eye(48), atol=1e-5, rtol=0)
    assert float((made.directions[:48] @ made.junk.T).abs().max()) < 1e-5
    torch.testing.assert_close(made.directions.norm(dim=1), torch.ones(96))


def test_junk_has_three_times_the_variance():
    made = junk_world(noise=0.0)
    activations, codes = made.sample(40_000, seed=1)
    torch.testing.assert_close(codes @ made.directions, activations)
    variance = codes.var(0)
    assert float(variance[48:].mean() / variance[:48].mean()) == pytest.approx(3, rel=0.03)
    squared = activations.square().sum(1)
    assert abs(float(squared.mean()) - 128) < 5 * float(squared.std()) / 200


def test_the_network_does_not_see_junk():
    """Adding anything from the junk subspace, or taking it away, leaves the logits as they are."""
    made = junk_world()
    network, x = made.network(), made.sample(200, seed=1)[0]
    moved = x + 10 * torch.randn(200, 48, generator=torch.Generator().manual_seed(0)) @ made.junk
    torch.testing.assert_close(network(moved), network(x), atol=1e-3, rtol=0)  # float32 through norms of 70
    torch.testing.assert_close(network(made.without_junk(x)), network(x), atol=1e-4, rtol=0)


def test_the_network_sees_what_is_functional_and_is_frozen():
    made = junk_world()
    network, x = made.network(), made.sample(200, seed=1)[0]
    without = made.without_junk(x) * 0 + (x @ made.junk.T) @ made.junk
    assert float((network(without) - network(x)).abs().max()) > 0.5
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_network_opens_as_a_model_with_its_site():
    made = junk_world()
    model, x = Model(made.network(), id="junk"), made.sample(5, seed=1)[0]
    run = model.run(x, read="site")
    assert torch.equal(run["site"], x)
    other = model.run(x, write={"site": torch.zeros_like(x)}).output
    assert float((other - run.output).abs().max()) > 0.1


def test_no_room_for_anything_functional():
    with pytest.raises(InputError, match="48 functional and 128 junk features in 128") as caught:
        junk_world(48, 128, 128)
    assert caught.value.code == "OR05"
