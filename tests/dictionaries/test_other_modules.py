"""Dictionaries of modules that are no language models: trained, spliced in, and refused where tokens are needed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pellucid.dictionaries import EndToEnd, Local, SuiteConfig, TrainConfig, evaluate, splice, train
from pellucid.findings import InputError
from pellucid.models import Model

SITES = ("0", "1", "3")


@pytest.fixture(scope="module")
def network() -> Model:
    torch.manual_seed(0)
    return Model(nn.Sequential(nn.Linear(9, 20), nn.ReLU(), nn.Linear(20, 14), nn.ReLU(), nn.Linear(14, 5)))


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    return torch.randn(400, 9, generator=torch.Generator().manual_seed(1))


def divergence(network, dictionary, inputs):
    clean = network.run(inputs).output.double().log_softmax(-1)
    spliced = splice(network, [dictionary]).run(inputs).output.double().log_softmax(-1)
    return (clean.exp() * (clean - spliced)).sum(-1).mean().item()


@pytest.mark.parametrize("site", SITES)
def test_training_for_the_output_keeps_more_of_it(network, inputs, site):
    settings = {"site": site, "n_features": 40, "k": 3, "steps": 150, "batch": 100, "lr": 5e-3}
    local, whole = (
        train((network, inputs), TrainConfig(**settings, objective=objective))
        for objective in (Local(), EndToEnd())
    )
    assert divergence(network, whole, inputs) < divergence(network, local, inputs)


def test_a_dictionary_of_another_width_is_still_refused(network, inputs):
    config = TrainConfig(site="0", n_features=40, k=3, steps=3, batch=100)
    sae = train((network, inputs), config)
    sae.site_in = sae.site_out = "3"
    with pytest.raises(InputError, match="reads width 20 at '3', but was given width 14"):
        splice(network, [sae]).run(inputs)


def test_a_suite_needs_widths_where_the_model_does_not_know_them(network):
    base = TrainConfig(n_features=40, k=3)
    named = SuiteConfig(base, sites=SITES, widths=(30,)).plan(network)
    assert [config.n_features for config in named.values()] == [30, 30, 30]
    with pytest.raises(InputError, match=r"module does not know the width of '0'.*Give widths=") as caught:
        SuiteConfig(base, sites=SITES, expansions=(2,)).plan(network)
    assert caught.value.code == "DI111"


def test_what_predicts_no_tokens_is_not_evaluated(network, inputs):
    sae = train((network, inputs), TrainConfig(site="3", n_features=40, k=3, steps=3, batch=100))
    with pytest.raises(
        InputError, match=r"no sequences of tokens, but float32 of shape \(400, 9\)"
    ) as caught:
        evaluate(network, sae, inputs)
    assert caught.value.code == "DI130"


def test_a_checkpoint_folder_may_be_given_as_text(network, inputs, tmp_path):
    config = TrainConfig(site="3", n_features=40, k=3, steps=4, batch=100, checkpoint_every=2)
    made = train((network, inputs), config, checkpoint=str(tmp_path / "kept"))
    assert made.sha256 == train((network, inputs), config, checkpoint=tmp_path / "kept").sha256
    assert list((tmp_path / "kept").iterdir())
