"""A run from the middle is the rest of the whole run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pellucid.findings import InputError
from pellucid.models import Model, Transformer, TransformerConfig

CONFIG = TransformerConfig(
    d_vocab=11, context=6, n_layers=3, d_model=8, n_heads=2, d_mlp=16, spans=(None, 3, None)
)


@pytest.fixture
def opened() -> Model:
    return Model(Transformer(CONFIG, seed=1), id="three")


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, 11, (4, 6), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("block", [0, 1, 2, 3])
def test_the_rest_of_a_run_is_the_same_to_the_bit(opened, ids, block):
    site = f"blocks.{block}.resid_pre" if block < 3 else "blocks.2.resid_post"
    whole = opened.run(ids, read=[site, "ln_final"])
    rest = opened.run(ids, read="ln_final", resume=(block, whole[site]))
    assert torch.equal(rest.output, whole.output)
    assert torch.equal(rest["ln_final"], whole["ln_final"])


def test_writes_and_gradients_act_as_in_a_whole_run(opened, ids):
    stream = opened.run(ids, read="blocks.1.resid_pre")["blocks.1.resid_pre"].detach()
    found = []
    for resume in (None, (1, stream)):
        change = torch.zeros(8, requires_grad=True)
        write = {"blocks.1.attn_out": lambda a, c=change: a + c}
        output = opened.run(ids, write=write, resume=resume).output
        output.square().sum().backward()
        found.append(change.grad)
    torch.testing.assert_close(*found)


def test_gradients_reach_the_stream_that_was_given(opened, ids):
    stream = opened.run(ids, read="blocks.2.resid_pre")["blocks.2.resid_pre"]
    given = stream.detach().requires_grad_()
    resumed = opened.run(ids, resume=(2, given)).output.sum()
    whole = opened.run(ids, read="blocks.2.resid_pre")
    expected = torch.autograd.grad(whole.output.sum(), whole["blocks.2.resid_pre"])[0]
    torch.testing.assert_close(torch.autograd.grad(resumed, given)[0], expected)


def test_earlier_blocks_are_not_run_and_have_no_sites(opened, ids):
    calls = []
    opened.module.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    opened.run(ids, resume=(1, torch.zeros(4, 6, 8)))
    assert calls == []
    with pytest.raises(InputError, match=r"never reached 'blocks\.0\.resid_post'") as caught:
        opened.run(ids, read="blocks.0.resid_post", resume=(1, torch.zeros(4, 6, 8)))
    assert caught.value.code == "MD24"


def test_what_cannot_be_resumed_is_refused(opened, ids):
    with pytest.raises(
        InputError, match=r"three cannot resume before block 4\. Give a block from 0 to 3"
    ) as caught:
        opened.run(ids, resume=(4, torch.zeros(4, 6, 8)))
    assert caught.value.code == "MD44"
    other = Model(nn.Sequential(nn.Identity()), id="plain")
    assert not other.resumable
    with pytest.raises(InputError, match=r"plain cannot resume before block 0\. Run it from its inputs"):
        other.run(torch.ones(1), resume=(0, torch.ones(1)))
