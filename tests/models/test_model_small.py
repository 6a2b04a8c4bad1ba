"""The small families: perceptrons and convolutions with named sites."""

from __future__ import annotations

import pytest
import torch

from pellucid.findings import InputError
from pellucid.models import Convolution, ConvolutionConfig, Perceptron, PerceptronConfig, open_model


def test_a_perceptron_is_its_formula():
    net = Perceptron(PerceptronConfig((3, 5, 4, 2)))
    model, x = open_model(net), torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    run = model.run(x, read="*")
    assert torch.equal(run["blocks.0.post"], run["blocks.0.pre"].relu())
    assert torch.equal(
        run["blocks.1.pre"], run["blocks.0.post"] @ net.blocks[1].pre.weight.T + net.blocks[1].pre.bias
    )
    assert torch.equal(run["unembed"], run.output)


def test_a_convolution_is_its_formula():
    net = Convolution(ConvolutionConfig((1, 3, 4), outputs=2, kernel=3))
    model, image = open_model(net), torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    run = model.run(image, read="*")
    assert run["blocks.1.pre"].shape == (5, 4, 6, 6)
    by_hand = torch.nn.functional.conv2d(
        run["blocks.0.post"], net.blocks[1].pre.weight, net.blocks[1].pre.bias, padding=1
    )
    assert torch.allclose(run["blocks.1.pre"], by_hand, atol=1e-6)
    mean = run["blocks.1.post"].mean((2, 3))
    assert torch.allclose(net.unembed(mean), run.output, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: Perceptron(PerceptronConfig((3, 5, 2)), seed=seed),
        lambda seed: Convolution(ConvolutionConfig((1, 3), outputs=2), seed=seed),
    ],
)
def test_weights_come_from_the_seed_alone(make):
    state = torch.get_rng_state()
    first, torch_seed = open_model(make(1)).sha256, torch.get_rng_state()
    torch.manual_seed(5)
    assert open_model(make(1)).sha256 == first != open_model(make(2)).sha256
    assert torch.equal(state, torch_seed)


def test_writes_reach_the_output():
    model, x = open_model(Perceptron(PerceptronConfig((2, 4, 2), activation="tanh"))), torch.ones(1, 2)
    run = model.run(x, write={"blocks.0.post": 0.0})
    assert torch.equal(run.output, torch.zeros(1, 2))


def test_a_wide_layer_keeps_the_size_of_what_passes():
    """He et al. 2015: with variance 2 / inputs, relu layers keep the mean square."""
    net = Perceptron(PerceptronConfig((512, 512, 512, 512), biases=False))
    x = torch.randn(256, 512, generator=torch.Generator().manual_seed(9))
    run = open_model(net).run(x, read="blocks.1.pre")
    assert run["blocks.1.pre"].square().mean().item() == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(
    "given", [{"widths": (2,)}, {"widths": (2, 0)}, {"widths": (2, 2), "activation": "sine"}]
)
def test_perceptrons_that_cannot_be(given):
    with pytest.raises(InputError, match="Give two widths or more") as error:
        PerceptronConfig(**given)
    assert error.value.code == "MD60"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"channels": (1,), "outputs": 1}, "two channel counts or more"),
        ({"channels": (1, 2), "outputs": 1, "kernel": 2}, "an odd kernel"),
        ({"channels": (1, 2), "outputs": 1, "activation": "sine"}, "Choose one of relu, gelu, tanh, none"),
    ],
)
def test_convolutions_that_cannot_be(given, text):
    with pytest.raises(InputError, match=text):
        ConvolutionConfig(**given)
