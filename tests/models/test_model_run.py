"""Runs: early stops, hooks that leave nothing behind, threads that do not see each other, refused inputs."""

from __future__ import annotations

import threading

import pytest
import torch
from model_families import EVERY
from torch import nn

from pellucid.findings import InputError, MissingError
from pellucid.models import Run, Write, open_model

SOME = ["gpt2", "llama", "gemma2", "own", "own-rotary"]


def hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def called(module: nn.Module, run) -> set[str]:
    """Paths of the modules that were called while ``run()`` ran."""
    seen: set[str] = set()
    handles = [
        part.register_forward_pre_hook(lambda *_, path=path: seen.add(path))
        for path, part in module.named_modules()
    ]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return seen


@pytest.mark.parametrize("name", EVERY)
def test_until_never_calls_later_modules(name, models, tokens):
    model = models[name]
    seen = called(model.module, lambda: model.run(tokens, until="blocks.1.resid_pre"))
    layers = model.family_table.attention
    assert layers[0] in seen
    assert not any(path.startswith((layers[1], layers[2])) for path in seen)
    assert not model.run(tokens, until="blocks.1.resid_pre").sites


@pytest.mark.parametrize("name", EVERY)
def test_a_stopped_run_has_what_was_read_and_no_output(name, models, tokens):
    model = models[name]
    for site in model.sites:
        run = model.run(tokens, read=site, until=site)
        whole = model.run(tokens, read=site)
        assert torch.equal(run[site], whole[site]), site
        with pytest.raises(InputError, match=r"stopped early and has no output\. Run again without until="):
            _ = run.output


def test_a_write_or_read_after_the_stop_is_an_error(models, tokens):
    for request in ({"write": {"blocks.2.attn_out": 0.0}}, {"read": "blocks.2.attn_out"}):
        with pytest.raises(InputError) as error:
            models["own"].run(tokens, until="blocks.1.resid_mid", **request)
        assert error.value.code == "MD24"
        assert "never reached 'blocks.2.attn_out' before until='blocks.1.resid_mid'" in str(error.value)


def test_a_module_that_is_never_called_is_an_error():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(InputError, match="never reached 'idle'"):
        open_model(Lazy()).run(torch.ones(1, 2), write={"idle": 0.0})


@pytest.mark.parametrize("name", EVERY)
def test_an_exception_leaves_no_hook_behind(name, models, tokens):
    model = models[name]

    def broken(x):
        raise ZeroDivisionError

    before, clean = hooks(model.module), model.run(tokens).output
    for site in ("embed", "blocks.1.attn.scores", "blocks.2.resid_post"):
        with pytest.raises(ZeroDivisionError):
            model.run(tokens, read="*", write={site: broken}, frozen=("norm_scale", "pattern", "gate"))
    model.run(tokens, read="blocks.0.*", until="blocks.1.attn.z")
    assert hooks(model.module) == before
    assert torch.equal(model.run(tokens).output, clean)


@pytest.mark.parametrize("name", SOME)
def test_a_run_inside_a_write_is_a_run_of_its_own(name, models, tokens):
    model = models[name]
    plain = model.run(tokens, read="blocks.2.resid_pre")
    inner: list[Run] = []

    def nested(x):
        inner.append(model.run(tokens, read="blocks.2.resid_pre"))
        model.module(tokens)  # and neither does a bare call belong to the outer run
        return torch.zeros_like(x)

    outer = model.run(
        tokens,
        read=["blocks.2.resid_pre"],
        write={"blocks.1.mlp_out": nested},
    )
    assert torch.equal(inner[0].output, plain.output)
    assert torch.equal(inner[0]["blocks.2.resid_pre"], plain["blocks.2.resid_pre"])
    assert not torch.allclose(outer.output, plain.output)


@pytest.mark.parametrize("name", SOME)
def test_threads_do_not_see_each_others_writes_or_reads(name, models, tokens):
    model, results = models[name], {}
    sites = ["blocks.1.attn.pattern", "blocks.2.resid_pre"]
    factors = [None, 0.0, 0.5, 2.0]

    def request(factor):
        return (
            {"read": sites}
            if factor is None
            else {"read": sites, "write": {"blocks.0.attn_out": lambda x: factor * x}}
        )

    def work(factor, barrier):
        for _ in range(15):
            barrier.wait()
            with torch.no_grad():
                results.setdefault(factor, []).append(model.run(tokens, **request(factor)))

    with torch.no_grad():
        expected = {factor: model.run(tokens, **request(factor)) for factor in factors}
    barrier = threading.Barrier(len(factors))
    threads = [threading.Thread(target=work, args=(factor, barrier)) for factor in factors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for factor, runs in results.items():
        assert len(runs) == 15
        for run in runs:
            assert torch.equal(run.output, expected[factor].output)
            assert all(torch.equal(run[site], expected[factor][site]) for site in sites)
    assert hooks(model.module) == 0


def test_writes_apply_in_the_order_given(models, tokens):
    model, site = models["own"], "blocks.0.attn_out"
    add, double = (lambda x: x + 1), (lambda x: 2 * x)
    with torch.no_grad():
        clean = model.run(tokens, read=site)[site]
        one = model.run(tokens, read=site, write={site: [add, double]})[site]
        other = model.run(tokens, read=site, write={site: [double, Write(add, at=(0,))]})[site]
    assert torch.equal(one, (clean + 1) * 2)
    assert torch.equal(other[0], clean[0] * 2 + 1)
    assert torch.equal(other[1], clean[1] * 2)


def test_a_function_that_changes_its_argument_changes_nothing_else(models, tokens):
    with torch.no_grad():
        model = models["own"]
        clean = model.run(tokens, read="blocks.0.resid_post")["blocks.0.resid_post"]
        run = model.run(tokens, read="blocks.*.resid_*", write={"blocks.1.resid_pre": lambda x: x.zero_()})
    assert torch.equal(run["blocks.0.resid_post"], clean)
    assert not run["blocks.1.resid_pre"].any()


def test_a_write_that_does_not_fit_says_both_shapes(models, tokens):
    with pytest.raises(InputError) as error:
        models["own"].run(tokens, write={"blocks.0.attn_out": torch.zeros(5)})
    assert error.value.code == "MD20"
    assert "has shape (5,), the place has (2, 12, 32)" in str(error.value)
    with pytest.raises(InputError, match=r"at \(0, 40\) lies outside its shape \(2, 12, 32\)"):
        models["own"].run(tokens, write={"blocks.0.attn_out": Write(0.0, at=(0, 40))})
    with pytest.raises(InputError, match=r"returned nothing\. Return the new value"):
        models["own"].run(tokens, write={"blocks.0.attn_out": lambda x: None})


def test_a_site_that_was_not_read_is_named(models, tokens):
    run = models["own"].run(tokens, read=["embed"])
    with pytest.raises(MissingError, match=r"'ln_final' was not read\. This run read: embed"):
        run["ln_final"]
    assert "hook_embed" in run
    assert "ln_final" not in run


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (torch.zeros(1, 3), "MD37", r"reads tokens; torch.float32 \(1, 3\) was given"),
        (torch.zeros(3, dtype=torch.long), "MD37", r"Give whole numbers of shape \(batch, pos\)"),
        (torch.zeros(1, 0, dtype=torch.long), "MD37", "at least one"),
        ([1, 2], "MD37", "reads tokens; list was given"),
        (torch.tensor([[3, 97]]), "MD35", "Token 97 is outside the vocabulary of 97"),
        (torch.tensor([[-1, 3]]), "MD35", "Token -1 is outside"),
        (torch.zeros(1, 65, dtype=torch.long), "MD36", "65 tokens exceed the context of 64"),
    ],
)
@pytest.mark.parametrize("name", ["own", "llama"])
def test_inputs_that_cannot_be_read(name, models, given, code, text):
    with pytest.raises(InputError, match=text) as error:
        models[name].run(given)
    assert error.value.code == code


@pytest.mark.parametrize("name", EVERY)
def test_positions_move_the_tokens(name, models, tokens):
    """Rotary models see only distances; learned positions see places."""
    model = models[name]
    with torch.no_grad():
        plain = model.run(tokens).output
        same = model.run(tokens, positions=torch.arange(12)).output
        shifted = model.run(tokens, positions=torch.arange(12) + 20).output
    assert torch.equal(plain, same)
    relative = name not in {"gpt2", "own"}
    assert torch.allclose(shifted, plain, atol=1e-4) is relative


def test_positions_are_only_positions(models, tokens):
    """transformers guesses packed sequences from positions that start again; nobody packed any here."""
    again = torch.cat([torch.arange(6), torch.arange(6)])
    run = models["llama"].run(tokens, read="blocks.0.attn.pattern", positions=again)
    assert float(run["blocks.0.attn.pattern"][..., 8, 2].detach().min()) > 0


def test_an_attention_function_of_ones_own(models, tokens):
    for name in ("own", "gpt2", "gemma2"):
        seen = []

        def first_only(module, query, key, value, mask, scaling, *, seen=seen, **extra):
            seen.append(module)
            heads = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
            return heads[:, :, :1].expand_as(query).transpose(1, 2), None

        run = models[name].run(tokens, read="blocks.0.attn.*[zv]", attention=first_only)
        value = run["blocks.0.attn.v"][:, :1].repeat_interleave(4 // run["blocks.0.attn.v"].shape[2], dim=2)
        assert torch.equal(run["blocks.0.attn.z"], value.expand(2, 12, 4, 8))
        assert len(seen) == 3
        with pytest.raises(InputError, match="shows no scores or patterns"):
            models[name].run(tokens, read="blocks.0.attn.pattern", attention=first_only)


def test_texts_need_a_tokenizer(models):
    with pytest.raises(MissingError, match="has no tokenizer"):
        models["own"].run("My lord")


def test_any_module_is_read_and_written_by_its_paths():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1)))
    model, x = open_model(net), torch.randn(4, 2)
    assert list(model.sites) == ["0", "1", "2", "2.0"]
    run = model.run(x, read="*", write={"1": Write(5.0, at=(0, 1))})
    assert run["1"][0, 1].item() == 5.0
    assert torch.equal(net[2](run["1"]), run.output)


def test_modules_may_take_several_arguments_and_return_mappings():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.LSTM(2, 2, batch_first=True)

        def forward(self, x, scale=1.0):
            return {"y": self.part(x)[0] * scale, "note": "text"}

    model, x = open_model(Pair()), torch.ones(1, 3, 2)
    assert torch.equal(model.run((x, 2.0)).output, 2 * model.run(x).output)
    assert torch.equal(model.run({"x": x, "scale": 2.0}).output, 2 * model.run(x).output)
    assert torch.equal(model.run(x, write={"part": 0.0}).output, torch.zeros(1, 3, 2))


def test_a_module_that_returns_no_tensor_is_named():
    class Words(nn.Module):
        def forward(self, x):
            return "words"

    with pytest.raises(InputError, match="returned str where a tensor was wanted"):
        open_model(Words()).run(torch.ones(1))
